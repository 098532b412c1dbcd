"""`sekisho frameworks`: who does what, differences, drawings, sheets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from rich.table import Table

from sekisho.commands.output import OUT, root, show_json, show_table
from sekisho.common.atomicfile import write_atomically
from sekisho.framework import (
    FUNCTIONS,
    DataClass,
    Framework,
    all_frameworks,
    as_json,
    crossings,
    difference,
    find,
    kinds_of,
    load,
    load_claims,
    matrix,
)
from sekisho.framework import draw as draw_framework

app = typer.Typer(help="Who does what in each framework.", no_args_is_help=False)

Name = Annotated[str, typer.Argument(help="a framework's id, baseline/ID, or any TOML file")]
Json = Annotated[bool, typer.Option("--json", help="print as JSON")]


@app.callback(invoke_without_command=True)
def overview(context: typer.Context, json: Json = False) -> None:
    """Print who does what in every framework; or `show`, `diff`, `draw`, `sheet` one of them."""
    if context.invoked_subcommand is not None:
        return
    frameworks = all_frameworks(root())
    if json:
        show_json(matrix(frameworks))
        return
    bodies: dict[str, str] = {}
    for fw in frameworks:
        for one in fw.function_bodies:
            title = fw.find_body(one).title
            bodies.setdefault(one, f"{title.ja} / {title.en}")
    table = Table(title="制度枠組み / frameworks", title_justify="left", show_lines=True)
    # An id that is folded cannot be copied.
    table.add_column(_COLUMNS[0], overflow="fold", min_width=max(len(fw.id) for fw in frameworks))
    for column in _COLUMNS[1:]:
        table.add_column(column, overflow="fold")
    for fw in frameworks:
        table.add_row(*_line(fw))
    OUT.print(table)
    OUT.print(escape("\n".join(f"{one} = {title}" for one, title in bodies.items())))
    OUT.print(
        "→ 加工前に渡す / unprocessed, ⇒ 加工後に渡す / processed, ⇔ 双方向 / both ways; "
        "| 契約により一つ、又は各自 / one by contract, or each its own"
    )


_COLUMNS = (
    "枠組み\nframework",
    "データ収集\ncollection",
    "オプトアウト\nopt-out",
    "審査\nreview",
    "加工\nprocessing",
    "解析環境\nanalysis",
    "渡るもの\ncrosses",
)


def _line(fw: Framework) -> Iterable[str]:
    title = f"{escape(fw.title.ja)}\n[dim]{escape(fw.title.en)}[/dim]"
    yield f"[bold]{escape(fw.id)}[/bold]\n{title}"
    for function in FUNCTIONS:
        given = {name: " | ".join(fw.assigned(function, name)) or "–" for name in _MAIN}
        if len(set(given.values())) == 1:
            yield escape(given["basic"])
        else:
            yield escape("\n".join(f"{_MAIN[name]}: {who}" for name, who in given.items()))
    legs = [(leg.sender, leg.receiver, leg.processed) for leg in crossings(fw, tuple(_MAIN))]
    order = fw.function_bodies.index
    shown = []
    for sender, receiver, processed in legs:
        both = (receiver, sender, processed) in legs
        if not both or order(sender) < order(receiver):
            arrow = ("⇔" if processed else "↔") if both else ("⇒" if processed else "→")
            shown.append(f"{sender} {arrow} {receiver}")
    yield escape("\n".join(shown)) or "–"


_MAIN: dict[DataClass, str] = {"basic": "基本 basic", "additional": "追加 add."}


@app.command()
def show(name: Name, json: Json = False) -> None:
    """Print who does what in one framework, on which basis, and what follows from it."""
    fw, described = _described(name)
    if json:
        show_json(described)
        return
    OUT.print(f"\n[bold]{_both(described['title'])}[/bold]")
    OUT.print(escape(f"{fw.document.heading}\n{fw.document.name.ja} / {fw.document.name.en}\n"))
    _table("機関 / bodies", ("", "機関 / body", "種類 / kind", "部屋 / rooms"), _bodies(described))
    sources = _sources(described)
    _table(
        "誰が何をするか / who does what",
        ("機能 / function", "データ / data", "担い手 / by", "根拠 / basis", "出典 / source"),
        _assignments(described, sources),
    )
    _table("出典と注 / sources and notes", ("", ""), enumerate(map(escape, sources), start=1))
    _table(
        "規則 / rules", ("key", "value"), ((k, _plain(v)) for k, v in described["rules"].items())
    )
    _table("導かれるもの / what follows", ("", ""), _derived(described["derived"]))
    _sentences("知っておくべきこと / findings", (_both(x["text"]) for x in described["findings"]))
    _sentences(
        "原文に残る問い / open questions",
        (
            escape(f"{x['text']} ({x['source']}; {x['answered_by']})")
            for x in described["questions"]
        ),
    )
    _table(
        "まだ測っていないキー / keys not measured yet",
        ("key", "value", "why"),
        ((x["key"], x["value"], x["why"]) for x in described["unmeasured"]),
    )


@app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="a framework's id, or any file")],
    after: Annotated[str, typer.Argument(metavar="B", help="the one compared with it")],
    json: Json = False,
) -> None:
    """Print what B builds, keeps, moves and retires against A."""
    one, other = _load(before)[0], _load(after)[0]
    found = difference(one, other)
    if json:
        show_json(found)
        return
    OUT.print(f"\n[bold]{escape(one.title.ja)} → {escape(other.title.ja)}[/bold]")
    OUT.print(f"{escape(one.title.en)} → {escape(other.title.en)}\n")
    rows = [
        [
            *(_both(cell["label"][key], stacked=True) for key in ("function", "data", "change")),
            *(escape(", ".join(cell[side])) or "–" for side in ("before", "after")),
        ]
        for cell in found["cells"]
    ]
    header = ("機能 / function", "データ / data", "変化 / change", "前 / before", "後 / after")
    _table("機能 / functions", header, rows)
    _table(
        "規則の違い / rules that differ",
        ("key", "前 / before", "後 / after"),
        ([x["key"], _plain(x["before"]), _plain(x["after"])] for x in found["rules"]),
    )
    for fw in (one, other):
        titles = (f"{x} = {fw.find_body(x).title.ja}" for x in fw.function_bodies)
        OUT.print(escape(f"{fw.id}: {'、'.join(titles)}"))
    counted = ", ".join(f"{key} {count}" for key, count in found["summary"].items())
    OUT.print(f"{counted}; functions moved {found['functions_moved']}")
    OUT.print(
        f"新たに構築する機関 / bodies to build: {found['bodies_to_build']}"
        f"（補助機関を含め / with auxiliary bodies {found['bodies_to_build_with_auxiliary']}）"
    )


@app.command()
def draw(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="an SVG file; else stdout")
    ] = None,
    lang: Annotated[Literal["ja", "en"], typer.Option(help="the language that leads")] = "ja",
) -> None:
    """Draw a framework: providers, bodies with their functions, users (a reconstruction)."""
    svg = draw_framework(_load(name)[0], lang)
    if out is None:
        print(svg)
        return
    write_atomically(out, svg.encode())
    OUT.print(escape(str(out)))


@app.command()
def sheet(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="an HTML file; else sheet-ID.html")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="figures: a report.json (sekisho run) or comparison.json (compare)"),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="print a PDF beside it, by Chromium")] = False,
    json: Json = False,
) -> None:
    """Make one Japanese A4 page of a framework: drawing, claims, figures."""
    from sekisho.comparison import ANSWERS, beside, measured_from, print_pdf
    from sekisho.comparison import sheet as make_sheet

    fw, file = _load(name)
    claims = load_claims(root() / "frameworks" / "claims.toml")
    measured = measured_from(fw, root(), report)
    written = out or Path(f"sheet-{fw.id}.html")
    page = make_sheet(fw, kinds_of(fw, file, root()), claims, measured)
    write_atomically(written, page.encode())
    files = [written]
    if pdf:
        files.append(written.with_suffix(".pdf"))
        print_pdf(written, files[-1])
    if json:
        found = [one.as_json() for one in beside(claims, fw.id, measured.values)]
        counts = {answer: sum(x["answer"] == answer for x in found) for answer in ANSWERS}
        show_json({"files": [str(x) for x in files], "claims": found, "answers": counts})
    else:
        for one in files:
            OUT.print(escape(str(one)))


def _find(name: str) -> Path:
    inside = root() / "frameworks" / f"{name}.toml"
    if inside.is_file() and inside.resolve().is_relative_to((root() / "frameworks").resolve()):
        return inside
    return find(name, root())


def _load(name: str) -> tuple[Framework, Path]:
    file = _find(name)
    return load(file, root()), file


def _described(name: str) -> tuple[Framework, dict[str, Any]]:
    fw, file = _load(name)
    return fw, as_json(fw, kinds_of(fw, file, root()))


def _both(text: dict[str, str], *, stacked: bool = False) -> str:
    ja, en = escape(text["ja"]), escape(text["en"])
    if ja == en:
        return ja
    return f"{ja}\n[dim]{en}[/dim]" if stacked else f"{ja} / {en}"


def _table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    listed = [tuple(row) for row in rows]
    if listed:
        show_table(title, tuple(columns), listed)


def _sentences(title: str, lines: Iterable[str]) -> None:
    listed = list(lines)
    if listed:
        OUT.print(f"\n[bold]{title}[/bold]")
        for line in listed:
            OUT.print(f"・{line}")


def _bodies(described: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    for body in described["bodies"]:
        kind = _both(body["kind_label"], stacked=True)
        yield body["id"], _both(body["title"], stacked=True), kind, ", ".join(body["rooms"])


def _assignments(described: dict[str, Any], sources: list[str]) -> Iterable[tuple[str, ...]]:
    for row in described["table"]:
        label = row["label"]
        cells = (_both(label[key], stacked=True) for key in ("function", "data", "bodies", "basis"))
        numbers = [str(sources.index(row["source"]) + 1)]
        if row["note"]:
            numbers.append(str(sources.index(_noted(row["note"])) + 1))
        yield (*cells, ", ".join(numbers))


def _sources(described: dict[str, Any]) -> list[str]:
    """Return the sources and notes of all assignments, each once, in the order of their use."""
    found: dict[str, None] = {}
    for row in described["table"]:
        found[row["source"]] = None
        if row["note"]:
            found[_noted(row["note"])] = None
    return list(found)


def _noted(note: dict[str, str]) -> str:
    return f"{note['ja']} / {note['en']}"


def _derived(found: dict[str, Any]) -> Iterable[tuple[str, str]]:
    yield "申出の窓口 / opt-out desks", ", ".join(found["desks"]) or "–"
    for registry, holders in found["registries"].items():
        yield f"名簿 / list of {registry}", f"→ {', '.join(holders)}"
    yield (
        "審査 / lanes",
        "; ".join(
            f"{body}: {', '.join(classes)}" for body, classes in found["lanes"]["bodies"].items()
        )
        or "–",
    )
    yield "申請の窓口 / windows", ", ".join(found["lanes"]["windows"]) or "–"
    for operator, way in found["submissions"].items():
        who = "契約なし / no contract" if operator == "none" else operator
        missing = f"; 集まらない / missing: {', '.join(way['missing'])}" if way["missing"] else ""
        yield f"提出先 / doors ({who})", (", ".join(way["doors"]) or "–") + missing
    for leg in found["crossings"]:
        when = "加工後 / processed" if leg["processed"] else "加工前 / unprocessed"
        what = f"{', '.join(leg['data'])}, {when}"
        yield "渡るもの / crosses", f"{leg['from']} → {leg['to']}: {what}"
    if "environment" in found:
        yield "連結解析の環境 / joins at", found["environment"]
    yield (
        "機関の数 / bodies",
        f"{found['function_bodies']} + 補助 / auxiliary {found['auxiliary_bodies']}",
    )


def _plain(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict):
        return escape(", ".join(f"{key}={_plain(item)}" for key, item in value.items()))
    if isinstance(value, list | tuple):
        return escape(", ".join(map(str, value))) or "–"
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
