"""The report as one page that needs nothing but itself, in Japanese or in English."""

from __future__ import annotations

import tomllib
from functools import partial
from importlib.resources import files

import jinja2

from sekisho.quality.drawing import BAR_WIDTH, MONTH_HEIGHT, MONTH_WIDTH, columns, stacked
from sekisho.quality.report import LEVELS, PARTS, QualityReport
from sekisho.quality.rules import Language

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""No request, no script."""


def page(report: QualityReport, language: Language) -> str:
    """Return the page; everything from the report is escaped."""
    room = files("sekisho.quality")
    texts = tomllib.loads(room.joinpath("words.toml").read_text("utf-8"))
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: room.joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html")
    return template.render(
        report=report,
        language=language,
        say=partial(_say, texts, language),
        policy=POLICY,
        style=room.joinpath("report.css").read_text("utf-8"),
        levels=LEVELS,
        parts=PARTS,
        most=max((fate.read for fate in report.fates), default=0),
        stacked=stacked,
        columns=columns,
        bar_width=BAR_WIDTH,
        month_width=MONTH_WIDTH,
        month_height=MONTH_HEIGHT,
    )


def _say(texts: dict[str, dict[str, str]], language: Language, name: str, **values: object) -> str:
    """Return a text of ``words.toml``; numbers get thousands separators."""
    shown = {k: f"{v:,}" if isinstance(v, int) else v for k, v in values.items()}
    return texts[name][language].format(**shown)
