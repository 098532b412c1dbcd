"""A comparison in the terminal: figures, released bytes, losses, and what the memo claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from sekisho.comparison.beside import ANSWER_TITLE, ANSWERS, Beside
from sekisho.comparison.compared import Comparison, key_of
from sekisho.comparison.figures import BY_ID, FIGURES, spelled
from sekisho.comparison.remains import VARIED
from sekisho.framework import Text

OF_SHARING = ("used_after_opting_out", "opt_out_unreached", "opt_out_window_days")
"""Figures that tell one way to share choices from another."""


def lines(made: Comparison) -> list[str | Table]:
    """Return what is shown, in order."""
    at = made.scenario
    persons = f", {at['persons']:,} persons" if at["persons"] else ""
    head = f"seed {at['seed']}, {at['start']}{persons}"
    return [
        f"\n[bold]模擬 / simulation[/bold]: {head}. 推奨なし / no recommendation.\n",
        _figures(made),
        *_released(made),
        *_shared_choices(made),
        _lost(made),
        *_claims(made),
        *_gaps(made),
    ]


def _side_by_side(made: Comparison, title: str) -> Table:
    table = Table(title=title, title_justify="left", padding=(0, 0), collapse_padding=True)
    table.add_column("", overflow="fold", ratio=1)
    for name in made.frameworks:
        table.add_column(escape(name), justify="right", overflow="fold")
    return table


def _figures(made: Comparison) -> Table:
    table = _side_by_side(made, "値（括弧内は共通の窓口）/ figures (in brackets: shared doors)")
    for figure in FIGURES:
        by_run = {(run.framework, run.variant): value for run, value in made.figure(figure)}
        cells = []
        for name in made.frameworks:
            own, shared = by_run.get((name, "own")), by_run.get((name, "shared"))
            cell = "–" if own is None else spelled(own.value, figure.unit)
            if shared is not None and (own is None or shared.value != own.value):
                cell += f"\n({spelled(shared.value, figure.unit)})"
            cells.append(cell)
        table.add_row(f"{escape(figure.title.ja)}\n[dim]{escape(figure.title.en)}[/dim]", *cells)
    return table


def _shared_choices(made: Comparison) -> Iterator[Table]:
    """Yield what became of choices by how bodies share them, where several manage opt-out."""
    several = {run.framework for run in made.runs if run.variant.startswith("sync-")}
    if not several:
        return
    title = "申出の共有の仕方ごとの値 / how desks share choices"
    table = Table(title=title, title_justify="left", padding=(0, 0), collapse_padding=True)
    shown = [one for one in FIGURES if one.id in OF_SHARING]
    for heading in ("", *(f"{escape(one.title.ja)}\n{escape(one.title.en)}" for one in shown)):
        table.add_column(heading, overflow="fold", justify="right" if heading else "left")
    for run in made.runs:
        if run.framework in several and run.variant != "shared":
            values = [one.read(run) for one in shown]
            said = [
                "–" if value is None else spelled(value.value, one.unit)
                for value, one in zip(values, shown, strict=True)
            ]
            way = Text(ja="枠組みのとおり", en="as the framework has it")
            name = way if run.variant == "own" else VARIED[run.variant]
            table.add_row(f"{escape(f'{run.framework}: {name.ja}')}\n[dim]{name.en}[/dim]", *said)
    yield table


def _released(made: Comparison) -> Iterator[str]:
    total = len(made.runs)
    for application, files in made.released().items():
        for file, sets in files.items():
            have = sum(len(names) for names in sets.values())
            if len(sets) > 1:
                groups = " | ".join(", ".join(names) for names in sets.values())
                said = f"[bold]異なる / differs[/bold]: {escape(groups)}"
            elif have < total:
                said = f"{total}回中{have}回、同じ / in {have} of {total} runs, the same bytes"
            else:
                said = f"全{total}回で同じ / the same bytes in all {total} runs"
            yield f"{escape(f'{application}/{file}')}: {said}"


def _lost(made: Comparison) -> Table:
    table = _side_by_side(made, "理由ごとの人と行 / persons and rows by cause")
    for loss, by_run in made.lost():
        amounts = [by_run.get(key_of(name, "own")) for name in made.frameworks]
        if any(amounts):
            cells = ("–" if one is None else f"{one:,.0f}" for one in amounts)
            table.add_row(f"{escape(loss.title.ja)}\n[dim]{escape(loss.title.en)}[/dim]", *cells)
    return table


def _claims(made: Comparison) -> Iterator[str | Table]:
    found = made.beside()
    counts = Counter(one.answer for one in found)
    told = [
        f"{ANSWER_TITLE[a].ja} / {ANSWER_TITLE[a].en} {counts[a]}" for a in ANSWERS if counts[a]
    ]
    yield "\n[bold]原文の主張 / the memo's claims[/bold]: " + "; ".join(told)
    differs = [one for one in found if one.answer == "disagrees"]
    if differs:
        table = Table(title="向きが異なるもの / where the sign differs", title_justify="left")
        for column in ("", "", "主張 / claim", "値 / value", "範囲 / range"):
            table.add_column(column, overflow="fold")
        for one in differs:
            table.add_row(*_claim(one))
        yield table


def _claim(one: Beside) -> Iterator[str]:
    unit = BY_ID[one.figure or ""].unit
    values = [spelled(x, unit) for x in (one.value, one.low, one.high) if x is not None]
    text = f"{escape(one.claim.text.ja)}\n[dim]{escape(one.claim.text.en)}[/dim]"
    yield from (escape(one.framework), one.claim.sign, text, values[0], " – ".join(values[1:]))


def _gaps(made: Comparison) -> Iterator[str]:
    for one in made.omitted:
        word = "省略 / left out" if one.skipped else "[bold]失敗 / failed[/bold]"
        why = escape(f"{one.framework} ({one.variant}): {one.why.ja} / {one.why.en}")
        yield f"{word}: {why}"
    for run in made.runs:
        if run.report["failed"]:
            count = len(run.report["failed"])
            name = escape(f"{run.framework} ({run.variant})")
            yield f"[bold]処理できなかった通信 / unhandled messages[/bold]: {name}: {count}"
