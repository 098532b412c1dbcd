"""The memo's claims, each beside its figure, whatever comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sekisho.framework import FIGURES, Claim, Claims, Statement, Text, verdict

Answer = Literal[
    "agrees",
    "disagrees",
    "no difference",
    "in the middle",
    "not compared",
    "not run",
    "not measurable here",
    "not measured yet",
    "silent",
]
ANSWERS: tuple[Answer, ...] = get_args(Answer)

ANSWER_TITLE: dict[Answer, Text] = {
    "agrees": Text(ja="向きが一致", en="sign agrees"),
    "disagrees": Text(ja="向きが異なる", en="sign differs"),
    "no difference": Text(ja="差が出ない", en="no difference"),
    "in the middle": Text(ja="中央にあり向きがない", en="in the middle, no sign"),
    "not compared": Text(ja="他の枠組みと比べていない", en="not compared with others"),
    "not run": Text(
        ja="測定していない（sekisho compare を実行）", en="not measured (run sekisho compare)"
    ),
    "not measurable here": Text(ja="ここでは測れない", en="not measurable here"),
    "not measured yet": Text(ja="まだ測っていない", en="not measured yet"),
    "silent": Text(ja="原文に言及なし", en="the source is silent"),
}

Values = Mapping[str, Mapping[str, float]]
"""Figure → framework → value."""


@dataclass(frozen=True)
class Beside:
    """One claim about one framework, with the figure it is tied to.

    ``low`` and ``high`` are the figure's range over the ``compared`` frameworks.
    """

    framework: str
    statement: Statement
    claim: Claim
    answer: Answer
    value: float | None = None
    low: float | None = None
    high: float | None = None
    compared: int = 0

    @property
    def figure(self) -> str | None:
        """The figure's id; None where the claim is tied to none."""
        return self.claim.measure if self.claim.measure in FIGURES else None

    def as_json(self) -> dict[str, Any]:
        return {
            "framework": self.framework,
            "statement": self.statement.id,
            "side": self.statement.side,
            "criterion": self.claim.criterion,
            "sign": self.claim.sign,
            "text": {"ja": self.claim.text.ja, "en": self.claim.text.en},
            "measure": self.claim.measure,
            "expects": self.claim.expects,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "compared": self.compared,
            "answer": self.answer,
        }


def beside(claims: Claims, framework: str, values: Values) -> tuple[Beside, ...]:
    """Return every claim that the memo makes of ``framework``, beside its figure."""
    return tuple(
        _beside(framework, statement, claim, values) for statement, claim in claims.of(framework)
    )


def criteria(claims: Claims, frameworks: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the memo says of each framework under each criterion; silence as such."""
    return [
        {
            "criterion": one.id,
            "title": {"ja": one.title.ja, "en": one.title.en},
            "says": {name: claims.says(name, one.id) or "unknown" for name in frameworks},
        }
        for one in claims.criterion
    ]


def _beside(framework: str, statement: Statement, claim: Claim, values: Values) -> Beside:
    if claim.measure not in FIGURES:
        tied: Answer = claim.measure  # type: ignore[assignment]  # one of the Unmeasured words
        return Beside(framework, statement, claim, tied)
    found = values.get(claim.measure, {})
    if framework not in found:
        return Beside(framework, statement, claim, "not run")
    value, everyone = found[framework], list(found.values())
    answer: Answer = "not compared" if len(everyone) < 2 else verdict(claim, value, everyone)
    if answer == "no difference" and min(everyone) < max(everyone):
        answer = "in the middle"
    return Beside(
        framework, statement, claim, answer, value, min(everyone), max(everyone), len(everyone)
    )
