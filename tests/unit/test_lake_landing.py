"""A submission becomes visible whole and once, and what is sent again replaces what was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake_rows import condition, held, person, transit
from sekisho.common.errors import Defect, UserError
from sekisho.common.randomness import seeded
from sekisho.data.lake import Count, Lake, Snapshot, Versions, delta, hold, replacing
from sekisho.data.lake.sql import Sql

CONDITIONS = "condition_occurrence"
ROWS = Sql("SELECT source_id, condition_source_value AS code FROM condition_occurrence ORDER BY 1")


def codes(lake: Lake, snapshot: Snapshot) -> list[tuple[str, str]]:
    with lake.reading(snapshot) as session:
        return [(row["source_id"], row["code"]) for row in session.fetch(ROWS).to_pylist()]


def tables(batch: int, *conditions: dict[str, object]) -> dict[str, object]:
    people = {str(row["person_key"]) for row in conditions}
    return {
        "person": held("person", [person(p, f"patient-{p}") for p in sorted(people)], batch),
        "condition_occurrence": held("condition_occurrence", conditions, batch),
    }


def test_reader_sees_the_snapshot_that_it_names_and_nothing_later(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = Snapshot(1, lake.land(1, "a", tables(1, condition("x", "1", "I10"))))
    second = Snapshot(2, lake.land(2, "b", tables(2, condition("y", "2", "E11"))))

    assert codes(lake, first) == [("1", "I10")]
    assert codes(lake, second) == [("1", "I10"), ("2", "E11")]


def test_landing_again_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    once = lake.land(1, "a", tables(1, condition("x", "1")))

    assert lake.land(1, "a", tables(1, condition("x", "1"))) == once
    with pytest.raises(Defect, match="batch 1, not 2"):
        lake.land(2, "a", tables(2, condition("x", "1")))


@pytest.mark.parametrize("survived", [0, 1, 2])
def test_half_landed_submission_stays_hidden_until_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    """The crash comes after ``survived`` commits; meanwhile another submission lands."""
    lake = Lake(tmp_path)
    before = Snapshot(1, lake.land(1, "a", tables(1, condition("x", "1", "I10"))))
    calls = 0
    append = delta.append

    def crash(*args: object, **kwargs: object) -> None:
        nonlocal calls
        if calls == survived:
            raise KeyboardInterrupt
        calls += 1
        append(*args, **kwargs)  # type: ignore[arg-type]

    sent = tables(2, condition("x", "1", "I11"), condition("y", "2", "E11"))
    with monkeypatch.context() as patch:
        patch.setattr(delta, "append", crash)
        with pytest.raises(KeyboardInterrupt):
            lake.land(2, "b", sent)

    assert codes(lake, before) == [("1", "I10")]
    between = Snapshot(2, lake.land(3, "c", tables(3, condition("z", "3", "J45"))))
    assert codes(lake, between) == [("1", "I10"), ("3", "J45")]

    after = Snapshot(3, lake.land(2, "b", sent))
    assert codes(lake, after) == [("1", "I11"), ("2", "E11"), ("3", "J45")]
    assert codes(lake, between) == [("1", "I10"), ("3", "J45")]
    assert lake.land(2, "b", sent) == after.versions


def test_record_sent_again_replaces_all_its_rows_also_in_other_tables(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.land(1, "a", tables(1, condition("x", "1", "I10"), condition("x", "1", "I11")))
    moved = {"observation": held("observation", [{"person_key": "x", "source_id": "1"}], 2)}
    snapshot = Snapshot(2, lake.land(2, "b", moved))

    assert codes(lake, snapshot) == []
    assert lake.totals(snapshot) == {"person": (1, 1), "observation": (1, 1)}


def test_replaced_records_are_counted_by_type_once_and_with_parts_that_are_gone(
    tmp_path: Path,
) -> None:
    lake = Lake(tmp_path)
    first = [
        condition("x", "1", "I10"),
        condition("x", "1", "I11"),
        condition("x", "u.1", record_type="SY"),
        condition("x", "u.2", record_type="SY"),
        condition("x", "other.1", record_type="SY"),
    ]
    before = Snapshot(
        1,
        lake.land(
            1,
            "a",
            {
                "condition_occurrence": held("condition_occurrence", first),
                "observation": held("observation", [{"person_key": "x", "source_id": "1"}]),
            },
        ),
    )
    elsewhere = held("condition_occurrence", [condition("x", "1")], 2, provider="p2")
    lake.land(2, "b", {"condition_occurrence": elsewhere})
    assert lake.replaced_by(2, before) == {}

    again = [condition("x", "1"), condition("x", "u.1"), condition("x", "new")]
    lake.land(3, "c", {"condition_occurrence": held("condition_occurrence", again, 3)})
    assert lake.replaced_by(3, before) == {"R": 1, "SY": 2}


@given(rows=st.integers(0, 10**9), unit=st.text("09afz~あ", max_size=3), part=st.text("0z."))
def test_a_unit_is_in_one_slice_and_all_of_its_records_are_there(
    rows: int, unit: str, part: str
) -> None:
    made = replacing.slices(rows)
    assert len(made) == min(256, max(1, -(-rows // replacing.SLICE)))
    homes = [
        [one for one in made if (one.low or "") <= it and (one.high is None or it < one.high)]
        for it in (unit, f"{unit}.{part}")
    ]
    assert len(homes[0]) == 1
    assert homes[0] == homes[1]


@pytest.mark.parametrize("number", [1, 3, 11])
def test_what_came_again_is_the_same_however_many_slices_it_is_looked_up_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    names = [f"{digit}{rest}" for digit in "0379acf" for rest in ("", "0", "f", "ff")]
    units = [*names, "z", "~", "40", "80"]
    records = [*(f"{unit}.{part}" for unit in units for part in "12"), *(f"{u}x" for u in units)]
    rows = [condition("x", one, "I10") for one in records]
    lake = Lake(tmp_path)
    before = Snapshot(1, lake.land(1, "a", {CONDITIONS: held(CONDITIONS, rows)}))
    monkeypatch.setattr(replacing, "SLICE", -(-len(rows) // number))
    assert len(replacing.slices(len(rows))) == number
    again = [condition("x", f"{unit}.1", "I11") for unit in units]
    gone = [("p1", f"{units[0]}x"), ("p1", "never")]
    versions = lake.land(2, "b", {CONDITIONS: held(CONDITIONS, again, 2)}, withdrawn=gone)
    monkeypatch.setattr(replacing, "SLICE", -(-(len(units) + len(gone)) // number))
    assert lake.replaced_by(2, before) == {"R": 2 * len(units) + 1}
    noted = pq.read_table(delta.files(tmp_path / "tables" / "replaced")).to_pylist()
    there = [(row["provider"], row["unit"]) for row in noted if row["batch"] == 2]
    assert sorted(there) == sorted([*(("p1", unit) for unit in units), *gone])
    left = [(f"{unit}.1", "I11") for unit in units]
    left += [(f"{unit}x", "I10") for unit in units if unit != units[0]]
    assert codes(lake, Snapshot(2, versions)) == sorted(left)


def test_latest_batch_counts_whatever_the_order_of_landing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.land(2, "b", tables(2, condition("x", "1", "I11")))
    snapshot = Snapshot(2, lake.land(1, "a", tables(1, condition("x", "1", "I10"))))

    assert codes(lake, snapshot) == [("1", "I11")]


def test_same_source_id_of_another_provider_is_another_record(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.land(1, "a", tables(1, condition("x", "1", "I10")))
    other = held("condition_occurrence", [condition("x", "1", "I11")], 2, provider="p2")
    snapshot = Snapshot(2, lake.land(2, "b", {"condition_occurrence": other}))

    assert [code for _, code in sorted(codes(lake, snapshot))] == ["I10", "I11"]
    assert [known.num_rows for known in lake.known_sources(snapshot, ["condition_occurrence"])] == [
        2
    ]


def test_a_receipt_sent_again_with_fewer_lines_replaces_all_of_its_lines(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = [condition("x", "unit.1", "I10"), condition("x", "unit.2", "E11")]
    lake.land(1, "a", {"condition_occurrence": held("condition_occurrence", first, 1)})
    again = held("condition_occurrence", [condition("x", "unit.1", "I11", record_type="S")], 2)
    snapshot = Snapshot(2, lake.land(2, "b", {"condition_occurrence": again}))

    assert [code for _, code in codes(lake, snapshot)] == ["I11"]


def test_counts_are_per_class_and_provider(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = [condition("x", "1"), condition("x", "2"), condition("y", "3", data_class="additional")]
    snapshot = Snapshot(
        1, lake.land(1, "a", {"condition_occurrence": held("condition_occurrence", rows)})
    )

    assert lake.counts(snapshot) == (
        Count("condition_occurrence", "additional", "p1", 1, 1),
        Count("condition_occurrence", "basic", "p1", 2, 1),
    )


def test_snapshot_survives_its_journey_through_the_ledger(tmp_path: Path) -> None:
    snapshot = Snapshot(4, Versions({"person": 3}, (7,)))
    assert Snapshot.from_dict(snapshot.to_dict()) == snapshot


def test_rows_of_another_layout_or_batch_do_not_land(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    with pytest.raises(Defect, match="held layout"):
        lake.land(1, "a", {"person": held("death", [])})
    with pytest.raises(Defect, match="held layout"):
        lake.land(2, "a", {"person": held("person", [person("x", "1")], batch=1)})
    assert lake.head() == Versions({})


def test_submissions_that_land_at_the_same_time_all_land(tmp_path: Path) -> None:
    def land(batch: int) -> dict[str, str]:
        lake = Lake(tmp_path)
        keys = lake.keys_for(["shared", f"own-{batch}"], seeded(batch))
        lake.land(batch, f"s{batch}", tables(batch, condition(keys["shared"], str(batch))))
        return keys

    with ThreadPoolExecutor(4) as pool:
        keys = list(pool.map(land, range(1, 5)))

    assert len({it["shared"] for it in keys}) == 1
    lake = Lake(tmp_path)
    assert len(codes(lake, Snapshot(1, lake.head()))) == 4


def test_folder_may_have_any_name_that_the_table_format_bears(tmp_path: Path) -> None:
    for folder in ("出 力 100%", "it's {x}", "a#b:c"):
        lake = Lake(tmp_path / folder)
        snapshot = Snapshot(1, lake.land(1, "a", tables(1, condition("x", "1", "I10"))))
        assert codes(lake, snapshot) == [("1", "I10")]
    for folder in ("a[b]", "a*", "a?", "a\\b"):
        with pytest.raises(UserError, match="choose a folder"):
            Lake(tmp_path / folder)


def test_log_keeps_no_value_of_a_record(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.land(1, "a", tables(1, condition("x", "1", "CANARY")))
    logs = b"".join(path.read_bytes() for path in tmp_path.rglob("*.json"))
    assert b"CANARY" not in logs


def test_footer_of_a_file_keeps_no_value_of_a_record(tmp_path: Path) -> None:
    Lake(tmp_path).land(1, "a", tables(1, condition("x", "1", "CANARY")))
    for file in (tmp_path / "tables").rglob("*.parquet"):
        group = pq.read_metadata(file).row_group(0)
        columns = [group.column(number) for number in range(group.num_columns)]
        kept = [it.path_in_schema for it in columns if it.statistics and it.statistics.has_min_max]
        assert kept == ["batch"]


def test_many_rows_of_one_submission_lie_in_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "_FILE_ROWS", 4)
    rows = held("condition_occurrence", [condition("x", str(n)) for n in range(9)])
    lake = Lake(tmp_path)
    versions = lake.land(
        1, "a", {"condition_occurrence": lambda: (rows.slice(n, 2) for n in range(0, 9, 2))}
    )
    assert len(delta.files(tmp_path / "tables" / "condition_occurrence")) == 3
    assert lake.totals(Snapshot(1, versions)) == {"condition_occurrence": (9, 1)}


def test_what_a_landing_spilled_is_gone_after_the_next_however_it_ended(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.land(1, "a", tables(1, condition("x", "1")))
    (tmp_path / "spill").mkdir()
    (tmp_path / "spill" / "left").write_bytes(b"of a landing that was cut off")
    lake.land(2, "b", tables(2, condition("x", "1")))
    assert not (tmp_path / "spill").exists()


def test_person_keys_are_stable_random_and_apart(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = lake.keys_for(["w1", "w2", "w1"], seeded(1))
    again = lake.keys_for(["w2", "w3"], seeded(2))

    assert again["w2"] == first["w2"]
    assert len({*first.values(), *again.values()}) == 3
    assert all(len(key) == 32 for key in first.values())
    assert lake.known_keys(["w1", "w9"]) == {"w1": first["w1"]}
    assert lake.wrapped_for([first["w1"]]) == {first["w1"]: "w1"}
    with pytest.raises(Defect, match="1 person keys"):
        lake.wrapped_for(["unknown"])


def test_tag_without_a_person_stops_the_landing() -> None:
    rows = transit("person", [person("", "1") | {"tag": "t1"}, person("", "2") | {"tag": "t2"}])
    assert hold("person", rows, {"t1": "k1", "t2": "k2"}, provider="p", batch=3).column(
        "person_key"
    ).to_pylist() == ["k1", "k2"]
    with pytest.raises(Defect, match="1 of 2 rows"):
        hold("person", rows, {"t1": "k1"}, provider="p", batch=3)
