"""Periods of a person are united over months and holders; what does not touch stays apart."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gate_rows import Record, Route, parts_of, plan_for
from sekisho.common.randomness import seeded
from sekisho.data.processing import GateResult, gate
from submissions import prepared

CLAIM, ENROLLED = 32810, 32813
FIRST = date(2020, 1, 1)
Span = tuple[int, int, int]
"""First and last day from `FIRST` on, and type."""


def observed(*spans: Span, person: int = 1, holder: str = "one") -> list[Route]:
    return [
        Route(
            Record(
                person,
                "observation_period",
                f"{holder}-{person}-{number}",
                (
                    (
                        ("observation_period_start_date", FIRST + timedelta(days=first)),
                        ("observation_period_end_date", FIRST + timedelta(days=last)),
                        ("period_type_concept_id", kind),
                    ),
                ),
            ),
            ((holder, "basic"),),
        )
        for number, (first, last, kind) in enumerate(spans)
    ]


def united(routes: list[Route], **tables: tuple[str, ...]) -> GateResult:
    plan = plan_for(tables=tables or {"observation_period": ()})
    return gate(parts_of(routes, plan, seeded("periods")), plan, [], lambda *_: False)


def spans(result: GateResult) -> list[Span]:
    rows = result.tables["observation_period"].to_pylist()
    return [
        (
            (row["observation_period_start_date"] - FIRST).days,
            (row["observation_period_end_date"] - FIRST).days,
            row["period_type_concept_id"],
        )
        for row in rows
    ]


def test_months_of_receipts_are_one_period_from_the_first_to_the_last() -> None:
    result = united(observed((0, 30, CLAIM), (31, 59, CLAIM), (120, 149, CLAIM)))
    assert spans(result) == [(0, 149, CLAIM)]
    assert result.counts.collapsed == {"observation_period": 2}


def test_enrolment_that_touches_is_one_period_and_a_gap_makes_two() -> None:
    result = united(
        observed((0, 30, ENROLLED), (31, 59, ENROLLED), (61, 90, ENROLLED), (10, 20, CLAIM))
    )
    assert spans(result) == [(0, 59, ENROLLED), (61, 90, ENROLLED)]


def test_periods_of_several_holders_are_united_and_those_of_two_persons_are_not() -> None:
    routes = observed((0, 30, CLAIM)) + observed((31, 59, CLAIM), holder="two")
    assert spans(united([*routes, *observed((5, 8, CLAIM), person=2)])) in (
        [(0, 59, CLAIM), (5, 8, CLAIM)],
        [(5, 8, CLAIM), (0, 59, CLAIM)],
    )


def test_insurance_is_united_per_insurer() -> None:
    def insured(number: int, law: str, first: int, last: int) -> Route:
        row: tuple[tuple[str, Any], ...] = (
            ("payer_plan_period_start_date", FIRST + timedelta(days=first)),
            ("payer_plan_period_end_date", FIRST + timedelta(days=last)),
            ("payer_concept_id", 0),
            ("payer_source_value", law),
        )
        return Route(Record(1, "payer_plan_period", str(number), (row,)))

    result = united(
        [insured(1, "01", 0, 30), insured(2, "01", 31, 59), insured(3, "39", 60, 90),
         insured(4, "01", 91, 120)],
        payer_plan_period=(),
    )  # fmt: skip
    rows = result.tables["payer_plan_period"].to_pylist()
    assert [(r["payer_source_value"], r["payer_plan_period_start_date"]) for r in rows] == [
        ("01", FIRST),
        ("39", FIRST + timedelta(days=60)),
        ("01", FIRST + timedelta(days=91)),
    ]


def test_without_both_days_nothing_is_united() -> None:
    wanted = ("observation_period_start_date",)
    result = united(observed((0, 30, CLAIM), (31, 59, CLAIM)), observation_period=wanted)
    assert result.tables["observation_period"].num_rows == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), min_size=1, max_size=12))
def test_united_periods_cover_the_same_days_and_never_touch(
    given_spans: list[tuple[int, int]],
) -> None:
    rows = [(first, first + more, ENROLLED) for first, more in given_spans]
    found = sorted(spans(united(observed(*rows))))
    days = {day for first, last, _ in rows for day in range(first, last + 1)}
    assert {day for first, last, _ in found for day in range(first, last + 1)} == days
    assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(found))


def test_the_foreign_receipts_give_each_insured_person_one_period(testdata: Path) -> None:
    file = testdata / "uke-receiptisan" / "RECEIPTC_GAIRAI_SAMPLE.UKE"
    (part,) = [one for one in prepared([file], "uke").parts.values() if one.tables]
    given_rows = part.tables["observation_period"].to_pylist()
    lines = file.read_bytes().decode("cp932").splitlines()
    assert len(given_rows) <= sum(line.startswith("HO,") for line in lines)
    tags = sorted({row["tag"] for row in given_rows})
    routes = [
        Route(
            Record(
                tags.index(row["tag"]),
                "observation_period",
                row["source_id"],
                (tuple((k, v) for k, v in row.items() if k.startswith(("observation", "period"))),),
            )
        )
        for row in given_rows
    ]
    result = united(routes)
    month = (date(2021, 10, 1), date(2021, 10, 31))
    found = result.tables["observation_period"].to_pylist()
    assert len(found) == len(tags) > 40
    assert {
        (r["observation_period_start_date"], r["observation_period_end_date"]) for r in found
    } == {month}
