"""Which scopes a framework knows: what it has no room for is refused at the desk, with a list."""

from __future__ import annotations

from collections.abc import Iterable

from sekisho.common.errors import Refusal
from sekisho.control.optout.choice import Scope
from sekisho.framework import CLASSES, Framework, collectors


def known_scopes(fw: Framework, purposes: Iterable[str]) -> tuple[Scope, ...]:
    """Return every scope that can mean something here.

    Args:
        fw: its classes that somebody collects, and its bodies.
        purposes: the purposes for which data may be asked for.
    """
    return (
        Scope("all"),
        *(Scope("data", one) for one in CLASSES if collectors(fw, one)),
        *(Scope("operator", body) for body in fw.function_bodies),
        *(Scope("purpose", one) for one in sorted(purposes)),
    )


def check_scope(scope: Scope, known: Iterable[Scope]) -> None:
    """Refuse a scope that would stop nothing here, and say which would.

    Raises:
        Refusal: the framework does not know it.
    """
    known = tuple(known)
    if scope not in known:
        raise Refusal(
            "opt-out.unknown-scope",
            "There is nothing of that name here that a choice could stop.",
            rule="a person is not left in the belief that something was stopped",
            next_step=f"choose one of: {', '.join(str(one) for one in known)}",
        )
