"""How two records are compared, found and judged, as a file: ``rules/linkage/*.toml``.

A rule holds words of a small vocabulary, never SQL: what it can say is what is listed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from sekisho.common.toml import read_toml

Kind = Literal["exact", "jaro_winkler", "edits", "one_ends_other", "crossed"]
Mode = Literal["link", "dedupe"]
Share = Annotated[float, Meta(gt=0, lt=1)]
Column = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a rule: cannot change, nor be read with a key too many."""


class Level(Strict, frozen=True):
    """One degree of likeness; levels are tried in order, and the first that holds counts.

    ``exact``: equal. ``jaro_winkler``: likeness of at least ``threshold``. ``edits``: at most
    ``threshold`` letters changed, or two neighbours exchanged. ``one_ends_other``: one is the end
    of the other (a prefecture left out). ``crossed``: ``column`` and ``other`` exchanged.
    ``m`` and ``u``: how often this level is seen for one person, and for two; where both are
    given they serve sets that are too small to learn from.
    """

    kind: Kind
    column: Column
    threshold: Annotated[float, Meta(gt=0)] | None = None
    other: Column | None = None
    m: Share | None = None
    u: Share | None = None

    def __post_init__(self) -> None:
        if (self.threshold is not None) != (self.kind in ("jaro_winkler", "edits")):
            raise ValueError(f"a level {self.kind!r} and a threshold do not go together so")
        if (self.other is not None) != (self.kind == "crossed"):
            raise ValueError("only a crossed level, and each of them, names another column")
        if (self.m is None) != (self.u is None):
            raise ValueError("a level has both m and u, or neither")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,) if self.other is None else (self.column, self.other)


class Comparison(Strict, frozen=True):
    """One thing that is compared. ``frequency``: a rare value that agrees says more than a
    common one. ``m`` and ``u`` are those of no level holding."""

    name: Column
    level: Annotated[tuple[Level, ...], Meta(min_length=1)]
    frequency: bool = False
    m: Share | None = None
    u: Share | None = None

    def __post_init__(self) -> None:
        given = [one.m is not None for one in self.level] + [self.m is not None]
        if any(given) and not all(given):
            raise ValueError("all levels of a comparison have m and u, or none has")

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it reads, each once."""
        return tuple(dict.fromkeys(c for one in self.level for c in one.columns))


class Block(Strict, frozen=True):
    """Pairs are looked at when they agree on all columns ``on`` of some block. With ``train``
    the model learns from the pairs of this block."""

    on: Annotated[tuple[Column, ...], Meta(min_length=1)]
    train: bool = False


class LinkageRule(Strict, frozen=True):
    """One way to find the same persons.

    Args:
        link: probability from which a pair is linked; ``clerical``: from which a person looks.
        prior_on: columns whose agreement alone says one person nearly always.
        prior_recall: the share of true pairs that agree so.
        learn_from: least number of records of which the model learns; below it the file's own m
            and u stand, and ``shared``, the share of the smaller source that the other knows too.
        one_to_one: a record is linked with at most one record of each other source.
    """

    id: str
    version: str
    mode: Mode
    link: Share
    clerical: Share
    prior_on: Annotated[tuple[tuple[Column, ...], ...], Meta(min_length=1)]
    prior_recall: Share
    shared: Share
    learn_from: Annotated[int, Meta(ge=0)]
    sample_pairs: Annotated[int, Meta(ge=1000, le=100_000_000)]
    one_to_one: bool
    comparison: Annotated[tuple[Comparison, ...], Meta(min_length=1)]
    block: Annotated[tuple[Block, ...], Meta(min_length=1)]
    source: dict[str, str]

    def __post_init__(self) -> None:
        if self.clerical > self.link:
            raise ValueError("the clerical band ends where linking begins")
        if not any(one.train for one in self.block):
            raise ValueError("no block is one to learn from")
        if self.learn_from and any(one.m is None for one in self.comparison):
            raise ValueError("where small sets are not learned from, every level has m and u")
        stated = {"link", "clerical", "prior_recall", "shared", "learn_from", "sample_pairs"}
        stated |= {"comparison", "block"}
        if set(self.source) != stated:
            raise ValueError(f"a source is named for each of {', '.join(sorted(stated))}")

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the rule reads, each once."""
        named = [c for one in self.comparison for c in one.columns]
        named += [c for one in self.block for c in one.on]
        named += [c for columns in self.prior_on for c in columns]
        return tuple(dict.fromkeys(named))


def read_linkage_rule(path: Path) -> LinkageRule:
    """Read a rule file."""
    return read_toml(path, LinkageRule)


def linkage_rule_schema() -> dict[str, Any]:
    """Return the JSON Schema of a rule file."""
    return msgspec.json.schema(LinkageRule)
