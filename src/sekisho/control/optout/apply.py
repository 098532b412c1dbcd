"""The one rule by which a person is dropped; holder and gate each call it on their own path."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sekisho.control.optout.choice import Scope


def drops(
    scopes: Iterable[Scope], data_class: str, operator: str | Collection[str], purpose: str
) -> bool:
    """Return whether records of one class, of a person with these choices, stay out of an extract.

    Args:
        scopes: what the person opted out of and is in force.
        data_class: class of the records.
        operator: the body, or all the bodies, that hold, process or host these records in this
            extract. A choice against an operator stops its use of the data, wherever they lie.
        purpose: purpose of the permit.
    """
    operators = {operator} if isinstance(operator, str) else set(operator)
    return any(_covers(scope, data_class, operators, purpose) for scope in scopes)


def _covers(scope: Scope, data_class: str, operators: set[str], purpose: str) -> bool:
    match scope.kind:
        case "all":
            return True
        case "data":
            return scope.value == data_class
        case "operator":
            return scope.value in operators
        case "purpose":
            return scope.value == purpose
