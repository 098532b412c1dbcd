"""Every door of the gateway as one table: method, path, who may use it, what it is for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sekisho.provider.gateway.clients import Role

ANYONE: Final[frozenset[Role]] = frozenset()
"""No key is asked for: what such a door says is no secret of anyone."""


@dataclass(frozen=True)
class Door:
    """One door. ``roles`` empty: open to anyone; ``name`` is the method of `answers.Answers`.

    ``asks``: query parameter → its JSON schema; all may be left out.
    """

    method: str
    path: str
    roles: frozenset[Role]
    name: str
    about: str
    answers: tuple[int, ...]
    takes: str | None = None
    asks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fhir(self) -> bool:
        """Whether errors are told as OperationOutcome."""
        return self.path.startswith("/fhir")


def _door(
    method: str,
    path: str,
    roles: str,
    name: str,
    about: str,
    answers: str,
    takes: str | None = None,
    **asks: Any,
) -> Door:
    allowed: frozenset[Any] = frozenset(roles.split())
    said = tuple(map(int, answers.split()))
    return Door(method, path, allowed, name, about, said, takes, asks)


DOORS: Final = (
    _door("GET", "/health", "", "health", "Whether the gateway answers and has room.", "200 507"),
    _door("GET", "/openapi.json", "", "describe", "This description.", "200"),
    _door(
        "POST",
        "/fhir/Bundle",
        "submit",
        "push",
        "A JP-CLINS Bundle: one Patient and resources of one type, taken whole or refused whole. "
        "The same Bundle.identifier with the same content is the same job; with other content it "
        "is a correction.",
        "200 202 400 413",
        "application/fhir+json",
    ),
    _door(
        "POST",
        "/files/{format}",
        "submit",
        "take",
        "One file of a format. Idempotency-Key, or the content, names it.",
        "200 202 400 409 413",
        "application/octet-stream",
    ),
    _door("OPTIONS", "/uploads", "submit", "abilities", "What this server does of tus.", "204"),
    _door("POST", "/uploads", "submit", "begin", "Begin an upload (tus creation).", "201 400 413"),
    _door("HEAD", "/uploads/{name}", "submit", "offset", "Where an upload stopped.", "200 404"),
    _door(
        "PATCH",
        "/uploads/{name}",
        "submit",
        "append",
        "The next piece of an upload, with a checksum if there is one.",
        "204 400 404 409 415 460",
        "application/offset+octet-stream",
    ),
    _door("DELETE", "/uploads/{name}", "submit", "drop", "Forget an upload.", "204 404"),
    _door(
        "GET",
        "/jobs",
        "submit operate",
        "jobs",
        "Jobs in order of arrival: one's own; an operator's: all. `next` is where more are told.",
        "200 400",
        after={"type": "integer", "minimum": 0, "default": 0},
    ),
    _door("GET", "/jobs/{name}", "submit operate", "job", "What came of one job.", "200 404"),
    _door(
        "POST",
        "/jobs/{name}/retry",
        "submit operate",
        "retry",
        "Try a failed job again. Where later jobs of its client and format have gone, only with "
        "`overtake`: of one source record what is sent last counts.",
        "202 404 409",
        overtake={"type": "boolean", "default": False},
    ),
    _door(
        "DELETE",
        "/jobs/{name}",
        "submit operate",
        "discard",
        "Drop a failed job with its bytes.",
        "204 404 409",
    ),
    _door("GET", "/counts", "operate watch", "counts", "How many jobs wait, went, failed.", "200"),
    _door("POST", "/send", "operate", "send", "Send on what waits, now.", "202"),
)
