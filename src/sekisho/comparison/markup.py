"""Pieces of HTML that a page and a sheet share; everything that is not markup is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from sekisho.framework import Text

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""No request, no script: a page is what its file holds."""


def both(text: Text) -> str:
    """Return a text in Japanese, and in English below it where that differs."""
    if text.ja.replace("、", ", ") == text.en:
        return escape(text.ja)
    return f'{escape(text.ja)}<span class="en" lang="en">{escape(text.en)}</span>'


def cell(content: str, *, tag: str = "td", kind: str = "", scope: str = "", span: int = 1) -> str:
    """Return a table's cell; ``content`` is markup."""
    extra = f' class="{kind}"' if kind else ""
    extra += f' scope="{scope}"' if scope else ""
    extra += f' colspan="{span}"' if span > 1 else ""
    return f"<{tag}{extra}>{content}</{tag}>"


def head(cells: Iterable[str]) -> str:
    """Return a table's head; cells are markup."""
    return f"<thead><tr>{''.join(cell(c, tag='th', scope='col') for c in cells)}</tr></thead>"


def row(first: str, cells: Sequence[str], *, numbers: bool = True) -> str:
    """Return a row whose first cell names it; cells are markup."""
    kind = "number" if numbers else ""
    rest = "".join(cell(one, kind=kind) for one in cells)
    return f"<tr>{cell(first, tag='th', scope='row')}{rest}</tr>"


def table(caption: str, header: Iterable[str], rows: Iterable[str], *, kind: str = "") -> str:
    """Return a table that scrolls by itself where the window is narrow."""
    named = f' class="{kind}"' if kind else ""
    return (
        f'<div class="scroll"><table{named}><caption>{caption}</caption>'
        f"{head(header)}<tbody>{''.join(rows)}</tbody></table></div>"
    )


def document(title: str, sheet: str, body: str, *, style: str = "") -> str:
    """Return a whole page that needs nothing but itself; ``sheet`` names a style sheet here."""
    rules = files("sekisho.comparison").joinpath(f"{sheet}.css").read_text("utf-8")
    given = f' style="{style}"' if style else ""
    return (
        '<!DOCTYPE html>\n<html lang="ja"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{rules}</style></head>"
        f"<body{given}>{body}</body></html>\n"
    )


def section(id: str, title: Text, body: str) -> str:
    """Return a part of a page under its heading."""
    return f'<section id="{id}"><h2>{both(title)}</h2>{body}</section>'


def note(ja: str, en: str) -> str:
    """Return a sentence in both languages."""
    return f"<p>{both(Text(ja=ja, en=en))}</p>"
