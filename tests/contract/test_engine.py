"""One suite over the engines: the same plan on the same rows gives the same bytes.

A new engine joins by one entry in ENGINES; what it must agree with is written here as values, not
as another engine's answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gate_rows as make
from gate_rows import Route, plan_for, pseudonym
from lake_rows import condition, held, person
from sekisho.common.errors import Defect
from sekisho.common.randomness import seeded
from sekisho.data.lake import DuckEngine, Engine, Lake, Session, Snapshot
from sekisho.data.lake.sql import Sql, fill, literals, name
from sekisho.data.processing import (
    Cohort,
    Part,
    extract,
    gate,
    process,
    retag,
    write_tables,
)

ENGINES: dict[str, Callable[[], Engine]] = {
    "duckdb": DuckEngine,
    "duckdb-one-thread": lambda: DuckEngine(threads=1, memory_mb=256),
}


@pytest.fixture(params=ENGINES, scope="module")
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[str(request.param)]()


def never(scopes: Collection[str], data_class: str, holder: str, purpose: str) -> bool:
    return False


def test_files_and_arrow_tables_are_read_alike(engine: Engine, tmp_path: Path) -> None:
    rows = pa.table({"a": ["x", None], "n": pa.array([2, 1], pa.int64())})
    pq.write_table(rows, tmp_path / "it's.parquet")
    with engine.session([str(tmp_path)]) as session:
        session.add("given", rows)
        session.add_files("stored", [str(tmp_path / "it's.parquet")], rows.schema)
        session.add_files("nothing", [], rows.schema)
        for table in ("given", "stored"):
            query = fill("SELECT a, n FROM {t} ORDER BY n", t=name(table))
            assert session.fetch(query).to_pylist() == [{"a": None, "n": 1}, {"a": "x", "n": 2}]
        assert session.fetch(Sql("SELECT * FROM nothing")).schema.names == ["a", "n"]


def test_kept_result_does_not_follow_its_source(engine: Engine) -> None:
    with engine.session() as session:
        session.add("given", pa.table({"n": [1]}))
        session.define("kept", Sql("SELECT n FROM given"), keep=True)
        assert session.fetch(Sql("SELECT n FROM kept")).column(0).to_pylist() == [1]


def test_digest_is_sha256_and_joined_is_in_order(engine: Engine) -> None:
    with engine.session() as session:
        session.add("given", pa.table({"a": pa.array(["b", "a", None, "あ"])}))
        digest = fill(
            "SELECT {d} AS d FROM given WHERE a = 'a' OR a IS NULL ORDER BY d NULLS LAST",
            d=engine.digest(Sql("a")),
        )
        expected = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
        assert session.fetch(digest).column(0).to_pylist() == [expected, None]
        joined = fill("SELECT {j} AS j FROM given", j=engine.joined(Sql("a")))
        assert session.fetch(joined).column(0).to_pylist() == ["a,b,あ"]


def test_rows_are_streamed_as_they_are_fetched(engine: Engine) -> None:
    with engine.session() as session:
        session.add("given", pa.table({"n": list(range(200_000))}))
        query = Sql("SELECT n FROM given ORDER BY n DESC")
        parts = list(session.stream(query))
        assert len(parts) > 1
        assert pa.concat_tables(parts) == session.fetch(query)


@pytest.mark.parametrize("spilled", [True, False])
def test_what_is_too_large_for_memory_is_spilled_where_a_folder_is_given(
    tmp_path: Path, spilled: bool
) -> None:
    engine = DuckEngine(memory_mb=24, threads=1)
    query = Sql("SELECT sha256(CAST(range AS STRING)) AS it FROM range(600000) ORDER BY it")
    with engine.session(spill=tmp_path if spilled else None) as session:
        if spilled:
            assert sum(part.num_rows for part in session.stream(query)) == 600_000
        else:
            with pytest.raises(Defect, match="OutOfMemory"):
                list(session.stream(query))


def test_text_is_ordered_by_its_bytes(engine: Engine) -> None:
    words = ["a", "B", "ｱ", "あ", "𠮟", ""]
    with engine.session() as session:
        session.add("given", pa.table({"a": words}))
        got = session.fetch(Sql("SELECT a FROM given ORDER BY a")).column(0).to_pylist()
    assert got == sorted(words, key=lambda word: word.encode())


def read_whole(session: Session, path: Path, schema: pa.Schema) -> pa.Table:
    session.add_files("outside", [str(path)], schema)
    return session.fetch(Sql("SELECT * FROM outside"))


def test_session_reads_no_other_file_and_no_network(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = pa.table({"a": [1]})
    pq.write_table(rows, tmp_path / "out.parquet")
    with engine.session([str(tmp_path / "in")]) as session, pytest.raises(Defect):
        read_whole(session, tmp_path / "out.parquet", rows.schema)
    for query in ("INSTALL httpfs", "SET enable_external_access = true"):
        with engine.session() as session, pytest.raises(Defect):
            session.fetch(Sql(query))


def test_error_never_quotes_a_value(engine: Engine) -> None:
    with engine.session() as session:
        session.add("given", pa.table({"a": ["CANARY"]}))
        with pytest.raises(Defect) as caught:
            session.fetch(Sql("SELECT CAST(a AS INT) AS n FROM given"))
    chain = repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)
    assert "CANARY" not in chain
    assert caught.value.__suppress_context__


def test_texts_of_queries_are_made_here_only() -> None:
    with pytest.raises(ValueError):
        name("person; DROP TABLE person")
    with pytest.raises(TypeError):
        fill("SELECT {a}", a="x'")  # type: ignore[arg-type]
    assert literals(["it's"]) == "'it''s'"


@pytest.fixture(scope="module")
def released(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pa.Table]:
    """Lake → extract → processing → gate → files, on one small and awkward set of rows."""
    folder = tmp_path_factory.mktemp("engine")
    lake = Lake(folder / "lake", engine)
    conditions = [
        condition("x", "1", "E11.9"),
        condition("x", "2", "E119", visit_ref="v"),
        condition("y", "3", "I10", condition_start_date=None),
        condition("z", "4", "E11", data_class="additional"),
        condition("z", "5", "090-1234-5678", condition_source_system=None),
    ]
    people = [person(p, f"p-{p}", year) for p, year in (("x", 1950), ("y", None), ("z", 2010))]
    visits = [{"person_key": "x", "source_id": "v", "visit_ref": "v"}]
    snapshot = Snapshot(
        1,
        lake.land(
            1,
            "a",
            {
                "person": held("person", people),
                "condition_occurrence": held("condition_occurrence", conditions),
                "visit_occurrence": held("visit_occurrence", visits),
            },
        ),
    )
    plan = plan_for(Cohort(codes=("E11",))).at(snapshot)
    taken = extract(lake, plan, {})
    parts = []
    for data_class, tables in taken.parts.items():
        tags = {key: f"{data_class}-{key}" for key in taken.persons(data_class)}
        pseudonyms = {tag: pseudonym(ord(key)) for key, tag in tags.items()}
        done = process(retag(tables, tags), make.rules())
        parts.append(Part("one", data_class, done.tables, pseudonyms))
    return dict(gate(parts, plan, [], never, engine).tables)


def test_whole_way_gives_the_rows_that_are_written_here(
    released: dict[str, pa.Table], tmp_path: Path
) -> None:
    """The bytes of the rows below, which stand in the order of pseudonyms: x, then z."""
    expected = {
        name: pa.Table.from_pylist(EXPECTED[name], t.schema) for name, t in released.items()
    }
    got = write_tables(released, tmp_path / "got")
    assert got == write_tables(expected, tmp_path / "expected")


def test_gate_of_several_versions_gives_the_same_rows(engine: Engine) -> None:
    plan = plan_for()
    routes = [
        Route(make.measurement(1, "m", "5", "7"), (("one", "basic"),)),
        Route(make.measurement(1, "m", "5", "6"), (("two", "basic"),)),
    ]
    tables = gate(make.parts_of(routes, plan, seeded(1)), plan, [], never, engine).tables
    assert tables["measurement"].column("value_as_number").to_pylist() == ["5", "7"]


def row(id: int, person_id: int, code: str | None, visit: int | None) -> dict[str, Any]:
    system = None if code is None else "http://hl7.org/fhir/sid/icd-10"
    return {
        "condition_occurrence_id": id,
        "person_id": person_id,
        "condition_concept_id": 0,
        "condition_start_date": date(2020, 5, 1),
        "condition_source_value": code,
        "condition_source_system": system,
        "visit_occurrence_id": visit,
    }


def born(person_id: int, year: int) -> dict[str, Any]:
    return {
        "person_id": person_id,
        "gender_concept_id": 8532,
        "year_of_birth": year,
        "month_of_birth": 4,
        "gender_source_value": "female",
    }


EXPECTED: dict[str, list[dict[str, Any]]] = {
    "person": [born(1, 1950), born(2, 2010)],
    "visit_occurrence": [{"visit_occurrence_id": 1, "person_id": 1}],
    "condition_occurrence": [
        row(1, 1, "E11.9", None),
        row(2, 1, "E119", 1),
        row(3, 2, None, None),
        row(4, 2, "E11", None),
    ],
    "measurement": [],
    "death": [],
}
