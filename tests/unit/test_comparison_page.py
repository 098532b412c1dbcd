"""The page of a comparison needs nothing but itself and recommends nothing."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from comparison_world import write_run
from hypothesis import given
from hypothesis import strategies as st

from sekisho.comparison import FIGURES, Comparison, from_reports
from sekisho.comparison.charts import INK, PALE, Bar, bars
from sekisho.comparison.figures import spelled
from sekisho.comparison.page import page
from sekisho.framework import Text

IDS = ("1", "2-1", "3", "4-several")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Comparison:
    base = tmp_path_factory.mktemp("runs")
    runs = [write_run(base / f"{name}-own", root, name) for name in IDS]
    return from_reports(
        [*runs, write_run(base / "2-1-shared", root, "2-1", doors="shared")], root=root
    )


@pytest.fixture(scope="module")
def html(made: Comparison) -> str:
    return page(made)


def test_the_page_loads_nothing_and_runs_no_script(html: str) -> None:
    assert "<script" not in html
    assert not re.search(r"""(?:src|href)\s*=""", html)
    assert not re.search(r"url\(|@import|\son\w+\s*=", html)
    addresses = set(re.findall(r"https?://[^\"'<> ]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "default-src 'none'" in html


def test_the_page_is_well_formed(html: str) -> None:
    _Balanced().feed(html)


def test_the_page_says_that_it_is_a_simulation_with_seed_and_date(html: str) -> None:
    top = html[: html.index("</header>")]
    for wanted in ("模擬", "simulation", "乱数種 7", "2026-04-01", "補助機関", "Sekisho"):
        assert wanted in top


def test_every_figure_has_a_chart_and_its_values_in_a_table(made: Comparison, html: str) -> None:
    assert html.count("<svg") == len(FIGURES)
    tables = "".join(re.findall(r"<table.*?</table>", html, re.S))
    for figure in FIGURES:
        assert figure.title.ja in tables
        for _, value in made.figure(figure):
            assert f'<td class="number">{spelled(value.value, figure.unit)}</td>' in tables


def test_the_page_ranks_and_recommends_nothing(html: str) -> None:
    for word in ("最良", "最適", "優れて", "best option", "winner"):
        assert word not in html
    assert html.count("recommended") == html.count("Nothing is recommended") == 1
    order = [html.index(f'<th scope="row">{title}') for title in ("案①", "案②-1", "案③", "案④")]
    assert order == sorted(order)


def test_bodies_that_hold_and_join_are_named(html: str) -> None:
    section = html[html.index('id="joins"') : html.index('id="claims"')]
    assert "認定事業者α、認定事業者β" in section
    assert "なし" in section


def test_a_text_from_a_file_cannot_become_markup(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", root, "1", released={"<b>x&.csv": b"1"})
    text = (run / "framework.toml").read_text("utf-8").replace("案①", "<i>案①", 1)
    (run / "framework.toml").write_text(text)
    shown = page(from_reports([run], root=root))
    assert "<i>" not in shown
    assert "<b>x" not in shown


@given(
    st.lists(st.tuples(st.floats(0, 1e9), st.none() | st.floats(0, 1e9)), min_size=1, max_size=8)
)
def test_bars_start_at_zero_keep_their_order_and_one_colour(
    values: list[tuple[float, float | None]],
) -> None:
    label, unit = Text(ja="案", en="option"), Text(ja="件", en="count")
    rows = [Bar(label, own, f"{own}", shared, f"{shared}") for own, shared in values]
    chart = ElementTree.fromstring(bars(label, unit, rows))
    drawn = chart.findall("{http://www.w3.org/2000/svg}rect")
    assert {one.get("fill") for one in drawn} <= {INK, PALE}
    widths = [float(one.get("width") or 0) for one in drawn if one.get("fill") == INK]
    given_values = [own for own, _ in values if own]
    assert len(widths) == len(given_values)
    for (a, x), (b, y) in zip(
        zip(widths, given_values, strict=True),
        zip(widths[1:], given_values[1:], strict=True),
        strict=False,
    ):
        assert (a <= b + 0.1) if x <= y else (a + 0.1 >= b)


class _Balanced(HTMLParser):
    """Refuses a page whose elements do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in ("meta", "br", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
