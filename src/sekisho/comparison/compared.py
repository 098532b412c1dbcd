"""A comparison as a value: runs side by side, and every table that is made of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sekisho.comparison.beside import Beside, beside, criteria
from sekisho.comparison.figures import FIGURES, Figure, Value
from sekisho.comparison.losses import Loss, in_order, losses
from sekisho.comparison.remains import VARIED, Json, Run, Variant
from sekisho.framework import Claims, Text

if TYPE_CHECKING:
    from rich.table import Table

Sets = dict[str, list[str]]
"""SHA-256 → the runs that have it."""


@dataclass(frozen=True)
class Omission:
    """A run that is not there: ``skipped`` on purpose, or it ended with an error."""

    framework: str
    variant: Variant
    skipped: bool
    why: Text

    def as_json(self) -> Json:
        return {
            "framework": self.framework,
            "variant": self.variant,
            "skipped": self.skipped,
            "why": _text(self.why),
        }


@dataclass(frozen=True)
class Comparison:
    """One scenario in several frameworks. ``runs`` keep the order of the frameworks' files."""

    runs: tuple[Run, ...]
    claims: Claims
    omitted: tuple[Omission, ...] = ()

    @property
    def scenario(self) -> Json:
        """Start, seed and size of the scenario; what the runs have in common."""
        found: Json = self.runs[0].report["scenario"]
        return found

    @property
    def own(self) -> tuple[Run, ...]:
        """The runs with the doors that each framework has by its file."""
        return tuple(run for run in self.runs if run.variant == "own")

    @property
    def frameworks(self) -> dict[str, Text]:
        """The frameworks that were run, with titles."""
        return {run.framework: run.title for run in self.runs}

    @property
    def problems(self) -> tuple[Omission, ...]:
        """Runs that ended with an error."""
        return tuple(one for one in self.omitted if not one.skipped)

    def figure(self, figure: Figure) -> Iterator[tuple[Run, Value]]:
        """Yield each run that has the figure, with its value."""
        for run in self.runs:
            value = figure.read(run)
            if value is not None:
                yield run, value

    def values(self) -> dict[str, dict[str, float]]:
        """Return figure → framework → value with the framework's own doors."""
        return {
            figure.id: {
                run.framework: value.value
                for run, value in self.figure(figure)
                if run.variant == "own"
            }
            for figure in FIGURES
        }

    def beside(self) -> tuple[Beside, ...]:
        """Return every claim of the memo about a framework that was run, beside its figure."""
        values = self.values()
        return tuple(one for run in self.own for one in beside(self.claims, run.framework, values))

    def released(self) -> dict[str, dict[str, Sets]]:
        """Return application → file → digest → runs. One digest: the same bytes in all of them."""
        return _by_digest({_name(run): run.released for run in self.runs})

    def extracts(self) -> dict[str, dict[str, Sets]]:
        """Return application → table → digest → runs, of the data that the environment saw."""
        return _by_digest(
            {
                _name(run): {
                    name: project["digests"]
                    for name, project in run.report["projects"].items()
                    if "digests" in project
                }
                for run in self.runs
            }
        )

    def lost(self) -> list[tuple[Loss, dict[str, float]]]:
        """Return each cause with how much it took in each run."""
        by_run = {_name(run): losses(run) for run in self.runs}
        causes = in_order({loss for found in by_run.values() for loss in found})
        return [
            (loss, {name: found.get(loss, 0) for name, found in by_run.items()}) for loss in causes
        ]

    def as_json(self) -> Json:
        """Return everything as plain data, for comparison.json."""
        return {
            "simulation": True,
            "recommendation": None,
            "scenario": self.scenario,
            "claims_version": self.claims.version,
            "runs": [
                {
                    "framework": run.framework,
                    "variant": run.variant,
                    "title": _text(run.title),
                    "bodies_that_hold_and_join": run.report["measures"][
                        "bodies_that_hold_and_join"
                    ],
                    "auxiliary_bodies": sorted(run.auxiliary),
                    "notes": run.report["notes"],
                    "unhandled_messages": len(run.report["failed"]),
                }
                for run in self.runs
            ],
            "omitted": [one.as_json() for one in self.omitted],
            "figures": [self._figure_json(figure) for figure in FIGURES],
            "released": self.released(),
            "extracts": self.extracts(),
            "lost": [
                {
                    "cause": loss.id,
                    "title": _text(loss.title),
                    "unit": _text(loss.unit),
                    "by_run": by_run,
                }
                for loss, by_run in self.lost()
            ],
            "claims": [one.as_json() for one in self.beside()],
            "criteria": criteria(self.claims, list(self.frameworks)),
            "not_measured_yet": {run.framework: run.report["not_measured_yet"] for run in self.own},
        }

    def _figure_json(self, figure: Figure) -> Json:
        return {
            "figure": figure.id,
            "group": figure.group,
            "title": _text(figure.title),
            "unit": _text(figure.unit),
            "about": _text(figure.about) if figure.about else None,
            "values": [
                {
                    "framework": run.framework,
                    "variant": run.variant,
                    "value": value.value,
                    "parts": dict(value.parts),
                }
                for run, value in self.figure(figure)
            ],
        }

    def csv(self) -> str:
        """Return all figures in long form; a part of a figure is ``figure:part``."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("framework", "variant", "figure", "unit", "value"))
        for figure in FIGURES:
            for run, value in self.figure(figure):
                head = (run.framework, run.variant)
                writer.writerow((*head, figure.id, figure.unit.en, value.value))
                for part, amount in value.parts.items():
                    writer.writerow((*head, f"{figure.id}:{part}", figure.unit.en, amount))
        for loss, by_run in self.lost():
            for run in self.runs:
                row = (f"lost:{loss.id}", loss.unit.en, by_run[_name(run)])
                writer.writerow((run.framework, run.variant, *row))
        return out.getvalue()

    def lines(self) -> list[str | Table]:
        """Return what the terminal shows; the page has more."""
        from sekisho.comparison.terminal import lines

        return lines(self)


def key_of(framework: str, variant: Variant) -> str:
    return framework if variant == "own" else f"{framework} ({VARIED[variant].en})"


def _name(run: Run) -> str:
    return key_of(run.framework, run.variant)


def _by_digest(
    found: Mapping[str, Mapping[str, Mapping[str, str]]],
) -> dict[str, dict[str, Sets]]:
    made: dict[str, dict[str, Sets]] = {}
    for run, applications in found.items():
        for application, files in applications.items():
            for file, digest in files.items():
                sets = made.setdefault(application, {}).setdefault(file, {})
                sets.setdefault(digest, []).append(run)
    return {application: dict(sorted(files.items())) for application, files in sorted(made.items())}


def _text(text: Text) -> dict[str, Any]:
    return {"ja": text.ja, "en": text.en}
