"""What `sekisho.body.ports.Store` promises; run by test_store.py once for each database.

Django's settings are one to a process, so the database is named by the environment:
SEKISHO_STORE_DATABASE ("sqlite" or a URL) and SEKISHO_STORE_FOLDER.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sekisho.body.config import BodyConfig, Folders
from sekisho.body.ports import Incoming, Outgoing, Store
from sekisho.common.errors import Defect, Refusal
from sekisho.exchange.messages import REMEMBER

START = datetime(2026, 4, 1, tzinfo=UTC)
A, B = "a" * 32, "b" * 32


class MovingClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at


@pytest.fixture(scope="session")
def _django() -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    from sekisho.web.settings import settings_for

    folders = Folders(Path(os.environ["SEKISHO_STORE_FOLDER"]))
    folders.log.mkdir(parents=True)
    config = BodyConfig(
        body="one",
        framework="-",
        directory="-",
        listen="127.0.0.1:1",
        rules="-",
        database=os.environ["SEKISHO_STORE_DATABASE"],
    )
    settings.configure(**settings_for(config, folders, b"secret"))
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def store(_django: None, tmp_path: Path, clock: MovingClock) -> Iterator[Store]:
    from django.apps import apps
    from django.db import connections

    from sekisho.web.store.adapter import DjangoStore

    for model in apps.get_models():
        model.objects.all().delete()  # type: ignore[attr-defined]
    yield DjangoStore(tmp_path / "spool", clock)
    connections.close_all()


def together(*acts: Callable[[], None]) -> None:
    """Run the acts side by side, each on a connection of its own; raise what one raised."""
    raised: list[BaseException] = []

    def run(act: Callable[[], None]) -> None:
        from django.db import connections

        try:
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if raised:
        raise raised[0]


def message(
    store: Store, id_: str = A, body: bytes = b"{}", sender: str = "clinic", path: str = "x/y"
) -> Incoming:
    file = store.write_spool("in", id_, body)
    return Incoming(id_, sender, path, {"about": "件"}, "application/json", file)


# Records


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"name": "𠮷野家・髙﨑", "n": 2**60, "half": 0.5, "none": None, "yes": True},
        {"deep": [{"of": [1, [2, {"three": []}]]}], "": "empty key", "quote": "'\"\\%_"},
    ],
)
def test_a_record_comes_back_as_it_was_put(store: Store, data: dict[str, object]) -> None:
    store.put("kind", "key", data)
    assert store.get("kind", "key") == data
    assert store.get("kind", "other") is None
    assert store.get("other", "key") is None


def test_a_record_put_again_is_replaced(store: Store) -> None:
    store.put("kind", "key", {"a": 1})
    store.put("kind", "key", {"b": 2})
    assert store.get("kind", "key") == {"b": 2}
    assert len(list(store.find("kind"))) == 1


def test_records_are_found_by_exact_prefix_in_order_of_code_points(store: Store) -> None:
    keys = ["p:b", "p:B", "P:b", "p:a", "p:あ", "p:_", "p%", "p:10", "p:9", "q:1", "p:-1", "p:1"]
    for key in keys:
        store.put("kind", key, {"key": key})
    store.put("other", "p:c", {})
    assert [key for key, _ in store.find("kind")] == sorted(keys)
    wanted = sorted(key for key in keys if key.startswith("p:"))
    assert [key for key, _ in store.find("kind", "p:")] == wanted
    assert all(data == {"key": key} for key, data in store.find("kind"))
    assert [key for key, _ in store.find("kind", "p%")] == ["p%"]


@pytest.mark.parametrize("prefix", ["", "p:", "p", "\ud7ff", "p\U0010ffff", "\U0010ffff"])
def test_what_begins_alike_is_found_whole_also_at_the_ends_of_the_code(
    store: Store, prefix: str
) -> None:
    ends = (
        "p",
        "p:",
        "p;",
        "q",
        "\ud7ff",
        "\ue000",
        "p\U0010ffff",
        "\U0010ffff",
        "\U0010ffff\U0010ffff",
    )
    keys = sorted({end + more for end in ends for more in ("", "a", "あ", "𠮷", "\U0010ffff")})
    for key in keys:
        store.put("kind", key, {})
        store.append(key, 0, [{}])
    wanted = [key for key in keys if key.startswith(prefix)]
    assert [key for key, _ in store.find("kind", prefix)] == wanted
    assert store.streams(prefix) == wanted


@pytest.mark.parametrize(
    "ask", [lambda s: list(s.find("kind", "p:")), lambda s: s.streams("lane/")]
)
def test_what_begins_alike_is_found_by_an_index_and_not_by_reading_all(
    store: Store, ask: Callable[[Store], object]
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        ask(store)
    [asked] = captured.captured_queries
    with store.transaction(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # which a small table is worth
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {asked['sql']}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked['sql']}")
        plan = "\n".join(str(row[-1]) for row in cursor.fetchall())
    by_range = (
        r"Index Cond: .*(key|stream)\S* >= .*(key|stream)\S* <"
        if connection.vendor == "postgresql"
        else r"SEARCH .* INDEX .*(key|stream)>\? AND (key|stream)<\?"
    )
    assert re.search(by_range, plan), plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def test_a_dropped_record_is_gone_and_dropping_it_again_changes_nothing(store: Store) -> None:
    store.put("kind", "key", {})
    store.put("kind", "other", {})
    store.drop("kind", "key")
    store.drop("kind", "key")
    assert [key for key, _ in store.find("kind")] == ["other"]


# Transactions


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    store.put("kind", "key", {"old": 1})
    store.append("lane/1", 0, [{"n": 0}])

    def fail_at_the_end() -> None:
        with store.transaction():
            store.put("kind", "key", {"new": 1})
            store.put("kind", "more", {})
            store.append("lane/1", 1, [{"n": 1}])
            store.stage(b"entry")
            store.keep_incoming(message(store, A), 2)
            store.keep_outgoing(B, Outgoing("other", "x/y", b""))
            store.seen_nonce("clinic", "n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_at_the_end()
    assert store.get("kind", "key") == {"old": 1}
    assert store.get("kind", "more") is None
    assert store.events("lane/1") == [{"n": 0}]
    assert store.staged() == []
    assert store.queue() == {"waiting": 0, "done": 0, "failed": []}
    assert store.traffic() == {"paths": []}
    assert not store.seen_nonce("clinic", "n")


def test_what_another_transaction_has_not_committed_is_not_seen(store: Store) -> None:
    written, looked = threading.Event(), threading.Event()

    def write() -> None:
        with store.transaction():
            store.put("kind", "key", {})
            written.set()
            assert looked.wait(30)

    def look() -> None:
        assert written.wait(30)
        found = store.get("kind", "key")
        looked.set()
        assert found is None

    together(write, look)
    assert store.get("kind", "key") == {}


# Events


def test_a_stream_keeps_its_events_in_order(store: Store) -> None:
    store.append("lane/1", 0, [{"n": 0}, {"n": 1}])
    store.append("lane/1", 2, [{"n": 2}])
    store.append("lane/2", 0, [{"n": 9}])
    assert store.events("lane/1") == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert store.events("lane/3") == []
    store.append("Lane/4", 0, [{}])
    assert store.streams("lane/") == ["lane/1", "lane/2"]


@pytest.mark.parametrize("expected", [0, 2, 5])
def test_a_stream_that_moved_is_refused(store: Store, expected: int) -> None:
    store.append("lane/1", 0, [{"n": 0}])
    with pytest.raises(Defect) as refused:
        store.append("lane/1", expected, [{"n": 1}])
    assert refused.value.code == "store.stream-moved"
    assert store.events("lane/1") == [{"n": 0}]


def test_events_are_put_in_other_words_only_as_many_as_there_are(store: Store) -> None:
    store.append("lane/1", 0, [{"n": 0}, {"n": 1}])
    store.append("lane/2", 0, [{"n": 9}])
    store.rewrite("lane/1", [{"n": "erased"}, {"n": 1}])
    assert store.events("lane/1") == [{"n": "erased"}, {"n": 1}]
    assert store.events("lane/2") == [{"n": 9}]
    for other in ([], [{"n": 0}], [{}, {}, {}]):
        with pytest.raises(Defect):
            store.rewrite("lane/1", other)
    assert store.events("lane/1") == [{"n": "erased"}, {"n": 1}]


def test_of_two_who_append_side_by_side_one_is_refused(store: Store) -> None:
    read = threading.Barrier(2)
    refused: list[str] = []

    def append(n: int) -> None:
        expected = len(store.events("lane/1"))
        read.wait(30)
        try:
            with store.transaction():
                store.append("lane/1", expected, [{"by": n}, {"by": n}])
        except Defect as error:
            refused.append(error.code)

    together(lambda: append(1), lambda: append(2))
    assert refused == ["store.stream-moved"]
    assert len({event["by"] for event in store.events("lane/1")}) == 1
    assert len(store.events("lane/1")) == 2


# The ledger's entries


def test_staged_entries_have_consecutive_indices(store: Store) -> None:
    for entry in (b"a", b"", b"\x00\xff"):
        store.stage(entry)
    assert store.staged() == [(0, b"a"), (1, b""), (2, b"\x00\xff")]


def test_settled_entries_are_forgotten_and_their_indices_are_not_used_again(store: Store) -> None:
    for entry in (b"a", b"b", b"c"):
        store.stage(entry)
    store.settle(2)
    store.settle(1)
    assert store.staged() == [(2, b"c")]
    store.settle(3)
    assert store.staged() == []
    store.stage(b"d")
    assert store.staged() == [(3, b"d")]


def test_a_transaction_rolled_back_leaves_no_gap_in_the_ledger(store: Store) -> None:
    def fail() -> None:
        with store.transaction():
            store.stage(b"lost")
            raise RuntimeError

    store.stage(b"a")
    with pytest.raises(RuntimeError):
        fail()
    store.stage(b"b")
    assert store.staged() == [(0, b"a"), (1, b"b")]


@pytest.mark.parametrize("first_commits", [True, False])
def test_transactions_side_by_side_stage_without_clash_or_gap(
    store: Store, first_commits: bool
) -> None:
    """The second stages while the first has staged and not yet ended, then goes on after it."""
    staged = threading.Event()

    def first() -> None:
        try:
            with store.transaction():
                store.stage(b"first")
                staged.set()
                threading.Event().wait(0.3)
                if not first_commits:
                    raise RuntimeError
        except RuntimeError:
            pass

    def second() -> None:
        assert staged.wait(30)
        with store.transaction():
            store.stage(b"second 1")
            store.stage(b"second 2")

    together(first, second)
    entries = [b"first", b"second 1", b"second 2"][0 if first_commits else 1 :]
    assert store.staged() == list(enumerate(entries))


def test_many_who_stage_at_once_get_consecutive_indices(store: Store) -> None:
    def stage(worker: int) -> None:
        for n in range(10):
            with store.transaction():
                store.stage(f"{worker}:{n}".encode())

    together(*(lambda w=w: stage(w) for w in range(4)))  # type: ignore[misc]
    kept = store.staged()
    assert [index for index, _ in kept] == list(range(40))
    for worker in range(4):
        mine = [e for _, e in kept if e.startswith(b"%d:" % worker)]
        assert mine == [f"{worker}:{n}".encode() for n in range(10)]


# Messages


def test_a_message_is_kept_once_and_queued_once(store: Store) -> None:
    first = message(store, A, b"body")
    assert store.keep_incoming(first, 4)
    assert not store.keep_incoming(message(store, A, b"body"), 4)
    assert store.incoming(A) == first
    assert store.incoming(A).read() == b"body"
    assert store.queue()["waiting"] == 1


def test_a_message_kept_before_does_not_end_the_transaction(store: Store) -> None:
    assert store.keep_incoming(message(store, A), 2)
    with store.transaction():
        assert not store.keep_incoming(message(store, A), 2)
        store.put("kind", "key", {})
    assert store.get("kind", "key") == {}


def test_of_many_who_bring_one_message_one_keeps_it(store: Store) -> None:
    kept: list[bool] = []
    brought = message(store, A)
    together(*[lambda: kept.append(store.keep_incoming(brought, 2))] * 4)
    assert sorted(kept) == [False, False, False, True]
    assert store.queue()["waiting"] == 1


def test_a_message_has_the_body_that_it_was_kept_with(store: Store) -> None:
    """A second body under the same id, in a file of its own, does not touch the first."""
    first = store.write_spool("in", B, b"first")
    store.keep_incoming(Incoming(A, "clinic", "x/y", {}, "text/plain", first), 5)
    second = store.write_spool("in", "c" * 32, b"second")
    assert not store.keep_incoming(Incoming(A, "clinic", "x/y", {}, "text/plain", second), 6)
    assert store.incoming(A).read() == b"first"


def test_a_finished_message_says_so(store: Store) -> None:
    store.keep_incoming(message(store, A), 2)
    assert store.incoming(A).state == "waiting"
    store.finish_incoming(A, "done")
    assert store.incoming(A).state == "done"


def test_an_outgoing_message_is_kept_once(store: Store) -> None:
    out = Outgoing("other", "x/y", b"body", {"n": 1}, "text/plain")
    store.write_spool("out", B, out.body)
    store.keep_outgoing(B, out)
    store.keep_outgoing(B, Outgoing("another", "z/z", b"other"))
    kept, state = store.outgoing(B)
    assert (kept.to, kept.path, kept.meta, kept.content_type) == (
        "other",
        "x/y",
        {"n": 1},
        "text/plain",
    )
    assert kept.file is not None
    assert kept.file.read_bytes() == b"body"
    assert state == "waiting"
    assert store.queue()["waiting"] == 1


def test_a_delivered_message_needs_its_body_no_more(store: Store) -> None:
    file = store.write_spool("out", B, b"body")
    store.keep_outgoing(B, Outgoing("other", "x/y", b"body"))
    store.finish_outgoing(B, "done")
    file.unlink()
    assert store.outgoing(B) == (Outgoing("other", "x/y", b""), "done")


def test_a_delivered_message_can_be_delivered_again(store: Store) -> None:
    """What was delivered since a time is told by receiver; what is too old can be forgotten."""
    sent = datetime(2026, 4, 1, tzinfo=UTC)
    for id_, to in ((A, "other"), (B, "third")):
        file = store.write_spool("out", id_, b"body")
        store.keep_outgoing(id_, Outgoing(to, "x/y", b"body"))
        store.finish_outgoing(id_, "done")
        os.utime(file, (sent.timestamp(), sent.timestamp()))
    later = sent + timedelta(days=1)
    assert store.delivered("other", sent) == [(A, "x/y")]
    assert store.delivered("other", later) == store.delivered("nobody", sent) == []
    assert store.delivered_before(sent) == []
    assert {file.name for file in store.delivered_before(later)} == {A, B}
    before = store.queue()["waiting"]
    store.deliver_again(A)
    again, state = store.outgoing(A)
    assert (again.to, again.path, state) == ("other", "x/y", "waiting")
    assert store.file("out", A).read_bytes() == b"body"
    assert store.queue()["waiting"] == before + 1
    store.deliver_again(A)  # waits already
    assert store.queue()["waiting"] == before + 1
    assert store.delivered_before(later) == [store.file("out", B)]  # who waits is not forgotten


def test_a_ledger_begun_anew_numbers_from_zero_and_loses_nothing_unwritten(store: Store) -> None:
    for entry in (b"a", b"b", b"c"):
        store.stage(entry)
    store.settle(2)
    store.begin_ledger_anew(b"first")
    assert list(store.staged()) == [(0, b"first"), (1, b"c")]
    store.stage(b"d")
    assert list(store.staged())[-1] == (2, b"d")


def test_a_message_that_never_came_has_no_state(store: Store) -> None:
    assert store.incoming_state(A) is None
    store.keep_incoming(message(store, A), 2)
    assert store.incoming_state(A) == "waiting"


def test_a_message_in_and_a_message_out_may_share_an_id(store: Store) -> None:
    store.keep_incoming(message(store, A), 2)
    store.write_spool("out", A, b"")
    store.keep_outgoing(A, Outgoing("other", "x/y", b""))
    store.finish_outgoing(A, "failed")
    assert store.incoming(A).state == "waiting"


@pytest.mark.parametrize("name", ["../keys/signing", "a/b", "", ".", "..", "ａ", "a b"])
def test_no_message_names_a_file_outside_the_spool(store: Store, name: str) -> None:
    with pytest.raises(Defect):
        store.write_spool("in", name, b"")


def test_a_body_that_nobody_will_read_is_swept_away(store: Store) -> None:
    from sekisho.web.store.adapter import DjangoStore

    assert isinstance(store, DjangoStore)
    orphans = [store.write_spool(direction, "0" * 32, b"") for direction in ("in", "out")]
    left: dict[tuple[str, str], bool] = {}
    for n, state in enumerate(("waiting", "done", "refused", "failed"), 1):
        id_ = f"{n}" * 32
        store.keep_incoming(message(store, id_), 2)
        store.write_spool("out", id_, b"out")
        store.keep_outgoing(id_, Outgoing("other", "x/y", b"out"))
        store.finish_incoming(id_, state)
        store.finish_outgoing(id_, state)
    store.sweep()
    for n, state in enumerate(("waiting", "done", "refused", "failed"), 1):
        for direction in ("in", "out"):
            left[direction, state] = store.file(direction, f"{n}" * 32).exists()
    kept = {key for key, is_left in left.items() if is_left}
    # what was delivered stays for a receiver that must be restored
    assert kept == {("in", "waiting"), ("out", "waiting"), ("in", "failed"), ("out", "done")}
    assert not any(file.exists() for file in orphans)


# Nonces


def test_a_nonce_is_new_once_for_each_sender(store: Store) -> None:
    assert not store.seen_nonce("clinic", "n")
    assert store.seen_nonce("clinic", "n")
    assert not store.seen_nonce("clinic", "N")
    assert not store.seen_nonce("hospital", "n")


def test_of_many_who_use_one_nonce_one_is_first(store: Store) -> None:
    seen: list[bool] = []
    together(*[lambda: seen.append(store.seen_nonce("clinic", "n"))] * 4)
    assert sorted(seen) == [False, True, True, True]


def test_a_nonce_is_remembered_as_long_as_its_request_could_hold(
    store: Store, clock: MovingClock
) -> None:
    assert not store.seen_nonce("clinic", "n")
    for _ in range(4):
        clock.at += REMEMBER / 4
        store.seen_nonce("clinic", clock.at.isoformat())
        assert store.seen_nonce("clinic", "n")


def test_an_expired_nonce_is_forgotten(store: Store, clock: MovingClock) -> None:
    store.seen_nonce("clinic", "n")
    clock.at += 2 * REMEMBER + timedelta(seconds=1)
    store.seen_nonce("clinic", "later")
    assert not store.seen_nonce("clinic", "n")


def test_a_nonce_too_long_to_keep_is_refused(store: Store) -> None:
    with pytest.raises(Refusal):
        store.seen_nonce("clinic", "n" * 81)


# Counts


def test_traffic_counts_messages_and_bytes_by_direction_peer_and_path(store: Store) -> None:
    store.keep_incoming(message(store, A, sender="clinic", path="a/b"), 10)
    store.keep_incoming(message(store, B, sender="clinic", path="a/b"), 2**40)
    store.keep_incoming(message(store, "c" * 32, sender="Zoo", path="a/b"), 1)
    store.keep_outgoing("d" * 32, Outgoing("clinic", "a/b", b"12345"))
    paths = store.traffic()["paths"]
    assert paths == [
        {"direction": "in", "peer": "Zoo", "path": "a/b", "messages": 1, "bytes": 1},
        {"direction": "in", "peer": "clinic", "path": "a/b", "messages": 2, "bytes": 2**40 + 10},
        {"direction": "out", "peer": "clinic", "path": "a/b", "messages": 1, "bytes": 5},
    ]
    assert all(type(path["bytes"]) is int for path in paths)


def test_the_queue_counts_what_waits_was_done_and_failed(store: Store) -> None:
    from django_tasks_db.models import DBTaskResult

    store.keep_incoming(message(store, A), 2)
    store.keep_incoming(message(store, B), 2)
    store.keep_outgoing("c" * 32, Outgoing("other", "x/y", b""))
    assert store.queue() == {"waiting": 3, "done": 0, "failed": []}
    first, second, _ = DBTaskResult.objects.order_by("enqueued_at")
    for task, status in ((first, "SUCCESSFUL"), (second, "RUNNING")):
        task.status = status
        task.save()
    store.finish_outgoing("c" * 32, "failed")
    failed = [{"id": f"out:{'c' * 32}", "path": "x/y", "peer": "other"}]
    assert store.queue() == {"waiting": 2, "done": 1, "failed": failed}


# The tables


def test_the_migrations_make_the_tables_that_the_models_describe(store: Store) -> None:
    from django.core.management import call_command

    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
