"""The assessment of a leak: whom, what, when, which uses, who can do what with it, what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson

from sekisho.body.config import read_config
from sekisho.body.incident.found import Found
from sekisho.body.incident.rules import Clocks, Collusion
from sekisho.common.canonical import digest_of
from sekisho.control.ledger import TileLog

Json = dict[str, Any]


@dataclass(frozen=True)
class Assessment:
    """What is known of a leak. ``sources`` go into the notices only, never into a ledger."""

    report: Json
    sources: Mapping[str, Mapping[str, list[str]]]

    @property
    def id(self) -> str:
        return str(self.report["incident"])


def assess(
    found: Found,
    ledgers: Mapping[str, list[Json]],
    body: str | None,
    collusion: Collusion,
    clocks: Clocks,
    known_on: date,
    *,
    wrongful: bool = False,
) -> Assessment:
    """Return what the leak means.

    Args:
        found: what is in the leaked folder.
        ledgers: body → its ledger's entries.
        body: whose folder it was, where that is known.
        known_on: the day on which the leak became known: the clocks start.
        wrongful: it was done with wrongful intent, or may have been (longer final report).
    """
    rules = collusion.holding(found.parts)
    actions = sorted({name for rule in rules for name in rule.actions})
    entries = ledgers.get(body, []) if body else [e for own in ledgers.values() for e in own]
    report: Json = {
        "body": body,
        "known_on": known_on.isoformat(),
        "wrongful": wrongful,
        "parts": sorted(found.parts),
        "files": found.files,
        "bytes": found.bytes,
        "sealed_bytes": found.sealed,
        "sealed_objects": found.objects,
        "unreadable": sorted(set(found.unreadable)),
        "persons": _persons(found, entries),
        "period": _period(found, entries),
        "data": _data(found),
        "providers": _providers(found, entries),
        "projects": {name: len(persons) for name, persons in sorted(found.projects.items())},
        "uses": _uses(entries),
        "reach": [
            {
                "rule": rule.id,
                "links": rule.links,
                "identifies": rule.identifies,
                "ja": rule.ja,
                "en": rule.en,
            }
            for rule in rules
        ],
        "actions": [
            {"action": n, "ja": collusion.action[n].ja, "en": collusion.action[n].en}
            for n in actions
        ],
        "deadlines": clocks.deadlines(known_on, wrongful=wrongful),
        "duty": {
            "ja": clocks.duty.ja,
            "en": clocks.duty.en,
            "source": clocks.duty.source,
        },
        "rules": {
            "collusion": f"{collusion.id} {collusion.version}: {collusion.source}",
            "clocks": f"{clocks.id} {clocks.version}",
        },
    }
    report["incident"] = f"{known_on.isoformat()}-{digest_of(report)[:12]}"
    sources = {
        provider: {data_class: sorted(names) for data_class, names in sorted(of.items())}
        for provider, of in sorted(found.sources.items())
    }
    return Assessment(report, sources)


def _persons(found: Found, entries: list[Json]) -> Json:
    """Return how many persons: counted where the files say so, else bounded from the ledgers."""
    people = max(len(found.everyone), len(found.pseudonyms))
    people = max([people, *(len(one) for one in found.projects.values())])
    if people:
        return {"exact": True, "at_least": people, "at_most": people}
    landed = [int(e["body"].get("persons", 0)) for e in _of(entries, "submission.landed")]
    if found.parts <= {"sealed-keys"} and not found.sealed:
        return {"exact": True, "at_least": 0, "at_most": 0}
    return {"exact": False, "at_least": max(landed, default=0), "at_most": sum(landed)}


def _period(found: Found, entries: list[Json]) -> Json:
    if found.first and found.last:
        return {
            "exact": True,
            "from": found.first.isoformat(),
            "to": found.last.isoformat(),
        }
    days = sorted(entry["at"][:10] for entry in _of(entries, "submission.landed"))
    return {"exact": False, "landed": {"first": days[0], "last": days[-1]} if days else None}


def _data(found: Found) -> list[Json]:
    """Return rows and persons per class and kind of data."""
    groups = sorted({(data_class, kind) for _, data_class, kind in found.rows})
    return [
        {
            "data_class": data_class,
            "kind": kind,
            "rows": sum(n for g, n in found.rows.items() if g[1:] == (data_class, kind)),
            "persons": len(
                set[str]().union(
                    *(p for g, p in found.persons.items() if g[1:] == (data_class, kind))
                )
            ),
        }
        for data_class, kind in groups
    ]


def _providers(found: Found, entries: list[Json]) -> Json:
    """Return persons and rows per provider; from the ledger where the files do not say."""
    if found.rows:
        names = sorted({provider for provider, _, _ in found.rows})
        return {
            name: {
                "exact": True,
                "rows": sum(n for g, n in found.rows.items() if g[0] == name),
                "persons": len(
                    set[str]().union(*(p for g, p in found.persons.items() if g[0] == name))
                ),
            }
            for name in names
        }
    sums: dict[str, int] = {}
    for entry in _of(entries, "submission.landed"):
        said = entry["body"]
        sums[said["provider"]] = sums.get(said["provider"], 0) + int(said.get("persons", 0))
    return {name: {"exact": False, "persons": most} for name, most in sorted(sums.items())}


def _uses(entries: list[Json]) -> list[Json]:
    """Return the projects that used data of this body, as its ledger has them."""
    found: dict[str, Json] = {}
    for entry in _of(entries, "extract.sent", "extract.made"):
        said = entry["body"]
        name = said.get("application") or said["permit"]
        one = found.setdefault(name, {"application": name, "persons": 0, "on": entry["at"][:10]})
        one["persons"] = max(one["persons"], int(said.get("persons", 0)))
    return [found[name] for name in sorted(found)]


def _of(entries: list[Json], *kinds: str) -> Iterator[Json]:
    return (entry for entry in entries if entry["kind"] in kinds)


def read_ledgers(folder: Path) -> dict[str, list[Json]]:
    """Return the entries of every ledger below ``folder`` (a run's, or copies of ledgers).

    A ledger is a folder with a checkpoint; its body is the one that its origin names.
    """
    found: dict[str, list[Json]] = {}
    for checkpoint in sorted(folder.rglob("checkpoint")):
        if not checkpoint.is_file() or not (checkpoint.parent / "tile").is_dir():
            continue
        origin = checkpoint.read_text("utf-8").partition("\n")[0]
        body = origin.split("/")[1] if origin.startswith("sekisho/") else origin
        read = [orjson.loads(entry) for entry in TileLog(checkpoint.parent).entries()]
        found.setdefault(body, []).extend(read)
    return found


def body_of(leak: Path) -> str | None:
    """Return whose folder this was, where its configuration or ledger leaked with it."""
    for file in sorted(leak.rglob("body.toml")) if leak.is_dir() else ():
        return read_config(file)[0].body
    ledgers = read_ledgers(leak) if leak.is_dir() else {}
    return next(iter(ledgers)) if len(ledgers) == 1 else None
