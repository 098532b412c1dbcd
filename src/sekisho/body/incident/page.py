"""The assessment of a leak as one page for whoever has to decide, in Japanese or in English."""

from __future__ import annotations

from typing import Any, Literal

from sekisho.common.pages import render

WORST = ("everyone-leaked", "numbers-held", "this-provider", "by-content", "nothing")
"""How far somebody may be identified, the worst first (``rules/collusion.toml``)."""


def page(report: dict[str, Any], language: Literal["ja", "en"]) -> str:
    """Return the page; everything from the report is escaped."""
    reached = {one["identifies"] for one in report["reach"]}
    return render(
        "sekisho.body.incident",
        "report",
        language,
        report=report,
        worst=next((one for one in WORST if one in reached), "nothing"),
        period=_period(report["period"]),
    )


def _period(period: dict[str, Any]) -> tuple[str, str] | None:
    """Return first and last day of the data; of their arrival where the files do not say."""
    if period["exact"]:
        return period["from"], period["to"]
    landed = period["landed"]
    return (landed["first"], landed["last"]) if landed else None
