"""The page of a comparison: charts, the same figures as tables, released bytes, losses, claims."""

from __future__ import annotations

from html import escape

from sekisho.comparison.charts import Bar, bars
from sekisho.comparison.claiming import claims_section
from sekisho.comparison.compared import Comparison
from sekisho.comparison.figures import FIGURES, GROUP_TITLE, GROUPS, Figure, Group, spelled
from sekisho.comparison.markup import both, document, note, row, section, table
from sekisho.comparison.remains import VARIED, Run
from sekisho.framework import Text, matrix

_MATRIX = (
    ("collection", Text(ja="データ収集", en="collection")),
    ("opt_out", Text(ja="オプトアウト管理", en="opt-out management")),
    ("review", Text(ja="審査", en="review")),
    ("processing", Text(ja="加工", en="processing")),
    ("analysis", Text(ja="解析環境", en="analysis environment")),
    ("crossing", Text(ja="機関の間で渡るもの", en="crosses between bodies")),
)


def page(made: Comparison) -> str:
    """Return the comparison as one self-contained HTML page, Japanese and English."""
    parts = (
        _top(made),
        _who(made),
        *(_group(made, group) for group in GROUPS),
        _released(made),
        _lost(made),
        _joins(made),
        claims_section(made),
        _gaps(made),
    )
    return document(
        "制度枠組みの比較（模擬）/ Frameworks side by side (simulation)", "page", "".join(parts)
    )


def _top(made: Comparison) -> str:
    at = made.scenario
    persons = at["persons"]
    size = (
        Text(ja=f"{persons:,}人（乱数種から生成）", en=f"{persons:,} persons made from the seed")
        if persons
        else Text(ja="ファイルの人々", en="the persons of the files")
    )
    said = Text(
        ja=f"模擬　乱数種 {at['seed']}　開始日 {at['start']}　提供者 {at['providers']}　{size.ja}",
        en=f"simulation: seed {at['seed']}, begins {at['start']}, "
        f"{at['providers']} providers, {size.en}",
    )
    return (
        "<header><h1>"
        + both(Text(ja="制度枠組みの比較", en="Frameworks side by side"))
        + f'</h1><p class="mark">{both(said)}</p>'
        + note(
            "一つのシナリオを各枠組みで実際に動かした結果を並べる。推奨も順位付けもしない。"
            "並び順は枠組みのファイル名の順であり、棒の色は全て同じである。",
            "One scenario, run in each framework, laid side by side. Nothing is recommended or "
            "ranked: frameworks stand in the order of their files, and all bars have one colour.",
        )
        + note(
            "補助機関（履歴照会、仮名の変換、監督）は関所（Sekisho）による追加であり、原文にはない。"
            "数は補助機関を含む場合と除く場合の両方を示す。",
            "Auxiliary bodies (history, converters of pseudonyms) are Sekisho's addition, not the "
            "memo's. Counts are given with and without them.",
        )
        + '<p class="key"><span class="own"></span>'
        + escape(f"{VARIED['own'].ja} / {VARIED['own'].en}")
        + '<span class="shared"></span>'
        + escape(f"{VARIED['shared'].ja} / {VARIED['shared'].en}")
        + f"</p>{_alarm(made)}</header>"
    )


def _alarm(made: Comparison) -> str:
    """Say at the top if a run did not come to its end; the details stand at the bottom."""
    unhandled = sum(1 for run in made.runs if run.report["failed"])
    failed = len(made.problems)
    if not failed and not unhandled:
        return ""
    return (
        '<p class="mark">'
        + both(
            Text(
                ja=f"終わらなかった実行 {failed}、処理できなかった通信のある実行 {unhandled}"
                "（末尾を参照）",
                en=f"{failed} runs did not end, {unhandled} have messages that could not be "
                "handled (see the last part)",
            )
        )
        + "</p>"
    )


def _who(made: Comparison) -> str:
    rows = (
        row(
            both(run.title),
            [_lined(line[key]) for key, _ in _MATRIX],
            numbers=False,
        )
        for run in made.own
        for line in matrix([run.definition])
    )
    header = [both(Text(ja="枠組み", en="framework")), *(both(title) for _, title in _MATRIX)]
    title = Text(ja="誰が何をするか", en="Who does what")
    return section("who", title, table("", header, rows, kind="words"))


def _lined(text: dict[str, str]) -> str:
    """Return a cell of the matrix with each class of data on a line of its own."""
    return both(Text(**text)).replace(" / ", "<br>")


def _label(run: Run) -> str:
    """Name a run in a table's first cell; what differs from the framework's file is said."""
    said = f"<small>{both(VARIED[run.variant])}</small>" if run.variant != "own" else ""
    return both(run.title) + said


def _group(made: Comparison, group: Group) -> str:
    figures = [one for one in FIGURES if one.group == group]
    charts = "".join(_chart(made, figure) for figure in figures)
    header = [both(Text(ja="枠組み", en="framework"))]
    header += [f"{both(one.title)}<small>{escape(_unit(one))}</small>" for one in figures]
    values = {one.id: {id(run): value for run, value in made.figure(one)} for one in figures}
    rows = []
    for run in made.runs:
        cells = []
        for figure in figures:
            value = values[figure.id].get(id(run))
            cells.append("–" if value is None else spelled(value.value, figure.unit))
        rows.append(row(_label(run), cells))
    body = f'<div class="charts">{charts}</div>' + table("", header, rows)
    return section(group, GROUP_TITLE[group], body)


def _unit(figure: Figure) -> str:
    return f"{figure.unit.ja} / {figure.unit.en}"


def _chart(made: Comparison, figure: Figure) -> str:
    found = {(run.framework, run.variant): value.value for run, value in made.figure(figure)}
    rows = []
    for name, title in made.frameworks.items():
        own, shared = found.get((name, "own")), found.get((name, "shared"))
        rows.append(
            Bar(
                title,
                own,
                "" if own is None else spelled(own, figure.unit),
                shared,
                "" if shared is None else spelled(shared, figure.unit),
            )
        )
    about = f'<p class="about">{both(figure.about)}</p>' if figure.about else ""
    caption = f"{both(figure.title)}<small>{escape(_unit(figure))}</small>"
    drawn = bars(figure.title, figure.unit, rows)
    return f"<figure><figcaption>{caption}</figcaption>{drawn}{about}</figure>"


def _released(made: Comparison) -> str:
    total = len(made.runs)
    rows = []
    for what, found in (
        (Text(ja="持ち出されたファイル", en="released file"), made.released()),
        (Text(ja="解析環境の表", en="table in the environment"), made.extracts()),
    ):
        for application, files in found.items():
            for file, sets in files.items():
                have = sum(len(names) for names in sets.values())
                if len(sets) == 1 and have == total:
                    said = Text(
                        ja=f"全{total}回で同じバイト列", en=f"the same bytes in all {total} runs"
                    )
                elif len(sets) == 1:
                    said = Text(
                        ja=f"{total}回のうち{have}回にあり、同じバイト列",
                        en=f"in {have} of {total} runs, the same bytes",
                    )
                else:
                    said = Text(
                        ja=f"{len(sets)}通りに分かれる", en=f"{len(sets)} different contents"
                    )
                digests = "".join(
                    f"<li><code>{escape(digest[:16])}…</code> {escape('、'.join(names))}</li>"
                    for digest, names in sets.items()
                )
                name = f"<code>{escape(f'{application}/{file}')}</code>"
                rows.append(
                    row(name, [both(what), both(said), f"<ul>{digests}</ul>"], numbers=False)
                )
    if not rows:
        body = note("持ち出されたファイルはない。", "No file was released.")
    else:
        header = [
            both(Text(ja="名前", en="name")),
            both(Text(ja="種類", en="kind")),
            both(Text(ja="一致", en="equal or not")),
            both(Text(ja="SHA-256（先頭）と実行", en="SHA-256 (beginning) and runs")),
        ]
        about = note(
            "解析環境の表には、環境ごとに付け直した番号とその並びが含まれる。",
            "Tables in the environment carry numbers that are issued there anew, and their order.",
        )
        body = about + table("", header, rows, kind="words")
    return section("released", Text(ja="持ち出されたバイト列", en="Released bytes"), body)


def _lost(made: Comparison) -> str:
    lost = made.lost()
    names = list(lost[0][1]) if lost else []
    header = [both(Text(ja="理由", en="cause"))]
    header += [_label(run) for run in made.runs]
    rows = [
        row(
            f"{both(loss.title)}<small>{escape(f'{loss.unit.ja} / {loss.unit.en}')}</small>",
            [f"{by_run[name]:,.0f}" for name in names],
        )
        for loss, by_run in lost
    ]
    said = note(
        "保有機関が除いた人は、その人の記録を持つ機関ごとに数える。",
        "A person whom holders dropped counts once at each holder of that person's records.",
    )
    title = Text(ja="理由ごとの人と行", en="Persons and rows by cause")
    return section("lost", title, said + table("", header, rows))


def _joins(made: Comparison) -> str:
    rows = []
    for run in made.own:
        both_do = run.report["measures"]["bodies_that_hold_and_join"]
        names = [run.definition.find_body(body).title for body in both_do]
        who = (
            Text(ja="、".join(n.ja for n in names), en=", ".join(n.en for n in names))
            if names
            else Text(ja="なし", en="none")
        )
        rows.append(row(both(run.title), [both(who)], numbers=False))
    said = note(
        "仮名の連結不能性は、保有だけ又は連結だけを行う機関に対して約束される。両方を行う機関に対しては約束されない。",
        "Unlinkability of pseudonyms is promised against bodies that only hold or only join; not "
        "against a body that does both.",
    )
    header = [
        both(Text(ja="枠組み", en="framework")),
        both(Text(ja="両方を行う機関", en="bodies that do both")),
    ]
    title = Text(ja="保有と連結を兼ねる機関", en="Bodies that both hold and join")
    return section("joins", title, said + table("", header, rows, kind="words"))


def _all_or(frameworks: list[str], total: int) -> Text:
    if len(frameworks) == total:
        return Text(ja="全ての枠組み", en="all frameworks")
    return Text(ja="、".join(frameworks), en=", ".join(frameworks))


def _gaps(made: Comparison) -> str:
    items = []
    for one in made.omitted:
        word = Text(ja="省略", en="left out") if one.skipped else Text(ja="失敗", en="failed")
        said = Text(
            ja=f"{word.ja}：{one.framework}（{VARIED[one.variant].ja}）　{one.why.ja}",
            en=f"{word.en}: {one.framework} ({VARIED[one.variant].en}): {one.why.en}",
        )
        items.append(f"<li>{both(said)}</li>")
    for run in made.runs:
        where = f"{run.framework}, {VARIED[run.variant].en}"
        items += [f"<li>{escape(f'{where}: {note}')}</li>" for note in run.report["notes"]]
        if run.report["failed"]:
            count = len(run.report["failed"])
            said = Text(
                ja=f"処理できなかった通信：{run.framework} {count}件",
                en=f"messages that could not be handled: {where}: {count}",
            )
            items.append(f"<li>{both(said)}</li>")
    keys: dict[tuple[str, str, str], list[str]] = {}
    for run in made.own:
        for one_key in run.report["not_measured_yet"]:
            key = (one_key["key"], one_key["value"], str(one_key["why"]))
            keys.setdefault(key, []).append(run.framework)
    rows = [
        row(
            f"<code>{escape(key)}</code>",
            [
                f"<code>{escape(value)}</code>",
                escape(why),
                both(_all_or(frameworks, len(made.own))),
            ],
            numbers=False,
        )
        for (key, value, why), frameworks in keys.items()
    ]
    header = [
        both(Text(ja="キー", en="key")),
        both(Text(ja="値", en="value")),
        both(Text(ja="理由", en="why")),
        both(Text(ja="枠組み", en="framework")),
    ]
    title = Text(ja="省略・失敗・まだ測っていないもの", en="Left out, failed, not measured yet")
    body = f"<ul>{''.join(items)}</ul>" if items else ""
    return section("gaps", title, body + table("", header, rows, kind="words"))
