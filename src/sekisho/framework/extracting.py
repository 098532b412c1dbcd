"""The way of an extract: from its holder, through the body that processes it, to where it is
joined and analysed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    joining = {body for c in CLASSES for body in fw.assigned("analysis", c)}
    if fw.linkage is not None:
        joining.add(fw.linkage.at)
    held = {holder for c in CLASSES for holder in holders(fw, c)}
    return tuple(b for b in fw.function_bodies if b in held & joining)
