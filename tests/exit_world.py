"""A town in which an operator leaves: providers' records at two operators, and who chose what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from lake_rows import condition, person, transit
from memory_town import ROOT, SEED, START, MemoryClient, MemoryTown
from sekisho.body.flows.submission import snapshot
from sekisho.cdm import transit_schema
from sekisho.common.canonical import canonical_json
from sekisho.common.ids import IDENTITY, body_domain, new_tag
from sekisho.common.randomness import system_random
from sekisho.data.lake import Lake
from sekisho.exchange import parcel
from sekisho.exchange.keys import SigningKey
from sekisho.exchange.transfer import Reason, batch_parcel, encrypt_persons, make_transfer
from sekisho.pseudonym.identifiers import element_of, parse_spec
from sekisho.synthetic import person_of

LEAVER, HEIR, CLINIC = "beta", "alpha", "clinic"
FRAMEWORKS = ("2-2-certified", "4-several")
GIVEN = START - timedelta(days=60)
LAST_DAY = START + timedelta(days=4)


def town(framework: str, folder: Path, **changes: str) -> MemoryTown:
    """Return a town on its first day; ``changes``: texts of the framework's file, put in place."""
    file = ROOT / "frameworks" / f"{framework}.toml"
    if changes:
        text = file.read_text("utf-8")
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        folder.mkdir(exist_ok=True)
        file = folder / file.name
        file.write_text(text, "utf-8")
    made = MemoryTown(file, folder / "town", actors=((CLINIC, "provider", ()),))
    made.begin(START)
    return made


def submit(
    town: MemoryTown,
    to: str,
    name: str,
    records: Mapping[int, Sequence[str]],
    *,
    known_as: Mapping[int, Mapping[str, Any]] | None = None,
    said: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """Hand in a submission: person's number → source ids of conditions. Each person's own record
    comes along; the source id ``bad`` breaks a rule.

    ``known_as``: identifiers in place of today's. ``said``: columns of a person's own record.
    """
    tags = {number: new_tag(system_random) for number in records}
    conditions = [
        condition("", named(source), tag=tags[n], data_class="additional", **_broken(source))
        for n, sources in records.items()
        for source in sources
    ]
    said, known_as = said or {}, known_as or {}
    people = [
        person("", named(f"p{n}"), tag=tags[n], data_class="additional", **said.get(n, {}))
        for n in records
    ]
    tables = {
        "condition_occurrence": transit("condition_occurrence", conditions),
        "person": transit("person", people),
    }
    count = len({row["source_id"] for row in (*conditions, *people)})
    declared = {"record_type": "R", "data_class": "additional", "sent": count, "delivered": count}
    manifest = {
        "submission": name,
        "door": to,
        "format": "test",
        "declared": [{**declared, "refused": 0, "superseded": 0, "set_aside": 0}],
        "refusals": [],
        "files": [],
    }
    body = town.body(to)
    reason = Reason(
        id=f"{name}:{to}",
        kind="submission",
        from_domain=IDENTITY,
        to_domain=body_domain(to),
        receiver=to,
        room="collection",
        max_rows=len(tags),
        expires=(town.today + timedelta(days=7)).isoformat(),
        epoch=body.epoch,
    )
    persons = [
        (tag, element_of(parse_spec(known_as.get(n) or spec(town, n)))) for n, tag in tags.items()
    ]
    made = make_transfer(
        reason,
        signer=CLINIC,
        key=SigningKey.read(town.folder / "actors" / CLINIC / "signing"),
        persons=encrypt_persons(persons, body.global_key, system_random),
        payload={**tables, "manifest": pa.table({"json": [canonical_json(manifest).decode()]})},
        recipient=body.keys.seal.recipient,
        global_key=body.global_key,
        sealed=town.folder / "sealed",
    )
    door = {"submission": name, "bodies": [to], "reasons": [made.token]}
    door["notice_given_on"] = GIVEN.isoformat()
    post(town, to, "collection/submission", parcel.pack(door, [made.sealed.file.read_bytes()]))
    batch = batch_parcel([(made.token, made.batch)])
    post(town, town.framework.with_role("converter")[0], "conversion/batch", batch)
    town.settle()


def _broken(source: str) -> dict[str, Any]:
    columns = transit_schema("condition_occurrence").names
    whole: dict[str, Any] = {name: 0 for name in columns if name.endswith("_concept_id")}
    bad = {"condition_start_date": date(2999, 1, 1)} if source.startswith("bad") else {}
    return whole | bad


def named(source: str) -> str:
    """Return a source id as providers write it, from which the short name can be read again."""
    return source.encode().hex().ljust(32, "0")


def spec(town: MemoryTown, number: int) -> dict[str, Any]:
    plain = person_of(SEED, number).spec(START)
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in plain.items()}


def post(town: MemoryTown, to: str, path: str, data: bytes) -> None:
    peer = town.deployment.directory.find(to)
    MemoryClient(town, CLINIC).post(peer, f"/exchange/{path}", data)


def withdraw(town: MemoryTown, last_day: date = LAST_DAY, **changes: str) -> None:
    """Let the oversight body sign the withdrawal."""
    oversight = town.framework.with_role("oversight")[0]
    asked = {"body": LEAVER, "successor": HEIR, "ground": "closing", **changes}
    town.tell(oversight, oversight, "oversight/withdraw", {**asked, "last_day": str(last_day)})
    town.settle()


def until(town: MemoryTown, day: date) -> None:
    """Let days begin up to ``day``."""
    while town.today < day:
        town.begin()


def sources(town: MemoryTown, name: str, table: str = "condition_occurrence") -> list[str]:
    """Return the source ids of a body's current rows, each as often as it is there."""
    body = town.body(name)
    tables = Lake(body.folders.lake).everything(snapshot(body))
    found = tables[table]["source_id"].to_pylist() if table in tables else []
    return sorted(bytes.fromhex(one).rstrip(b"\0").decode() for one in found)
