"""A comparison shows every figure, every loss and every claim, and never a winner."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import orjson
import pytest
from comparison_world import write_run
from rich.console import Console
from rich.table import Table

from sekisho.common.errors import UserError
from sekisho.comparison import FIGURES, Comparison, Omission, beside, from_reports
from sekisho.framework import Text, framework_files, load_claims

IDS = ("1", "2-1", "2-2-certified", "2-2-public", "3", "4-several", "4-single")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, root: Path) -> list[Path]:
    base = tmp_path_factory.mktemp("runs")
    made = [write_run(base / f"{name}-own", root, name) for name in IDS]
    return [*made, write_run(base / "2-1-shared", root, "2-1", doors="shared")]


@pytest.fixture(scope="module")
def made(folders: list[Path], root: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    out = tmp_path_factory.mktemp("out")
    return from_reports(folders, root=root, out=out)


def test_every_run_has_every_figure(made: Comparison) -> None:
    for figure in FIGURES:
        assert [run for run, _ in made.figure(figure)] == list(made.runs), figure.id


def test_values_of_claims_are_those_with_the_frameworks_own_doors(made: Comparison) -> None:
    assert made.values()["submissions_per_provider"]["2-1"] == 2
    shared = next(run for run in made.runs if run.variant == "shared")
    found = {id(run): value.value for run, value in made.figure(FIGURES[0])}
    assert found[id(shared)] == 1


def test_auxiliary_bodies_are_counted_apart(made: Comparison) -> None:
    values = made.values()
    for name in IDS:
        assert values["bodies"][name] == values["bodies_without_auxiliary"][name] + 3
        assert values["messages"][name] == values["messages_without_auxiliary"][name] + 12


def test_every_claim_of_every_framework_has_an_answer(made: Comparison, root: Path) -> None:
    claims = load_claims(root / "frameworks" / "claims.toml")
    expected = [(name, claim) for name in IDS for _, claim in claims.of(name)]
    assert [(one.framework, one.claim) for one in made.beside()] == expected
    assert not [one for one in made.beside() if one.answer in ("not run", "not compared")]


def test_a_figure_that_contradicts_the_memo_is_shown_as_such(made: Comparison) -> None:
    differs = [one for one in made.beside() if one.answer == "disagrees"]
    assert differs
    page = from_page(made)
    shown = page[page.index("原文と向きが異なるもの") : page.index("全ての主張")]
    for one in differs:
        assert one.claim.text.ja in shown


def test_what_the_memo_does_not_say_is_silent_and_not_zero(made: Comparison) -> None:
    said = {line["criterion"]: line["says"] for line in made.as_json()["criteria"]}
    assert said["provider_burden"]["1"] == "silent"
    assert said["provider_burden"]["2-1"] == "-"
    assert said["operator_collection"]["1"] == "not applicable"


def test_a_claim_without_any_figure_says_that_it_was_not_run(root: Path) -> None:
    claims = load_claims(root / "frameworks" / "claims.toml")
    answers = {one.answer for one in beside(claims, "2-1", {})}
    assert answers == {"not run", "not measurable here", "not measured yet"}
    alone = beside(claims, "2-1", {"review_lanes": {"2-1": 3}})
    assert [one.answer for one in alone if one.figure == "review_lanes"] == ["not compared"]


@pytest.mark.parametrize(
    ("values", "answer"),
    [((1, 1, 1), "no difference"), ((2, 1, 3), "in the middle"), ((3, 1, 3), "agrees")],
)
def test_a_figure_in_the_middle_is_not_called_no_difference(
    root: Path, values: tuple[int, int, int], answer: str
) -> None:
    claims = load_claims(root / "frameworks" / "claims.toml")
    lanes = dict(zip(("2-1", "1", "3"), values, strict=True))
    found = beside(claims, "2-1", {"review_lanes": lanes})
    assert [one.answer for one in found if one.figure == "review_lanes"] == [answer]


def test_a_run_with_unhandled_messages_is_named_at_the_top(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", root, "1")
    report = orjson.loads((run / "report.json").read_bytes())
    report["failed"] = [{"body": "national", "path": "analysis/run"}]
    (run / "report.json").write_bytes(orjson.dumps(report))
    page = from_page(from_reports([run], root=root))
    assert "処理できなかった通信のある実行 1" in page[: page.index("</header>")]


def test_equal_released_bytes_are_one_set_and_others_are_told_apart(
    root: Path, tmp_path: Path
) -> None:
    one = write_run(tmp_path / "1", root, "1", released={"a.csv": b"x", "b.csv": b"y"})
    two = write_run(tmp_path / "3", root, "3", released={"a.csv": b"x", "b.csv": b"z"})
    found = from_reports([one, two], root=root).released()["kidney"]
    assert list(found["a.csv"].values()) == [["1", "3"]]
    assert list(found["b.csv"].values()) == [["1"], ["3"]]


def test_losses_are_counted_by_cause_in_every_run(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "2-1", root, "2-1")
    report = orjson.loads((run / "report.json").read_bytes())
    report["lost"]["records_withheld"] = {"no-operator-contract": 14}
    report["submissions"].append({"provider": "1", "format": "uke", "error": "file.truncated"})
    (run / "report.json").write_bytes(orjson.dumps(report))
    other = write_run(tmp_path / "1", root, "1")
    lost = {
        loss.id: list(by_run.values())
        for loss, by_run in from_reports([other, run], root=root).lost()
    }
    assert lost["withheld:no-operator-contract"] == [0, 14]
    assert lost["delivery:file.truncated"] == [0, 1]
    assert lost["dropped:basic"] == [2, 2]
    assert lost["dropped:additional"] == [2, 4]  # once at each holder of the class
    assert lost["included"] == [5, 5]
    assert lost["rows:measurement"] == [11, 11]
    assert lost["no_project"] == [0, 0]


def test_an_application_that_got_no_data_is_counted(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", root, "1")
    report = orjson.loads((run / "report.json").read_bytes())
    report["projects"] = {"kidney": {"state": "refused", "environment": "national"}}
    (run / "report.json").write_bytes(orjson.dumps(report))
    lost = {loss.id: n["1"] for loss, n in from_reports([run], root=root).lost()}
    assert lost["no_project"] == 1
    assert lost["included"] == 0


def test_the_csv_is_the_long_form_of_the_figures(made: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(made.csv())))
    assert list(rows[0]) == ["framework", "variant", "figure", "unit", "value"]
    held = [row for row in rows if row["figure"] == "records_held" and row["framework"] == "2-1"]
    assert [(row["variant"], float(row["value"])) for row in held] == [
        ("own", 5000),
        ("shared", 5000),
    ]
    parts = [row for row in rows if row["figure"] == "records_held:beta"]
    assert {row["framework"] for row in parts} >= {"2-1", "4-several"}


def test_the_json_holds_the_runs_and_says_that_it_is_a_simulation(made: Comparison) -> None:
    found = orjson.loads(orjson.dumps(made.as_json()))
    assert found["simulation"] is True
    assert found["recommendation"] is None
    assert [run["framework"] for run in found["runs"]] == [*IDS, "2-1"]
    both = {run["framework"]: run["bodies_that_hold_and_join"] for run in found["runs"]}
    assert both["3"] == []
    assert both["1"] == ["national"]


def test_files_are_written_and_the_same_reports_give_the_same_bytes(
    folders: list[Path], root: Path, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        from_reports(folders, root=root, out=tmp_path / name)
    for name in ("comparison.json", "comparison.csv", "comparison.html"):
        first, second = (tmp_path / x / name for x in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


def test_the_terminal_shows_figures_losses_claims_and_failures(made: Comparison) -> None:
    why = Text(ja="終わらなかった", en="did not end")
    failed = Comparison(made.runs, made.claims, (Omission("3", "shared", False, why),))
    console = Console(width=200, record=True, file=io.StringIO())
    for line in failed.lines():
        console.print(line)
    text = console.export_text()
    for wanted in (
        "simulation",
        "記入した項目",
        "same bytes in all",
        "sign differs",
        "did not end",
    ):
        assert wanted in text
    assert failed.problems


def test_two_reports_of_one_framework_and_doors_are_refused(root: Path, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, root, "1") for name in ("a", "b")]
    with pytest.raises(UserError, match="twice") as caught:
        from_reports(runs, root=root)
    assert caught.value.code == "compare.twice"


def test_reports_of_different_scenarios_are_refused(root: Path, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", root, "1"), write_run(tmp_path / "b", root, "3", seed=8)]
    with pytest.raises(UserError) as caught:
        from_reports(runs, root=root)
    assert caught.value.code == "compare.other-scenario"


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "report.unreadable"), (b"{", "report.unreadable"), (b"[]", "report.other-file")],
)
def test_a_folder_without_a_report_is_refused_by_name(
    root: Path, tmp_path: Path, content: bytes | None, code: str
) -> None:
    if content is not None:
        (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(UserError, match=r"report\.json") as caught:
        from_reports([tmp_path], root=root)
    assert caught.value.code == code


def test_these_tests_speak_of_all_frameworks_there_are(root: Path) -> None:
    assert [path.stem for path in framework_files(root)] == list(IDS)


def from_page(made: Comparison) -> str:
    from sekisho.comparison.page import page

    return page(made)


def test_how_desks_share_choices_stands_side_by_side(root: Path, tmp_path: Path) -> None:
    """Only of a framework that was run in several ways, and with what each way did to persons."""
    used = {"several": 0, "several-sync-none": 4, "several-sync-lead": 0}
    for name, persons in used.items():
        folder = write_run(tmp_path / name, root, "4-several")
        report = orjson.loads((folder / "report.json").read_bytes())
        measures = {"used_after_opting_out": persons, "opt_out_window_days": 1 + persons}
        report["measures"] |= measures | {"opt_out_unreached": 3 * persons}
        (folder / "report.json").write_bytes(orjson.dumps(report))
    folders = [tmp_path / name for name in used]
    made = from_reports([*folders, write_run(tmp_path / "one", root, "1")], root=root)
    assert [run.variant for run in made.runs] == ["own", "sync-none", "sync-lead", "own"]
    (table,) = [t for t in made.lines() if isinstance(t, Table) and "共有" in str(t.title)]
    cells = [list(column.cells) for column in table.columns]
    assert len(cells[0]) == 3
    assert [str(one) for one in cells[0]][1].startswith("4-several: オプトアウトを共有しない")
    for column, value in zip(cells[1:], ("5", "12", "4"), strict=True):
        assert value in str(column[1])
    alone = from_reports([tmp_path / "one"], root=root)
    assert not any("共有" in str(t.title) for t in alone.lines() if isinstance(t, Table))
