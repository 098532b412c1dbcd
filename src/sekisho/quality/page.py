"""The report as one page that needs nothing but itself, in Japanese or in English."""

from __future__ import annotations

from sekisho.common.pages import render
from sekisho.quality.drawing import BAR_WIDTH, MONTH_HEIGHT, MONTH_WIDTH, columns, stacked
from sekisho.quality.report import LEVELS, PARTS, QualityReport
from sekisho.quality.rules import Language


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
        stacked=stacked,
        columns=columns,
        bar_width=BAR_WIDTH,
        month_width=MONTH_WIDTH,
        month_height=MONTH_HEIGHT,
    )
