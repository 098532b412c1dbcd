"""What is asked of providers by their function: which kinds by when, what follows, what is paid.

Whether it is a duty, is paid for or is left to the provider is a switch of the framework
(``open.basis``); the memo leaves 収集の在り方 (一定の強制力やインセンティブ、医療機関の機能) open.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sekisho.common.errors import UserError
from sekisho.common.toml import read_toml, wrong_at
from sekisho.framework.model import Id, Said, Text

Basis = Literal["duty", "incentive", "voluntary"]
Every = Literal["month", "fiscal-year"]
"""A fiscal year (年度) begins in April."""
_FIRST_OF_YEAR = 4


class ProviderFunction(Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider is (急性期, 診療所, 薬局 …); rules may ask different things of each."""

    id: Id
    title: Text
    source: Said


class Period(Struct, frozen=True, order=True):
    """One month or fiscal year for which records are asked; ``label`` is 2026-04 or FY2026."""

    start: date
    end: date
    label: str

    @property
    def months(self) -> tuple[str, ...]:
        """Return the months in it, as 2026-04."""
        made, day = [], self.start
        while day <= self.end:
            made.append(f"{day:%Y-%m}")
            day = _next_month(day)
        return tuple(made)


class Ask(Struct, frozen=True, forbid_unknown_fields=True):
    """Records of some kinds that providers of some functions are asked for.

    Args:
        due_days: days after the end of the period.
        since: periods that end before this day are not asked for.
        basis: where it is another than the framework's.
    """

    functions: Annotated[tuple[Id, ...], Meta(min_length=1)]
    kinds: Annotated[tuple[Id, ...], Meta(min_length=1)]
    every: Every
    due_days: Annotated[int, Meta(ge=0, le=366)]
    since: date
    source: Said
    basis: Basis | None = None

    def due_on(self, period: Period) -> date:
        return period.end + timedelta(days=self.due_days)

    def periods(self, today: date) -> Iterator[Period]:
        """Yield the periods that are over, from ``since`` on."""
        day = self.since.replace(day=1)
        if self.every == "fiscal-year":
            day = date(day.year - (day.month < _FIRST_OF_YEAR), _FIRST_OF_YEAR, 1)
        while True:
            after = _next_month(day) if self.every == "month" else day.replace(year=day.year + 1)
            end = after - timedelta(days=1)
            if end >= today:
                return
            if end >= self.since:
                label = f"{day:%Y-%m}" if self.every == "month" else f"FY{day.year}"
                yield Period(day, end, label)
            day = after


class Step(Struct, frozen=True, forbid_unknown_fields=True):
    """What follows when something asked for has not come: ``after_days`` after it was due."""

    id: Literal["reminder", "recommendation", "publication", "penalty"]
    title: Text
    after_days: Annotated[int, Meta(ge=1)]
    basis: Annotated[tuple[Basis, ...], Meta(min_length=1)]
    source: Said


class Pay(Struct, frozen=True, forbid_unknown_fields=True):
    """Yen for a record of a kind that landed for the first time."""

    kinds: Annotated[tuple[Id, ...], Meta(min_length=1)]
    yen: Annotated[int, Meta(ge=0)]
    source: Said


class Level(Struct, frozen=True, forbid_unknown_fields=True):
    """A level of quality: at least ``landed`` of what was sent has landed; ``percent`` is paid."""

    id: Id
    landed: Annotated[float, Meta(ge=0, le=1)]
    percent: Annotated[int, Meta(ge=0, le=300)]
    source: Said


class ProviderFunctions(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of a file such as ``rules/providers.toml``."""

    version: Said
    function: tuple[ProviderFunction, ...]
    ask: tuple[Ask, ...] = ()
    step: tuple[Step, ...] = ()
    pay: tuple[Pay, ...] = ()
    level: tuple[Level, ...] = ()

    def asked_of(self, function: str) -> tuple[Ask, ...]:
        """Return what providers of a function are asked for."""
        return tuple(one for one in self.ask if function in one.functions)

    def steps(self, basis: Basis) -> tuple[Step, ...]:
        """Return the steps of a basis, in the order in which they fall due."""
        found = (one for one in self.step if basis in one.basis)
        return tuple(sorted(found, key=lambda one: one.after_days))

    def level_of(self, sent: int, landed: int) -> Level | None:
        """Return the best level that a submission reaches."""
        reached = [one for one in self.level if sent and landed >= one.landed * sent]
        return max(reached, key=lambda one: one.landed, default=None)

    def yen(self, kind: str) -> int:
        """Return what a record of a kind is worth; nothing where no rule speaks of it."""
        return next((one.yen for one in self.pay if kind in one.kinds), 0)


def load_provider_functions(path: Path) -> ProviderFunctions:
    """Read and prove a file of provider functions.

    Raises:
        UserError: with file and line: a function asked that there is none of, or a kind paid twice.
    """
    found = read_toml(path, ProviderFunctions)
    known = {one.id for one in found.function}
    for index, ask in enumerate(found.ask):
        if unknown := sorted(set(ask.functions) - known):
            raise _wrong(path, ["ask", index, "functions"], f"no function {unknown[0]!r}")
    paid: set[str] = set()
    for index, pay in enumerate(found.pay):
        if twice := sorted(paid & set(pay.kinds)):
            raise _wrong(path, ["pay", index, "kinds"], f"{twice[0]!r} is paid twice")
        paid |= set(pay.kinds)
    return found


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _wrong(path: Path, keys: list[str | int], what: str) -> UserError:
    next_step = "functions and kinds must be spelled as where they are defined"
    return wrong_at(path, keys, "providers.invalid", what, next_step)
