"""What a leaving body has moves to its successor through the converters, and is receipted.

Two kinds of goods: ``choices`` from registry to registry, ``records`` from body to body. Both
travel as transfers of the kind ``succession``. What the successor has already is not taken twice;
choices of the successor's own lists are applied where records land.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from sekisho.body.context import Body
from sekisho.body.flows import quarantine, registered, stopping, transfer, vocabulary
from sekisho.body.flows.exit import Withdrawal, of
from sekisho.body.flows.lists import issue
from sekisho.body.flows.submission import INHERITED, next_batch, snapshot
from sekisho.body.ports import Json, Outcome, Outgoing
from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal
from sekisho.common.ids import Domain, Tag, body_domain, new_tag, registry_domain
from sekisho.control.optout import Choice, Scope, drops
from sekisho.data import collection
from sekisho.data.lake import Lake, Snapshot, replace_ids
from sekisho.exchange import jws
from sekisho.exchange import tables as container
from sekisho.exchange.transfer import Reason
from sekisho.framework import CLASSES
from sekisho.pseudonym.group import Element, random_element

RECEIPT = "sekisho-succession-receipt"
CHOICES, RECORDS = "choices", "records"
ABOUT, PERSONS, QUARANTINE = "about", "persons", "quarantine"
VALID_DAYS = 7
TAKEN = "succession-receipts/"
"""Where a leaving body keeps what its successor signed."""


def goods(reason: str) -> str:
    """Return the name of goods in a file's name."""
    return digest(reason.encode())[:32]


# At the body that leaves


def send_choices(body: Body, said: Withdrawal, number: int) -> tuple[Outcome, Json]:
    """Send every choice that this registry holds, with its two times; return what was sent."""
    held = list(body.store.find("registry"))
    tagged = [(new_tag(body.random), wrapped, kept) for wrapped, kept in held]
    rows = sorted((str(tag), kept) for tag, _, kept in tagged)
    table = pa.table(
        {
            "tag": pa.array([tag for tag, _ in rows], pa.string()),
            "kept": pa.array([canonical_json(kept).decode() for _, kept in rows], pa.string()),
        }
    )
    persons = [(tag, body.keys.unwrap(wrapped)) for tag, wrapped, _ in tagged]
    count = sum(len(kept["choices"]) for _, kept in held)
    about = {"what": CHOICES, "rows": {CHOICES: count}, "kept_out": 0, "persons": len(persons)}
    ends = registry_domain(body.id), registry_domain(said.successor)
    return _send(body, said, number, ends, persons, {CHOICES: table}, about)


def send_records(body: Body, said: Withdrawal, number: int) -> tuple[Outcome, Json]:
    """Send the current rows of the lake and what is in quarantine; return what was sent.

    Who chose against this operator alone did not choose that another has the records: they stay,
    and are destroyed with the rest.
    """
    lake, latest = Lake(body.folders.lake), snapshot(body)
    wrapped = lake.all_wrapped()
    tags = {key: new_tag(body.random) for key in sorted(wrapped)}
    plain = {key: str(tag) for key, tag in tags.items()}
    tables = collection.under_tags(lake.everything(latest), plain)
    against = _against_us(body)
    out = {plain[key]: against[one] for key, one in wrapped.items() if one in against}
    tables, kept_out = stopping.set_aside(tables, out)
    waiting, left_out = stopping.set_aside(_quarantine(body, plain), out)
    methods = lake.methods_of(list(tags))
    told = sorted((plain[key], methods.get(key, "other")) for key in tags if plain[key] not in out)
    payload = {f"held_{name}": rows for name, rows in tables.items()} | waiting
    payload[PERSONS] = pa.table(
        {
            "tag": pa.array([tag for tag, _ in told], pa.string()),
            "method": pa.array([method for _, method in told], pa.string()),
        }
    )
    persons = [(tag, body.keys.unwrap(wrapped[k])) for k, tag in tags.items() if tag not in out]
    about = {
        "what": RECORDS,
        "rows": collection.rows_of(tables) | {QUARANTINE: _count(waiting)},
        "kept_out": _count(kept_out) + _count(left_out),
        "persons": len(persons),
    }
    ends = body_domain(body.id), body_domain(said.successor)
    return _send(body, said, number, ends, persons, payload, about)


def _count(tables: Mapping[str, pa.Table]) -> int:
    return sum(rows.num_rows for rows in tables.values())


def _against_us(body: Body) -> dict[str, tuple[str, ...]]:
    """Return wrapped pseudonym → classes that a choice against this operator alone keeps out."""
    found: dict[str, tuple[str, ...]] = {}
    for _, held in body.store.find("held-list"):
        for wrapped, texts in held["entries"].items():
            scopes = [Scope.parse(one) for one in texts if one.startswith("operator:")]
            classes = tuple(c for c in CLASSES if drops(scopes, c, body.id, stopping.NO_PURPOSE))
            if classes:
                found[wrapped] = classes
    return found


def _quarantine(body: Body, tags: Mapping[str, str]) -> dict[str, pa.Table]:
    """Return the quarantined tables under tags, each with the submission that it came in."""
    folder, found = body.folders.data / "quarantine", {}
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for number, file in enumerate(files):
        for name, rows in container.unpack(file.read_bytes()).items():
            position = rows.column_names.index("person_key")
            keys = [tags.get(key) for key in rows["person_key"].to_pylist()]
            tagged = rows.set_column(position, "tag", pa.array(keys, pa.string()))
            kept = body.store.get(quarantine.KIND, file.name) or {}
            for column, value in (("submission", file.name), ("provider", kept.get("provider"))):
                said = pa.repeat(pa.scalar(value, pa.string()), rows.num_rows)
                tagged = tagged.append_column(column, said)
            found[f"waiting_{number}_{name}"] = tagged
    return found


def _send(
    body: Body,
    said: Withdrawal,
    number: int,
    ends: tuple[Domain, Domain],
    persons: list[tuple[Tag, Element]],
    payload: Mapping[str, pa.Table],
    about: Json,
) -> tuple[Outcome, Json]:
    # A batch of nobody is refused; whether there was somebody is not to be seen on the way.
    sent = persons or [(new_tag(body.random), random_element(body.random))]
    reason = Reason(
        id=f"succession:{body.id}:{about['what']}:{number}",
        kind="succession",
        from_domain=ends[0],
        to_domain=ends[1],
        receiver=said.successor,
        room="opt_out" if about["what"] == CHOICES else "collection",
        max_rows=len(sent),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
    )
    told = {**about, "reason": reason.id}
    json = pa.table({"json": [canonical_json(told).decode()]})
    outcome = transfer.start(body, reason, sent, {**payload, ABOUT: json})
    outcome.fact(
        "exit.sent",
        reason=reason.id,
        what=about["what"],
        to=said.successor,
        rows=sum(about["rows"].values()),
        kept_out=about["kept_out"],
        persons=about["persons"],
    )
    return outcome, told


# At its successor


def arrived(body: Body, arrival: transfer.Arrived) -> Outcome:
    """Take what a leaving body sent, and give it a signed receipt."""
    said = of(body, arrival.sender)
    if said is None or said.successor != body.id:
        raise Refusal(
            "exit.not-its-successor",
            f"{arrival.sender} did not withdraw in favour of this body.",
            rule="what a body has moves to the successor that its signed withdrawal names",
        )
    about: Json = orjson.loads(arrival.tables[ABOUT]["json"][0].as_py())
    if about["what"] == CHOICES:
        return _take_choices(body, arrival, about)
    return _take_records(body, arrival, about)


def _take_choices(body: Body, arrival: transfer.Arrived, about: Json) -> Outcome:
    """Add choices that this registry lacks: learned when the other learned of them, on our lists
    from the next one on. Lists of the past, ours and theirs, stay as they were."""
    table, number = arrival.tables[CHOICES], registered.next_list(body)
    here = arrival.pseudonyms.take(map(Tag, table["tag"].to_pylist()))
    changed: dict[str, Json] = {}
    added = there = 0
    for tag, text in zip(table["tag"].to_pylist(), table["kept"].to_pylist(), strict=True):
        theirs: Json = orjson.loads(text)
        wrapped = body.keys.wrap(here[Tag(tag)])
        before = now = registered.known(body, wrapped, changed)
        for one in theirs["choices"]:
            choice = Choice.from_payload(one).payload()
            on = theirs["learned"][choice["ref"]]["on"]
            now = registered.with_choices(now, [choice], on, number)
        if now is not before:
            changed[wrapped] = now
        fresh = len(now["choices"]) - len(before["choices"])
        added, there = added + fresh, there + len(theirs["choices"]) - fresh
    outcome = Outcome(put=registered.puts(changed))
    counts = {"landed": {CHOICES: added}, "there": {CHOICES: there}, "set_aside": {}}
    outcome.add(_receipt(body, arrival, about, counts))
    outcome.add(issue(body, registered.choices_of(changed)))
    return outcome


def _take_records(body: Body, arrival: transfer.Arrived, about: Json) -> Outcome:
    """Land rows that this body lacks; what a choice in force here keeps out is set aside."""
    lake, previous = Lake(body.folders.lake), snapshot(body)
    told = arrival.tables[PERSONS]
    methods = dict(zip(told["tag"].to_pylist(), told["method"].to_pylist(), strict=True))
    wrapped = {
        tag: body.keys.wrap(element)
        for tag, element in arrival.pseudonyms.items()
        if str(tag) in methods
    }
    stopped = stopping.stopped_of(body, wrapped.items())
    sent = {k.removeprefix("held_"): v for k, v in arrival.tables.items() if k.startswith("held_")}
    kept, chosen = stopping.set_aside(sent, stopped)
    new, there = collection.part_known(kept, lake.known_sources(previous, kept))
    waiting, out = stopping.set_aside(
        {k: v for k, v in arrival.tables.items() if k.startswith("waiting_")}, stopped
    )
    present = _tags(new) | _tags(waiting)
    mine = {str(tag): one for tag, one in wrapped.items() if str(tag) in present}
    keys = lake.keys_for(
        sorted(set(mine.values())), body.random, {one: methods[tag] for tag, one in mine.items()}
    )
    persons = {tag: keys[one] for tag, one in mine.items()}
    batch = next_batch(body)
    held = {name: collection.held_as(name, rows, persons, batch) for name, rows in new.items()}
    landed = lake.land(batch, arrival.reason.id, held, vocabulary=vocabulary.in_force(body))
    made = Snapshot(1 + previous.number, landed)
    kept_waiting = _keep_waiting(body, arrival.sender, waiting, persons)
    counts = {
        "landed": collection.rows_of(new) | {QUARANTINE: _count(waiting)},
        "there": collection.rows_of(there),
        "set_aside": collection.rows_of(chosen) | {QUARANTINE: _count(out)},
    }
    outcome = Outcome(put=[("snapshot", "head", made.to_dict()), *kept_waiting])
    outcome.put.append((INHERITED, arrival.reason.id, {"from": arrival.sender, "batch": batch}))
    outcome.fact(
        "snapshot.made",
        snapshot=made.number,
        tables=dict(made.versions.tables),
        hidden=[str(number) for number in made.versions.hidden],
        reason="succession",
    )
    outcome.add(_receipt(body, arrival, about, counts, snapshot=made.number))
    return outcome


def _tags(tables: Mapping[str, pa.Table]) -> set[str]:
    found: set[str] = set()
    for rows in tables.values():
        found |= set(pc.drop_null(rows["tag"]).unique().to_pylist())
    return found


def _keep_waiting(
    body: Body, sender: str, tables: Mapping[str, pa.Table], persons: Mapping[str, str]
) -> list[tuple[str, str, Json]]:
    """Keep what the leaving body had in quarantine in ours, file by file; return its records."""
    files: dict[str, dict[str, pa.Table]] = {}
    providers: dict[str, str] = {}
    for name, rows in tables.items():
        if not rows.num_rows:
            continue
        known = rows.filter(pc.is_valid(rows["tag"]))
        unknown = rows.filter(pc.is_null(rows["tag"])).rename_columns(
            ["person_key" if column == "tag" else column for column in rows.column_names]
        )
        held = replace_ids(known, "tag", "person_key", persons)
        whole = pa.concat_tables([held, unknown])
        submission = whole["submission"][0].as_py()
        table = name.split("_", 2)[2]
        providers[submission] = whole["provider"][0].as_py() or ""
        files.setdefault(submission, {})[table] = whole.drop_columns(["submission", "provider"])
    records = []
    for submission, held in files.items():
        name = digest(f"{sender}/{submission}".encode())[:32]
        write_atomically(body.folders.data / "quarantine" / name, container.pack(held))
        # of no version: the checks in force here look at it on the next day; of no batch: objects
        # do not move, and their records come again from the provider
        kept = quarantine.held_back(name, providers[submission], "", 0)
        records.append((quarantine.KIND, name, kept))
    return records


def _receipt(
    body: Body, arrival: transfer.Arrived, about: Json, counts: Json, **more: Any
) -> Outcome:
    """Sign what became of everything that was sent; it must come out even."""
    said = {name: sum(rows.values()) for name, rows in counts.items()}
    sent = sum(about["rows"].values())
    if sum(said.values()) != sent:
        raise Refusal(
            "exit.unbalanced",
            "What came is not what the leaving body says it sent.",
            rule="sent = landed + already there + set aside",
        )
    payload = {
        "body": body.id,
        "from": arrival.sender,
        "reason": about["reason"],
        "what": about["what"],
        "sent": about["rows"],
        **counts,
        "on": body.today().isoformat(),
    }
    token = jws.sign(payload, body.keys.signing, body.id, RECEIPT)
    name = f"successions/{goods(about['reason'])}.jws"
    outcome = Outcome(documents=[(name, token)])
    outcome.fact(
        "exit.landed",
        reason=about["reason"],
        what=about["what"],
        body=arrival.sender,
        sent=sent,
        **said,
        persons=about["persons"],
        digest=digest(token.encode()),
        **more,
    )
    outcome.send.append(
        Outgoing(
            arrival.sender,
            "status/succession-receipt",
            token.encode(),
            content_type="application/jose",
        )
    )
    return outcome
