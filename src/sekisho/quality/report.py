"""What a clerk is told of one submission: what is wrong, where, and how to mend it."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from sekisho.quality.measures import Measure
from sekisho.quality.rules import Text

Level = Literal["file", "refused", "held", "noted"]
"""file: a remark on a whole file; refused: stays at the provider; held: the body puts it into
quarantine; noted: it lands all the same."""
LEVELS: tuple[Level, ...] = ("file", "refused", "held", "noted")


class Where(Struct, frozen=True, order=True):
    """A place in the provider's own files; ``line`` 0 is the whole file."""

    file: str
    line: int


class Problem(Struct, frozen=True):
    """One thing that is wrong with some records.

    Attributes:
        records: how many records it concerns.
        places: the first of them; the others are `records` less these.
    """

    level: Level
    code: str
    title: Text
    mend: Text
    rule: str
    records: int
    places: tuple[Where, ...] = ()

    def __post_init__(self) -> None:
        if self.records < 1 or len(self.places) > self.records:
            raise ValueError("a problem concerns records, and has no more places than records")

    @property
    def unnamed(self) -> int:
        return self.records - len(self.places)


class Fate(Struct, frozen=True):
    """What became of the records of one type; the parts add up to ``read``."""

    record_type: str
    read: int
    good: int
    held: int
    refused: int
    superseded: int
    set_aside: int
    withheld: int

    def __post_init__(self) -> None:
        parts = [getattr(self, name) for name in PARTS]
        if min(parts) < 0 or sum(parts) != self.read:
            raise ValueError(f"the counts of {self.record_type} are not even")


PARTS = ("good", "held", "refused", "superseded", "set_aside", "withheld")


class QualityReport(Struct, frozen=True):
    """All of it. Stays with the provider: file names and lines are in it.

    Attributes:
        day: of the examination, ISO 8601.
        sent: whether the submission was handed over, or only examined.
        set_aside: reason → records without a place in the tables.
    """

    provider: str
    format: str
    day: str
    sent: bool
    rules: str
    files: int
    fates: tuple[Fate, ...]
    problems: tuple[Problem, ...]
    measures: tuple[Measure, ...]
    set_aside: dict[str, int] = {}  # msgspec copies it

    def total(self, part: str) -> int:
        """Return the sum of a part (or of ``read``) over all types."""
        return sum(getattr(fate, part) for fate in self.fates)

    def of(self, level: Level) -> tuple[Problem, ...]:
        """Return the problems of one level, the most frequent first."""
        found = [problem for problem in self.problems if problem.level == level]
        return tuple(sorted(found, key=lambda p: (-p.records, p.code)))

    @property
    def filled(self) -> tuple[str, ...]:
        """Return the parts that any record is in; ``good`` always."""
        return tuple(part for part in PARTS if part == "good" or self.total(part))

    @property
    def clean(self) -> bool:
        """Nothing is refused or held back, and no file was unreadable."""
        return not any(self.of(level) for level in ("file", "refused", "held"))

    def as_json(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)
