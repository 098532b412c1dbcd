"""Who may state a choice for another, and when a guardian's choice is put to the person."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from sekisho.common.errors import Refusal, UserError
from sekisho.common.toml import read_toml

ProxyKind = Literal["guardian", "agent", "adult_guardian"]
KINDS: tuple[ProxyKind, ...] = get_args(ProxyKind)


class Proxy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """A proxy (代理人): of a minor (guardian), by mandate (任意代理), of an adult (成年後見).

    ``authority_checked``: the clerk saw a paper that proves it. ``authority_until``: its last day,
    where it has one. Who the proxy is stands in the sealed form, if anywhere.
    """

    kind: ProxyKind
    authority_checked: bool
    authority_until: date | None = None

    def payload(self) -> dict[str, Any]:
        """Return the proxy as a JSON value."""
        until = self.authority_until
        return {
            "kind": self.kind,
            "authority_checked": self.authority_checked,
            "authority_until": None if until is None else until.isoformat(),
        }


def check_authority(proxy: Proxy, today: date) -> None:
    """Check that a proxy may speak today.

    Raises:
        Refusal: nobody checked the authority, or it ended.
    """
    ended = proxy.authority_until is not None and proxy.authority_until < today
    if proxy.authority_checked and not ended:
        return
    raise Refusal(
        "opt-out.authority-ended" if ended else "opt-out.authority-unchecked",
        "The proxy's authority has ended."
        if ended
        else "Nobody has checked that the proxy may speak for the person.",
        rule="a choice for another needs an authority that the desk has seen",
        next_step="see the paper that proves the authority, then state the choice again",
    )


class AskAgain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An age at which a guardian's choice is put to the person, and who says so."""

    age: Annotated[int, Meta(ge=1, le=30)]
    source: Annotated[str, Meta(min_length=1)]


class DeskRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``rules/opt-out-desk.toml``. ``complaint_days``: days until a complaint must be answered."""

    id: str
    version: str
    complaint_days: Annotated[int, Meta(ge=1, le=366)]
    ask_again: tuple[AskAgain, ...]
    source: dict[str, str]

    def __post_init__(self) -> None:
        if not self.source.get("complaint_days"):
            raise ValueError("complaint_days has no source")
        ages = [one.age for one in self.ask_again]
        if ages != sorted(set(ages)):
            raise ValueError("the ages of ask_again rise")


def read_desk_rule(path: Path) -> DeskRule:
    """Read the rule file."""
    return read_toml(path, DeskRule)


def desk_schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(DeskRule)


def ask_again_on(birth: date, today: date, ages: Iterable[int]) -> date | None:
    """Return the day on which a guardian's choice is asked again; None past the last age.

    It is worked out where the form is filled in. Only the month leaves that place: the day is the
    first of the month after the birthday, so that it comes never too early and tells no birthday.
    """
    for age in sorted(ages):
        month = birth.month % 12 + 1
        due = date(birth.year + age + (birth.month == 12), month, 1)
        if due > today:
            return due
    return None


def check_month_only(day: date) -> date:
    """Return ``day`` if it tells no more than a month.

    Raises:
        UserError: it does.
    """
    if day.day != 1:
        raise UserError(
            "opt-out.ask-again",
            "The day to ask again tells more than a month.",
            rule="a desk keeps the month only: the day would tell a birthday",
            next_step="send the first day of the month after the birthday",
        )
    return day
