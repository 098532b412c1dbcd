"""What became of every record at the provider's side, so that nothing is lost unseen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sekisho.common.errors import Defect
from sekisho.common.ids import BodyId


@dataclass(frozen=True, order=True)
class Line:
    """The records of one type and one data class.

    A record that goes with two classes stands in two lines: the recipient of each counts it.
    ``data_class`` is empty where the class cannot be told; such records are counted for everyone.

    Args:
        read: records in the files.
        sent: those that leave for ``body``.
        withheld: fit to leave, but the class has no recipient; ``cause`` says why.
    """

    record_type: str
    data_class: str
    read: int
    sent: int
    refused: int
    superseded: int
    set_aside: int
    withheld: int = 0
    body: BodyId | None = None
    cause: str | None = None

    def __post_init__(self) -> None:
        parts = (self.sent, self.refused, self.superseded, self.set_aside, self.withheld)
        if min(parts) < 0 or sum(parts) != self.read:
            raise Defect("provider.unbalanced", f"The balance of {self.record_type} is not even.")
        if (self.sent and self.body is None) or (self.withheld and not self.cause):
            raise Defect("provider.unbalanced", "Sent needs a body, withheld needs a cause.")

    def declared(self) -> dict[str, str | int]:
        """Return what the body is told: ``sent`` there counts everything but the withheld.

        A line that cannot be read never leaves, yet the body learns its number.
        """
        return {
            "record_type": self.record_type,
            "data_class": self.data_class,
            "sent": self.read - self.withheld,
            "delivered": self.sent,
            "refused": self.refused,
            "superseded": self.superseded,
            "set_aside": self.set_aside,
        }


def lines_of(lines: Iterable[Line], body: BodyId) -> tuple[Line, ...]:
    """Return the lines that ``body`` is told: those of its classes, and those without a class."""
    return tuple(x for x in lines if x.body == body or not x.data_class)
