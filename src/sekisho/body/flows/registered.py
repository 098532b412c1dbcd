"""A registry's record of one person: the choices, and when the registry learned of each.

``learned``: receipt → the day on which this registry learned of the choice, and the number of the
first list that can rest on it. With it any list of the past can be made again. Whoever adds a
choice to a registry adds it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sekisho.body.context import Body
from sekisho.body.ports import Json

REGISTRY = "registry"


def next_list(body: Body) -> int:
    """Return the number of the next list of this registry."""
    return int((body.store.get("list-head", body.id) or {"number": 0})["number"]) + 1


def known(body: Body, wrapped: str, changed: Mapping[str, Json]) -> Json:
    """Return what is registered of a person, ``changed`` in this same outcome or in the store."""
    return (
        changed.get(wrapped) or body.store.get(REGISTRY, wrapped) or {"choices": [], "learned": {}}
    )


def with_choices(record: Json, choices: Iterable[Json], on: str, number: int) -> Json:
    """Return ``record`` with the choices that it lacks; the same record where it lacks none.

    Args:
        on: the day on which the registry learned of them.
        number: the first list that can rest on them.
    """
    fresh = [one for one in choices if one["ref"] not in record["learned"]]
    if not fresh:
        return record
    return {
        **record,
        "choices": [*record["choices"], *fresh],
        "learned": {
            **record["learned"],
            **{one["ref"]: {"on": on, "list": number} for one in fresh},
        },
    }


def puts(changed: Mapping[str, Json]) -> list[tuple[str, str, Json]]:
    """Return changed records as an outcome keeps them."""
    return [(REGISTRY, wrapped, record) for wrapped, record in changed.items()]


def choices_of(changed: Mapping[str, Json]) -> dict[str, list[Json]]:
    """Return the choices of changed records, as a list is made from them."""
    return {wrapped: list(record["choices"]) for wrapped, record in changed.items()}
