"""The memo's merits and problems as claims that figures can bear out, contradict or not reach.

Nothing here judges a framework: a claim is put beside its figure, and where the memo is silent
the answer is "silent", not zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from sekisho.common.errors import UserError
from sekisho.common.toml import read_toml, wrong_at
from sekisho.framework.model import Id, Said, Text

Figure = Literal[
    "submissions_per_provider",
    "provider_messages",
    "application_windows",
    "fields_typed",
    "opt_out_desks",
    "opt_out_steps",
    "bodies_holding_records",
    "records_held_max_share",
    "review_lanes",
    "review_days",
    "bodies_to_build",
    "functions_moved",
]
Unmeasured = Literal["silent", "not measurable here", "not measured yet"]
Verdict = Literal["agrees", "disagrees", "no difference"]

FIGURES: tuple[Figure, ...] = get_args(Figure)

Criterion = Annotated[str, Meta(pattern=r"^[a-z][a-z_]*$")]


class CriterionTitle(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that the memo weighs frameworks by."""

    id: Criterion
    title: Text


class Claim(Struct, frozen=True, forbid_unknown_fields=True):
    """One atom of a statement.

    ``sign`` is the memo's: + for a merit, - for a problem. ``expects`` says on which side of the
    other frameworks the figure lies if the claim holds. ``frameworks`` narrows the statement's.
    """

    text: Text
    criterion: Criterion
    sign: Literal["+", "-"]
    measure: Figure | Unmeasured
    expects: Literal["low", "high"] | None = None
    frameworks: tuple[Id, ...] = ()

    def __post_init__(self) -> None:
        if (self.measure in FIGURES) != (self.expects is not None):
            raise ValueError("a claim tied to a figure says what it expects, any other does not")


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """One merit or problem, word for word, with the claims that it is made of."""

    id: Id
    heading: Said
    side: Literal["merit", "problem"]
    text: Said
    frameworks: Annotated[tuple[Id, ...], Meta(min_length=1)]
    claim: Annotated[tuple[Claim, ...], Meta(min_length=1)]


class Cell(Struct, frozen=True, forbid_unknown_fields=True):
    """Frameworks of which the memo says nothing under a criterion."""

    criterion: Criterion
    frameworks: Annotated[tuple[Id, ...], Meta(min_length=1)]
    says: Literal["silent", "not applicable"]


class Claims(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``frameworks/claims.toml``."""

    version: Said
    document: Text
    criterion: tuple[CriterionTitle, ...]
    statement: tuple[Statement, ...]
    cell: tuple[Cell, ...]

    def of(self, framework: str) -> Iterator[tuple[Statement, Claim]]:
        """Yield the claims made of one framework, each with its statement."""
        for statement in self.statement:
            for claim in statement.claim:
                if framework in (claim.frameworks or statement.frameworks):
                    yield statement, claim

    def says(self, framework: str, criterion: str) -> str:
        """Return what the memo says of a framework under a criterion.

        ``+``, ``-``, ``+-`` where it says both, ``silent``, ``not applicable``, or an empty text
        for a framework that the memo does not know.
        """
        signs = {claim.sign for _, claim in self.of(framework) if claim.criterion == criterion}
        if signs:
            return "".join(sorted(signs))
        for cell in self.cell:
            if cell.criterion == criterion and framework in cell.frameworks:
                return cell.says
        return ""


def load_claims(path: Path) -> Claims:
    """Read and prove a file of claims.

    Raises:
        UserError: with file and line.
    """
    claims = read_toml(path, Claims)
    known = {one.id for one in claims.criterion}
    for index, statement in enumerate(claims.statement):
        for claim in statement.claim:
            if claim.criterion not in known:
                raise _wrong(path, index, f"no criterion {claim.criterion!r}")
            if not set(claim.frameworks) <= set(statement.frameworks):
                raise _wrong(path, index, "a claim is made of more frameworks than its statement")
        if sum(1 for other in claims.statement if other.id == statement.id) > 1:
            raise _wrong(path, index, f"the statement {statement.id!r} is there twice")
    return claims


def verdict(claim: Claim, value: float, all_values: Collection[float]) -> Verdict:
    """Say whether ``value`` lies on the side that ``claim`` expects.

    The sides are split in the middle between the smallest and the largest of ``all_values``, the
    same figure of all frameworks compared. Where they do not differ, neither side exists.
    """
    if claim.expects is None:
        raise ValueError("the claim is tied to no figure")
    middle = (min(all_values) + max(all_values)) / 2
    if min(all_values) == max(all_values) or value == middle:
        return "no difference"
    return "agrees" if (value < middle) == (claim.expects == "low") else "disagrees"


def _wrong(path: Path, index: int, what: str) -> UserError:
    next_step = "each claim names a criterion of the file and frameworks of its statement"
    return wrong_at(path, ["statement", index], "claims.invalid", what, next_step)
