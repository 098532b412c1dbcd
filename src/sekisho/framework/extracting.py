"""The way of an extract: from its holder, through the body that processes it, to where it is
joined and analysed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from sekisho.common.errors import UserError
from sekisho.common.ids import BodyId
from sekisho.framework.model import CLASSES, DataClass, Framework
from sekisho.framework.submission import holders


@dataclass(frozen=True)
class Route:
    """The bodies that data pass, first the holder, last the environment; and who processes."""

    hops: tuple[BodyId, ...]
    processor: BodyId


def environment(fw: Framework, classes: Iterable[DataClass]) -> BodyId:
    """Return where data of ``classes`` are joined and analysed.

    One body that has the analysis of them all is the one; else the body that the framework says
    joins (``linkage.at``).

    Raises:
        UserError: the framework gives analysis of these classes to nobody.
    """
    wanted = set(classes)
    found = {body for c in wanted for body in fw.assigned("analysis", c)}
    covered = all(fw.assigned("analysis", c) for c in wanted)
    if wanted and covered and len(found) == 1:
        return next(iter(found))
    if wanted and covered and fw.linkage is not None:
        return fw.linkage.at
    asked = ", ".join(c for c in CLASSES if c in wanted) or "no class"
    raise UserError(
        "framework.no-environment",
        f"The framework {fw.id!r} has no environment for data of: {asked}.",
        rule="frameworks: assignment of analysis, linkage.at",
        next_step="ask for data of a class that the framework gives an environment",
    )


def extract_route(
    fw: Framework, holder: BodyId, data_class: DataClass, environment: BodyId
) -> Route:
    """Return the way of one class of data from ``holder`` to ``environment``.

    A holder that processes the class does so before handing over; else the environment does, if
    it may; else the body that processes stands between them.

    Raises:
        UserError: the framework gives processing of the class to nobody.
    """
    processors = fw.assigned("processing", data_class)
    if not processors:
        raise UserError(
            "framework.no-processor",
            f"The framework {fw.id!r} gives processing of {data_class} data to nobody.",
            rule="frameworks: assignment of processing",
            next_step="ask for data of another class",
        )
    if holder in processors:
        processor = holder
    elif environment in processors:
        processor = environment
    else:
        processor = processors[0]
    hops = [holder]
    for body in (processor, environment):
        if body != hops[-1]:
            hops.append(body)
    return Route(tuple(hops), processor)


def holds_and_joins(fw: Framework) -> tuple[BodyId, ...]:
    """Return the bodies that hold data and also host joined data, in the file's order.

    Promise 3 speaks of bodies that only hold or only join; these do both, and `compare` says so.
    """
    if fw.linkage is None:
        return ()
    joining = {body for c in CLASSES for body in fw.assigned("analysis", c)} | {fw.linkage.at}
    held = {holder for c in CLASSES for holder in holders(fw, c)}
    return tuple(b for b in fw.function_bodies if b in held & joining)


@dataclass(frozen=True)
class Crossing:
    """Data that go from one body to another for linked analysis.

    ``processed`` says whether the sender has processed them before they leave it.
    """

    sender: BodyId
    receiver: BodyId
    classes: tuple[DataClass, ...]
    processed: bool


def environments(fw: Framework) -> tuple[BodyId, ...]:
    """Return the bodies where joined data can be analysed: a permit may name any of them."""
    able = {body for c in CLASSES for body in fw.assigned("analysis", c)}
    return tuple(b for b in fw.function_bodies if b in able)


def crossings(fw: Framework, classes: Iterable[DataClass]) -> tuple[Crossing, ...]:
    """Return what crosses between bodies for linked analysis of ``classes``, in either direction
    that a permit could ask for; nothing crosses where no body exchanges."""
    if fw.linkage is None:
        return ()
    wanted = set(classes)
    legs: dict[tuple[BodyId, BodyId, bool], list[DataClass]] = {}
    for place in environments(fw):
        for data_class in (c for c in CLASSES if c in wanted):
            for holder in holders(fw, data_class):
                route = extract_route(fw, holder, data_class, place)
                done = False
                for sender, receiver in pairwise(route.hops):
                    done = done or sender == route.processor
                    taken = legs.setdefault((sender, receiver, done), [])
                    if data_class not in taken:
                        taken.append(data_class)
    return tuple(Crossing(s, r, tuple(taken), done) for (s, r, done), taken in legs.items())
