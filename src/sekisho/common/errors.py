"""Errors by whose fault they are; each class has one exit code and one HTTP status.

A message says what happened, why (rule and source) and what to do next. It never carries a
patient's data: whoever raises one of these is responsible for that (promise 9).
"""

from __future__ import annotations

from typing import ClassVar


class SekishoError(Exception):
    """Base of every error that a person may see.

    Args:
        code: stable id of the case, e.g. ``scenario.unknown-key``.
        message: what happened, in one sentence.
        rule: the rule that decided, with its source, where one did.
        next_step: what the reader can do now.
    """

    exit_code: ClassVar[int] = 5
    http_status: ClassVar[int] = 500

    def __init__(
        self, code: str, message: str, *, rule: str | None = None, next_step: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.rule = rule
        self.next_step = next_step

    def __str__(self) -> str:
        parts = [f"{self.message} [{self.code}]"]
        if self.rule:
            parts.append(f"Rule: {self.rule}")
        if self.next_step:
            parts.append(f"Next: {self.next_step}")
        return "\n".join(parts)

    def as_problem(self) -> dict[str, object]:
        """Return the error as an RFC 9457 problem document."""
        problem: dict[str, object] = {
            "type": f"urn:sekisho:problem:{self.code}",
            "title": self.message,
            "status": self.http_status,
        }
        if self.rule:
            problem["rule"] = self.rule
        if self.next_step:
            problem["next"] = self.next_step
        return problem


class UserError(SekishoError):
    """The request or a file is wrong; its author can mend it."""

    exit_code = 2
    http_status = 400


class Refusal(SekishoError):
    """A rule said no."""

    exit_code = 3
    http_status = 403


class PeerError(SekishoError):
    """Another body did not answer, or answered what it must not."""

    exit_code = 4
    http_status = 502


class Defect(SekishoError):
    """Our fault: a state that must not be."""

    exit_code = 5
    http_status = 500


class TamperError(SekishoError):
    """A proof does not hold: bytes, order or signature differ from what was recorded."""

    exit_code = 6
    http_status = 409


class StorageFull(SekishoError):
    """There is no room on a disk; what was asked can be done as soon as there is."""

    exit_code = 7
    http_status = 507
