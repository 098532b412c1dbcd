"""A scenario is proved while it is read: each fault has its line, before anything runs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sekisho.common.errors import UserError
from sekisho.rehearsal.scenario import Person, read_scenario, schema
from sekisho.synthetic import generate, person_of

HEAD = """\
framework = "any"
start = 2026-04-01
seed = 7
[[provider]]
code = "1310000001"
name = "第一病院"
"""
CHOICE = '[[opt_out]]\nday = 1\nscope = "all"\nperson = '
APPLICATION = """\
[[application]]
id = "kidney"
day = 10
applicant = "Example University"
purpose = "research"
tables = ["person", "measurement"]
cohort = { codes = ["E11"] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name in ("b.ndjson", "a.ndjson", "c.txt"):
        (tmp_path / "data" / name).write_text("{}\n")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.toml").write_text("")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "scenario.toml"
    path.write_text(text, "utf-8")
    return path


def refused(folder: Path, text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        read_scenario(written(folder, text))
    return caught.value


def submission(files: str, provider: str = "1310000001") -> str:
    return (
        f'[[submission]]\nprovider = "{provider}"\nday = 0\n'
        f'format = "fhir-ndjson"\nfiles = {files}\n'
    )


def test_globs_are_expanded_in_order_and_paths_become_absolute(folder: Path) -> None:
    job = '[[job]]\napplication = "kidney"\nday = 40\nstudy = "study"\n'
    text = HEAD + submission('["data/*.ndjson", "data/a.ndjson"]') + APPLICATION + job
    scenario = read_scenario(written(folder, text))
    assert [path.name for path in scenario.submission[0].files] == ["a.ndjson", "b.ndjson"]
    assert all(path.is_absolute() for path in scenario.submission[0].files)
    assert scenario.job[0].study == folder / "study"


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        (HEAD + "sead = 3\n", 7, "toml.invalid"),
        (HEAD.replace("1310000001", "131000001"), 5, "toml.invalid"),
        (HEAD + HEAD[HEAD.index("[[") :], 8, "scenario.named-twice"),
        (HEAD + submission('["data/none.ndjson"]'), 11, "scenario.no-file"),
        (HEAD + submission('["data/*.uke"]'), 11, "scenario.no-file"),
        (HEAD + submission('["data"]'), 11, "scenario.folder"),
        (HEAD + submission('["data/a.ndjson"]', "1310000009"), 8, "scenario.no-provider"),
        (HEAD + APPLICATION + APPLICATION, 15, "scenario.named-twice"),
        (HEAD + APPLICATION.replace("measurement", "measure"), 12, "cdm.no-table"),
        (
            HEAD + '[[job]]\napplication = "heart"\nday = 1\nstudy = "study"\n',
            8,
            "scenario.no-application",
        ),
        (
            HEAD + APPLICATION + '[[job]]\napplication = "kidney"\nday = 1\nstudy = "data"\n',
            17,
            "scenario.no-study",
        ),
        (
            HEAD + CHOICE.replace("all", "data:") + '{ insured = "06132013:12:345:01" }\n',
            9,
            "opt-out.scope",
        ),
        (HEAD + CHOICE + '{ insured = "06132013:12:345" }\n', 10, "identifier.malformed"),
        (HEAD + CHOICE + '{ insured = "06132013:12:345:" }\n', 10, "identifier.incomplete"),
        (HEAD + CHOICE + '{ system = "http://hl7.org/fhir/sid/us-ssn" }\n', 10, "toml.invalid"),
        (HEAD + CHOICE + "{ number = 1 }\n", 10, "scenario.no-such-person"),
        (
            HEAD + "[population]\npersons = 5\n" + CHOICE + "{ number = 5 }\n",
            12,
            "scenario.no-such-person",
        ),
    ],
)
def test_a_fault_is_refused_with_its_line(folder: Path, text: str, line: int, code: str) -> None:
    error = refused(folder, text)
    assert error.code == code
    assert f"scenario.toml:{line}: " in error.message


def test_a_refusal_never_shows_who_opted_out(folder: Path) -> None:
    error = refused(folder, HEAD + CHOICE + '{ insured = "06132013:symbol7:number9:0x" }\n')
    assert "symbol7" not in str(error)
    assert "number9" not in str(error)


@pytest.mark.parametrize("made", ["folder", "absent", "binary"])
def test_what_is_no_text_file_is_refused_by_name(folder: Path, made: str) -> None:
    path = folder / "odd.toml"
    if made == "folder":
        path.mkdir()
    elif made == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"odd\.toml"):
        read_scenario(path)


def test_reviewers_approve_unless_it_says_otherwise(folder: Path) -> None:
    def votes(line: str) -> Any:
        return read_scenario(written(folder, HEAD + APPLICATION + line)).application[0].vote_at

    assert votes("")("national") == "approve"
    assert votes('votes = "reject"\n')("national") == "reject"
    mixed = votes('votes = { alpha = "reject", default = "abstain" }\n')
    assert (mixed("alpha"), mixed("beta")) == ("reject", "abstain")


def test_an_override_sets_only_what_it_names(folder: Path) -> None:
    text = HEAD + '[override]\ndoors.submission = "shared"\nopt_out.sync = "none"\n'
    override = read_scenario(written(folder, text)).override
    assert override.values() == {"doors": {"submission": "shared"}, "opt_out": {"sync": "none"}}
    made = override.applied_to({"doors": {"submission": "per_body", "application": "per_body"}})
    assert made["doors"] == {"submission": "shared", "application": "per_body"}
    assert made["opt_out"] == {"sync": "none"}


def test_a_key_can_be_overridden_after_reading(folder: Path) -> None:
    scenario = read_scenario(written(folder, HEAD))
    changed = scenario.with_override("doors", "application", "shared")
    assert changed.override.values() == {"doors": {"application": "shared"}}
    assert scenario.override.values() == {}


def test_the_first_study_is_read_and_can_be_made_smaller(root: Path) -> None:
    scenario = read_scenario(root / "scenarios" / "first-study.toml")
    small = scenario.with_population(200)
    assert scenario.population is not None
    assert small.population is not None
    assert (scenario.population.persons, small.population.persons) == (2000, 200)
    assert small.opt_out == scenario.opt_out
    assert len(scenario.provider) == 3
    assert {one.scope for one in scenario.opt_out} >= {"all", "data:additional"}
    with pytest.raises(UserError, match="not among"):
        scenario.with_population(5)


def test_a_person_of_the_population_is_who_the_files_are_about(root: Path) -> None:
    scenario = read_scenario(root / "scenarios" / "first-study.toml")
    number = 17
    made = person_of(scenario.seed, number)
    assert scenario.key_of(Person(number=number)) == made.key(scenario.start)
    assert scenario.key_of(Person(number=number)) in made.numbers()


def test_generated_files_become_submissions(root: Path, tmp_path: Path) -> None:
    scenario = read_scenario(root / "scenarios" / "first-study.toml")
    made = generate(tmp_path, scenario.seed, 12, scenario.provider_specs(), scenario.period())
    ready = scenario.with_files(made)
    assert {one.provider for one in ready.submission} <= {p.code for p in scenario.provider}
    assert {one.format for one in ready.submission} == {"uke", "fhir-ndjson"}
    assert all(path.is_file() for one in ready.submission for path in one.files)


def test_every_shipped_scenario_fits_the_schema(root: Path) -> None:
    for path in sorted((root / "scenarios").glob("*.toml")):
        raw = tomllib.loads(path.read_text("utf-8"))
        jsonschema.validate(_plain(raw), schema())


def _plain(value: Any) -> Any:
    """Return a TOML value as JSON has it: dates are texts."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | bool) else value.isoformat()


def test_a_format_that_is_a_folder_of_files_may_name_the_folder(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir()
    text = HEAD + submission('["storage"]').replace("fhir-ndjson", "ss-mix2")
    (tmp_path / "s.toml").write_text(text)
    read = read_scenario(tmp_path / "s.toml")
    assert [one.files for one in read.submission] == [((tmp_path / "storage").resolve(),)]
