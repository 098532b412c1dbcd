"""A file with a gap is refused with its line; a framework from anywhere is read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from sekisho.common.errors import UserError
from sekisho.framework import (
    environment,
    extract_route,
    find,
    findings,
    framework_files,
    kinds_of,
    load,
    rooms,
)


@pytest.fixture
def edited(root: Path, tmp_path: Path) -> Callable[..., Path]:
    """Write a shipped framework with texts replaced, outside the repository."""

    def edit(name: str, *changes: tuple[str, str]) -> Path:
        text = find(name, root).read_text("utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        return path

    return edit


def blocks(text: str) -> list[str]:
    """The [[assignment]] blocks of a file, each with its trailing lines."""
    return re.findall(r"\[\[assignment\]\]\n(?:(?!\[).+\n)*", text)


@pytest.mark.parametrize("name", ["2-1", "3", "4-several"])
def test_leaving_out_any_assignment_is_refused_with_line_function_and_class(
    name: str, root: Path, tmp_path: Path
) -> None:
    text = find(name, root).read_text("utf-8")
    found = blocks(text)
    assert len(found) >= 10
    for block in found:
        gone = tomllib.loads(block)["assignment"][0]
        path = tmp_path / "gap.toml"
        path.write_text(text.replace(block, "", 1), "utf-8")
        with pytest.raises(UserError) as refused:
            load(path)
        for data_class in gone["data"]:
            wanted = rf"gap\.toml:\d+: .*{gone['function']} of {data_class} data"
            assert re.search(wanted, refused.value.message), refused.value.message


def test_a_function_listed_as_open_is_accepted_and_reported(edited: Callable[..., Path]) -> None:
    path = edited("1")
    text = path.read_text("utf-8")
    hard = [b for b in blocks(text) if 'data = ["hard"]' in b]
    for block in hard:
        text = text.replace(block, "", 1)
    for function in ("collection", "opt_out", "review", "processing", "analysis"):
        text += (
            f'\n[[open.unassigned]]\nfunction = "{function}"\n'
            'data = ["hard"]\nsource = "user input"\n'
        )
    path.write_text(text, "utf-8")
    fw = load(path)
    codes = [one.code for one in findings(fw, kinds_of(fw, path))]
    assert codes.count("function-open") == 5
    with pytest.raises(UserError, match="no environment"):
        environment(fw, ("hard",))
    with pytest.raises(UserError, match="processing of hard"):
        extract_route(fw, fw.function_bodies[0], "hard", fw.function_bodies[0])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('bodies = ["national"]', 'bodies = ["nobody"]'), "no body of the framework"),
        (('bodies = ["national"]', 'bodies = ["oversight"]'), "an auxiliary body"),
        (('bodies = ["national"]', 'bodies = "none"'), "[[open.unassigned]]"),
        (('roles = ["converter"]', 'roles = ["oversight"]'), "exactly one auxiliary body"),
        (('roles = ["converter"]', 'roles = ["converter", "history"]'), "distinct bodies"),
        (('exchange = ["national", "alpha", "beta"]', 'exchange = ["national"]'), "no route"),
        (('at = "national"', 'at = "history"'), "no analysis environment"),
        (('of = ["alpha", "beta"]', 'of = ["alpha"]'), "no remedy against application"),
        (('nonstandard = "user input"\n', ""), "open.nonstandard has no source"),
        (('hard = { genome = "in_place", ', "hard = { "), "says nothing of 'genome'"),
        (('"rules/data-kinds.toml"', '"rules/nowhere.toml"'), "open.kinds"),
        (('basis = "explicit"', 'basis = "guessed"'), "basis"),
        (('mode = "push"', 'mode = "carrier-pigeon"'), "Invalid enum value"),
        (("notice_days = 30", "notice_days = -1"), "notice_days"),
        (("[review]", "[review]\nveto = true"), "veto"),
        (('id = "beta"', 'id = "alpha"'), "there twice"),
        (('id = "beta"', 'id = "none"'), "cannot be called"),
    ],
)
def test_a_gap_is_refused_with_file_line_and_what_is_missing(
    change: tuple[str, str], says: str, edited: Callable[..., Path]
) -> None:
    path = edited("2-1", change)
    with pytest.raises(UserError) as refused:
        load(path)
    assert re.search(r"mine\.toml:\d+: ", refused.value.message)
    assert says in refused.value.message
    assert refused.value.next_step


def test_the_line_named_is_the_line_of_the_fault(edited: Callable[..., Path]) -> None:
    path = edited("2-1", ('at = "national"', 'at = "history"'))
    lines = path.read_text("utf-8").splitlines()
    with pytest.raises(UserError) as refused:
        load(path)
    line = lines.index('at = "history"') + 1
    assert f"mine.toml:{line}: " in refused.value.message


@pytest.mark.parametrize("section", ["remedy", "linkage", "doors", "opt_out", "review"])
def test_a_missing_section_is_refused(section: str, root: Path, tmp_path: Path) -> None:
    text = find("1", root).read_text("utf-8")
    cut = re.sub(rf"^\[{section}\].*?(?=^\[)", "", text, flags=re.M | re.S)
    assert cut != text
    path = tmp_path / "cut.toml"
    path.write_text(cut, "utf-8")
    with pytest.raises(UserError, match=section):
        load(path)


@pytest.mark.parametrize(
    "decision", ["application", "revocation", "fee", "release", "opt_out", "submission"]
)
def test_a_decision_without_remedy_is_refused(decision: str, root: Path, tmp_path: Path) -> None:
    text = find("1", root).read_text("utf-8")
    path = tmp_path / "cut.toml"
    path.write_text(re.sub(rf"^{decision} = {{ body.*\n", "", text, flags=re.M), "utf-8")
    with pytest.raises(UserError, match=decision):
        load(path)


def test_a_framework_written_outside_the_repository_is_found_and_read(
    root: Path, tmp_path: Path
) -> None:
    """Two public bodies, one for each class, and a certified operator that only analyses."""
    text = find("3", root).read_text("utf-8")
    text = text.replace('id = "3"', 'id = "eighth"', 1)
    text = text.replace(
        '[[body]]\nid = "alpha"',
        '[[body]]\nid = "regional"\nkind = "public"\n'
        'title = { ja = "地域", en = "Regional" }\n[[body]]\nid = "alpha"',
        1,
    )
    for function in ("collection", "opt_out"):
        text = re.sub(
            rf'(function = "{function}"\ndata = \["basic)", "additional"\](\nbodies = .*)',
            r'\1"]\2',
            text,
        )
        text = re.sub(
            rf'(function = "{function}"\ndata = \[")hard("\]\nbodies = \[")national',
            r'\1additional", "hard\2regional',
            text,
        )
    text = text.replace('exchange = ["national",', 'exchange = ["national", "regional",')
    text = text.replace('of = ["national"], ', "")
    path = tmp_path / "eighth.toml"
    path.write_text(text, "utf-8")
    fw = load(find(str(path), root))
    assert fw.id == "eighth"
    assert fw.assigned("collection", "additional") == ("regional",)
    assert rooms(fw, fw.find_body("regional").id) == {"collection", "opt_out"}


def test_an_unknown_framework_is_refused_with_the_ids_that_exist(root: Path) -> None:
    with pytest.raises(UserError) as refused:
        find("no-such", root)
    for path in framework_files(root):
        assert path.stem in str(refused.value)


def test_rule_files_beside_a_framework_come_before_the_repositorys(
    root: Path, tmp_path: Path, edited: Callable[..., Path]
) -> None:
    path = edited("1")
    (tmp_path / "rules").mkdir()
    own = (root / "rules" / "data-kinds.toml").read_text("utf-8")
    own = own.replace(
        'id = "record-detail"\ntitle = { ja = "電子カルテの詳細情報（検査、処置、報告書など）", '
        'en = "detail of medical records (laboratory, procedures, reports)" }\ncategory = 3\n'
        'class = "additional"',
        'id = "record-detail"\ntitle = { ja = "詳細", en = "detail" }\ncategory = 3\n'
        'class = "basic"',
    )
    (tmp_path / "rules" / "data-kinds.toml").write_text(own, "utf-8")
    kind = kinds_of(load(path), path).kind_of("fhir-ndjson", "Observation")
    assert kind is not None
    assert kind.data_class == "basic"
