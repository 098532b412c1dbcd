"""Ids that never travel as bare strings across a room's door."""

from __future__ import annotations

from typing import NewType

from sekisho.common.randomness import RandomBytes

BodyId = NewType("BodyId", str)
ActorId = NewType("ActorId", str)
Domain = NewType("Domain", str)
"""``identity``, ``body:<id>``, ``registry:<id>``, ``project:<application>:<body>`` or
``uses:<application>:<body>``."""
Tag = NewType("Tag", str)
"""A person's random name inside one transfer: 32 hex digits, worthless outside it."""

IDENTITY = Domain("identity")


def body_domain(body: str) -> Domain:
    """Return the domain of the records that ``body`` holds."""
    return Domain(f"body:{body}")


def registry_domain(body: str) -> Domain:
    """Return the domain of the opt-out registry that ``body`` keeps."""
    return Domain(f"registry:{body}")


def project_domain(application: str, body: str) -> Domain:
    """Return the domain of ``application`` at ``body``; the environment's is the project's own."""
    return Domain(f"project:{application}:{body}")


def uses_domain(application: str, body: str) -> Domain:
    """Return the domain in which ``body`` keeps who was included in ``application``."""
    return Domain(f"uses:{application}:{body}")


def pseudonym_space(domain: Domain) -> str:
    """Return what a person's pseudonym in ``domain`` depends on: of a project, the project alone.

    Bodies that a project's data pass have keys of their own but one space of pseudonyms, so that
    a project has the same ones wherever a framework puts its environment.
    """
    return domain.rpartition(":")[0] if domain.startswith("project:") else domain


def rotates(domain: Domain) -> bool:
    """Return whether the pseudonyms of ``domain`` turn when an epoch begins: a holder's, a
    registry's and those of an index of uses do; a project's own end with the project."""
    return domain.startswith(("body:", "registry:", "uses:"))


def new_tag(random: RandomBytes) -> Tag:
    """Return a fresh random tag."""
    return Tag(random(16).hex())


def new_id(random: RandomBytes) -> str:
    """Return a fresh random id of 128 bits as hex (messages, batches, cases)."""
    return random(16).hex()
