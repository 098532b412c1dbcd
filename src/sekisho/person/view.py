"""What a person is shown: uses of their data, projects whose log is missing, choices in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Use = Literal["used", "not_used", "missing", "not_yet", "not_made"]


class Project(msgspec.Struct, frozen=True):
    """One project as the register tells it to everybody; fields that are not ours are left out."""

    application: str
    domain: str
    permit: str
    applicant: str
    purpose: str
    form: str
    classes: tuple[str, ...]
    body: str
    starts: str
    expires: str
    made_on: str | None
    released: tuple[dict[str, str], ...]
    state: Literal["not_extracted", "due", "missing", "received", "not_made"]
    since: str


class StandingChoice(msgspec.Struct, frozen=True):
    """One scope that the person keeps out of, in force today, at one registry."""

    registry: str
    scope: str
    since: str


@dataclass(frozen=True)
class View:
    """Every project there is, with what it means for the person who asked; and their choices."""

    projects: Mapping[Use, tuple[Project, ...]]
    choices: tuple[StandingChoice, ...]

    def of(self, use: Use) -> tuple[Project, ...]:
        return self.projects.get(use, ())

    def counts(self) -> dict[str, int]:
        """Return how many of each: all that a report may know."""
        kinds: tuple[Use, ...] = ("used", "not_used", "missing", "not_yet", "not_made")
        return {**{kind: len(self.of(kind)) for kind in kinds}, "choices": len(self.choices)}

    def as_json(self) -> dict[str, Any]:
        """Return the view as plain data, for the person alone."""
        shown = {kind: msgspec.to_builtins(self.of(kind)) for kind in self.projects}
        return {"projects": shown, "choices": msgspec.to_builtins(self.choices)}


def compose(register: Iterable[Project], answers: Mapping[str, Mapping[str, Any]]) -> View:
    """Return the view from the register and the opened answers, by domain.

    A project that can be looked up but whose answer is lacking, or says that the log is damaged,
    is missing as well.
    """
    projects: dict[Use, tuple[Project, ...]] = {}
    for project in register:
        use = _use(project, answers.get(project.domain, {}).get("used"))
        projects[use] = (*projects.get(use, ()), project)
    choices = [
        StandingChoice(domain.partition(":")[2], one["scope"], one["since"])
        for domain, answer in sorted(answers.items())
        for one in answer.get("choices", ())
    ]
    return View(projects, tuple(choices))


def _use(project: Project, included: bool | None) -> Use:
    if project.state == "received":
        return "missing" if included is None else "used" if included else "not_used"
    if project.state == "missing":
        return "missing"
    return "not_made" if project.state == "not_made" else "not_yet"
