"""A framework as plain data: who does what, under which rules, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from sekisho.common.ids import BodyId
from sekisho.framework.choices import desks, list_recipients, registries
from sekisho.framework.deciding import lanes, windows
from sekisho.framework.extracting import crossings, environment
from sekisho.framework.findings import findings, unmeasured
from sekisho.framework.kinds import DataKinds
from sekisho.framework.labels import BASIS, BODY_KIND, DATA_CLASS, FUNCTION, SHORT_CLASS, names
from sekisho.framework.model import CLASSES, FUNCTIONS, DataClass, Framework, Function, Text
from sekisho.framework.rooms import functions_of, rooms
from sekisho.framework.submission import recipients, submission_routes

MAIN: tuple[DataClass, ...] = ("basic", "additional")
"""The classes that the memo gives to bodies; hard data it leaves open."""


def table(fw: Framework) -> list[dict[str, Any]]:
    """Return who performs each function for each class of data, with source; one row a cell."""
    rows = []
    for function in FUNCTIONS:
        for data_class in CLASSES:
            given = fw.given(function, data_class)
            bodies = given.named if given else ()
            basis = given.basis if given else "open"
            rows.append(
                {
                    "function": function,
                    "data": data_class,
                    "bodies": list(bodies),
                    "basis": basis,
                    "source": given.source if given else _open_source(fw, function, data_class),
                    "note": _text(given.note) if given and given.note else None,
                    "label": {
                        "function": _text(FUNCTION[function]),
                        "data": _text(DATA_CLASS[data_class]),
                        "bodies": _text(names(fw, bodies)),
                        "basis": _text(BASIS[basis]),
                    },
                }
            )
    return rows


def matrix(frameworks: Iterable[Framework]) -> list[dict[str, Any]]:
    """Return one row a framework: the bodies of each function, and what crosses between them.

    Each cell is ``{ja, en}``; where the classes have different bodies it says which has which.
    """
    return [
        {
            "id": fw.id,
            "title": _text(fw.title),
            **{function: _text(_cell(fw, function)) for function in FUNCTIONS},
            "crossing": _text(_crossing(fw)),
        }
        for fw in frameworks
    ]


def as_json(fw: Framework, kinds: DataKinds | None = None) -> dict[str, Any]:
    """Return the framework and what follows from it as plain data.

    ``kinds`` (`kinds_of`) is needed for the findings; without, they are left out.
    """
    described: dict[str, Any] = {
        "id": fw.id,
        "title": _text(fw.title),
        "runs": fw.runs,
        "document": {"name": _text(fw.document.name), "heading": fw.document.heading},
        "bodies": list(_bodies(fw)),
        "table": table(fw),
        "rules": rules(fw),
        "derived": derived(fw),
        "questions": [msgspec.to_builtins(one) for one in fw.open.question],
        "unmeasured": [
            {"key": key, "value": value, "why": why} for key, value, why in unmeasured(fw)
        ],
    }
    if kinds is not None:
        described["findings"] = [
            {"code": one.code, "key": one.key, "text": _text(one.text)}
            for one in findings(fw, kinds)
        ]
    return described


def rules(fw: Framework) -> dict[str, Any]:
    """Return the keys of a framework that are rules, by their path in the file."""
    flat: dict[str, Any] = {}
    for room in ("doors", "review", "opt_out", "collection", "holding", "linkage"):
        value = getattr(fw, room)
        for key, item in msgspec.to_builtins(value).items() if value is not None else ():
            flat[f"{room}.{key}"] = item
    for key, item in msgspec.to_builtins(fw.open).items():
        if key not in ("sources", "question", "unassigned"):
            flat[f"open.{key}"] = item
    return flat


def derived(fw: Framework) -> dict[str, Any]:
    """Return what follows: doors, desks, lanes, environment, crossings; counts for `compare`."""
    operators: list[str | None] = [None]
    for data_class in MAIN:
        given = fw.given("collection", data_class)
        if given and len(given.named) > 1:
            operators += [body for body in given.named if body not in operators]
    found: dict[str, Any] = {
        "desks": list(desks(fw)),
        "registries": {one: list(list_recipients(fw, one)) for one in registries(fw)},
        "lanes": _lanes(fw),
        "submissions": {
            operator or "none": {
                "doors": [route.door for route in submission_routes(fw, MAIN, operator)],
                "missing": [c for c in MAIN if recipients(fw, c, operator).body is None],
            }
            for operator in operators
        },
        "crossings": [
            {"from": c.sender, "to": c.receiver, "data": list(c.classes), "processed": c.processed}
            for c in crossings(fw, MAIN)
        ],
        "function_bodies": len(fw.function_bodies),
        "auxiliary_bodies": len(fw.body) - len(fw.function_bodies),
    }
    if all(fw.assigned("analysis", c) for c in MAIN) and fw.linkage is not None:
        found["environment"] = environment(fw, MAIN)
    return found


def _lanes(fw: Framework) -> dict[str, Any]:
    return {
        "bodies": {one.body: list(one.classes) for one in lanes(fw, MAIN)},
        "windows": [one.body for one in windows(fw, MAIN)],
    }


def _bodies(fw: Framework) -> Iterator[dict[str, Any]]:
    for body in fw.body:
        performed = functions_of(fw, body.id)
        yield {
            "id": body.id,
            "kind": body.kind,
            "title": _text(body.title),
            "kind_label": _text(BODY_KIND[body.kind]),
            "functions": [f for f in FUNCTIONS if f in performed],
            "rooms": sorted(rooms(fw, body.id)),
        }


def _cell(fw: Framework, function: Function) -> Text:
    """Who performs ``function``: one name where the main classes have the same bodies."""
    by_class = {c: fw.assigned(function, c) for c in MAIN}
    if len(set(by_class.values())) == 1:
        return _shared(fw, function, next(iter(by_class.values())))
    cells = {c: _shared(fw, function, bodies) for c, bodies in by_class.items()}
    return Text(
        ja=" / ".join(f"{SHORT_CLASS[c].ja}：{cell.ja}" for c, cell in cells.items()),
        en=" / ".join(f"{SHORT_CLASS[c].en}: {cell.en}" for c, cell in cells.items()),
    )


def _shared(fw: Framework, function: Function, bodies: tuple[BodyId, ...]) -> Text:
    named = names(fw, bodies)
    if len(bodies) < 2:
        return named
    by_contract = any(
        one.sharing == "contract" for one in fw.assignment if one.function == function
    )
    if by_contract:
        return Text(ja=f"{named.ja}（契約による）", en=f"{named.en} (by contract)")
    return Text(ja=f"{named.ja}（各自）", en=f"{named.en} (each its own)")


def _crossing(fw: Framework) -> Text:
    """What crosses for linked analysis, as ``A → B``; both ways as ``A ↔ B``."""
    legs = crossings(fw, MAIN)
    pairs = {(c.sender, c.receiver): c.processed for c in legs}
    if not pairs:
        return Text(ja="–", en="–")
    parts: list[Text] = []
    for (sender, receiver), processed in pairs.items():
        both = (receiver, sender) in pairs
        if both and fw.function_bodies.index(sender) > fw.function_bodies.index(receiver):
            continue
        arrow = "↔" if both else "→"
        left, right = names(fw, (sender,)), names(fw, (receiver,))
        when = (
            Text(ja="加工後", en="processed") if processed else Text(ja="加工前", en="unprocessed")
        )
        parts.append(
            Text(
                ja=f"{left.ja} {arrow} {right.ja}（{when.ja}）",
                en=f"{left.en} {arrow} {right.en} ({when.en})",
            )
        )
    return Text(ja="、".join(one.ja for one in parts), en=", ".join(one.en for one in parts))


def _open_source(fw: Framework, function: Function, data_class: DataClass) -> str:
    return next(
        one.source
        for one in fw.open.unassigned
        if one.function == function and data_class in one.data
    )


def _text(text: Text) -> dict[str, str]:
    return {"ja": text.ja, "en": text.en}
