"""`sekisho frameworks`: tables, differences, drawings and sheets of files, anyone's as well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from sekisho.commands import app
from sekisho.common.errors import UserError
from sekisho.framework import framework_files

ROOT = Path(__file__).resolve().parents[2]
IDS = [path.stem for path in framework_files(ROOT)]


def call(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, ["frameworks", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def eighth(tmp_path: Path) -> Path:
    text = (ROOT / "frameworks" / "3.toml").read_text("utf-8")
    file = tmp_path / "mine.toml"
    file.write_text(text.replace('id = "3"', 'id = "eighth"', 1))
    return file


def test_without_arguments_it_prints_who_does_what_in_all_frameworks() -> None:
    out = call().stdout
    for name in IDS:
        assert name in out
    for word in ("オプトアウト", "collection", "加工後", "unprocessed", "national = "):
        assert word in out


def test_the_matrix_is_there_as_json() -> None:
    lines = json.loads(call("--json").stdout)
    assert [line["id"] for line in lines] == IDS
    assert {"collection", "opt_out", "review", "processing", "analysis"} <= set(lines[0])


@pytest.mark.parametrize("name", [*IDS, "baseline/2025", "2025"])
def test_each_framework_can_be_shown(name: str) -> None:
    out = call("show", name).stdout
    assert "根拠" in out
    assert "出典" in out
    described = json.loads(call("show", name, "--json").stdout)
    assert {row["basis"] for row in described["table"]} <= {"explicit", "inferred", "open"}
    assert all(row["source"] for row in described["table"])
    assert "unmeasured" in described
    assert "findings" in described


def test_an_eighth_framework_is_shown_compared_drawn_and_printed(
    eighth: Path, tmp_path: Path
) -> None:
    assert json.loads(call("show", eighth, "--json").stdout)["id"] == "eighth"
    same = json.loads(call("diff", "3", eighth, "--json").stdout)
    assert same["functions_moved"] == 0
    assert not same["rules"]
    call("draw", eighth, "-o", tmp_path / "eighth.svg")
    assert (tmp_path / "eighth.svg").read_text("utf-8").count("<rect") > 5
    call("sheet", eighth, "-o", tmp_path / "eighth.html")
    assert "原文にない枠組み" in (tmp_path / "eighth.html").read_text("utf-8")


def test_a_difference_says_what_is_built_kept_moved_and_retired() -> None:
    found = json.loads(call("diff", "baseline/2025", "1", "--json").stdout)
    assert found["from"] == "2025"
    assert found["summary"]["move"] == found["functions_moved"] > 0
    out = call("diff", "baseline/2025", "1").stdout
    for word in ("移管", "move", "新設", "build", "bodies to build"):
        assert word in out


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_a_drawing_goes_to_a_file_or_to_stdout(lang: str, tmp_path: Path) -> None:
    svg = call("draw", "2-1", "--lang", lang).stdout
    ElementTree.fromstring(svg)
    call("draw", "2-1", "--lang", lang, "-o", tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text("utf-8").strip() == svg.strip()


def test_a_sheet_says_as_json_what_it_wrote_and_found(tmp_path: Path) -> None:
    out = json.loads(call("sheet", "2-1", "-o", tmp_path / "s.html", "--json").stdout)
    assert out["files"] == [str(tmp_path / "s.html")]
    assert len(out["claims"]) == sum(out["answers"].values())
    assert out["answers"]["agrees"] == 2


def test_an_unknown_framework_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UserError, match="no framework") as caught:
        call("show", "9-9")
    assert "2-1" in (caught.value.next_step or "")


def test_a_name_cannot_lead_out_of_the_folder_of_frameworks() -> None:
    with pytest.raises(UserError):
        call("show", "../rules/catalogue")


def test_a_file_with_a_gap_is_refused_with_line_and_what_is_missing(eighth: Path) -> None:
    text = eighth.read_text("utf-8")
    start = text.index('[[assignment]]\nfunction = "review"')
    end = text.index("[[assignment]]", start + 5)
    eighth.write_text(text[:start] + text[end:])
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from sekisho.cli import main; main()",
            "frameworks",
            "show",
            eighth,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert f"{eighth}:" in done.stderr
    assert "review" in done.stderr
    assert done.stdout == ""
