"""Clocks are passed in. Business time may be a scenario's; transport time never is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Protocol

JST = timezone(timedelta(hours=9), "JST")


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands at one instant (scenarios, tests)."""

    at: datetime

    @classmethod
    def on(cls, day: date) -> FixedClock:
        """Return the clock that stands at the start of ``day`` in Japan."""
        return cls(datetime.combine(day, time(0), JST).astimezone(UTC))

    def now(self) -> datetime:
        return self.at


def today(clock: Clock) -> date:
    """Return the calendar day in Japan, which is the day that rules speak of."""
    return clock.now().astimezone(JST).date()
