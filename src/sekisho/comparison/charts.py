"""Bar charts as inline SVG: one colour for everyone, every bar with its number beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from sekisho.framework import Text

WIDTH = 460
LABEL = 176
VALUE = 74
ROW = 36
BAR = 13
INK, PALE, GREY = "#3a5a7a", "#ffffff", "#595959"


@dataclass(frozen=True)
class Bar:
    """One framework's bars: with its own doors, and with shared ones where they were run."""

    label: Text
    own: float | None
    own_text: str
    shared: float | None = None
    shared_text: str = ""


def bars(title: Text, unit: Text, rows: Sequence[Bar]) -> str:
    """Return a chart of ``rows`` in the order given; bars start at zero."""
    most = max(
        [value for row in rows for value in (row.own, row.shared) if value is not None] or [0]
    )
    scale = (WIDTH - LABEL - VALUE) / most if most else 0
    height = ROW * len(rows) + 6
    name = escape(f"{title.ja}（{unit.ja}） / {title.en} ({unit.en})")
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{name}" '
        f'xmlns="http://www.w3.org/2000/svg">',
        f'<line x1="{LABEL}" x2="{LABEL}" y1="0" y2="{height}" stroke="{GREY}"/>',
    ]
    for index, row in enumerate(rows):
        top = 3 + ROW * index
        parts.append(_label(row.label, top))
        if row.shared is None:
            parts.append(
                _bar(row.own, row.own_text, top + (ROW - BAR) / 2 - 1, scale, outline=False)
            )
        else:
            parts.append(_bar(row.own, row.own_text, top + 2, scale, outline=False))
            parts.append(_bar(row.shared, row.shared_text, top + 4 + BAR, scale, outline=True))
    return "".join((*parts, "</svg>"))


def _label(label: Text, top: float) -> str:
    ja, en = escape(label.ja), escape(label.en)
    first = 12.5 if len(label.ja) <= 13 else 162 / len(label.ja)
    second = 10 if len(label.en) <= 31 else 10 * 31 / len(label.en)
    return (
        f'<text x="{LABEL - 8}" y="{top + 14}" font-size="{first:.1f}" text-anchor="end">'
        f"{ja}</text>"
        f'<text x="{LABEL - 8}" y="{top + 27}" font-size="{second:.1f}" text-anchor="end" '
        f'fill="{GREY}" lang="en">{en}</text>'
    )


def _bar(value: float | None, text: str, y: float, scale: float, *, outline: bool) -> str:
    if value is None:
        return f'<text x="{LABEL + 6}" y="{y + 11}" font-size="12" fill="{GREY}">–</text>'
    length = max(value * scale, 0)
    fill = f'fill="{PALE}" stroke="{INK}" stroke-width="1.5"' if outline else f'fill="{INK}"'
    inset = 0.75 if outline else 0
    drawn = (
        f'<rect x="{LABEL + inset}" y="{y + inset}" width="{max(length - 2 * inset, 0):.1f}" '
        f'height="{BAR - 2 * inset}" {fill}/>'
        if value
        else ""
    )
    return (
        drawn
        + f'<text x="{LABEL + length + 6:.1f}" y="{y + 11}" font-size="12">{escape(text)}</text>'
    )
