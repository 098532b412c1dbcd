"""A submission is checked some persons at a time, and what is found is what one look finds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sekisho.cdm import sliced
from sekisho.common.errors import UserError
from sekisho.data.collection import Arrival, Survey, balance, read_declared, receipt_payload
from sekisho.provider import Part
from sekisho.quality import load_rules
from submissions import NORTH, condition, ndjson, patient, prepared

DAY = date(2026, 4, 1)
PERSONS = 40


@pytest.fixture
def part(tmp_path: Path) -> Part:
    """Forty persons with five conditions each: some in the future, before birth or told twice."""
    resources = [
        patient(n, birthDate="2021-05-01" if n % 9 == 0 else "1980-05-17") for n in range(40)
    ]
    for number in range(5 * PERSONS):
        onset = "2099-01-01" if number % 17 == 0 else f"2020-01-{1 + number % 3:02d}"
        resources.append(condition(number, number % PERSONS, onsetDateTime=onset))
    return prepared([ndjson(tmp_path / "a.ndjson", *resources)]).parts[NORTH]


def arrived(
    part: Part, root: Path, folder: Path, stopped: frozenset[str] = frozenset()
) -> tuple[Arrival, Survey, set[str]]:
    def set_aside(
        tables: Mapping[str, pa.Table],
    ) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
        kept, out = {}, {}
        for name, rows in tables.items():
            mask = pc.is_in(rows["tag"], value_set=pa.array(sorted(stopped), pa.string()))
            kept[name], out[name] = rows.filter(pc.invert(mask)), rows.filter(mask)
        return kept, out

    arrival = Arrival(part.tables, folder)
    present = set[str]()
    survey = arrival.check(
        load_rules(root / "rules" / "collection.toml"),
        day=DAY,
        known={tag for tag, _ in part.identities[2:]}.intersection,
        set_aside=set_aside,
        keep=present.update,
    )
    return arrival, survey, present


def rows_of(arrival: Arrival, survey: Survey) -> dict[str, list[dict[str, object]]]:
    """Return what lands and what is held, in an order of our own."""
    found = {}
    for way, names in (("kept", survey.rows_landed), ("quarantined", survey.rows_quarantined)):
        for name in names:
            rows = pa.concat_tables(getattr(arrival, way)(name)).to_pylist()
            found[f"{way} {name}"] = sorted(rows, key=repr)
    return found


def test_in_slices_or_at_once_the_same_lands_and_the_receipt_says_the_same(
    part: Part, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = frozenset(tag for tag, _ in part.identities[-3:])
    whole, at_once, present = arrived(part, root, tmp_path / "none", stopped)
    assert whole.parts == 1
    assert not (tmp_path / "none").exists()

    monkeypatch.setattr(sliced.Sliced.__init__, "__defaults__", (1,))
    monkeypatch.setattr("sekisho.cdm.by_person.TOGETHER_BYTES", 1)
    cut, in_slices, also = arrived(part, root, tmp_path / "some", stopped)
    assert cut.parts == 64
    assert list((tmp_path / "some").iterdir())

    assert at_once.held
    assert at_once.chosen == {("Condition", "basic"): 15, ("Patient", "basic"): 3}
    assert at_once.chosen_persons == 3
    assert {"date.before-birth", "date.after-submission", "record.twice"} <= {
        one.rule for one in at_once.breaches
    }
    assert present == also == {tag for tag, _ in part.identities[:-3]}
    assert rows_of(cut, in_slices) == rows_of(whole, at_once)
    payloads = [
        receipt_payload(
            one,
            balance(read_declared(part.declared()), one),
            provider="1310000001",
            file_digests=part.file_digests,
        )
        for one in (at_once, in_slices)
    ]
    assert payloads[0] == payloads[1]


def test_every_row_lands_or_is_held_or_was_set_aside(
    part: Part, root: Path, tmp_path: Path
) -> None:
    arrival, survey, _ = arrived(part, root, tmp_path)
    landed = {name: sum(r.num_rows for r in arrival.kept(name)) for name in survey.rows_landed}
    assert landed == survey.rows_landed
    for name in part.tables:
        total = survey.rows_landed[name] + survey.rows_quarantined[name]
        assert total == part.tables[name].num_rows


def test_a_share_is_that_of_the_whole_submission(
    part: Part, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One person without any visit is no breach where four in five records name theirs."""
    rules = load_rules(root / "rules" / "collection.toml")
    (rule,) = [one for one in rules.rule if one.id == "visit.missing"]
    rows = part.tables["condition_occurrence"]
    alone = pc.equal(rows["tag"], part.identities[5][0])
    visits = pc.if_else(alone, None, "visit")
    place = rows.column_names.index("visit_ref")
    table = rows.set_column(place, "visit_ref", visits.cast(pa.string()))
    assert rule.least is not None
    assert rule.least < (PERSONS - 1) / PERSONS
    monkeypatch.setattr(sliced.Sliced.__init__, "__defaults__", (1,))
    monkeypatch.setattr("sekisho.cdm.by_person.TOGETHER_BYTES", 1)
    arrival = Arrival({"condition_occurrence": table}, tmp_path)
    survey = arrival.check(
        rules,
        day=DAY,
        known={tag for tag, _ in part.identities}.intersection,
        set_aside=lambda found: (dict(found), {}),
    )
    assert arrival.parts == 64
    assert "visit.missing" not in {one.rule for one in survey.breaches}


def test_a_table_of_another_layout_is_refused_before_anything_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="layout"):
        Arrival({"person": pa.table({"tag": ["a"]})}, tmp_path)
