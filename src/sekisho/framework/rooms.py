"""Which functions a body performs, and so which rooms it has (promise 2)."""

from __future__ import annotations

from sekisho.common.ids import BodyId
from sekisho.framework.choices import registries
from sekisho.framework.model import CLASSES, DataClass, Framework, Function, Role

_ROOMS_OF_ROLE: dict[Role, frozenset[str]] = {
    "history": frozenset({"history", "enclave"}),
    "converter": frozenset({"converter", "conversion"}),
    "oversight": frozenset({"oversight", "conversion"}),
}


def functions_of(fw: Framework, body: BodyId) -> frozenset[Function]:
    """Return the functions that ``body`` is given, for any class of data."""
    return frozenset(one.function for one in fw.assignment if body in one.named)


def classes_of(fw: Framework, body: BodyId, function: Function) -> tuple[DataClass, ...]:
    """Return the classes of data for which ``body`` performs ``function``."""
    return tuple(c for c in CLASSES if body in fw.assigned(function, c))


def rooms(fw: Framework, body: BodyId) -> frozenset[str]:
    """Return the rooms that ``body`` has; a body has no routes of any other room.

    Functions give the room of their name; both converter roles give ``conversion``, and that of
    the histories, which knows persons by law, the linkage ``enclave``. A body that keeps a
    registry for others (a joint registry) has the ``opt_out`` room as well.
    """
    found: set[str] = set(functions_of(fw, body))
    for role in fw.find_body(body).roles:
        found |= _ROOMS_OF_ROLE[role]
    if body in registries(fw):
        found.add("opt_out")
    return frozenset(found)
