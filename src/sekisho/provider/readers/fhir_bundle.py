"""FHIR R4 Bundles (transaction, batch, collection, document) and single resources, as JSON files.

Names: inside a bundle, references go to ``fullUrl`` (FHIR R4 §2.36.4). What supersedes as a whole:
a bundle with an identifier is one unit, as in JP-CLINS, where a corrected bundle replaces the
earlier one; without, each resource is its own. The ids of a transaction's POST entries mean nothing
to a server (§3.1.0.11.2), so a ``urn:uuid`` names the resource there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sekisho.provider.readers.fhir import (
    check_text,
    decode,
    head_of,
    read_resource,
    type_name,
    unit_name,
)
from sekisho.provider.readers.fhir_coverage import insured_numbers
from sekisho.provider.readers.fhir_shapes import Head
from sekisho.provider.readers.fhir_types import RESOURCE_TYPES
from sekisho.provider.readers.fhir_values import Identifier
from sekisho.provider.records import UNREADABLE, Note, Outcome, Record, Unreadable, refused
from sekisho.provider.sources import Limits, SourceProblem, whole

_URN = "urn:uuid:"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


class Request(msgspec.Struct):
    method: str | None = None
    url: str | None = None


class Entry(msgspec.Struct, rename="camel"):
    full_url: str | None = None
    resource: msgspec.Raw = msgspec.Raw()
    request: Request | None = None


class Bundle(msgspec.Struct):
    type: str | None = None
    identifier: Identifier | None = None
    entry: tuple[Entry, ...] = ()


_BUNDLE = msgspec.json.Decoder(Bundle)


@dataclass
class Item:
    """One entry: ``name`` is what references resolve to, ``unit`` what it supersedes."""

    raw: msgspec.Raw
    head: Head | None = None
    name: str = ""
    unit: str = ""
    problem: str = ""
    deletes: str = ""
    """Local name ``Type/id`` of what is gone at the source."""


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record per entry, with the line on which its resource starts."""
    try:
        data = whole(path, limits)
        check_text(data)
        head = head_of(data)
        if head.resource_type != "Bundle":
            yield read_resource(data, 1, head=head)
            return
        bundle: Bundle = decode(_BUNDLE, data)
    except SourceProblem as problem:
        yield Note(0, problem.code)
        return
    except Unreadable as problem:
        yield refused(UNREADABLE, 1, f"file/{path.name}", problem.code)
        return
    yield from _entries(bundle, data)


def _entries(bundle: Bundle, data: bytes) -> Iterator[Record]:
    scope = _scope(bundle)
    items = [item_of(bundle, entry, scope) for entry in bundle.entry]
    names, last = names_in(bundle, items), {item.unit: n for n, item in enumerate(items)}
    insured = insured_in(items, names)
    place, line = 0, 1
    for number, item in enumerate(items):
        raw = bytes(item.raw)
        found = data.find(raw, place) if raw else -1
        if found >= 0:
            line, place = line + data.count(b"\n", place, found), found
        unit, part, alone = scope or item.unit, number if scope else 0, scope is None
        if item.deletes and scope is None:
            yield deletion(item.deletes, line)
        elif item.problem or item.head is None:
            unit = scope or f"entry/{number}"
            yield refused(UNREADABLE, line, unit, item.problem, part=part, whole=alone)
        elif scope and last[item.unit] != number:
            kind, gone = type_name(item.head), Outcome.SUPERSEDED
            yield Record(kind, line, unit, outcome=gone, part=part, whole=alone)
        else:
            yield read_resource(
                raw,
                line,
                head=item.head,
                names=names,
                own_name=item.name,
                unit=unit,
                part=part,
                whole=alone,
                insured=insured.get(item.name, ()),
            )


def insured_in(items: list[Item], names: dict[str, str]) -> Mapping[str, tuple[Identifier, ...]]:
    """Return local name of a patient → the insured numbers that the bundle's coverages give."""
    kinds = [(type_name(i.head), i.name, i.raw) for i in items if i.head is not None]
    return insured_numbers(kinds, names)


def _scope(bundle: Bundle) -> str | None:
    identifier = bundle.identifier
    if bundle.type not in ("collection", "document") or not identifier or not identifier.value:
        return None
    return f"bundle/{identifier.system or ''}|{identifier.value}"


def item_of(bundle: Bundle, entry: Entry, scope: str | None) -> Item:
    """Return an entry with its names, or why it has none."""
    raw = entry.resource
    if entry.request and entry.request.method == "DELETE":
        return Item(raw, problem="fhir.deletion", deletes=_deleted(entry.request.url or ""))
    if not bytes(raw):
        return Item(raw, problem="fhir.no-entry")
    try:
        head = head_of(raw)
    except Unreadable as problem:
        return Item(raw, problem=problem.code)
    kind, url = type_name(head), entry.full_url or ""
    plain = unit_name(kind, head.id, raw)
    urn = f"{kind}/{url.removeprefix(_URN)}" if url.startswith(_URN) else ""
    name = urn or (f"{scope}/{plain}" if scope else plain)
    posted = bundle.type in ("transaction", "batch")
    unit = urn if urn and (posted or not head.id) else plain
    return Item(raw, head, name, unit)


def _deleted(url: str) -> str:
    """Return ``Type/id``, or nothing where the request names no one resource (FHIR R4 §3.1.0.7)."""
    kind, slash, identifier = "/".join(url.split("/")[-2:]).partition("/")
    plain = slash and kind in RESOURCE_TYPES and _ID.fullmatch(identifier)
    return f"{kind}/{identifier}" if plain else ""


def deletion(name: str, line: int) -> Record:
    """Return the record that takes the resource ``name`` back."""
    kind = name.partition("/")[0]
    gone = Outcome.SET_ASIDE
    return Record(kind, line, name, outcome=gone, code="withdrawn", withdraws=True)


def deletions(data: bytes, line: int) -> tuple[Record, ...]:
    """Return what a bundle of nothing but deletions takes back (Bulk Data: ``deleted``).

    Raises:
        Unreadable: it is another bundle.
    """
    bundle: Bundle = decode(_BUNDLE, data)
    items = [item_of(bundle, entry, None) for entry in bundle.entry]
    if not items or not all(item.deletes for item in items):
        raise Unreadable("fhir.bundle-in-ndjson")
    return tuple(deletion(item.deletes, line) for item in items)


def names_in(bundle: Bundle, items: list[Item]) -> dict[str, str]:
    """Return what references inside the bundle say → local names."""
    names: dict[str, str] = {}
    for entry, item in zip(bundle.entry, items, strict=True):
        if item.head is None:
            continue
        if item.head.id:
            names[f"{item.head.resource_type}/{item.head.id}"] = item.name
        if entry.full_url:
            names[entry.full_url] = item.name
    return names
