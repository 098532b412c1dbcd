"""HO and KO: what the whole receipt cost, and the month in which its person was insured.

Source: formats A9. A receipt proves its month only: a period of insurance or observation is that
month, of type 32810 (a claim) and not 32813 (enrolment), so that nobody takes it for eligibility.
"""

from __future__ import annotations

from sekisho.provider.readers.uke_layouts import Layout
from sekisho.provider.readers.uke_lines import YEN, YEN_A_POINT, UkeLine
from sekisho.provider.readers.uke_values import Month, whole_number
from sekisho.provider.records import Row, SetAside, row

_CLAIM = 32810
VISIT_COST = 5031
_MUNICIPAL = 32725  # 国民健康保険
_MUNICIPAL_KINDS = ("00", "67")  # 保険者番号 of 6 digits, padded; 退職者医療


def payer_rows(
    line: UkeLine, month: Month, visit: str | None, layout: Layout, group: str | None
) -> tuple[Row, ...]:
    """Return the cost of the receipt, and the periods that an insurer's line proves.

    Args:
        visit: the receipt's visit, where it has only one.
        group: 診断群分類番号 of a DPC receipt.
    """
    made = []
    if line.get(5):
        made.append(
            row(
                "cost",
                visit,
                cost_domain_id="Visit" if layout.care else "Drug",
                cost_type_concept_id=VISIT_COST,
                currency_concept_id=YEN,
                total_charge=str(whole_number(line.get(5)) * YEN_A_POINT),
                incurred_date=month.last,
                cost_source_value=line.kind,
                drg_source_value=group,
            )
        )
    insurer = line.get(1)
    if line.kind == "HO" and insurer.isascii() and insurer.isdigit():
        made.extend(_periods(insurer, month))
    if not made:
        raise SetAside("no-value")
    return tuple(made)


def _periods(insurer: str, month: Month) -> tuple[Row, Row]:
    law = law_of(insurer)
    insured = row(
        "payer_plan_period",
        payer_plan_period_start_date=month.first,
        payer_plan_period_end_date=month.last,
        payer_concept_id=concept_of(law),
        payer_source_value=law,
    )
    observed = row(
        "observation_period",
        observation_period_start_date=month.first,
        observation_period_end_date=month.last,
        period_type_concept_id=_CLAIM,
    )
    return insured, observed


def law_of(insurer: str) -> str:
    """Return the 法別番号 of a 保険者番号."""
    return insurer.zfill(8)[:2]


def concept_of(law: str) -> int:
    """Return the concept of the payers under a 法別番号; 0: none."""
    return _MUNICIPAL if law in _MUNICIPAL_KINDS else 0
