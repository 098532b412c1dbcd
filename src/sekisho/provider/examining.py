"""The quality of a submission before it leaves: the reader's findings and the bodies' own checks.

A body names what it holds back by the provider's keyed names; here, and nowhere else, they are
found again in the provider's files, by reading these once more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import get_args

import pyarrow as pa

from sekisho.common.atomicfile import write_atomically
from sekisho.provider.balance import Line
from sekisho.provider.findings import EXPLANATIONS, About, Finding
from sekisho.provider.mending import mend_of
from sekisho.provider.names import Name
from sekisho.provider.readers import format_of
from sekisho.provider.records import Note
from sekisho.provider.sources import Limits
from sekisho.provider.submission import Prepared
from sekisho.quality import (
    CollectionRules,
    Fate,
    Language,
    Level,
    Problem,
    QualityReport,
    Text,
    Where,
    broken_records,
    measures_of,
)
from sekisho.quality.page import page

MOST_PLACES = 50
"""Places that a problem names one by one."""
_LEVELS: Mapping[About, Level] = {"refused": "refused", "doubt": "noted", "file": "file"}
Place = tuple[Where, str]
"""Where a record stands, and its record type."""


@dataclass(frozen=True)
class Source:
    """What a provider reads: its files, their format, and the key that names their records."""

    provider: str
    format_id: str
    files: Sequence[Path]
    provider_key: bytes = field(repr=False)
    limits: Limits = field(default_factory=Limits)


def examine(
    source: Source, prepared: Prepared, rules: CollectionRules, day: date, *, sent: bool = False
) -> QualityReport:
    """Return what a clerk should know of ``prepared``, which was made from ``source``."""
    broken: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for part in prepared.parts.values():
        for rule, data_class, record in broken_records(part.tables, rules, day=day):
            broken[rule][data_class].add(record)
    places = _places(source, broken)
    found = {rule: places.get(rule, set()) for rule in broken}
    held = {place for rule, at in found.items() if _level(rules, rule) == "held" for place in at}
    of_type = Counter(record_type for _, record_type in held)
    tables = _together(part.tables for part in prepared.parts.values())
    return QualityReport(
        provider=source.provider,
        format=source.format_id,
        day=day.isoformat(),
        sent=sent,
        rules=rules.version,
        files=len(source.files),
        fates=tuple(_fates(prepared, of_type)),
        problems=(*_findings(prepared), *_breaches(rules, found)),
        measures=measures_of(tables, day),
        set_aside=_summed(prepared.set_aside),
    )


def write_report(report: QualityReport, folder: Path) -> tuple[Path, ...]:
    """Write the report as JSON and as a page in each language; return the files.

    A later submission of the same format and day takes the place of an earlier one.
    """
    stem = f"quality-{report.format}-{report.day}"
    made = {f"{stem}.json": report.as_json()}
    for language in get_args(Language):
        made[f"{stem}.{language}.html"] = page(report, language).encode()
    for name, data in made.items():
        write_atomically(folder / name, data)
    return tuple(folder / name for name in made)


def _level(rules: CollectionRules, rule: str) -> Level:
    return "held" if rules.find(rule).verdict == "hold" else "noted"


def _places(
    source: Source, broken: Mapping[str, Mapping[str, Collection[str]]]
) -> dict[str, set[Place]]:
    """Return rule → the places of the records that break it, from a second reading."""
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for rule, of in broken.items():
        for data_class, records in of.items():
            for record in records:
                wanted[data_class, record].append(rule)
    if not wanted:
        return {}
    reader = format_of(source.format_id)
    classes = sorted({data_class for data_class, _ in wanted})
    names = {one: Name.of(source.provider_key, reader.family, one) for one in classes}
    found: dict[str, set[Place]] = defaultdict(set)
    for path in source.files:
        for item in reader.read(path, source.limits):
            if isinstance(item, Note):
                continue
            for data_class, name in names.items():
                unit = name("unit", item.unit)
                known = unit if item.whole else f"{unit}.{item.part}"
                for rule in wanted.get((data_class, known), ()):
                    found[rule].add((Where(path.name, item.line), item.record_type))
    return found


def _together(parts: Iterator[Mapping[str, pa.Table]]) -> dict[str, pa.Table]:
    """Return the tables of all bodies; a row that goes to two of them is counted once."""
    seen: dict[str, list[pa.Table]] = defaultdict(list)
    for tables in parts:
        for name, rows in tables.items():
            seen[name].append(rows)
    return {
        name: max(several, key=lambda rows: rows.num_rows)
        if name in ("person", "death")
        else pa.concat_tables(several)
        for name, several in seen.items()
    }


def _fates(prepared: Prepared, held: Mapping[str, int]) -> Iterator[Fate]:
    """Yield what became of each type; a record that goes with two classes counts once.

    Of such a type the line of the class in which most of it goes is told.
    """
    most: dict[str, Line] = {}
    for line in prepared.balance:
        known = most.get(line.record_type)
        if known is None or line.sent > known.sent:
            most[line.record_type] = line
    for record_type, line in sorted(most.items()):
        back = min(held.get(record_type, 0), line.sent)
        yield Fate(
            record_type,
            line.read,
            line.sent - back,
            back,
            line.refused,
            line.superseded,
            line.set_aside,
            line.withheld,
        )


def _findings(prepared: Prepared) -> Iterator[Problem]:
    by_code: dict[tuple[str, Level], list[Finding]] = defaultdict(list)
    for one in prepared.findings:
        by_code[one.code, _LEVELS[one.about]].append(one)
    for (code, level), findings in by_code.items():
        said = EXPLANATIONS[code]
        yield Problem(
            level,
            code,
            Text(said.ja, said.en),
            mend_of(code),
            said.rule,
            sum(one.count for one in findings),
            tuple(Where(one.file, one.line) for one in findings[:MOST_PLACES]),
        )


def _breaches(rules: CollectionRules, found: Mapping[str, set[Place]]) -> Iterator[Problem]:
    for code, places in found.items():
        if not places:
            continue
        rule = rules.find(code)
        at = sorted(where for where, _ in places)[:MOST_PLACES]
        yield Problem(
            _level(rules, code),
            code,
            rule.title,
            rule.mend,
            f"{rule.source} [{code}, {rules.version}]",
            len(places),
            tuple(at),
        )


def _summed(reasons: Mapping[tuple[str, str], int]) -> dict[str, int]:
    summed: Counter[str] = Counter()
    for (_, reason), number in reasons.items():
        summed[reason] += number
    return dict(sorted(summed.items()))
