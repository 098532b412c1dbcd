"""What the messages of SS-MIX2 say: one entry of `KINDS` per kind of data (データ種別).

Segments and fields follow JAMI's map to FHIR (https://github.com/jami-fhir-jp-wg/ssmix2-to-fhir).
Choices: an order for an examination or a meal is no fact yet; an admission and its discharge are
one unit, the stay, where the discharge tells the day of admission; a discharge taken back leaves
the stay open; a diagnosis under suspicion is an observation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sekisho.provider.readers.fhir_resources import EHR
from sekisho.provider.readers.hl7_message import Segment
from sekisho.provider.readers.ssmix_drugs import given, prescribed
from sekisho.provider.readers.ssmix_message import Fact, Message, code_in, first_day, visit_name
from sekisho.provider.readers.ssmix_results import basics, examined, laboratory
from sekisho.provider.readers.uke_values import MODIFIER, calendar_date
from sekisho.provider.records import Row, SetAside, row

_SUSPECTED = "8002"  # 修飾語 「の疑い」
_PRIMARY, _OTHER_DIAGNOSIS = 32902, 32908
_ENDED = ("F", "D")  # HL7 0241, outcome: fully recovered, died
_INPATIENT, _OUTPATIENT = 9201, 9202


@dataclass(frozen=True)
class Kind:
    """One kind of data.

    Args:
        messages: MSH-9.1 of its messages; a file with another one is misplaced.
        otherwise: why a message without facts is set aside.
        undone: the facts that are left where the message is deleted.
        unit: what its files replace, where the file's name does not say it.
    """

    messages: tuple[str, ...]
    facts: Callable[[Message], Iterator[Fact]]
    otherwise: str = "no-value"
    undone: Callable[[Message], Iterator[Fact]] | None = None
    unit: Callable[[Message], str | None] | None = None

    @property
    def tables(self) -> bool:
        """Whether messages of this kind can have rows at all."""
        return self.facts is not _nothing


def basic(of: Message) -> Iterator[Fact]:
    """ADT-00, beside the person: allergies (AL1) and results (OBX)."""
    for one in of.all("AL1"):
        yield Fact(one, partial(_allergy, of, one, None, 6), "/AL1")
    yield from basics(of)


def allergies(of: Message) -> Iterator[Fact]:
    """ADT-61: IAM-11 says since when, IAM-13 when it was told."""
    for one in of.all("IAM"):
        yield Fact(one, partial(_allergy, of, one, 6, 11, 13))


def reception(of: Message) -> Iterator[Fact]:
    """ADT-12: a visit of one day."""
    for one in of.all("PV1"):
        yield Fact(one, partial(_reception, of, one))


def stay(of: Message) -> Iterator[Fact]:
    """ADT-22 opens a stay, ADT-52 closes it."""
    for one in of.all("PV1"):
        yield Fact(one, partial(_stay, of, one))


def reopened(of: Message) -> Iterator[Fact]:
    """ADT-52 that was taken back: the stay goes on."""
    for one in of.all("PV1"):
        yield Fact(one, partial(_stay, of, one, ended=False))


def stay_unit(of: Message) -> str | None:
    """Return the stay that an admission or a discharge is about, if it says so."""
    visit = of.first("PV1")
    start = visit.day(44) if visit else None
    return None if start is None else f"ssmix/{of.name.patient}/stay/{start}"


def diagnoses(of: Message) -> Iterator[Fact]:
    """PPR-01: a problem each, with its modifiers (ZPR)."""
    for one in of.all("PRB"):
        yield Fact(one, partial(_diagnosis, of, one))


def _nothing(of: Message) -> Iterator[Fact]:
    return iter(())


UNKNOWN = Kind((), _nothing, "unknown-type")
_MOVE = Kind(("ADT",), _nothing, "no-table")
KINDS = {
    "ADT-00": Kind(("ADT",), basic),
    "ADT-01": _MOVE,
    "ADT-12": Kind(("ADT",), reception),
    "ADT-21": _MOVE,
    "ADT-22": Kind(("ADT",), stay, unit=stay_unit),
    "ADT-31": _MOVE,
    "ADT-32": _MOVE,
    "ADT-41": _MOVE,
    "ADT-42": _MOVE,
    "ADT-51": _MOVE,
    "ADT-52": Kind(("ADT",), stay, undone=reopened, unit=stay_unit),
    "ADT-61": Kind(("ADT",), allergies),
    "PPR-01": Kind(("PPR",), diagnoses),
    "OMP-01": Kind(("RDE",), prescribed),
    "OMP-02": Kind(("RDE",), prescribed),
    "OMP-11": Kind(("RAS",), given),
    "OMP-12": Kind(("RAS",), given),
    "OML-01": Kind(("OML",), _nothing, "only-ordered"),
    "OML-11": Kind(("OUL",), laboratory),
    "OMG-01": Kind(("OMG",), _nothing, "only-ordered"),
    "OMG-02": Kind(("OMG",), _nothing, "only-ordered"),
    "OMG-03": Kind(("OMG",), _nothing, "only-ordered"),
    "OMG-11": Kind(("OMI",), examined),
    "OMG-12": Kind(("OMI",), examined),
    "OMG-13": Kind(("ORU",), examined),
    "OMD": Kind(("OMD",), _nothing, "only-ordered"),
}


def _allergy(of: Message, one: Segment, action: int | None, *dated: int) -> tuple[Row, ...]:
    if action and one.get(action) == "D":
        raise SetAside("did-not-happen")
    code, system = code_in(one, 3)
    return (
        row(
            "observation",
            None,
            observation_concept_id=0,
            observation_date=first_day(*(one.day(field) for field in dated), of.told_on),
            observation_type_concept_id=EHR,
            observation_source_value=code,
            observation_source_system=system,
        ),
    )


def _reception(of: Message, one: Segment) -> tuple[Row, ...]:
    start = first_day(one.day(44), of.told_on)
    name = visit_name(of.name.patient, "O", f"{calendar_date(start):%Y%m%d}")
    return (_visit(name, _OUTPATIENT, start, start, one),)


def _stay(of: Message, one: Segment, ended: bool = True) -> tuple[Row, ...]:
    start = one.day(44)
    if start is None:
        raise SetAside("no-start")  # a discharge that does not say of which stay
    name = visit_name(of.name.patient, "I", f"{calendar_date(start):%Y%m%d}")
    return (_visit(name, _INPATIENT, start, one.day(45) if ended else None, one),)


def _visit(name: str, concept: int, start: int, end: int | None, one: Segment) -> Row:
    return row(
        "visit_occurrence",
        name,
        visit_concept_id=concept,
        visit_start_date=start,
        visit_end_date=end,
        visit_type_concept_id=EHR,
        visit_source_value=one.get(2)[:20] or None,
    )


def _diagnosis(of: Message, one: Segment) -> tuple[Row, ...]:
    if one.get(1) == "DE":
        raise SetAside("did-not-happen")
    code, system = code_in(one, 3)
    start = first_day(one.day(16), one.day(7), one.day(2))
    if _suspected(of, one):
        return (
            row(
                "observation",
                None,
                observation_concept_id=0,
                observation_date=start,
                observation_type_concept_id=EHR,
                value_source_value=_SUSPECTED,
                value_source_system=MODIFIER,
                observation_source_value=code,
                observation_source_system=system,
            ),
        )
    return (
        row(
            "condition_occurrence",
            None,
            condition_concept_id=0,
            condition_start_date=start,
            condition_end_date=one.day(9) if one.get(14) in _ENDED else None,
            condition_type_concept_id=EHR,
            condition_status_concept_id=_PRIMARY if one.get(18) == "1" else _OTHER_DIAGNOSIS,
            condition_source_value=code,
            condition_source_system=system,
        ),
    )


def _suspected(of: Message, one: Segment) -> bool:
    """Tell whether a modifier, or the state of confirmation (PRB-13), says 疑い."""
    said = [text for z in of.after(one, "ZPR") for f in range(1, 8) for text in z.components(f)]
    return any(x == _SUSPECTED or "疑い" in x for x in (*said, *one.components(13)))
