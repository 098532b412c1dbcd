"""An enclave's rule, and its work as pure steps: match what came, take a clerk's word, say what is
known. What it reads are identity fields; what it gives are tags, weights and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Meta

from sekisho.common.toml import read_toml
from sekisho.data.linkage.assignment import Judged, judge
from sekisho.data.linkage.identity import compared
from sekisho.data.linkage.matching import score
from sekisho.data.linkage.rule import LinkageRule, Strict, read_linkage_rule
from sekisho.data.linkage.spelling import Variants, read_variants
from sekisho.exchange.identities import RELIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

_WANTED = "wanted"
Days = Annotated[int, Meta(ge=1, le=3660)]


class EnclaveRule(Strict, frozen=True):
    """``rules/linkage/enclave.toml``. ``rule`` and ``variants`` are files beside it.

    Args:
        collect_days: days after which no more identity fields are waited for.
        keep_days: days after which every identity field is destroyed.
        reviewers: how many clerks must agree on a pair.
    """

    id: str
    version: str
    rule: str
    variants: str
    collect_days: Days
    keep_days: Days
    reviewers: Annotated[int, Meta(ge=1, le=2)]
    source: dict[str, str]

    def __post_init__(self) -> None:
        if self.keep_days <= self.collect_days:
            raise ValueError("an enclave matches before it destroys what it matches by")
        if set(self.source) != set(self.__struct_fields__) - {"id", "version", "source"}:
            raise ValueError("a source is named for each value, and for nothing else")


@dataclass(frozen=True)
class Matcher:
    """An enclave's rule with the files that it names."""

    enclave: EnclaveRule
    linkage: LinkageRule
    variants: Variants

    def match(self, registers: Mapping[str, pa.Table], seed: int) -> list[Judged]:
        """Return the judged pairs of registrations at two providers, best first.

        One of the two at least has no reliable number: of two that have, the numbers tell.

        Args:
            registers: provider → identity fields as `check_identities` lets them in.
            seed: of the sample from which chance agreement is learned.
        """
        sources = {}
        for provider, rows in registers.items():
            one = compared(rows, self.variants)
            sources[provider] = one.append_column(_WANTED, pc.invert(one[RELIABLE]))
        if not any(pc.any(rows[_WANTED]).as_py() for rows in sources.values()):
            return []
        return judge(score(sources, self.linkage, seed, wanted=_WANTED), self.linkage)


def read_matcher(folder: Path) -> Matcher:
    """Read an enclave's rule in ``folder`` (rules/linkage)."""
    rule = read_enclave_rule(folder)
    return Matcher(
        rule, read_linkage_rule(folder / rule.rule), read_variants(folder / rule.variants)
    )


def read_enclave_rule(folder: Path) -> EnclaveRule:
    """Read ``enclave.toml`` in ``folder``."""
    return read_toml(folder / "enclave.toml", EnclaveRule)


def enclave_rule_schema() -> dict[str, object]:
    """Return the JSON Schema of the file."""
    return msgspec.json.schema(EnclaveRule)


def settled(votes: Sequence[bool], reviewers: int) -> bool | None:
    """Return whether clerks found one person in a pair; None while votes are missing.

    All must say so: clerks who differ have found no one person.
    """
    if len(votes) < reviewers and all(votes):
        return None
    return all(votes)
