"""被保険者: who insures a person, and under which number.

Numbers hold still for now. A person has episodes all the same, so that a change of insurer only
adds one (formats C2).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sekisho.pseudonym import check_digit
from sekisho.synthetic.draws import Draws
from sekisho.synthetic.tables import population

HOUSEHOLD = 4
"""People that stand together in the list and may be one family."""
ELDERLY = 75
"""Age from which 後期高齢者医療 insures one (高齢者の医療の確保に関する法律 第50条)."""
_SPREAD = 6_364_137  # coprime to ten million: spreads numbers without giving one twice
_SERIALS = 10_000_000


@dataclass(frozen=True)
class Insurance:
    """One episode: 保険者番号 (8, or 6 of 国保), 記号, 番号, 枝番 (none from 75), in half width."""

    insurer: str
    symbol: str = field(repr=False)
    number: str = field(repr=False)
    branch: str
    head: bool
    since: date

    def __post_init__(self) -> None:
        if str(check_digit(self.insurer[:-1])) != self.insurer[-1]:
            raise ValueError("an insurer's number ends in its check digit")

    @property
    def elderly(self) -> bool:
        """後期高齢者医療."""
        return len(self.insurer) == 8 and self.insurer.startswith("39")

    @property
    def social(self) -> bool:
        """Billed to 支払基金 (被用者保険); otherwise to 国保連."""
        return len(self.insurer) == 8 and not self.elderly

    @property
    def member_id(self) -> str:
        """被保険者個人識別子 (JP-CLINS): 保険者番号(8):記号:番号:枝番."""
        return f"{self.insurer.zfill(8)}:{self.symbol}:{self.number}:{self.branch}"

    def spec(self) -> dict[str, Any]:
        """Return how a person would name it in a form."""
        return {"insured": self.member_id}


def insurance_of(seed: int, index: int, age: int, head_age: int, since: date) -> Insurance:
    """Return the insurance of person ``index``, whose family's first person is ``head_age`` old.

    Both ages count: at 75 one leaves the family's insurance.
    """
    draws = Draws(seed, "insurance", index)
    if age >= ELDERLY:
        prefecture = draws.pick(population().insurance.prefectures)
        insurer = _checked(f"39{prefecture}{draws.between(1, 40):03}")
        return Insurance(insurer, "", _number(seed, index), "", True, since)
    first = index - index % HOUSEHOLD
    family = population().insurance.family
    if index != first and head_age < ELDERLY and draws.chance(family):
        head = insurance_of(seed, first, head_age, head_age, since)
        branch = f"{index % HOUSEHOLD + 1:02}"
        return Insurance(head.insurer, head.symbol, head.number, branch, False, since)
    insurer, symbol = _insurer(draws)
    return Insurance(insurer, symbol, _number(seed, index), "01", True, since)


def _insurer(draws: Draws) -> tuple[str, str]:
    facts = population()
    law = facts.insurer[draws.weighted([one.weight for one in facts.insurer])].law
    prefecture = draws.pick(facts.insurance.prefectures)
    insurer = _checked(f"{law}{prefecture}{draws.between(1, 9):03}")
    if not law:
        return insurer, f"{draws.pick('東西南北中')}{draws.between(1, 30)}"
    return insurer, str(draws.between(100, 999) if law != "01" else draws.between(1010, 9999))


def _checked(body: str) -> str:
    return f"{body}{check_digit(body)}"


def _number(seed: int, index: int) -> str:
    """Return eight digits that no other person of this seed has."""
    return str(_SERIALS + (index * _SPREAD + seed) % _SERIALS)
