"""The part of a comparison's page that holds the memo's claims against the figures."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from sekisho.comparison.beside import ANSWER_TITLE, ANSWERS, Answer, Beside, criteria
from sekisho.comparison.compared import Comparison
from sekisho.comparison.figures import BY_ID, spelled
from sekisho.comparison.markup import both, cell, note, row, section, table
from sekisho.framework import Text


def claims_section(made: Comparison) -> str:
    found = made.beside()
    counts = {answer: sum(1 for one in found if one.answer == answer) for answer in ANSWERS}
    summary = "".join(
        f"<li>{both(ANSWER_TITLE[answer])}<b>{count}</b></li>"
        for answer, count in counts.items()
        if count
    )
    differs = [one for one in found if one.answer == "disagrees"]
    body = note(
        "原文のメリット・課題を一つずつの主張に分け、値の横に置く。値は枠組みのとおりの窓口で動かしたもの。"
        "向きは、全枠組みの最小と最大の中央のどちら側にあるかで言う。差の大きさは言わない。",
        "The memo's merits and problems, split into single claims, each beside its figure with the "
        "framework's own doors. The sign says on which side of the middle between the least and "
        "the greatest value the figure lies; it says nothing of how much that matters.",
    )
    body += f'<ul class="counts">{summary}</ul>'
    body += _heading("原文と向きが異なるもの", "Where the figure differs from the memo")
    body += (
        table(
            "",
            _header(named=True),
            [_claim(made, one, named=True) for one in differs],
            kind="words",
        )
        if differs
        else note("ない。", "None.")
    )
    body += _heading("全ての主張", "All claims")
    for run in made.own:
        mine = [one for one in found if one.framework == run.framework]
        if not mine:
            continue
        rows = list(_quoted(made, mine))
        body += table(both(run.title), _header(named=False), rows, kind="words")
    body += _heading("原文が言うこと・言わないこと", "What the memo says, and where it is silent")
    body += _criteria(made)
    title = Text(ja="原文の主張と値", en="The memo's claims beside the figures")
    return section("claims", title, body)


def _heading(ja: str, en: str) -> str:
    return f"<h3>{both(Text(ja=ja, en=en))}</h3>"


_SIGN = {"+": "＋", "-": "－"}


def _header(*, named: bool) -> list[str]:
    titles = [
        Text(ja="主張", en="claim"),
        *([Text(ja="枠組み", en="framework")] if named else []),
        Text(ja="測る値", en="figure"),
        Text(ja="値", en="value"),
        Text(ja="全枠組みの範囲", en="range over frameworks"),
        Text(ja="向き", en="sign"),
    ]
    return [both(title) for title in titles]


def _quoted(made: Comparison, found: list[Beside]) -> Iterator[str]:
    """Yield the rows of one framework: each statement word for word, then its claims."""
    last = ""
    for one in found:
        if one.statement.id != last:
            last = one.statement.id
            side = "メリット / merit" if one.statement.side == "merit" else "課題 / problem"
            quote = f"<b>{side}</b>「{escape(one.statement.text)}」"
            yield f"<tr class='quote'>{cell(quote, span=len(_header(named=False)))}</tr>"
        yield _claim(made, one, named=False)


def _claim(made: Comparison, one: Beside, *, named: bool) -> str:
    """A row for one claim; ``named`` with its framework and the statement that it is part of."""
    figure = BY_ID.get(one.figure or "")
    name = both(figure.title) if figure else "–"
    value, span = "–", "–"
    if figure and one.value is not None and one.low is not None and one.high is not None:
        value = spelled(one.value, figure.unit)
        span = f"{spelled(one.low, figure.unit)} – {spelled(one.high, figure.unit)}"
    text = f"<span class='sign'>{_SIGN[one.claim.sign]}</span>{both(one.claim.text)}"
    if named:
        text += f"<small>「{escape(one.statement.text)}」</small>"
    cells = [name, value, span, both(ANSWER_TITLE[one.answer])]
    if named:
        cells.insert(0, both(made.frameworks[one.framework]))
    return row(text, cells, numbers=False)


_SAYS = {
    "+": Text(ja="＋", en="merit"),
    "-": Text(ja="－", en="problem"),
    "+-": Text(ja="＋と－", en="both"),
    "silent": ANSWER_TITLE["silent"],
    "not applicable": Text(ja="該当なし", en="not applicable"),
    "unknown": Text(ja="原文にない枠組み", en="not in the memo"),
}


def _criteria(made: Comparison) -> str:
    names = list(made.frameworks)
    answers: dict[tuple[str, str], list[Answer]] = {}
    for one in made.beside():
        answers.setdefault((one.claim.criterion, one.framework), []).append(one.answer)
    rows = []
    for line in criteria(made.claims, names):
        cells = []
        for name in names:
            said = both(_SAYS[line["says"][name]])
            got = answers.get((line["criterion"], name), [])
            counted = "、".join(
                f"{ANSWER_TITLE[answer].ja} {got.count(answer)}"
                for answer in ANSWERS
                if answer in got
            )
            cells.append(f"{said}<small>{escape(counted)}</small>" if counted else said)
        rows.append(row(both(Text(**line["title"])), cells, numbers=False))
    header = [both(Text(ja="観点", en="criterion")), *(both(t) for t in made.frameworks.values())]
    return table("", header, rows, kind="words")
