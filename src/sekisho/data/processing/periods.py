"""Periods of observation and insurance: one row for what touches, over all holders and months.

Source: OMOP CDM 5.4: periods of observation of a person do not overlap; formats A9: without
enrolment the time from the first to the last month of a receipt, which keeps the type of a claim.
"""

from __future__ import annotations

from typing import Final

from sekisho.data.lake.sql import Sql, fill, literal, name
from sekisho.data.processing.plan import PlannedTable

_OBSERVED: Final = "observation_period"
_PERIODS: Final = (_OBSERVED, "payer_plan_period")
_TYPE: Final = "period_type_concept_id"
_CLAIM: Final = 32810
"""A receipt proves its month only; other types say that somebody was enrolled."""


def spans(planned: PlannedTable, rows: Sql) -> Sql | None:
    """Return the query that unites periods of ``rows``; None where the table has none to unite.

    Without both days of a period nothing can be united: such rows stay as they are.
    """
    start, end = f"{planned.name}_start_date", f"{planned.name}_end_date"
    sent = [column.name for column in planned.sent]
    if planned.name not in _PERIODS or not {start, end} <= set(sent):
        return None
    observed = planned.name == _OBSERVED
    same = [] if observed else [it for it in sent if it not in (start, end)]
    typed = observed and _TYPE in sent
    claims = fill("r.{type} = {claim}", type=name(_TYPE), claim=literal(_CLAIM))
    kind = fill(
        "coalesce(nullif(max(CASE WHEN claimed THEN 0 ELSE {type} END), 0), {claim}) AS {type}",
        type=name(_TYPE),
        claim=literal(_CLAIM),
    )
    return fill(
        _SPANS,
        rows=rows,
        start=name(start),
        end=name(end),
        group=Sql("".join(f", {name(it)}" for it in ("person_id", *same))[2:]),
        claims=claims if typed else Sql("false"),
        kind=Sql(f", {kind}") if typed else Sql(""),
    )


# A period goes on where the next one begins by the day after it, or where receipts alone speak.
_SPANS = """
SELECT {group}, min({start}) AS {start}, max({end}) AS {end}{kind} FROM (
  SELECT f.*, sum(fresh) OVER (PARTITION BY {group} ORDER BY {start}, {end}
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS island
  FROM (
    SELECT p.*, CASE WHEN until IS NULL THEN 1 WHEN claims_only = 1 THEN 0
      WHEN {start} <= CAST(until + INTERVAL '1' DAY AS DATE) THEN 0 ELSE 1 END AS fresh
    FROM (
      SELECT r.*, {claims} AS claimed,
        min(CASE WHEN {claims} THEN 1 ELSE 0 END) OVER (PARTITION BY {group}) AS claims_only,
        max({end}) OVER (PARTITION BY {group} ORDER BY {start}, {end}
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until
      FROM {rows} r) p) f) s
GROUP BY {group}, island
"""
