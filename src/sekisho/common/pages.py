"""A page that needs nothing but itself: a template, its words in two languages, its style."""

from __future__ import annotations

import tomllib
from functools import partial
from importlib.resources import files
from typing import Any

import jinja2

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""No request, no script."""


def render(package: str, name: str, language: str, **values: Any) -> str:
    """Return ``NAME.html`` of a package with the words of ``words.toml`` and ``NAME.css``.

    Everything in ``values`` is escaped; a name that the template lacks is an error.
    """
    room = files(package)
    texts = tomllib.loads(room.joinpath("words.toml").read_text("utf-8"))
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda file: room.joinpath(file).read_text("utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{name}.html").render(
        language=language,
        say=partial(_say, texts, language),
        policy=POLICY,
        style=room.joinpath(f"{name}.css").read_text("utf-8"),
        **values,
    )


def _say(texts: dict[str, dict[str, str]], language: str, name: str, **values: object) -> str:
    """Return a text of ``words.toml``; numbers get thousands separators."""
    shown = {k: f"{v:,}" if isinstance(v, int) else v for k, v in values.items()}
    return texts[name][language].format(**shown)
