"""Who acts in a rehearsal beside the bodies: providers, users, committees, checkers, persons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import tomli_w

from sekisho.body.setup import Actor
from sekisho.common.atomicfile import write_atomically
from sekisho.control.review import Committee, Seat
from sekisho.framework import Framework, functions_of
from sekisho.rehearsal.scenario import Scenario

OBSERVER = "observer"
DESK = "desk-client"
INSURER = "insurer-client"
CLERK = "enclave-clerk"


def applicant_of(application: str) -> str:
    """Return the account that applies and works with the data."""
    return f"user-{application}"


def cast(scenario: Scenario, framework: Framework, folder: Path) -> tuple[Actor, ...]:
    """Return every party that is no body, with the folder of its key."""
    keys = folder / "actors"
    actors = [
        Actor(
            one.code,
            "provider",
            folder / "providers" / one.code / "keys",
            function=one.function,
            operator=one.operator,
        )
        for one in scenario.provider
    ]
    actors += [
        Actor(applicant_of(one.id), "applicant", keys / applicant_of(one.id))
        for one in scenario.application
    ]
    for body in framework.function_bodies:
        functions = functions_of(framework, body)
        if "review" in functions:
            actors += [Actor(name, "reviewer", keys / name) for name in _panel(body)]
        if "analysis" in functions:
            actors += [
                Actor(name, "reviewer", keys / name, ("checker",)) for name in checkers(body)
            ]
    if any(one.enclave for one in scenario.application):
        actors.append(Actor(CLERK, "reviewer", keys / CLERK, ("clerk",)))
    actors.append(Actor(DESK, "desk", keys / DESK))
    actors.append(Actor(INSURER, "insurer", keys / INSURER))
    actors.append(Actor(OBSERVER, "observer", keys / OBSERVER))
    return tuple(actors)


def handler(body: str) -> str:
    return f"{body}-handler"


def chair(body: str) -> str:
    return f"{body}-chair"


def members(body: str) -> tuple[str, ...]:
    """Return the seats of a body's committee, the chair first."""
    return (chair(body), f"{body}-method", f"{body}-lay")


def checkers(body: str) -> tuple[str, str]:
    """Return the two output checkers of an environment."""
    return (f"{body}-checker-1", f"{body}-checker-2")


def _panel(body: str) -> Iterator[str]:
    yield handler(body)
    yield from members(body)


def committee(body: str) -> Committee:
    """Return a committee of three that can be a quorum under the shipped rule."""
    boss, method, lay = members(body)
    return Committee(
        seats=(
            Seat(member=boss, organisation=body, kind="legal", office="chair"),
            Seat(member=method, organisation="Institute of Method", kind="method", outside=True),
            Seat(member=lay, organisation="Patients' Association", kind="lay", outside=True),
        ),
        handlers=(handler(body),),
    )


def write_committees(framework: Framework, folder: Path) -> None:
    """Give every deciding body its committee's file."""
    for body in framework.function_bodies:
        if "review" in functions_of(framework, body):
            text = tomli_w.dumps(msgspec.to_builtins(committee(body)))
            write_atomically(folder / "bodies" / body / "committee.toml", text.encode())
