"""What the checks say, in Japanese and English. No finding holds a number of persons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sekisho.data.release.rules import RuleSet, Text


class Rule(Protocol):
    """A rule of a rule set: it has an id and a source."""

    @property
    def id(self) -> str: ...

    @property
    def source(self) -> str: ...


@dataclass(frozen=True)
class Finding:
    """One thing that the checks noticed: under which rule, from which source, what it means."""

    code: str
    rule: str
    source: str
    text: Text


TEXTS: dict[str, Text] = {
    "release.masked": Text(
        "基準未満のセルは - とし、合計は載せていない。",
        "Cells below the threshold show - and there are no totals.",
    ),
    "release.small-level": Text(
        "事前に宣言されず、人数が基準未満の区分は、区分名も表示せず (small) にまとめた。",
        "Levels that were not declared and have too few persons are one row, (small).",
    ),
    "release.small-cell": Text(
        "基準未満のセルがあるため、この表は出せない。区分をまとめること。",
        "A cell is below the threshold, so the table cannot leave. Use coarser levels.",
    ),
    "release.no-threshold": Text(
        "この基準には、人数を数えた表の定めがないため出せない。",
        "The rule set has no threshold for tables of persons, so the table cannot leave.",
    ),
    "release.forbidden-cross": Text(
        "この組合せのクロス集計は出せない。軸を一つ外すこと。",
        "These dimensions may not be crossed in one table. Drop one of them.",
    ),
    "release.population-unknown": Text(
        "市区町村の人口がわからないため、基準を適用できない。人口を渡すこと。",
        "The population of an area is not known, so its threshold is not. Provide populations.",
    ),
    "audit.recoverable": Text(
        "公表済みの表と合わせると、伏せた人数が計算できるため出せない。"
        "軸・区分を公表済みの表に合わせるか、区分をまとめること。",
        "With tables already released a hidden number could be computed, so the table cannot "
        "leave. Use the cut of the released table, or coarser levels.",
    ),
    "audit.differencing": Text(
        "公表済みの表との差から少人数の集団の人数がわかるため出せない。同じ対象者で集計すること。",
        "The difference to a table already released is a small group of persons, so the table "
        "cannot leave. Count the same persons.",
    ),
    "audit.small-group": Text(
        "公表済みの表と合わせると、伏せたセルの合計が基準未満とわかるため出せない。",
        "With tables already released the sum of hidden cells is known to be below the threshold, "
        "so the table cannot leave.",
    ),
    "audit.too-large": Text(
        "公表済みの表との照合が大きすぎて確かめられないため出せない。区分をまとめること。",
        "The comparison with released tables is too large to be proved, so the table cannot "
        "leave. Use coarser levels.",
    ),
}


def finding(code: str, rules: RuleSet, rule: Rule) -> Finding:
    """Return the finding ``code`` under ``rule`` of ``rules``."""
    return Finding(code, f"{rules.id}/{rule.id}", rule.source, TEXTS[code])
