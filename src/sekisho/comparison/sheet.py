"""One framework on one Japanese A4 page: drawing, who does what, the memo's claims with figures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

import orjson

from sekisho.common.errors import UserError
from sekisho.comparison.beside import ANSWER_TITLE, Beside, beside
from sekisho.comparison.figures import BY_ID, SHARE, spelled
from sekisho.comparison.markup import document
from sekisho.comparison.remains import Json, change_of, read_run
from sekisho.framework import Claims, DataKinds, Framework, all_frameworks, draw, findings, table

FROM_FILES = ("functions_moved", "bodies_to_build")
"""Figures that follow from the files alone, so that they stand on a sheet without any run."""


WIDE, PAGE_TALL = 192.0, 270.0
"""Of the page, between its margins, in mm."""


@dataclass(frozen=True)
class Measured:
    """Figures for a sheet: figure → framework → value, and what they come from.

    ``source`` is empty where nothing was run.
    """

    values: dict[str, dict[str, float]]
    source: str = ""


def measured_from(fw: Framework, root: Path, file: Path | None = None) -> Measured:
    """Return the figures for ``fw``: of its files, and of a report.json or comparison.json.

    Raises:
        UserError: ``file`` is neither, or says nothing of ``fw``.
    """
    values = _of_files(fw, root)
    if file is None:
        return Measured(values)
    found = _read(file)
    if "figures" in found:
        for figure in found["figures"]:
            given = {
                one["framework"]: one["value"]
                for one in figure["values"]
                if one["variant"] == "own"
            }
            if given:
                values[figure["figure"]] = given
        known = {one["framework"] for one in found["runs"]}
    else:
        run = read_run(file.parent, root)
        for figure_id, figure in BY_ID.items():
            value = figure.read(run)
            if value is not None and figure_id not in values:
                values[figure_id] = {run.framework: value.value}
        known = {run.framework}
    if fw.id not in known:
        raise UserError(
            "sheet.other-framework",
            f"{file}: says nothing of {fw.id!r}, only of {', '.join(sorted(known))}.",
            next_step="name a report of this framework, or a comparison.json",
        )
    at = found["scenario"]
    persons = f"、{at['persons']:,}人" if at["persons"] else ""
    return Measured(values, f"模擬（乱数種 {at['seed']}、開始日 {at['start']}{persons}）")


def sheet(fw: Framework, kinds: DataKinds, claims: Claims, measured: Measured) -> str:
    """Return the page as HTML that prints on one A4."""
    found = beside(claims, fw.id, measured.values)
    questions = "".join(
        f'<p class="open">原文に残る問い：{escape(one.text)}</p>' for one in fw.open.question
    )
    drawing, ratio = cropped(draw(fw, "ja", compact=True))
    height = min(ratio, 1) * WIDE
    parts = (
        f"<header><div><h1>{escape(fw.title.ja)}<small>{escape(fw.title.en)}</small></h1>"
        f'<p class="lead">{escape(fw.document.heading)}</p>{questions}</div>'
        '<p class="mark">図は再構成</p></header>',
        f'<div class="drawing">{drawing}</div>',
        _who(fw),
        _claims(found),
        _foot(fw, kinds, measured, found),
    )
    return document(
        f"{fw.title.ja}：制度枠組みの一枚", "sheet", "".join(parts), style=_room(found, height)
    )


def _room(found: tuple[Beside, ...], drawing: float) -> str:
    """Return how the page's room is shared: size of text, width of merits to one of problems.

    Text grows with what the drawing leaves (size 1 fits the fullest of the memo's frameworks), the
    columns with what stands in them; estimates in mm.
    """
    tall = {}
    for side in ("merit", "problem"):
        mine = [one for one in found if one.statement.side == side]
        quotes = {one.statement.text for one in mine}
        tall[side] = sum(2 + 3.4 * -(-len(text) // 38) for text in quotes) + 4.6 * len(mine)
    wide = max(0.7, min(1.7, tall["merit"] / tall["problem"])) if tall["problem"] else 1.0
    deepest = max(tall["merit"] * (1 + wide) / (2 * wide), tall["problem"] * (1 + wide) / 2)
    size = max(1.0, min(1.25, math.sqrt((PAGE_TALL - drawing) / (46 + deepest))))
    return f"--size:{size:.2f};--drawing:{drawing:.0f}mm;--merits:{wide:.2f}fr"


def cropped(svg: str) -> tuple[str, float]:
    """Return a drawing for a page that has its heading and notes already: the boxes only; and
    its height for a width of one."""
    boxes = [
        (float(x), float(y), float(width), float(height))
        for tag in re.findall(r"<rect [^>]*>", svg)
        for x, y, width, height in [
            [(re.search(rf'\b{name}="(-?[\d.]+)"', tag) or ["", ""])[1] for name in _PLACE]
        ]
        if x and height and float(height) > _MARK
    ]
    left = min(x for x, _, _, _ in boxes) - 2
    top = min(y for _, y, _, _ in boxes) - 2
    right = max(x + width for x, _, width, _ in boxes) + 2
    bottom = max(y + height for _, y, _, height in boxes) + 2
    size = f'width="{right - left:g}" height="{bottom - top:g}"'
    inner = f'<svg {size} viewBox="{left:g} {top:g} {right - left:g} {bottom - top:g}"'
    body = svg[svg.index("<svg") :]
    opening, rest = body[: body.index(">")], body[body.index(">") :]
    kept = re.sub(r'\s(width|height|viewBox)="[^"]*"', "", opening).removeprefix("<svg")
    # The inner one clips what lies outside its view; the outer one fits it to the page.
    view = f'viewBox="0 0 {right - left:g} {bottom - top:g}"'
    return f"<svg {view}>{inner}{kept}{rest}</svg>", (bottom - top) / (right - left)


_PLACE = ("x", "y", "width", "height")
_MARK = 30
"""Height of the mark 再構成, which the page shows itself."""


def _of_files(fw: Framework, root: Path) -> dict[str, dict[str, float]]:
    everyone = {one.id: one for one in (*all_frameworks(root), fw) if one.runs}
    changes = {name: change_of(one, root) for name, one in everyone.items()}
    return {
        figure: {name: change[figure] for name, change in changes.items() if figure in change}
        for figure in FROM_FILES
    }


def _read(file: Path) -> Json:
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UserError(
            "report.unreadable", f"{file}: cannot be read as a report: {error}"
        ) from error
    if not isinstance(found, dict) or not {"scenario"} <= set(found):
        raise UserError(
            "report.other-file",
            f"{file}: is neither a report nor a comparison.",
            next_step="name a report.json (sekisho run) or comparison.json (sekisho compare)",
        )
    return found


def _who(fw: Framework) -> str:
    """Functions across, classes down; an inferred assignment has a star."""
    lines = table(fw)
    functions = list(dict.fromkeys(one["label"]["function"]["ja"] for one in lines))
    classes = {one["data"]: one["label"]["data"]["ja"] for one in lines}
    cells = {
        (one["data"], one["label"]["function"]["ja"]): one["label"]["bodies"]["ja"]
        + ("*" if one["basis"] == "inferred" else "")
        for one in lines
    }
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *functions))
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(f"<td>{escape(cells[data, function])}</td>" for function in functions)
        + "</tr>"
        for data, name in classes.items()
    )
    return f'<table class="who"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _claims(found: tuple[Beside, ...]) -> str:
    if not found:
        return "<p>原文にない枠組みであり、原文のメリット・課題はない。</p>"
    sides = (("merit", "考えられる主なメリット"), ("problem", "考えられる主な課題"))
    columns = "".join(
        f"<div><h2>{title}（原文）</h2>{''.join(_side(found, side))}</div>" for side, title in sides
    )
    return f'<div class="claims">{columns}</div>'


def _side(found: tuple[Beside, ...], side: str) -> Iterator[str]:
    statements = {one.statement.id: one.statement for one in found if one.statement.side == side}
    for name, statement in statements.items():
        rows = "".join(_claim(one) for one in found if one.statement.id == name)
        yield f"<blockquote>{escape(statement.text)}</blockquote><ul>{rows}</ul>"


def _claim(one: Beside) -> str:
    answer = ANSWER_TITLE[one.answer].ja
    figure = BY_ID.get(one.figure or "")
    if figure is not None and one.value is not None:
        unit = "" if figure.unit == SHARE else figure.unit.ja
        answer = f"<b>{escape(spelled(one.value, figure.unit))}{unit}</b>　{answer}"
        if one.compared > 1 and one.low is not None and one.high is not None:
            low, high = spelled(one.low, figure.unit), spelled(one.high, figure.unit)
            answer += f"（範囲 {low}–{high}）"
    return f"<li><span>{escape(one.claim.text.ja)}</span><span>{answer}</span></li>"


def _foot(fw: Framework, kinds: DataKinds, measured: Measured, found: tuple[Beside, ...]) -> str:
    notes = [one.text.ja for one in findings(fw, kinds)]
    origin = (
        f"値：{measured.source}。"
        if measured.source
        else "値：動かしていない（ファイルから導ける値のみ）。"
    )
    signs = "「向き」は全枠組みの最小と最大の中央のどちら側にあるか。" if found else ""
    return (
        "<footer>"
        + "".join(f"<p>・{escape(note)}</p>" for note in notes)
        + f"<p>* 推定。他の割当ては原文に明記。図は失われており、矢印を含め本文から再構成した。"
        f"破線の補助機関は関所（Sekisho）による追加で、原文にはない。{escape(origin)}{signs}"
        "推奨も順位付けもしない。</p>"
        f"<p>出典：{escape(fw.document.name.ja)}</p></footer>"
    )
