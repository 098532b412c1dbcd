"""EF and D lines: what was done (F), what it cost (E), and the flat fee of a stay (D).

E says what an act cost as a whole (its 薬剤料 and 材料料 are parts of 行為点数), the F lines below
it what it was made of: so a charge comes from E alone, a procedure, drug or device from F alone.
D is the flat fee: its charge, and the stay's 診断群分類 once.
"""

from __future__ import annotations

from collections.abc import Iterator

from sekisho.provider.readers.dpc_lines import Group, SurveyLine
from sekisho.provider.readers.fhir_resources import LONGEST_SUPPLY
from sekisho.provider.readers.uke_lines import DOMAINS, YEN_A_POINT, digits
from sekisho.provider.readers.uke_values import (
    DEVICE,
    DPC_GROUP,
    MEDICINE,
    SERVICE,
    amount,
    whole_number,
)
from sekisho.provider.records import Outcome, Record, Row, SetAside, Unreadable, row

_CLAIM, _INPATIENT, _OUTPATIENT = 32810, 9201, 9202
_ITEM_COST, _YEN = 5032, 44818592
_PARENT = "000"
_ORAL = "21"  # データ区分 内服
_IN_YEN = "1"  # 円・点区分
# EF: データ区分, 行為明細番号, レセ電コード, 使用量, 基準単位
_BLOCK, _DETAIL, _CODE, _USED, _UNIT = 4, 6, 8, 11, 12
_EF_COST = (14, 17, 20)  # 円・点区分, 行為点数, 行為回数
_D_COST = (13, 10, 14)
_D_CODE, _D_GROUP, _GROUP_LENGTH = 7, 28, 14


def act_records(group: Group) -> Iterator[Record]:
    """Yield a record for each line; the first one of a stay, or of an outpatient's day, has it."""
    seen: set[str] = set()
    first, last = group.lines[0], max(line.done or 0 for line in group.lines)
    told_group = False
    for part, line in enumerate(group.lines):
        kind = _type(line)
        rows: list[Row] = []
        outcome, code = Outcome.SENT, ""
        try:
            if line.kind == "D":
                rows.extend(_flat(line))
                if not told_group:
                    rows.extend(_group_row(line))
                    told_group = True
            else:
                rows.extend(_charge(line, _EF_COST) if kind == "EF/E" else _done(line))
        except SetAside as reason:
            outcome, code = Outcome.SET_ASIDE, reason.code
        except Unreadable as problem:
            outcome, code = Outcome.REFUSED, problem.code
        if outcome == Outcome.SENT and line.kind == "EF" and _visit(line) not in seen:
            seen.add(_visit(line))
            rows.append(_visit_row(line, last))
        yield Record(
            kind,
            line.number,
            group.unit,
            tuple(rows),
            first.patient,
            outcome,
            code,
            part=part,
            whole=False,
        )


def _type(line: SurveyLine) -> str:
    if line.kind == "D":
        return "D"
    return "EF/E" if line.get(_DETAIL) == _PARENT else "EF/F"


def _visit(line: SurveyLine) -> str:
    """Name the stay in its month, or the outpatient's day; D speaks of the stay of its EF."""
    day = "" if line.admitted is not None else f"/{line.done}"
    return f"{line.month_of_stay}/visit{day}"


def _visit_row(line: SurveyLine, last: int) -> Row:
    inpatient = line.admitted is not None
    start = line.admitted if line.admitted is not None else line.done
    end = (line.discharged or max(last, start or 0)) if inpatient else start
    return row(
        "visit_occurrence",
        _visit(line),
        visit_concept_id=_INPATIENT if inpatient else _OUTPATIENT,
        visit_start_date=start,
        visit_end_date=end,
        visit_type_concept_id=_CLAIM,
    )


def _done(line: SurveyLine) -> Iterator[Row]:
    code = digits(line.get(_CODE), 9)
    _, _, count_at = _EF_COST
    count = whole_number(line.get(count_at)) if line.get(count_at) else 1
    inpatient = line.admitted is not None
    when, visit = line.done or 0, _visit(line)
    if code[0] == "1":
        yield row(
            "procedure_occurrence",
            visit,
            procedure_date=when,
            procedure_type_concept_id=_type_of(line),
            quantity=count,
            procedure_source_value=code,
            procedure_source_system=SERVICE,
        )
    elif code[0] == "6":
        supply = count if line.get(_BLOCK) == _ORAL and count else None
        yield row(
            "drug_exposure",
            visit,
            drug_exposure_start_date=when,
            drug_exposure_end_date=when + (min(supply, LONGEST_SUPPLY) - 1 if supply else 0),
            drug_type_concept_id=32818 if inpatient else 32869,
            quantity=amount(line.get(_USED), count or 1),
            days_supply=supply,
            drug_source_value=code,
            drug_source_system=MEDICINE,
        )
    elif code[0] == "7":
        yield row(
            "device_exposure",
            visit,
            device_exposure_start_date=when,
            device_exposure_end_date=when,
            device_type_concept_id=_type_of(line),
            quantity=amount(line.get(_USED), count or 1),
            unit_source_value=line.get(_UNIT) or None,
            device_source_value=code,
            device_source_system=DEVICE,
        )
    else:
        raise SetAside("no-table")  # a comment's code, or a line of the flat fee


def _charge(line: SurveyLine, places: tuple[int, int, int]) -> Iterator[Row]:
    currency, points_at, count_at = places
    points = whole_number(line.get(points_at)) if line.get(points_at) else 0
    count = whole_number(line.get(count_at)) if line.get(count_at) else 1
    if not points * count:
        raise SetAside("no-value")
    code = line.get(_D_CODE if line.kind == "D" else _CODE)
    coded = len(code) == 9 and code.isascii() and code.isdigit()
    yen = points * count * (1 if line.get(currency) == _IN_YEN else YEN_A_POINT)
    yield row(
        "cost",
        _visit(line),
        cost_domain_id=DOMAINS.get(code[0], "Visit") if coded else "Visit",
        cost_type_concept_id=_ITEM_COST,
        currency_concept_id=_YEN,
        total_charge=str(yen),
        incurred_date=line.done,
        cost_source_value=code if coded else None,
        drg_source_value=_group_of(line) or None,
    )


def _flat(line: SurveyLine) -> Iterator[Row]:
    return _charge(line, _D_COST)


def _group_row(line: SurveyLine) -> Iterator[Row]:
    group = _group_of(line)
    if group:
        yield row(
            "observation",
            _visit(line),
            observation_date=line.admitted if line.admitted is not None else line.done,
            observation_type_concept_id=_type_of(line),
            observation_source_value=group,
            observation_source_system=DPC_GROUP,
        )


def _group_of(line: SurveyLine) -> str:
    """Return 診断群分類番号 of a D line; empty where it is none."""
    code = line.get(_D_GROUP) if line.kind == "D" else ""
    return code if len(code) == _GROUP_LENGTH and code.isascii() and code.isalnum() else ""


def _type_of(line: SurveyLine) -> int:
    return 32853 if line.admitted is not None else 32859
