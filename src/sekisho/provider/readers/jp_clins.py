"""JP-CLINS (電子カルテ情報共有サービス): bundles of one report each, and documents (3文書6情報).

What a bundle must be is in `clins_rules`. One that breaks a rule is refused whole, with the bad
entry named by its number; another replaces the one with the same insured person, identifier system
and identifier value; with a Patient alone it takes that one back. A document is read like a report.
Types that the service does not handle are set aside, not refused. Many bundles may come as one
archive.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from sekisho.provider.archives import is_archive, unpacked
from sekisho.provider.readers.clins_rules import (
    COLLECTION,
    Broken,
    Opened,
    check,
    open_bundle,
    tags_of,
)
from sekisho.provider.readers.fhir import check_text, head_of, read_resource
from sekisho.provider.readers.fhir_values import Identifier
from sekisho.provider.records import UNREADABLE, Note, Outcome, Record, Unreadable, refused
from sekisho.provider.sources import Limits, SourceProblem, whole
from sekisho.pseudonym.identifiers import canonical

_INDICATION = "http://jpfhir.jp/fhir/clins/CodeSystem/JP_ehrshrs_indication"
_HELD_BACK = "UNDELIVERED"
"""未提供病名: neither other institutions nor the patient shall see it."""
_LACKING = {
    "date.missing": "no-date",
    "person.no-birth-date": "no-birth-date",
    "person.no-subject": "no-subject",
}
"""What the guide allows to be absent and a table needs: such an entry is set aside, not wrong."""


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield one record per entry, with the entry's number as the line.

    In an archive the line is the member's number, in the order of their names.
    """
    try:
        if not is_archive(path):
            yield from _file(path, str(path), limits)
            return
        with unpacked(path, limits) as members:
            for number, member in enumerate(sorted(members, key=lambda one: one.name), 1):
                for one in _file(member.path, f"{path}/{member.name}", limits):
                    yield replace(one, line=number)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)


def broken_in(data: bytes) -> Broken | None:
    """Return the rule for which the whole of a bundle would be refused; None where none is."""
    try:
        check_text(data)
        opened = open_bundle(data, "")
        _checked(opened)
    except Unreadable as problem:
        return Broken(problem.code)
    except Broken as problem:
        return problem
    return None


def _file(path: Path, file: str, limits: Limits) -> Iterator[Record | Note]:
    try:
        data = whole(path, limits)
        check_text(data)
        head = head_of(data)
        if head.resource_type != "Bundle":
            yield read_resource(data, 1, head=head)
            return
        opened = open_bundle(data, file)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)
        return
    except Unreadable as problem:
        yield refused(UNREADABLE, 1, f"file/{file}", problem.code)
        return
    yield from _records(opened, file)


def _records(of: Opened, file: str) -> Iterator[Record]:
    try:
        made = _checked(of)
    except Broken as problem:
        yield from _refused(of, file, problem)
        return
    unit = _unit(of, made)
    if of.bundle.type == COLLECTION and len(made) == 1:
        gone = replace(made[0], rows=(), outcome=Outcome.SET_ASIDE, code="withdrawn")
        made = [replace(gone, withdraws=True)]
    for part, one in enumerate(made):
        yield replace(one, unit=unit, part=part)


def _checked(of: Opened) -> list[Record]:
    """Return a record of each entry.

    Raises:
        Broken: a rule is broken, by the bundle or by what an entry says.
    """
    check(of)
    made = [_record(of, number) for number in range(len(of.items))]
    bad = next((n for n, one in enumerate(made) if one.outcome == Outcome.REFUSED), None)
    if bad is not None:
        raise Broken(made[bad].code, bad)
    return made


def _refused(of: Opened, file: str, problem: Broken) -> Iterator[Record]:
    """Refuse every entry: the bad one for its own reason, the others because of it."""
    named = problem.entry if problem.entry is not None else 0
    unit = f"refused/{file}"
    if not of.items:
        yield refused(UNREADABLE, 1, unit, problem.code)
    for number, kind in enumerate(of.kinds):
        code = problem.code if number == named else "clins.bundle-refused"
        yield refused(kind, number + 1, unit, code, part=number, whole=False)


def _record(of: Opened, number: int) -> Record:
    item, line = of.items[number], number + 1
    made = read_resource(
        item.raw,
        line,
        head=item.head,
        names=of.names,
        own_name=item.name,
        unit="",
        part=number,
        whole=False,
        insured=of.insured.get(item.name, ()),
    )
    if made.outcome == Outcome.REFUSED and made.code in _LACKING:
        return replace(made, outcome=Outcome.SET_ASIDE, code=_LACKING[made.code])
    if made.outcome == Outcome.SENT and made.record_type == "Condition" and _held_back(item.raw):
        return replace(made, rows=(), outcome=Outcome.SET_ASIDE, code="held-back")
    return made


def _held_back(raw: msgspec.Raw) -> bool:
    return any(tag.system == _INDICATION and tag.code == _HELD_BACK for tag in tags_of(raw))


def _unit(of: Opened, made: list[Record]) -> str:
    """Return the triple by which a later bundle replaces this one."""
    identity = next((one.identity for one in made if one.identity is not None), None)
    key = identity.key if identity else None
    own = next((value for _, value in identity.others), "") if identity else ""
    whose = canonical(key).decode() if key else own
    identifier = of.bundle.identifier or Identifier()
    return f"clins/{whose}|{identifier.system}|{identifier.value}"
