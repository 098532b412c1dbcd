"""Projects in the index of uses, and persons who ask at a desk.

Projects are put into the index as an environment would have sent them: with both converters'
secrets a test can say what a person's pseudonym is; nobody in the system can.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from memory_town import DESK, SEED, START, MemoryClient, MemoryTown
from sekisho.body.flows import uses
from sekisho.common.canonical import digest_of
from sekisho.common.ids import uses_domain
from sekisho.common.randomness import system_random
from sekisho.control.uses import UseLog
from sekisho.person import View, ask, collect
from sekisho.pseudonym.group import Element, multiply
from sekisho.pseudonym.identifiers import element_of
from sekisho.synthetic import person_of

HEART, KIDNEY = {2, 3, 5}, {3, 4, 5}
"""Persons of two projects; 3 and 5 are in both."""


def oversight(town: MemoryTown) -> str:
    return str(town.framework.with_role("oversight")[0])


def pseudonym(town: MemoryTown, application: str, person: int, epoch: int = 0) -> Element:
    element = element_of(person_of(SEED, person).key())
    domain = uses_domain(application, oversight(town))
    for service in town.services.values():
        if "conversion" in service.body.rooms:
            element = multiply(service.body.keys.converter().factor(domain, epoch), element)
    return element


def log_of(town: MemoryTown, application: str, **known: Any) -> UseLog:
    return UseLog(
        application=application,
        permit="0" * 64,
        applicant="Example University",
        purpose="research",
        form="pseudonymised",
        classes=("basic",),
        body=town.framework.function_bodies[0],
        starts=START,
        expires=START + timedelta(days=365),
        known_on=START,
        **known,
    )


def index(town: MemoryTown, application: str, persons: Iterable[int]) -> None:
    """Put a project into the index, with these persons."""
    body = town.body(oversight(town))
    kept: dict[str, list[str]] = {}
    for wrapped in sorted(body.keys.wrap(pseudonym(town, application, one)) for one in persons):
        kept.setdefault(wrapped[:2], []).append(wrapped)
    for name, each in kept.items():
        body.store.put(uses.INDEX, f"{application}:{name}", {"persons": each})
    digests = {name: digest_of(each) for name, each in kept.items()}
    log = log_of(
        town, application, moved_on=START, received_on=START, made_on=START, buckets=digests
    )
    body.store.put(uses.LOG, application, log.payload())


def view(town: MemoryTown, person: int, desk: str | None = None, **as_of: date) -> View | None:
    """Ask as a person's client does."""
    client: Any = MemoryClient(town, DESK)
    directory = town.deployment.directory
    spec = person_of(SEED, person).spec()
    asked = ask(client, directory, town.framework, spec, system_random, desk=desk, **as_of)
    town.settle()
    seen = collect(client, directory, asked)
    town.settle()
    return seen


def used(seen: View | None) -> set[str]:
    assert seen is not None
    return {project.application for project in seen.of("used")}
