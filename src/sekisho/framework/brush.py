"""What a drawing is made with: text, boxes, and lines that pass over one another."""

from __future__ import annotations

import re
from typing import Any

import drawsvg

from sekisho.framework.layout import Box, text_width

FONT = "'Noto Sans JP', 'Noto Sans CJK JP', 'Hiragino Sans', Meiryo, sans-serif"
INK = "#1a1a1c"


class Brush:
    """A canvas of one size, white, and the few strokes that a drawing needs."""

    def __init__(self, width: float, height: float) -> None:
        self.canvas: Any = drawsvg.Drawing(width, height, font_family=FONT, fill=INK)

    def svg(self) -> str:
        """Return what is drawn."""
        return str(self.canvas.as_svg())

    def raw(self, markup: str) -> None:
        """Add markup as it stands."""
        self.canvas.append(drawsvg.Raw(markup))

    def text(self, text: str, x: float, y: float, size: float, **style: Any) -> None:
        self.canvas.append(drawsvg.Text(text, size, x, y, **style))

    def box(
        self, box: Box, fill: str, edge: str, *, width: float = 1.5, dash: str | None = None
    ) -> None:
        style = {"stroke_dasharray": dash} if dash else {}
        self.canvas.append(
            drawsvg.Rectangle(
                box.x,
                box.y,
                box.width,
                box.height,
                rx=6,
                fill=fill,
                stroke=edge,
                stroke_width=width,
                **style,
            )
        )

    def rule(self, x1: float, x2: float, y: float, colour: str) -> None:
        """A thin level line that divides a box."""
        self.canvas.append(drawsvg.Line(x1, y, x2, y, stroke=colour, stroke_width=1))

    def dot(self, x: float, y: float, colour: str) -> None:
        """A dot on a line, where its label belongs."""
        self.canvas.append(drawsvg.Circle(x, y, 3.5, fill=colour))

    def line(
        self,
        points: list[tuple[float, float]],
        colour: str,
        *,
        head: bool = False,
        thin: bool = False,
        halo_from: float = 0,
        dash: str | None = None,
    ) -> None:
        """A line with a white edge, so that it passes over what it crosses; its head ends at
        the last point. ``halo_from`` keeps the edge off the first pixels (a rail's own line)."""
        end = points[-1]
        before = points[-2]
        across = end[1] == before[1]
        step = 1 if (end[0] > before[0] if across else end[1] > before[1]) else -1
        short = 9 * step if head else 0
        tip = (end[0] - short, end[1]) if across else (end[0], end[1] - short)
        drawn = [*points[:-1], tip]
        begin = points[0]
        edge = [(begin[0] + halo_from * step, begin[1]) if across else begin, *drawn[1:]]
        if not thin:
            self.path(edge, "#ffffff", 7)
        self.path(drawn, colour, 1 if thin else 2, dash)
        if head:
            base = 11 * step
            corners = (
                [end[0], end[1], end[0] - base, end[1] - 5.5, end[0] - base, end[1] + 5.5]
                if across
                else [end[0], end[1], end[0] - 5.5, end[1] - base, end[0] + 5.5, end[1] - base]
            )
            self.canvas.append(drawsvg.Lines(*corners, close=True, fill=colour))

    def path(
        self,
        points: list[tuple[float, float]],
        colour: str,
        width: float,
        dash: str | None = None,
    ) -> None:
        flat = [value for point in points for value in point]
        style = {"stroke_dasharray": dash} if dash else {}
        self.canvas.append(
            drawsvg.Lines(
                *flat, close=False, fill="none", stroke=colour, stroke_width=width, **style
            )
        )


def wrapped(text: str, size: float, width: float) -> list[str]:
    """Break ``text`` into lines no wider than ``width``: after a comma in the further half of a
    line, else at spaces, else between characters."""
    lines = [""]
    for piece in re.findall(r"[!-~]+ ?|.", text):
        if lines[-1] and text_width((lines[-1] + piece).rstrip(), size) > width:
            comma = lines[-1].rfind("、") + 1
            rest = lines[-1][comma:] if comma > len(lines[-1]) / 2 else ""
            lines[-1] = lines[-1].removesuffix(rest) if rest else lines[-1]
            lines.append(rest)
        lines[-1] += piece
    return lines
