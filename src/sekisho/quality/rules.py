"""Landing checks as data: what ``rules/collection.toml`` may say, and its proof."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from sekisho.cdm import TABLES, TRANSIT, Table
from sekisho.common.errors import UserError
from sekisho.common.toml import read_toml, wrong_at

Check = Literal[
    "identity", "present", "form", "allowed", "years", "not_after", "not_before_birth",
    "after_start", "not_negative", "not_long_after_death", "longest", "sex", "range", "twice",
    "share", "standard",
]  # fmt: skip
Language = Literal["ja", "en"]
Sort = Literal["conformance", "completeness", "plausibility"]
"""Kahn et al., A harmonized data quality assessment terminology (eGEMs 2016, 4(1):1244)."""
Verdict = Literal["hold", "note"]
"""``hold`` puts the whole record into quarantine; ``note`` tells the clerk, and lets it land."""
Said = Annotated[str, Meta(min_length=1, max_length=400)]

_NEEDS: dict[str, str] = {
    "form": "pattern",
    "allowed": "values",
    "years": "earliest",
    "not_after": "days",
    "not_long_after_death": "days",
    "longest": "days",
    "sex": "code",
    "range": "range",
    "share": "least",
}


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    """The same said in both languages."""

    ja: Said
    en: Said

    def of(self, language: Language) -> str:
        return self.ja if language == "ja" else self.en


class CodesOfSex(Struct, frozen=True, forbid_unknown_fields=True):
    """Codes that speak of one sex only.

    Args:
        system: pattern of ``*_source_system``.
        codes: pattern of the code, as a regular expression over the whole of it.
        gender: the concept that a person with such a code has.
    """

    system: Said
    codes: Said
    gender: int


class Range(Struct, frozen=True, forbid_unknown_fields=True):
    """Between which values a measurement is believed, in ``unit``; other units are left alone."""

    system: Said
    codes: Said
    unit: tuple[Said, ...]
    least: float
    most: float

    def __post_init__(self) -> None:
        if not self.least < self.most:
            raise ValueError("a range has a least value below its greatest")


class Rule(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One check.

    ``columns`` and ``except`` are patterns of ``table.column``; ``days`` counts from the day of
    submission (or death, or the start); ``mend`` tells a clerk what to do.

    Args:
        least: for ``share``, the part of a column's rows that should have a value.
    """

    id: Annotated[str, Meta(pattern=r"^[a-z][a-z.\-]{2,60}$")]
    check: Check
    sort: Sort
    title: Text
    mend: Text
    source: Said
    verdict: Verdict = "hold"
    columns: tuple[str, ...] = ()
    except_: tuple[str, ...] = msgspec.field(name="except", default=())
    pattern: str | None = None
    values: tuple[int, ...] | None = None
    earliest: int | None = None
    days: Annotated[int, Meta(ge=0)] | None = None
    code: tuple[CodesOfSex, ...] | None = None
    range: tuple[Range, ...] | None = None
    least: Annotated[float, Meta(gt=0, le=1)] | None = None

    def __post_init__(self) -> None:
        if self.check in ("share", "twice") and self.verdict != "note":
            raise ValueError(f"{self.check!r} speaks of many rows: it can only be noted")

    @cached_property
    def spoken(self) -> Mapping[str, tuple[str, ...]]:
        """Table → those of its columns that the rule speaks of."""
        names = _all_columns()
        said = {name for pattern in self.columns for name in fnmatch.filter(names, pattern)}
        for pattern in self.except_:
            said.difference_update(fnmatch.filter(said, pattern))
        found: dict[str, tuple[str, ...]] = {table.name: () for table in TABLES}
        for name in (one for one in names if one in said):
            table, _, column = name.partition(".")
            found[table] += (column,)
        return found


class CollectionRules(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``rules/collection.toml``."""

    version: Said
    rule: tuple[Rule, ...]

    def find(self, rule_id: str) -> Rule:
        """Return a rule by id; KeyError where there is none."""
        for rule in self.rule:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)


def load_rules(path: Path) -> CollectionRules:
    """Read and prove the rules.

    Raises:
        UserError: with file and line: an id twice, a check without its parameter, a pattern that
            names no column of any table.
    """
    rules = read_toml(path, CollectionRules)
    known = _all_columns()
    seen: set[str] = set()
    for index, rule in enumerate(rules.rule):
        if rule.id in seen:
            raise _wrong(path, ["rule", index, "id"], f"the rule {rule.id!r} is there twice")
        seen.add(rule.id)
        needed = _NEEDS.get(rule.check)
        if needed and getattr(rule, needed) is None:
            raise _wrong(path, ["rule", index, "check"], f"{rule.check!r} needs {needed!r}")
        if (rule.check == "identity") == bool(rule.columns):
            raise _wrong(path, ["rule", index, "check"], "all checks but 'identity' name columns")
        for pattern in (*rule.columns, *rule.except_):
            if not fnmatch.filter(known, pattern):
                raise _wrong(path, ["rule", index, "columns"], f"no column is called {pattern!r}")
    return rules


def _all_columns() -> list[str]:
    return [f"{table.name}.{column}" for table in TABLES for column in _columns(table)]


def _columns(table: Table) -> tuple[str, ...]:
    return (*TRANSIT, *(column.name for column in table.content))


def _wrong(path: Path, keys: list[str | int], what: str) -> UserError:
    next_step = "columns are those of a table in transit; see docs/reference"
    return wrong_at(path, keys, "collection-rules.invalid", what, next_step)
