"""The report as one page that needs nothing but itself, in Japanese or in English."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby

from sekisho.common.pages import render
from sekisho.common.visible import visible
from sekisho.quality.drawing import BAR_WIDTH, MONTH_HEIGHT, MONTH_WIDTH, columns, stacked
from sekisho.quality.measures import Measure
from sekisho.quality.report import LEVELS, PARTS, QualityReport, Where
from sekisho.quality.rules import Language

MOST_TEXT = 80
"""Characters of a code system's name; a file's name is shown whole."""
MOST_SYSTEMS = 12
FEW_LINES = 8
"""Lines of one file that are shown at once; the others are unfolded."""


def page(report: QualityReport, language: Language) -> str:
    """Return the page; everything from the report is escaped."""
    return render(
        "sekisho.quality",
        "report",
        language,
        report=report,
        levels=LEVELS,
        parts=PARTS,
        most=max((fate.read for fate in report.fates), default=0),
        plain=partial(visible, most=MOST_TEXT),
        systems=_systems,
        at=_by_file,
        few=FEW_LINES,
        stacked=stacked,
        columns=columns,
        bar_width=BAR_WIDTH,
        month_width=MONTH_WIDTH,
        month_height=MONTH_HEIGHT,
    )


def _systems(one: Measure) -> tuple[list[tuple[str, int]], int, int]:
    """Return the most frequent code systems; of the others their number, and that of their rows."""
    every = list(one.systems.items())
    rest = every[MOST_SYSTEMS:]
    return every[:MOST_SYSTEMS], len(rest), sum(number for _, number in rest)


def _by_file(places: Sequence[Where]) -> list[tuple[str, list[str]]]:
    """Return file → its lines; none where the whole file is meant."""
    return [
        (file, [f"{at.line:,}" for at in of if at.line])
        for file, of in groupby(places, key=lambda at: at.file)
    ]
