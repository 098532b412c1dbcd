"""特定健診: health check-ups as HL7 CDA R2, one XML file each or the official ZIP of many.

Source: 特定健診情報ファイル仕様説明書 (厚生労働省); formats A3. In a ZIP, ``DATA/h*.xml`` are the
check-ups, ``ix08*.xml`` and ``su08*.xml`` say how many there are, and are held against them; claims
and schemas are counted and set aside. What a check-up says is in `checkup_document`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sekisho.provider.archives import is_archive, unpacked
from sekisho.provider.readers.checkup_document import SPECIFIC, checkup_records, report_of
from sekisho.provider.readers.xml_document import attributes, parse
from sekisho.provider.records import OTHER, UNREADABLE, Note, Outcome, Record, Unreadable, refused
from sekisho.provider.sources import Limits, SourceProblem, whole

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_INDEX = {"x": "http://tokuteikenshin.jp/checkup/2007"}
_ASIDE = {"CLAIMS": "Claim", "XSD": "Schema"}


@dataclass
class _Totals:
    """What the archive holds, and what it says that it holds (None: it does not say)."""

    documents: int = 0
    specific: int = 0
    index: int | None = None
    summary: int | None = None


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield the records of check-ups, with the member's number in the archive as the line."""
    try:
        if is_archive(path):
            yield from _archive(path, limits)
        else:
            yield from _document(path, 1, str(path), limits, _Totals())
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)


def _archive(path: Path, limits: Limits) -> Iterator[Record | Note]:
    totals = _Totals()
    with unpacked(path, limits) as members:
        for number, member in enumerate(sorted(members, key=lambda m: m.name), 1):
            unit = f"{path}/{member.name}"
            kind = _kind(PurePosixPath(member.name))
            if kind in ("Index", "Summary"):
                yield _total(kind, member.path, number, unit, limits, totals)
            elif kind == "Checkup":
                yield from _document(member.path, number, unit, limits, totals)
            else:
                why = "unknown-type" if kind == OTHER else "no-table"
                yield Record(kind, number, unit, outcome=Outcome.SET_ASIDE, code=why)
    if totals.index is None:
        yield Note(0, "checkup.index-missing", "Index")
    elif totals.index != totals.documents:
        yield Note(0, "checkup.index-count", "Index")
    if totals.summary is not None and totals.summary != totals.specific:
        yield Note(0, "checkup.summary-count", "Summary")


def _kind(inside: PurePosixPath) -> str:
    folder, name = inside.parent.name.upper(), inside.name.lower()
    if folder == "DATA" and name.endswith(".xml"):
        return "Checkup"
    if folder in _ASIDE:
        return _ASIDE[folder]
    if name.endswith(".xml") and name.startswith(("ix08", "su08")):
        return "Index" if name.startswith("ix08") else "Summary"
    return OTHER


def _total(
    kind: str, path: Path, number: int, unit: str, limits: Limits, totals: _Totals
) -> Record:
    where = "x:totalRecordCount" if kind == "Index" else "x:totalSubjectCount"
    try:
        text = next(attributes(_tree(path, limits), where, "value", _INDEX), "")
        if not (text.isascii() and text.isdigit() and len(text) <= 12):
            raise Unreadable("checkup.total")
    except Unreadable as problem:
        return refused(kind, number, unit, problem.code)
    if kind == "Index":
        totals.index = int(text)
    else:
        totals.summary = int(text)
    return Record(kind, number, unit, outcome=Outcome.SET_ASIDE, code="no-table")


def _document(
    path: Path, number: int, unit: str, limits: Limits, totals: _Totals
) -> Iterator[Record]:
    totals.documents += 1
    try:
        root = _tree(path, limits)
        report = report_of(root)
    except Unreadable as problem:
        yield refused(UNREADABLE, number, unit, problem.code)
        return
    totals.specific += report == SPECIFIC
    yield from checkup_records(root, report, number, unit)


def _tree(path: Path, limits: Limits) -> Element:
    """Return the document as a tree.

    Raises:
        Unreadable: it cannot be read, or is larger than a document may be.
    """
    try:
        return parse(whole(path, replace(limits, file_bytes=limits.document_bytes)))
    except SourceProblem as problem:
        raise Unreadable(problem.code) from None
