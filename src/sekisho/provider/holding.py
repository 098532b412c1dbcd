"""Holding persons back whose records may not go to a certified operator (yet).

What is held is counted in the balance as withheld, with its cause, and goes as soon as it may: the
files are then sent again, without those persons who still wait.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.common.ids import BodyId, Tag
from sekisho.framework import NOTICE_PERIOD, Framework, collects_from
from sekisho.provider.balance import Line, lines_of
from sekisho.provider.notice import Notice, Notices
from sekisho.provider.submission import Part, Prepared
from sekisho.pseudonym.identifiers import NOBODY, canonical

OBJECTION: Final = "objection"
"""The person said no at the provider."""
NO_NOTICE: Final = "no-notice"
"""Nobody told the person yet, so that no period runs."""


@dataclass(frozen=True)
class Held:
    """Who is held back from one submission.

    Args:
        persons: cause → number of persons.
        next_on: the first day on which one of them may go; None where no period runs.
        given_on: by body: the latest notice of the persons who go; None where none is needed.
        mark: names, under the provider's key, the set of those who are held; empty where nobody is.
    """

    persons: Mapping[str, int] = field(default_factory=dict)
    next_on: date | None = None
    given_on: Mapping[BodyId, date | None] = field(default_factory=dict)
    mark: str = ""


@dataclass(frozen=True)
class _Clock:
    """What the framework says of one certified body."""

    fw: Framework
    body: BodyId
    today: date

    def cause(self, notice: Notice) -> str | None:
        """Return why a person's records do not go today; None where they do."""
        if notice.objected_on is not None:
            return OBJECTION
        if not self.fw.collection.notice_days:
            return None
        if notice.told_on is None:
            return NO_NOTICE
        return NOTICE_PERIOD if self.begins(notice.told_on) > self.today else None

    def begins(self, told_on: date) -> date:
        return collects_from(self.fw, self.body, told_on)


def hold_back(
    prepared: Prepared, fw: Framework, notices: Notices, today: date, provider_key: bytes
) -> tuple[Prepared, Held]:
    """Take out of every certified operator's part whom it may not collect of today."""
    certified = {one.id for one in fw.body if one.kind == "certified"}
    parts = dict(prepared.parts)
    balance = list(prepared.balance)
    causes: dict[bytes, str] = {}
    begins: list[date] = []
    given: dict[BodyId, date | None] = {}
    for body, part in prepared.parts.items():
        if body not in certified:
            continue
        clock = _Clock(fw, body, today)
        told_of = notices.of([key for _, key in part.identities])
        known = {
            tag: (key, notice)
            for (tag, key), notice in zip(part.identities, told_of, strict=True)
            if key.system != NOBODY  # a withdrawal without records: nobody is to be told
        }
        held = {tag: why for tag, (_, n) in known.items() if (why := clock.cause(n)) is not None}
        told = [n.told_on for t, (_, n) in known.items() if t not in held and n.told_on]
        given[body] = max(told) if told else None
        begins += [
            clock.begins(known[tag][1].told_on or today)
            for tag, why in held.items()
            if why == NOTICE_PERIOD
        ]
        causes |= {canonical(known[tag][0]): why for tag, why in held.items()}
        if held:
            parts[body], balance = _without(part, held, balance)
    if not causes:
        return prepared, Held(given_on=given)
    state = hmac.new(provider_key, b"held", "sha256")
    for name in sorted(causes):
        state.update(len(name).to_bytes(4, "big") + name)
    return replace(prepared, parts=parts, balance=tuple(balance)), Held(
        dict(Counter(causes.values())), min(begins, default=None), given, state.hexdigest()
    )


def _without(part: Part, held: Mapping[Tag, str], balance: list[Line]) -> tuple[Part, list[Line]]:
    """Return a body's part without the held persons, and the balance that says so."""
    gone = pa.array(sorted(held), pa.string())
    counted: Counter[tuple[str, str]] = Counter()
    why: dict[tuple[str, str], set[str]] = {}
    seen: set[tuple[str, str, str]] = set()
    for rows in part.tables.rows.values():
        for batch in rows.batches():
            out = pc.is_in(batch["tag"], value_set=gone)
            for record, data_class, source, tag in _distinct(batch.filter(out)):
                why.setdefault((record, data_class), set()).add(held[Tag(tag)])
                if (record, data_class, source) not in seen:
                    seen.add((record, data_class, source))
                    counted[record, data_class] += 1
    lines = [_held_line(one, part.body, counted, why) for one in balance]
    identities = tuple((tag, key) for tag, key in part.identities if tag not in held)
    own = lines_of(lines, part.body)
    return replace(
        part, tables=part.tables.without(gone), identities=identities, balance=own
    ), lines


def _distinct(rows: pa.Table) -> list[tuple[str, str, str, str]]:
    names = ["record_type", "data_class", "source_id", "tag"]
    found = rows.select(names).group_by(names).aggregate([])
    return list(zip(*(found[name].to_pylist() for name in names), strict=True))


def _held_line(
    line: Line,
    body: BodyId,
    counted: Mapping[tuple[str, str], int],
    why: Mapping[tuple[str, str], Collection[str]],
) -> Line:
    number = counted.get((line.record_type, line.data_class), 0) if line.body == body else 0
    if not number:
        return line
    causes = "+".join(sorted(why[line.record_type, line.data_class]))
    return replace(line, sent=line.sent - number, withheld=line.withheld + number, cause=causes)
