"""A body's ledger: goes on after any crash with the same bytes, never over a changed file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import TamperError
from sekisho.common.randomness import seeded
from sekisho.control.ledger import (
    Entry,
    Held,
    Judgement,
    Ledger,
    MemoryPending,
    TreeHead,
    Witness,
    verify_ledger,
)
from sekisho.exchange import SigningKey

KEY = SigningKey.generate(seeded("ledger"))
ORIGIN = "sekisho/alpha"
AT = datetime(2026, 4, 1, tzinfo=UTC)


def entry(number: int) -> bytes:
    return Entry("message.refused", AT, {"path": f"p{number}", "by": "b", "code": "c"}).to_bytes()


def contents(folder: Path) -> dict[str, bytes]:
    files = (one for one in sorted(folder.rglob("*")) if one.is_file())
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def filled(folder: Path, *counts: int) -> tuple[Ledger, MemoryPending]:
    """A ledger with so many entries, one checkpoint a count."""
    store = MemoryPending()
    ledger = Ledger(folder, ORIGIN, KEY, store)
    ledger.integrate()
    for count in counts:
        first = ledger.head().size
        for number in range(first, first + count):
            store.stage(entry(number))
        ledger.integrate()
    return ledger, store


def problems(folder: Path) -> list:
    return verify_ledger(folder, ORIGIN, KEY.public)


def test_a_new_ledger_is_a_signed_empty_tree(tmp_path: Path) -> None:
    ledger, _ = filled(tmp_path)
    assert ledger.head().size == 0
    assert list(contents(tmp_path)) == ["checkpoint"]
    assert problems(tmp_path) == []


def test_staged_entries_are_in_the_files_once(tmp_path: Path) -> None:
    ledger, store = filled(tmp_path, 3, 300, 1)
    assert store.staged() == []
    assert ledger.integrate().size == 304
    assert [one.body["path"] for one in ledger.entries()] == [f"p{n}" for n in range(304)]
    assert ledger.entry(303).body["path"] == "p303"
    assert problems(tmp_path) == []


class Crash(Exception):
    """The process ends here."""


def crashing(after: int) -> Callable[[Path, bytes], None]:
    """A writer that ends the process before its write number ``after``, leaving half a file."""
    left = after

    def write(path: Path, data: bytes) -> None:
        nonlocal left
        if left == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.4711.new").write_bytes(data[: len(data) // 2])
            raise Crash
        left -= 1
        write_atomically(path, data)

    return write


@pytest.mark.parametrize("settled", [0, 5, 250])
def test_a_crash_at_any_write_leads_to_the_same_bytes(tmp_path: Path, settled: int) -> None:
    """250 + 20 crosses a bundle: full bundle, full tile, first hash of level 1, partials."""
    filled(tmp_path / "whole", *([settled] if settled else []), 20)
    wanted = contents(tmp_path / "whole")
    step = 0
    while True:
        folder = tmp_path / f"crash-{step}"
        _, store = filled(folder, *([settled] if settled else []))
        for number in range(settled, settled + 20):
            store.stage(entry(number))
        try:
            Ledger(folder, ORIGIN, KEY, store, write=crashing(step)).integrate()
        except Crash:
            assert Ledger(folder, ORIGIN, KEY, store).integrate().size == settled + 20
            assert contents(folder) == wanted
            assert problems(folder) == []
            shutil.rmtree(folder)
            step += 1
        else:
            break
    assert step >= 3


def test_a_crash_before_old_files_are_removed_leaves_none(tmp_path: Path) -> None:
    ledger, store = filled(tmp_path, 5)
    old = contents(tmp_path)
    store.stage(entry(5))
    ledger.integrate()
    wanted = contents(tmp_path)
    for name in old.keys() - {"checkpoint"}:
        write_atomically(tmp_path / name, old[name])
    Ledger(tmp_path, ORIGIN, KEY, store).integrate()
    assert contents(tmp_path) == wanted


def test_a_crash_before_settling_doubles_nothing(tmp_path: Path) -> None:
    class Crashing(MemoryPending):
        crash = True

        def settle(self, size: int) -> None:
            if self.crash:
                raise Crash
            super().settle(size)

    store = Crashing()
    for number in range(7):
        store.stage(entry(number))
    with pytest.raises(Crash):
        Ledger(tmp_path, ORIGIN, KEY, store).integrate()
    before = contents(tmp_path)
    store.crash = False
    assert Ledger(tmp_path, ORIGIN, KEY, store).integrate().size == 7
    assert contents(tmp_path) == before
    assert store.staged() == []


def test_a_smaller_batch_after_a_crash_leaves_no_premature_file(
    tmp_path: Path, monkeypatch
) -> None:
    _, store = filled(tmp_path)
    for number in range(30):
        store.stage(entry(number))
    with pytest.raises(Crash):
        Ledger(tmp_path, ORIGIN, KEY, store, write=crashing(2)).integrate()
    monkeypatch.setattr("sekisho.control.ledger.book.BATCH", 7)
    assert Ledger(tmp_path, ORIGIN, KEY, store).integrate().size == 30
    assert problems(tmp_path) == []


def test_nothing_is_signed_over_a_changed_edge(tmp_path: Path) -> None:
    _, store = filled(tmp_path, 5)
    tile = tmp_path / "tile/0/000.p/5"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    assert refused(tmp_path, store) == "ledger.edge-changed"


def test_an_older_folder_under_a_newer_database_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path / "now", 5)
    _, store = filled(tmp_path / "later", 5, 3)
    assert refused(tmp_path / "now", store) == "ledger.files-older"


def test_an_older_checkpoint_under_newer_files_removes_nothing(tmp_path: Path) -> None:
    filled(tmp_path / "old", 256)
    _, store = filled(tmp_path / "new", 256, 3)
    shutil.copy(tmp_path / "old" / "checkpoint", tmp_path / "new" / "checkpoint")
    shutil.copytree(tmp_path / "old" / "tile", tmp_path / "new" / "tile", dirs_exist_ok=True)
    before = contents(tmp_path / "new")
    with pytest.raises(TamperError) as caught:
        Ledger(tmp_path / "new", ORIGIN, KEY, store).integrate()
    assert caught.value.code == "ledger.checkpoint-older"
    assert contents(tmp_path / "new") == before


def test_a_lost_checkpoint_is_not_made_anew(tmp_path: Path) -> None:
    _, store = filled(tmp_path, 5)
    (tmp_path / "checkpoint").unlink()
    assert refused(tmp_path, store) == "ledger.checkpoint-missing"


def test_a_database_that_tells_another_story_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path, 5)
    other = MemoryPending()
    for number in (0, 1, 9):
        other.stage(entry(number))
    with pytest.raises(TamperError) as caught:
        Ledger(tmp_path, ORIGIN, KEY, other).integrate()
    assert caught.value.code == "ledger.entry-differs"


def refused(folder: Path, store: MemoryPending) -> str:
    """Stage one more entry; return why it was not taken, having seen that nothing changed."""
    store.stage(entry(99))
    before = contents(folder)
    with pytest.raises(TamperError) as caught:
        Ledger(folder, ORIGIN, KEY, store).integrate()
    assert contents(folder) == before
    return caught.value.code


WITNESS = Witness("sekisho/oversight", SigningKey.generate(seeded("witness")))
KNOWN = {"oversight": WITNESS.key.public}


def visited(ledger: Ledger, seen: TreeHead | None) -> Judgement:
    """Let the witness look at a ledger, and the ledger keep what it co-signed."""
    shown = ledger.show(seen.size if seen else 0)
    judged = WITNESS.judge(shown, ORIGIN, KEY.public, seen, AT)
    assert judged.cosigned is not None
    ledger.keep_cosigned(judged.cosigned, "oversight", WITNESS.key.public)
    return judged


def found_with_witness(folder: Path, visit: TreeHead | None = None) -> list[tuple[str, str]]:
    visits = {} if visit is None else {"oversight": visit}
    found = verify_ledger(folder, ORIGIN, KEY.public, witnesses=KNOWN, visits=visits)
    return [(one.file, one.what) for one in found]


def test_what_a_witness_co_signed_stays_beside_the_ledger_while_it_goes_on(tmp_path: Path) -> None:
    ledger, store = filled(tmp_path, 5)
    first = visited(ledger, None)
    assert found_with_witness(tmp_path, first.head) == []
    store.stage(entry(5))
    ledger.integrate()
    assert found_with_witness(tmp_path, first.head) == []
    second = visited(ledger, first.head)
    assert second.head.size == 6
    assert found_with_witness(tmp_path, second.head) == []
    # One that comes late changes nothing; verifying without knowing the witness names the file.
    assert not ledger.keep_cosigned(first.cosigned or b"", "oversight", WITNESS.key.public)
    assert found_with_witness(tmp_path, second.head) == []
    [stray] = verify_ledger(tmp_path, ORIGIN, KEY.public)
    assert stray.file == "cosigned/oversight"


def test_a_co_signature_that_is_old_missing_or_not_ours_is_found(tmp_path: Path) -> None:
    ledger, store = filled(tmp_path / "ours", 5)
    first = visited(ledger, None)
    before = (tmp_path / "ours/cosigned/oversight").read_bytes()
    store.stage(entry(5))
    ledger.integrate()
    second = visited(ledger, first.head)
    file = tmp_path / "ours/cosigned/oversight"
    for data in (before, b"", second.cosigned[:-2], None):
        file.write_bytes(data) if data is not None else file.unlink()
        assert {name for name, _ in found_with_witness(tmp_path / "ours", second.head)} == {
            "cosigned/oversight"
        }
    other, _ = filled(tmp_path / "other", 4)
    with pytest.raises(TamperError):
        other.keep_cosigned(second.cosigned, "oversight", WITNESS.key.public)
    with pytest.raises(TamperError):
        ledger.keep_cosigned(ledger.checkpoint(), "oversight", WITNESS.key.public)


def test_a_whole_history_rewritten_with_the_bodys_own_key_is_found_by_its_witness(
    tmp_path: Path,
) -> None:
    """Edited, deleted, reordered, truncated: each is a ledger that verifies by itself."""
    honest, _ = filled(tmp_path / "honest", 5)
    seen = visited(honest, None).head
    histories = {
        "edited": [entry(0), entry(1), entry(9), entry(3), entry(4)],
        "deleted": [entry(0), entry(1), entry(3), entry(4)],
        "deleted and grown": [entry(0), entry(1), entry(3), entry(4), entry(5), entry(6)],
        "reordered": [entry(0), entry(2), entry(1), entry(3), entry(4)],
        "truncated": [entry(0), entry(1)],
        "truncated and grown": [entry(0), entry(1), *(entry(n) for n in range(20, 30))],
        "emptied": [],
    }
    for name, entries in histories.items():
        store = MemoryPending()
        for one in entries:
            store.stage(one)
        forged = Ledger(tmp_path / name, ORIGIN, KEY, store)
        forged.integrate()
        assert verify_ledger(tmp_path / name, ORIGIN, KEY.public) == [], name
        judged = WITNESS.judge(forged.show(seen.size), ORIGIN, KEY.public, seen, AT)
        assert judged.cosigned is None, name
        held = [Held("a reader", seen)]
        [found] = verify_ledger(tmp_path / name, ORIGIN, KEY.public, held=held)
        assert found.file == "checkpoint", name
        assert "a reader" in found.what
        # Putting the true co-signature beside the forgery does not help either.
        (tmp_path / name / "cosigned").mkdir()
        note = (tmp_path / "honest/cosigned/oversight").read_bytes()
        (tmp_path / name / "cosigned/oversight").write_bytes(note)
        assert found_with_witness(tmp_path / name, seen), name


def test_files_that_a_crash_left_half_written_beside_the_ledger_are_swept(tmp_path: Path) -> None:
    ledger, store = filled(tmp_path, 5)
    visited(ledger, None)
    (tmp_path / "cosigned/.oversight.77.new").write_bytes(b"half")
    store.stage(entry(5))
    Ledger(tmp_path, ORIGIN, KEY, store).integrate()
    assert found_with_witness(tmp_path) == []
