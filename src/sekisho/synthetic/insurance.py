"""被保険者: who insures a person, under which number, and how the number changes.

A person has episodes, each with a number of its own: who changes the employer (転職) gets another
insurer's number, who turns 75 that of 後期高齢者医療, who is insured with the family follows its
head. Rates and their sources are in population.toml (formats C2).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final

from sekisho.pseudonym import check_digit
from sekisho.synthetic.draws import Draws
from sekisho.synthetic.tables import at_age, population

HOUSEHOLD = 4
"""People that stand together in the list and may be one family."""
ELDERLY = 75
"""Age from which 後期高齢者医療 insures one (高齢者の医療の確保に関する法律 第50条)."""
FIRST: Final = date(2021, 3, 1)
"""枝番 exist since then; nobody's earlier numbers are made."""
YEARS: Final = range(2021, 2028)
"""Years in which numbers change."""
JOB, AGE_75, FAMILY = "insurer-change", "age-75", "household"
_SPREAD = 6_364_137  # coprime to ten million: spreads numbers without giving one twice
_SERIALS = 10_000_000
_PEOPLE = 1_000_000  # at most; a person's later numbers are those of nobody's index


@dataclass(frozen=True)
class Insurance:
    """One episode: 保険者番号 (8, or 6 of 国保), 記号, 番号, 枝番 (none from 75), in half width.

    ``reason``: why it began; empty for the first. ``heard``: whether the history service learns
    of the change that began it.
    """

    insurer: str
    symbol: str = field(repr=False)
    number: str = field(repr=False)
    branch: str
    head: bool
    since: date
    reason: str = ""
    heard: bool = True

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


def episodes_of(seed: int, index: int, birth: date, head_birth: date) -> tuple[Insurance, ...]:
    """Return the insurances of person ``index``, the earliest first.

    ``head_birth`` is the birth date of the family's first person: when that person turns 75 the
    family loses its insurance.
    """
    turns = _turns_75(birth)
    made = [one for one in _working(seed, index, birth, head_birth) if one.since < turns]
    if turns.year <= YEARS[-1]:
        made.append(_elderly(seed, index, max(turns, FIRST), AGE_75 if made else ""))
    hears = Draws(seed, "history", index)
    unheard = population().change.unheard
    return tuple(replace(one, heard=not (one.reason and hears.chance(unheard))) for one in made)


def _working(seed: int, index: int, birth: date, head_birth: date) -> list[Insurance]:
    """Return the insurances that a person has or would have had but for the 75th birthday."""
    draws = Draws(seed, "insurance", index)
    first, leaves = index - index % HOUSEHOLD, _turns_75(head_birth)
    if index == first or leaves <= FIRST or not draws.chance(population().insurance.family):
        return _own(seed, index, birth, draws)
    branch = f"{index % HOUSEHOLD + 1:02}"
    made = [
        replace(one, branch=branch, head=False, reason=FAMILY if one.reason else "")
        for one in _own(seed, first, head_birth, Draws(seed, "insurance", first))
        if one.since < leaves
    ]
    if leaves.year <= YEARS[-1]:
        made.append(replace(_own(seed, index, birth, draws)[0], since=leaves, reason=FAMILY))
    return made


def _own(seed: int, index: int, birth: date, draws: Draws) -> list[Insurance]:
    """Return a person's own insurances: one after every change of job."""
    made: list[Insurance] = []
    change = population().change
    for year in (FIRST.year, *YEARS):
        since = date(year, draws.between(1, 12), 1) if made else FIRST
        moves = draws.chance(at_age(change.from_, change.yearly, max(0, year - birth.year)))
        if made and (not moves or since <= made[-1].since):
            continue
        insurer, symbol = _insurer(draws)
        number = _number(seed, index + _PEOPLE * len(made))
        made.append(Insurance(insurer, symbol, number, "01", True, since, JOB if made else ""))
    return made


def _elderly(seed: int, index: int, since: date, reason: str) -> Insurance:
    draws = Draws(seed, "elderly", index)
    prefecture = draws.pick(population().insurance.prefectures)
    insurer = _checked(f"39{prefecture}{draws.between(1, 40):03}")
    return Insurance(insurer, "", _number(seed, index + _PEOPLE * 9), "", True, since, reason)


def _turns_75(birth: date) -> date:
    try:
        return birth.replace(year=birth.year + ELDERLY)
    except ValueError:  # born on a 29 February: the day after the 28th
        return date(birth.year + ELDERLY, 3, 1)


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
