"""All bodies of a framework in one process, without a network: real flows, keys and conversions.

Stores are dictionaries, messages go through a queue in the order in which they were made, and a
day begins when the test says so. For tests of what many bodies do together, in a second.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec
import orjson

from sekisho.body import delivery
from sekisho.body.config import RehearsalOptions, read_config
from sekisho.body.context import Body
from sekisho.body.flows import alarms
from sekisho.body.generations import generation
from sekisho.body.keyring import load_keys
from sekisho.body.ports import Incoming, Json, Outgoing
from sekisho.body.service import Service
from sekisho.body.setup import Actor, set_up
from sekisho.common.canonical import canonical_json
from sekisho.common.ids import new_id
from sekisho.common.randomness import system_random
from sekisho.control.ledger import Ledger, MemoryPending, origin_of
from sekisho.exchange import parcel, seal
from sekisho.exchange.client import Answer, Client
from sekisho.exchange.directory import Directory, Peer
from sekisho.exchange.messages import kept_as
from sekisho.framework import load
from sekisho.synthetic import Person, person_of

ROOT = Path(__file__).resolve().parent.parent
START = date(2026, 4, 1)
SEED = 7
OBSERVER, DESK, INSURER = "observer", "desk-client", "insurer-client"
Task = tuple[str, str, str]
"""(body, ``handle`` or ``deliver``, message id)."""


class MemoryStore:
    """One body's records and messages. Nothing here fails half-way, so a transaction is none."""

    def __init__(self, body: str, spool: Path, tasks: deque[Task]) -> None:
        self.body, self.spool, self.tasks = body, spool, tasks
        self.records: dict[str, dict[str, bytes]] = {}
        self.streams_of: dict[str, list[Json]] = {}
        self.pending = MemoryPending()
        self.received: dict[str, Incoming] = {}
        self.sent: dict[str, tuple[Outgoing, str]] = {}

    def transaction(self) -> AbstractContextManager[None]:
        return nullcontext()

    def get(self, kind: str, key: str) -> Json | None:
        found = self.records.get(kind, {}).get(key)
        return None if found is None else orjson.loads(found)

    def find(self, kind: str, prefix: str = "") -> Iterator[tuple[str, Json]]:
        kept = self.records.get(kind, {})
        yield from [(k, orjson.loads(kept[k])) for k in sorted(kept) if k.startswith(prefix)]

    def put(self, kind: str, key: str, data: Mapping[str, Any]) -> None:
        self.records.setdefault(kind, {})[key] = orjson.dumps(data)

    def drop(self, kind: str, key: str) -> None:
        self.records.get(kind, {}).pop(key, None)

    def events(self, stream: str) -> list[Json]:
        return list(self.streams_of.get(stream, []))

    def streams(self, prefix: str) -> list[str]:
        return sorted(name for name in self.streams_of if name.startswith(prefix))

    def append(self, stream: str, expected: int, events: Sequence[Json]) -> None:
        assert len(self.events(stream)) == expected
        self.streams_of.setdefault(stream, []).extend(events)

    def rewrite(self, stream: str, events: Sequence[Json]) -> None:
        assert len(self.events(stream)) == len(events)
        self.streams_of[stream] = list(events)

    def stage(self, entry: bytes) -> None:
        self.pending.stage(entry)

    def begin_ledger_anew(self, first: bytes) -> None:
        waiting = [entry for _, entry in self.staged()]
        self.pending = MemoryPending()
        for entry in (first, *waiting):
            self.stage(entry)

    def staged(self) -> Sequence[tuple[int, bytes]]:
        return self.pending.staged()

    def settle(self, size: int) -> None:
        self.pending.settle(size)

    def keep_incoming(self, message: Incoming, size: int) -> bool:
        if message.id in self.received:
            return False
        self.received[message.id] = message
        self.tasks.append((self.body, "handle", message.id))
        return True

    def incoming(self, message_id: str) -> Incoming:
        return self.received[message_id]

    def incoming_state(self, message_id: str) -> str | None:
        kept = self.received.get(message_id)
        return None if kept is None else kept.state

    def delivered_before(self, before: datetime) -> list[Path]:
        return []

    def delivered(self, to: str, since: datetime) -> list[tuple[str, str]]:
        """Nothing here is older than its process, so all that was delivered counts."""
        return [(k, m.path) for k, (m, state) in self.sent.items() if (m.to, state) == (to, "done")]

    def deliver_again(self, message_id: str) -> None:
        self.sent[message_id] = (self.sent[message_id][0], "waiting")
        self.tasks.append((self.body, "deliver", message_id))

    def finish_incoming(self, message_id: str, state: str) -> None:
        kept = self.received[message_id]
        told = (kept.id, kept.sender, kept.path, kept.meta, kept.content_type, kept.file)
        self.received[message_id] = Incoming(*told, state)

    def keep_outgoing(self, message_id: str, message: Outgoing) -> None:
        if message_id not in self.sent:
            kept = message.file and replace(message, file=self.file("out", message_id))
            self.sent[message_id] = (kept or message, "waiting")
            self.tasks.append((self.body, "deliver", message_id))

    def outgoing(self, message_id: str) -> tuple[Outgoing, str]:
        return self.sent[message_id]

    def finish_outgoing(self, message_id: str, state: str) -> None:
        self.sent[message_id] = (self.sent[message_id][0], state)

    def undelivered(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for key, (out, state) in self.sent.items():
            if state == "waiting":
                found.setdefault(out.to, []).append(key)
        return found

    def write_spool(self, direction: str, message_id: str, body: bytes) -> Path:
        file = self.file(direction, message_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        return file

    def take_spool(self, direction: str, message_id: str, file: Path) -> Path:
        return self.write_spool(direction, message_id, file.read_bytes())

    def file(self, direction: str, message_id: str) -> Path:
        return self.spool / direction / message_id

    def traffic(self) -> Json:
        counted = Counter((out.to, out.path) for out, _ in self.sent.values())
        return {
            "paths": [
                {"direction": "out", "peer": to, "path": path, "messages": n, "bytes": 0}
                for (to, path), n in sorted(counted.items())
            ]
        }


def fast_write(path: Path, data: bytes) -> None:
    """Write a ledger's file without waiting for a disk: nothing here outlives its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def change_of(person: Person, *, split: bool = False, **more: Any) -> Json:
    """Return an insurer's word that a person's first number changed into the second."""
    old, new = person.episodes[:2]
    return {
        "old": old.spec(),
        "new": new.spec(),
        "valid_from": new.since.isoformat(),
        "reason": "insurer-change",
        "split": split,
        **more,
    }


@dataclass(frozen=True)
class MemoryClient:
    """A body's or an actor's voice: what it says is heard at once, signed by nobody."""

    town: MemoryTown
    sender: str

    def post(
        self,
        peer: Peer,
        path: str,
        body: bytes = b"",
        *,
        content_type: str = "application/octet-stream",
        meta: Mapping[str, Any] | None = None,
        message_id: str | None = None,
    ) -> Answer:
        service = self.town.services[peer.id]
        name, _, asked = path.removeprefix("/exchange/").partition("?")
        endpoint = service.endpoint(name)
        service.admit(endpoint, self.sender)
        if endpoint.mode == "query":
            said = service.query(endpoint, self.sender, dict(parse_qsl(asked)), body)
            return Answer(200, "application/json", orjson.dumps(said))
        named = message_id or new_id(system_random)
        kept = kept_as(self.sender, named)
        body = body.read_bytes() if isinstance(body, Path) else body
        file = service.body.store.write_spool("in", new_id(system_random), body)
        message = Incoming(kept, self.sender, endpoint.path, dict(meta or {}), content_type, file)
        service.body.store.keep_incoming(message, len(body))
        return Answer(202, "application/json", b"{}")

    def get(self, peer: Peer, path: str, *, meta: Mapping[str, Any] | None = None) -> Answer:
        return self.post(peer, path)


@dataclass
class MemoryTown:
    """The bodies of one framework, and whoever speaks to them."""

    file: Path
    folder: Path
    faults: tuple[str, ...] = ()
    actors: tuple[tuple[str, Any, tuple[str, ...]], ...] = ()
    """Further parties: id, kind and roles."""
    services: dict[str, Service] = field(default_factory=dict)
    tasks: deque[Task] = field(default_factory=deque)
    today: date = START

    def __post_init__(self) -> None:
        self.framework = load(self.file, ROOT)
        ports = iter(range(20000, 30000))
        keys = self.folder / "actors"
        self.deployment = set_up(
            self.framework,
            self.file,
            self.folder,
            rules=ROOT / "rules",
            ports=lambda: next(ports),
            actors=(
                Actor(OBSERVER, "observer", keys / OBSERVER),
                Actor(DESK, "desk", keys / DESK),
                Actor(INSURER, "insurer", keys / INSURER),
                *(Actor(name, kind, keys / name, roles) for name, kind, roles in self.actors),
            ),
            rehearsal=RehearsalOptions(SEED, START, self.faults),
            declared_synthetic=True,
        )
        for body in self.deployment.configs:
            self.start(body).body.ledger.integrate()

    def start(self, name: str, store: MemoryStore | None = None) -> Service:
        """Let a body begin with what its folder and ``store`` hold; a new one if there is none."""
        config, folders = read_config(self.deployment.configs[name])
        store = store or MemoryStore(name, folders.spool, self.tasks)
        keys_of = load_keys(folders.keys)
        body = Body(
            config=config,
            folders=folders,
            framework=self.framework,
            directory=Directory.read(self.folder / "directory.json"),
            keys=keys_of,
            store=cast(Any, store),
            ledger=Ledger(
                folders.ledger,
                origin_of(name, generation(folders)),
                keys_of.signing,
                store,
                write=fast_write,
            ),
            client=cast(Client, MemoryClient(self, name)),
            random=system_random,
        )
        self.services[name] = Service(body)
        return self.services[name]

    def plant(self, *faults: str) -> None:
        """From now on these mishaps happen, and no others."""
        for service in self.services.values():
            config = service.body.config
            assert config.rehearsal is not None
            options = msgspec.structs.replace(config.rehearsal, faults=faults)
            config = msgspec.structs.replace(config, rehearsal=options)
            service.body = replace(service.body, config=config)

    def next_on(self, name: str, path: str) -> int:
        """Return which message on a path a body will send next, as mishaps count them."""
        sent = self.body(name).store.get(delivery.COUNTED, path)
        return 1 if sent is None else sent["count"] + 1

    def alarms(self, since: date | None = None) -> list[Json]:
        """Return all alarms of all bodies that were raised on ``since`` or later."""
        return [
            one | {"body": name}
            for name in self.services
            for one in alarms.shown(self.body(name))
            if since is None or one["since"] >= since.isoformat()
        ]

    def body(self, name: str) -> Body:
        return self.services[name].body

    def records(self, name: str, kind: str) -> dict[str, Json]:
        return dict(self.body(name).store.find(kind))

    def entries(self, name: str, kind: str) -> list[Mapping[str, Any]]:
        return [one.body for one in self.body(name).ledger.entries() if one.kind == kind]

    def tell(self, actor: str, body: str, path: str, message: Json) -> None:
        peer = self.deployment.directory.find(body)
        data = canonical_json(message)
        MemoryClient(self, actor).post(
            peer, f"/exchange/{path}", data, content_type="application/json"
        )

    def settle(self) -> None:
        """Do all that waits; a body whose message was refused goes on."""
        while self.tasks:
            body, what, message_id = self.tasks.popleft()
            service = self.services[body]
            state = service.handle(message_id) if what == "handle" else service.deliver(message_id)
            assert state not in {"failed", "unreachable"}, (body, what, state)

    def begin(self, day: date | None = None) -> None:
        """Begin the next day, or another, at every body."""
        self.today = day or self.today + timedelta(days=1)
        for body in self.services:
            self.tell(OBSERVER, body, "rehearsal/clock", {"day": self.today.isoformat()})
        self.settle()

    def change(self, *changes: Json) -> None:
        """Let an insurer tell the history service of changes of numbers."""
        history = self.deployment.directory.find(self.framework.with_role("history")[0])
        forms = [seal.seal(canonical_json(one), history.seal_recipient or "") for one in changes]
        MemoryClient(self, INSURER).post(
            history, "/exchange/history/change", parcel.pack({}, forms)
        )
        self.settle()

    def choose(self, desk: str, person: int, scope: str = "all", **more: Any) -> None:
        """State a person's choice at a desk."""
        history = self.deployment.directory.find(self.framework.with_role("history")[0])
        spec = person_of(SEED, person).spec(self.today)
        plain = {k: v.isoformat() if isinstance(v, date) else v for k, v in spec.items()}
        form = seal.seal(canonical_json(plain), history.seal_recipient or "").hex()
        self.tell(DESK, desk, "opt_out/choice", {"scope": scope, "form": form, **more})
        self.settle()
