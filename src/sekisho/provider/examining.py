"""The quality of a submission as its clerk is told: the reader's findings and the bodies' checks.

Both know which records they speak of; the report says where these stand in the provider's files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import get_args

from sekisho.common.atomicfile import write_atomically
from sekisho.provider.balance import Line
from sekisho.provider.findings import EXPLANATIONS, About, Finding
from sekisho.provider.inspecting import Inspection
from sekisho.provider.mending import mend_of
from sekisho.provider.places import Records
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
)
from sekisho.quality.page import page

MOST_PLACES = 50
"""Places that a problem names one by one."""
_LEVELS: Mapping[About, Level] = {"refused": "refused", "doubt": "noted", "file": "file"}


def examine(
    prepared: Prepared,
    inspected: Inspection,
    rules: CollectionRules,
    day: date,
    *,
    provider: str,
    format_id: str,
    sent: bool = False,
) -> QualityReport:
    """Return what a clerk should know of a submission."""
    held = Records(len(prepared.places))
    for rule, records in inspected.broken.items():
        if _level(rules, rule) == "held":
            held.update(records)
    return QualityReport(
        provider=provider,
        format=format_id,
        day=day.isoformat(),
        sent=sent,
        rules=rules.version,
        files=len(prepared.places.names),
        fates=tuple(_fates(prepared, prepared.places.by_type(held))),
        problems=(*_findings(prepared), *_breaches(prepared, inspected, rules)),
        measures=inspected.measures,
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


def _breaches(
    prepared: Prepared, inspected: Inspection, rules: CollectionRules
) -> Iterator[Problem]:
    for rule in rules.rule:
        if (records := inspected.broken.get(rule.id)) is None:
            continue
        yield Problem(
            _level(rules, rule.id),
            rule.id,
            rule.title,
            rule.mend,
            f"{rule.source} [{rule.id}, {rules.version}]",
            len(records),
            prepared.places.first(records, MOST_PLACES),
        )


def _summed(reasons: Mapping[tuple[str, str], int]) -> dict[str, int]:
    summed: Counter[str] = Counter()
    for (_, reason), number in reasons.items():
        summed[reason] += number
    return dict(sorted(summed.items()))
