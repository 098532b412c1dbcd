"""A body that leaves: who may take what it has, and the framework as it is without it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from sekisho.common.ids import BodyId
from sekisho.framework.choices import registries
from sekisho.framework.model import Framework
from sekisho.framework.rooms import classes_of


def cannot_succeed(fw: Framework, leaving: BodyId, successor: BodyId) -> tuple[str, ...]:
    """Return why ``successor`` cannot take what ``leaving`` has; nothing where it can.

    It must collect every class of data that the leaving body holds, and keep a registry where that
    one does; and nobody may be the only one with a function, for it would then be nobody's.
    """
    reasons = []
    if successor == leaving or not {leaving, successor} <= set(fw.function_bodies):
        return ("it is no other body with functions of this framework",)
    held = set(classes_of(fw, leaving, "collection"))
    lacking = held - set(classes_of(fw, successor, "collection"))
    if lacking:
        reasons.append(f"it does not collect {', '.join(sorted(lacking))} data")
    if leaving in registries(fw) and successor not in registries(fw):
        reasons.append("it keeps no registry of choices")
    alone = sorted({one.function for one in fw.assignment if one.named == (leaving,)})
    if alone:
        reasons.append(f"nobody else has the function {', '.join(alone)}")
    return tuple(reasons)


def without(fw: Framework, left: Mapping[str, str]) -> Framework:
    """Return the framework as it is after bodies left: left body → its successor.

    The bodies stay named, for their ledgers and signatures stay valid; functions they have none.
    """
    gone: Collection[str] = left.keys()
    if not gone:
        return fw
    assignment = tuple(
        one
        if one.bodies == "none"
        else msgspec.structs.replace(one, bodies=tuple(b for b in one.bodies if b not in gone))
        for one in fw.assignment
    )
    linkage = fw.linkage
    if linkage is not None:
        linkage = msgspec.structs.replace(
            linkage,
            exchange=tuple(b for b in linkage.exchange if b not in gone),
            at=BodyId(left.get(linkage.at, linkage.at)),
        )
    return msgspec.structs.replace(fw, assignment=assignment, linkage=linkage)
