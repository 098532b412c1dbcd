"""What the gate promises for any records, routes and choices (promises 1 and 10)."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import gate_rows as make
from gate_rows import Record, Route, parts_of, plan_for, pseudonym
from sekisho.common.randomness import seeded
from sekisho.data.processing import Cohort, GateResult, OptOuts, gate, write_tables

PERSONS = range(4)
HOLDERS = ("one", "two", "three")
CLASSES = ("basic", "additional", "hard")
COHORT = Cohort(codes=("E11", "44054006"), start=date(2015, 1, 1), min_age=18)
DAYS = st.integers(0, 4000).map(lambda n: date(2010, 1, 1) + timedelta(n)) | st.none()
CODES = st.sampled_from(
    [("E11", True), ("E119", True), ("E119", False), ("I10", True), ("44054006", False)]
)
ICD = "http://hl7.org/fhir/sid/icd-10"


def drops(scopes: Collection[str], data_class: str, holder: str, purpose: str) -> bool:
    return bool({"all", f"data:{data_class}"} & set(scopes))


@st.composite
def populations(draw: st.DrawFn) -> list[Record]:
    """Records of a few persons: several person rows, visits of equal content, rows on visits."""
    records: list[Record] = []
    for person in PERSONS:
        for n in range(draw(st.integers(0, 2))):
            year = draw(st.sampled_from([1950, 1951, 2012, None]))
            records.append(
                make.patient(person, f"p{person}-{n}", year, draw(st.sampled_from([3, None])))
            )
        visits = [f"v{person}-{n}" for n in range(draw(st.integers(0, 3)))]
        records += [make.visit(person, it, date(2020, 1, draw(st.integers(1, 2)))) for it in visits]
        place = st.sampled_from([*visits, None])
        for n in range(draw(st.integers(0, 3))):
            code, coded = draw(CODES)
            day, visit = draw(DAYS), draw(place)
            records.append(
                make.condition(person, f"c{person}-{n}", code, day, visit, ICD if coded else None)
            )
        for n in range(draw(st.integers(0, 2))):
            values = draw(st.lists(st.sampled_from(["1", "2"]), min_size=1, max_size=3))
            records.append(make.measurement(person, f"m{person}-{n}", *values, visit=draw(place)))
        if draw(st.booleans()):
            records.append(make.death(person, f"d{person}", draw(st.sampled_from(["I21", None]))))
    return records


def routed(draw: st.DrawFn, records: list[Record]) -> list[Route]:
    """Send each record by one or more holders, in any class; visits and their rows in one class."""
    holders = st.lists(st.sampled_from(HOLDERS), min_size=1, max_size=2, unique=True)
    routes = []
    for record in records:
        data_class = "basic" if record.visit else draw(st.sampled_from(CLASSES))
        routes.append(Route(record, tuple((holder, data_class) for holder in draw(holders))))
    return routes


def run(routes: list[Route], seed: int, out: dict[int, set[str]] | None = None) -> GateResult:
    plan = plan_for(COHORT, classes=CLASSES)
    lists = [OptOuts("registry", {pseudonym(p): scopes for p, scopes in (out or {}).items()})]
    return gate(parts_of(routes, plan, seeded(seed)), plan, lists, drops)


def files(result: GateResult) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        return write_tables(result.tables, Path(folder))


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_same_rows_give_the_same_bytes_by_whatever_route(data: st.DataObject) -> None:
    records = data.draw(populations())
    straight = run([Route(record) for record in records], seed=0)
    draw: st.DrawFn = data.draw  # type: ignore[assignment]
    roundabout = run(routed(draw, records), seed=data.draw(st.integers(1, 9)))

    assert files(roundabout) == files(straight)
    assert roundabout.counts.included == straight.counts.included


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_no_row_of_an_opted_out_person_passes_and_each_one_is_an_incident(
    data: st.DataObject,
) -> None:
    """Rows of those who are out are taken away beforehand as well: nothing else may differ."""
    records = data.draw(populations())
    draw: st.DrawFn = data.draw  # type: ignore[assignment]
    routes = routed(draw, records)
    scope = st.sampled_from([{"all"}, {"data:basic"}, {"data:additional", "data:hard"}])
    out = data.draw(st.dictionaries(st.sampled_from(PERSONS), scope))

    def stays(route: Route) -> bool:
        scopes = out.get(route.record.person, set())
        return not any(drops(scopes, data_class, "", "") for _, data_class in route.stops)

    result = run(routes, 1, out)
    allowed = run([route for route in routes if stays(route)], 2)
    assert files(result) == files(allowed)
    assert not allowed.incidents
    dropped = [route for route in routes if not stays(route)]
    rows = sum(len(route.record.rows) * len(route.stops) for route in dropped)
    assert sum(incident.rows for incident in result.incidents) == rows


@settings(max_examples=20, deadline=None)
@given(populations())
def test_cohort_is_the_one_that_its_definition_says(records: list[Record]) -> None:
    """Against the definition, person by person, in plain Python."""
    result = run([Route(record) for record in records], seed=0)
    members = [person for person in PERSONS if _member([r for r in records if r.person == person])]
    assert result.counts.included == len(members)
    assert result.counts.received == len({record.person for record in records})
    conditions = [r for r in records if r.table == "condition_occurrence" and r.person in members]
    assert result.counts.rows["condition_occurrence"] == len(conditions)
    assert result.counts.rows["person"] == len(members)


def _member(records: list[Record]) -> bool:
    rows = {t: [dict(r.rows[0]) for r in records if r.table == t] for t in make.TABLES}
    filled = [(-sum(v is not None for v in row.values()), row) for row in rows["person"]]
    if not filled:
        return False
    best = min(
        filled,
        key=lambda it: (it[0], it[1]["year_of_birth"] or 9999, it[1]["month_of_birth"] or 99),
    )[1]
    if best["year_of_birth"] is None:
        return False
    for row in rows["condition_occurrence"]:
        code, day = str(row["condition_source_value"]), row["condition_start_date"]
        icd = row["condition_source_system"] == ICD
        if code in COHORT.codes or (icd and code.startswith("E11")):
            if day is None or day < date(2015, 1, 1):
                continue
            month = best["month_of_birth"] or 12
            age = day.year - best["year_of_birth"] - (1 if day.month < month else 0)
            if age >= 18:
                return True
    return False
