"""How a person's choice, made at any desk, comes to count where data are held.

``opt_out.sync`` decides where several bodies share the function; with one body it has no effect:

- ``none``: every desk keeps its own registry and serves itself alone (the memo's problem).
- ``replicated``: every desk keeps a registry, serves itself and tells the others each choice.
- ``lead``: the first body keeps the registry for all; the others are desks only.
- ``joint_registry``: all are desks; the one registry is kept for them by the oversight body,
  which belongs to none of them. It then converts and keeps choices, both under pseudonyms that
  it cannot turn into another body's alone, since the other converter's factor is missing.
"""

from __future__ import annotations

from sekisho.common.ids import BodyId
from sekisho.framework.model import CLASSES, DataClass, Framework
from sekisho.framework.submission import holders


def desks(fw: Framework) -> tuple[BodyId, ...]:
    """Return the bodies where a person can state a choice, in the file's order."""
    return tuple(b for b in fw.function_bodies if any(b in _managers(fw, c) for c in CLASSES))


def registries(fw: Framework) -> tuple[BodyId, ...]:
    """Return the bodies that keep a registry of choices."""
    return tuple(dict.fromkeys(registry_of(fw, desk) for desk in desks(fw)))


def registry_of(fw: Framework, desk: BodyId) -> BodyId:
    """Return the registry that a form stated at ``desk`` goes to."""
    sharing = desks(fw)
    if len(sharing) > 1 and fw.opt_out.sync == "lead":
        return sharing[0]
    if len(sharing) > 1 and fw.opt_out.sync == "joint_registry":
        return fw.with_role("oversight")[0]
    return desk


def forwards(fw: Framework, registry: BodyId) -> tuple[BodyId, ...]:
    """Return the other registries that must learn each choice made at ``registry``."""
    if fw.opt_out.sync != "replicated":
        return ()
    return tuple(other for other in registries(fw) if other != registry)


def list_recipients(fw: Framework, registry: BodyId) -> tuple[BodyId, ...]:
    """Return the holders of data whose lists of choices come from ``registry``."""
    held = {holder for c in CLASSES for holder in holders(fw, c)}
    return tuple(b for b in fw.function_bodies if b in held and registry in registries_for(fw, b))


def registries_for(fw: Framework, holder: BodyId) -> tuple[BodyId, ...]:
    """Return the registries whose lists bind ``holder``: the inverse of `list_recipients`.

    Empty where the framework leaves the holder without any list; that is a finding.
    """
    sharing = desks(fw)
    if not sharing:
        return ()
    if len(registries(fw)) == 1:
        return registries(fw)
    if holder in sharing:
        return (holder,)
    # A holder that is no desk itself hears the body that manages choices for its data. Where
    # several do, one of them must speak for all, which only a common state allows.
    found: dict[BodyId, None] = {}
    for data_class in CLASSES:
        if holder not in holders(fw, data_class):
            continue
        managers = _managers(fw, data_class)
        if managers and (len(managers) == 1 or fw.opt_out.sync != "none"):
            found[registry_of(fw, managers[0])] = None
    return tuple(found)


def _managers(fw: Framework, data_class: DataClass) -> tuple[BodyId, ...]:
    return fw.assigned("opt_out", data_class)
