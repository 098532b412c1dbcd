"""One framework, one A4 page: the whole drawing, the memo's words, each claim with its figure."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from comparison_world import write_run

from sekisho.common.errors import UserError
from sekisho.comparison import chromium, from_reports, measured_from, print_pdf, sheet
from sekisho.comparison.sheet import cropped
from sekisho.framework import all_frameworks, draw, find, framework_files, kinds_of, load
from sekisho.framework import load_claims as claims_of

IDS = [path.stem for path in framework_files(Path(__file__).resolve().parents[2])]


def made(name: str, root: Path, report: Path | None = None) -> str:
    fw = load(find(name, root), root)
    claims = claims_of(root / "frameworks" / "claims.toml")
    kinds = kinds_of(fw, find(name, root), root)
    return sheet(fw, kinds, claims, measured_from(fw, root, report))


@pytest.mark.parametrize("name", IDS)
def test_the_memos_words_are_all_there(name: str, root: Path) -> None:
    page = made(name, root)
    claims = claims_of(root / "frameworks" / "claims.toml")
    for statement, claim in claims.of(name):
        assert f"<blockquote>{statement.text}</blockquote>" in page
        assert claim.text.ja in page
    assert "script" not in page
    assert "再構成" in page


def test_without_a_run_only_what_follows_from_the_files_has_a_figure(root: Path) -> None:
    page = made("1", root)
    assert "測定していない（sekisho compare を実行）" in page
    assert "<b>5件</b>" in page  # functions moved against today
    assert "動かしていない" in page


def test_with_a_report_it_has_figures_but_no_sign(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "2-1", root, "2-1")
    page = made("2-1", root, run / "report.json")
    assert "<b>3件</b>　他の枠組みと比べていない" in page  # windows
    assert "乱数種 7" in page


def test_with_a_comparison_it_has_figures_range_and_sign(root: Path, tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, root, name) for name in ("1", "2-1", "3")]
    from_reports(runs, root=root, out=tmp_path / "out")
    page = made("2-1", root, tmp_path / "out" / "comparison.json")
    assert "<b>3件</b>　向きが一致（範囲 1–3）" in page
    assert "測定していない" not in page


def test_a_report_of_another_framework_is_refused(root: Path, tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", root, "1")
    with pytest.raises(UserError) as caught:
        made("3", root, run / "report.json")
    assert caught.value.code == "sheet.other-framework"


def test_a_file_that_is_no_report_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UserError) as caught:
        made("3", root, tmp_path / "x.json")
    assert caught.value.code == "report.other-file"


def test_a_framework_that_the_memo_does_not_know_has_no_claims(root: Path, tmp_path: Path) -> None:
    text = find("3", root).read_text("utf-8").replace('id = "3"', 'id = "eighth"', 1)
    (tmp_path / "eighth.toml").write_text(text)
    fw = load(tmp_path / "eighth.toml", root)
    claims = claims_of(root / "frameworks" / "claims.toml")
    page = sheet(fw, kinds_of(fw, find("3", root), root), claims, measured_from(fw, root))
    assert "原文にない枠組み" in page


def test_cropping_keeps_every_box_and_leaves_the_heading_out(root: Path) -> None:
    for fw in all_frameworks(root):
        svg, ratio = cropped(draw(fw, "ja", compact=True))
        view = re.search(r'<svg width="[\d.]+" height="[\d.]+" viewBox="([^"]+)"', svg)
        assert view
        left, top, width, height = map(float, view[1].split())
        assert top > 60
        assert abs(ratio - height / width) < 1e-3
        for tag in re.findall(r"<rect [^>]*rx=[^>]*>", svg):
            x, y, w, h = (
                float(re.search(rf'\b{k}="(-?[\d.]+)"', tag)[1])  # type: ignore[index]
                for k in ("x", "y", "width", "height")
            )
            if h > 30:  # the mark, which the page shows itself
                assert left <= x
                assert x + w <= left + width
                assert top <= y
                assert y + h <= top + height


@pytest.mark.skipif(
    chromium() is None or shutil.which("pdfinfo") is None, reason="no Chromium or poppler"
)
@pytest.mark.parametrize("compared", [False, True])
def test_the_fullest_sheet_prints_on_one_a4(root: Path, tmp_path: Path, compared: bool) -> None:
    report = None
    if compared:
        runs = [write_run(tmp_path / name, root, name) for name in ("1", "2-1", "3")]
        from_reports(runs, root=root, out=tmp_path / "out")
        report = tmp_path / "out" / "comparison.json"
    (tmp_path / "s.html").write_text(made("2-1", root, report), "utf-8")
    print_pdf(tmp_path / "s.html", tmp_path / "s.pdf")
    told = subprocess.run(
        ["pdfinfo", tmp_path / "s.pdf"], capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"Pages:\s+1\n", told)
    assert "(A4)" in told


def test_without_chromium_it_says_so_and_names_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"s\.html") as caught:
        print_pdf(tmp_path / "s.html", tmp_path / "s.pdf")
    assert caught.value.code == "sheet.no-chromium"
