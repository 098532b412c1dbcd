"""Publication rules as files: what may be shown, since when, and where each number comes from.

A rule set belongs to a data set, never to a body. Where a table rests on several data sets, all
their rule sets are applied to it, so that for every cell the strictest decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sekisho.common.errors import Refusal, UserError
from sekisho.common.toml import read_toml

Basis = Literal["stated", "inferred", "own"]
"""Whether the source states the rule, we infer it from the source, or it is our own addition."""
Id = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,39}$")]
Said = Annotated[str, Meta(min_length=1)]


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text in both languages."""

    ja: Said
    en: Said


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The smallest number of a unit that may be shown; 0 may be shown where ``zero`` says so.

    A table whose unit has no threshold in a rule set is refused: default deny.
    """

    id: Id
    unit: Literal["persons", "facilities", "quantity_oral_external", "quantity_injection"]
    below: Annotated[int, Meta(ge=2)]
    zero: Literal["shown", "masked"]
    on_small_cell: Literal["mask", "refuse"]
    basis: Basis
    source: Said


class Area(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A higher threshold of persons for the cells of small areas.

    It applies to cells of a dimension named in ``dimensions`` whose level has fewer than
    ``population_below`` inhabitants; ``below = "all"`` hides every number of such an area.
    """

    id: Id
    dimensions: tuple[str, ...]
    population_below: Annotated[int, Meta(ge=1)]
    below: Annotated[int, Meta(ge=2)] | Literal["all"]
    basis: Basis
    source: Said


class Forbidden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Dimensions that may not meet in one table: one from each of the groups."""

    id: Id
    groups: Annotated[tuple[tuple[str, ...], ...], Meta(min_length=1)]
    basis: Basis
    source: Said


class ByHand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule that no program can apply to a label: the reviewers are told to look for it."""

    id: Id
    text: Text
    basis: Basis
    source: Said


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well a number that is not shown must stay hidden, given all that was released.

    ``minimum_interval``: a hidden number must have at least so many possible values.
    """

    id: Id
    minimum_interval: Annotated[int, Meta(ge=2)]
    basis: Basis
    source: Said


class RuleSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of ``rules/publication/``."""

    id: Id
    version: Said
    effective: date
    status: Literal["in_force", "draft", "older", "own"]
    title: Text
    audit: Audit
    thresholds: Annotated[tuple[Threshold, ...], Meta(min_length=1)] = msgspec.field(
        name="threshold"
    )
    areas: tuple[Area, ...] = msgspec.field(name="area", default=())
    forbidden: tuple[Forbidden, ...] = msgspec.field(name="forbid", default=())
    by_hand: tuple[ByHand, ...] = msgspec.field(name="by_hand", default=())

    def __post_init__(self) -> None:
        ids = [self.audit.id]
        for rules in (self.thresholds, self.areas, self.forbidden, self.by_hand):
            ids.extend(rule.id for rule in rules)
        if len(set(ids)) != len(ids):
            raise ValueError("two rules have one id")
        units = [t.unit for t in self.thresholds]
        if len(set(units)) != len(units):
            raise ValueError("two thresholds are for one unit")

    def threshold(self, unit: str) -> Threshold | None:
        """Return the threshold for ``unit``, or None where the set has none."""
        return next((t for t in self.thresholds if t.unit == unit), None)


def read_rules(path: Path) -> RuleSet:
    """Read one rule set; its file is called after its id.

    Raises:
        UserError: with file, line and what is wrong.
    """
    rules = read_toml(path, RuleSet)
    if path.stem != rules.id:
        raise UserError("rules.name", f"{path}: the file of rule set {rules.id!r} has its name")
    return rules


def read_rule_sets(folder: Path) -> dict[str, RuleSet]:
    """Return every rule set of ``folder`` by id."""
    return {rules.id: rules for rules in map(read_rules, sorted(folder.glob("*.toml")))}


def choose(rule_sets: Mapping[str, RuleSet], ids: Iterable[str]) -> tuple[RuleSet, ...]:
    """Return the rule sets called ``ids``, in a fixed order; all of them will apply.

    Raises:
        Refusal: none is named, or one does not exist: nothing leaves without rules.
    """
    wanted = sorted(set(ids))
    missing = [each for each in wanted if each not in rule_sets]
    if missing or not wanted:
        raise Refusal(
            "release.no-rules",
            f"There is no publication rule set {', '.join(missing) or 'named'}.",
            rule="no output leaves unchecked (design, promise 5)",
            next_step=f"name one of: {', '.join(sorted(rule_sets))}",
        )
    return tuple(rule_sets[each] for each in wanted)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a rule set's file."""
    made = msgspec.json.schema(RuleSet)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rules/publication/*.toml: a publication rule set",
        **made,
    }
