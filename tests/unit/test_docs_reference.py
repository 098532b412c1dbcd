"""The generated documentation is what the code says today, and its schemas are schemas."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from sekisho.body.endpoints import ENDPOINTS
from sekisho.cdm import Role
from sekisho.common import errors
from sekisho.common.toml import read_toml
from sekisho.control.ledger import kinds
from sekisho.reference import markdown, pages, tables, write
from sekisho.reference.schemas import all_schemas
from sekisho.rehearsal.model import ScenarioFile

ROOT = Path(__file__).resolve().parents[2]
REFERENCE, PICTURES = ROOT / "docs" / "reference", ROOT / "docs" / "pictures"
MEND = "run `make schemas` and commit what it wrote"


def _files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_the_reference_in_the_repository_is_what_the_code_says(tmp_path: Path) -> None:
    write(tmp_path / "docs" / "reference", ROOT)
    made, there = _files(tmp_path / "docs" / "reference"), _files(REFERENCE)
    assert set(made) == set(there), MEND
    assert [name for name in made if made[name] != there[name]] == [], MEND


def test_the_pictures_in_the_repository_are_those_of_the_frameworks(tmp_path: Path) -> None:
    write(tmp_path / "docs" / "reference", ROOT)
    made = _files(tmp_path / "docs" / "pictures")
    assert len(made) == len(list((ROOT / "frameworks").glob("*.toml"))) - 1  # claims.toml
    assert made == _files(PICTURES), MEND


def test_a_page_that_is_no_longer_made_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "docs" / "reference"
    folder.mkdir(parents=True)
    (folder / "gone.md").write_text("# Gone\n")
    write(folder, ROOT)
    assert not (folder / "gone.md").exists()


def test_writing_twice_gives_the_same_bytes() -> None:
    assert list(pages()) == list(pages())


def test_no_page_tells_where_it_was_made() -> None:
    assert [name for name, text in pages() if str(ROOT) in text] == []


@pytest.mark.parametrize("name", sorted(all_schemas()))
def test_every_schema_is_one(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(all_schemas()[name])


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("framework", "frameworks/[0-9]*.toml"),
        ("framework", "frameworks/baseline/*.toml"),
        ("claims", "frameworks/claims.toml"),
        ("data-kinds", "rules/data-kinds.toml"),
        ("providers", "rules/providers.toml"),
        ("catalogue", "rules/catalogue.toml"),
        ("rules-collection", "rules/collection.toml"),
        ("rules-opt-out", "rules/opt-out.toml"),
        ("rules-processing", "rules/processing/*.toml"),
        ("rules-publication", "rules/publication/*.toml"),
        ("rules-review-application", "rules/review/application.toml"),
        ("rules-review-ballot", "rules/review/ballot.toml"),
        ("rules-review-clocks", "rules/review/clocks.toml"),
        ("rules-review-joining", "rules/review/joining.toml"),
        ("rules-review-permit", "rules/review/permit.toml"),
        ("rules-exchange", "rules/exchange.toml"),
        ("rules-code-systems", "rules/code-systems.toml"),
        ("rules-same-fact", "rules/same-fact.toml"),
        ("rules-uses", "rules/uses.toml"),
        ("scenario", "scenarios/*.toml"),
        ("study", "studies/*/study.toml"),
    ],
)
def test_every_shipped_file_fits_its_schema_and_an_unknown_key_does_not(
    name: str, pattern: str
) -> None:
    import tomllib

    files = sorted(ROOT.glob(pattern))
    assert files
    check = jsonschema.Draft202012Validator(all_schemas()[name])
    for file in files:
        # dates and times are text in JSON
        raw = json.loads(json.dumps(tomllib.loads(file.read_text("utf-8")), default=str))
        assert [error.message for error in check.iter_errors(raw)] == [], file.name
        assert list(check.iter_errors({**raw, "no-such-key": 1})), file.name


def test_every_class_of_error_has_its_own_exit_code_in_the_table() -> None:
    classes = errors.SekishoError.__subclasses__()
    assert len({one.exit_code for one in classes}) == len(classes)
    page = tables.errors_page()
    assert all(f"| {one.exit_code} | `{one.__name__}` |" in page for one in classes)


def test_every_door_entry_and_role_is_on_its_page() -> None:
    doors, ledger, columns = tables.doors_page(), tables.ledger_page(), tables.tables_page()
    assert all(f"`/exchange/{one.path}`" in doors for one in ENDPOINTS)
    assert all(f"| `{kind}` |" in ledger for kind in kinds())
    assert set(tables.ROLES) == set(Role)
    assert all(f"| `{role.value}` |" in columns for role in Role)


def test_every_key_of_a_scenario_is_on_its_page() -> None:
    page = dict(pages())["scenario.md"]
    assert all(f"| `{key}` |" in page for key in ScenarioFile.__struct_encode_fields__)
    assert read_toml(ROOT / "scenarios" / "first-study.toml", ScenarioFile).framework


def test_a_cell_cannot_break_its_table() -> None:
    lines = markdown.table(("a",), [("one|two\nthree",)]).splitlines()
    assert lines == ["| a |", "| --- |", "| one\\|two three |"]
