"""Where a provider's data go: which body collects what, and through how many doors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from sekisho.common.ids import BodyId
from sekisho.framework.model import CLASSES, DataClass, Framework

NO_OPERATOR_CONTRACT = "no-operator-contract"
"""Several bodies collect the class and the provider has a contract with none of them: legal,
and its data of that class are then missing."""

NOTICE_PERIOD = "notice-period"
"""The body collects only some days after a person was given notice, and they are not over."""

NO_COLLECTOR = "no-collector"
"""The framework gives collection of the class to nobody and says so."""


@dataclass(frozen=True)
class Recipient:
    """Who gets a provider's data of one class: a body, or why nobody does."""

    data_class: DataClass
    body: BodyId | None
    cause: str | None = None

    def __post_init__(self) -> None:
        if (self.body is None) == (self.cause is None):
            raise ValueError("a recipient is either a body or a cause why there is none")


@dataclass(frozen=True)
class SubmissionRoute:
    """One submission: the ``door`` it is handed in at, and who receives which classes."""

    door: BodyId
    parts: tuple[tuple[BodyId, tuple[DataClass, ...]], ...]


def collectors(fw: Framework, data_class: DataClass) -> tuple[BodyId, ...]:
    """Return the bodies that collect one class of data."""
    return fw.assigned("collection", data_class)


def holders(fw: Framework, data_class: DataClass) -> tuple[BodyId, ...]:
    """Return the bodies that hold what was submitted of one class: those that collected it.

    ``holding.public_db`` says who keeps what was collected before the framework began; until
    that hand-over is run it adds no holder.
    """
    return collectors(fw, data_class)


def recipients(fw: Framework, data_class: DataClass, operator: str | None) -> Recipient:
    """Return who gets the data of a provider whose contract is with ``operator``.

    An ``operator`` that does not collect the class is as none at all.
    """
    given = fw.given("collection", data_class)
    if given is None or not given.named:
        return Recipient(data_class, None, NO_COLLECTOR)
    if len(given.named) == 1:
        return Recipient(data_class, given.named[0])
    if operator is not None and operator in given.named:
        return Recipient(data_class, BodyId(operator))
    return Recipient(data_class, None, NO_OPERATOR_CONTRACT)


def submission_routes(
    fw: Framework, classes: Iterable[DataClass], operator: str | None
) -> tuple[SubmissionRoute, ...]:
    """Return the submissions that a provider makes for data of ``classes``.

    Behind a shared door it is one, handed in where the basic data go (else at the first
    recipient) and split there; without, one to each recipient. Classes without a recipient are
    in no route: `recipients` says why.
    """
    wanted = set(classes)
    parts: dict[BodyId, list[DataClass]] = {}
    for data_class in (c for c in CLASSES if c in wanted):
        body = recipients(fw, data_class, operator).body
        if body is not None:
            parts.setdefault(body, []).append(data_class)
    split = tuple((body, tuple(taken)) for body, taken in parts.items())
    if not split:
        return ()
    if fw.doors.submission == "shared":
        # Classes come in the order basic, additional, hard: the first part is the basic one.
        return (SubmissionRoute(split[0][0], split),)
    return tuple(SubmissionRoute(body, ((body, taken),)) for body, taken in split)


def collects_from(fw: Framework, body: BodyId, notified_on: date) -> date:
    """Return the first day on which ``body`` may collect of persons notified on that day.

    A certified operator waits ``collection.notice_days``; a public body collects by law.
    """
    if fw.find_body(body).kind != "certified":
        return notified_on
    return notified_on + timedelta(days=fw.collection.notice_days)


def provider_destinations(fw: Framework, operator: str | None) -> tuple[BodyId, ...]:
    """Return the doors at which a provider with data of every class hands in."""
    return tuple(route.door for route in submission_routes(fw, CLASSES, operator))
