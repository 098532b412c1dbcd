"""From a seed to the files of each provider."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sekisho.common.errors import UserError
from sekisho.synthetic.care import Period, Visit, visits_of
from sekisho.synthetic.checkup import write_checkups
from sekisho.synthetic.clins import write_clins
from sekisho.synthetic.dpc import write_dpc
from sekisho.synthetic.fhir import write_fhir
from sekisho.synthetic.omop import write_omop
from sekisho.synthetic.person import Person, person_of
from sekisho.synthetic.provider import Institution, Patient, ProviderSpec, chart_number
from sekisho.synthetic.ssmix import write_ssmix
from sekisho.synthetic.tables import condition
from sekisho.synthetic.uke import write_uke

Write = Callable[[Institution, Period, Path], dict[Path, dict[str, int]]]
WRITERS: Mapping[str, tuple[str, Write]] = {
    "uke": ("uke", write_uke),
    "fhir-ndjson": ("fhir", write_fhir),
    "jp-clins": ("clins", write_clins),
    "ss-mix2": ("ssmix", write_ssmix),
    "checkup-cda": ("checkup", write_checkups),
    "dpc-ef": ("dpc", write_dpc),
    "omop-csv": ("omop", write_omop),
}
"""Format → the folder of its files, and what writes them."""
FORMATS = ("uke", "fhir-ndjson")
"""What is made where no format is named."""


@dataclass(frozen=True)
class Truth:
    """What is in the files, known without reading them.

    Attributes:
        at: per person, the codes of the providers that have records of them.
        known: per person, provider and format, the codes of the conditions written there.
        records: per provider and format, the number of records by type.
    """

    at: tuple[frozenset[str], ...]
    known: Mapping[tuple[int, str, str], frozenset[str]]
    records: Mapping[tuple[str, str], Mapping[str, int]]


@dataclass(frozen=True)
class Generated:
    """``files``: provider code → format → its files, in the order to be sent."""

    files: Mapping[str, Mapping[str, tuple[Path, ...]]]
    truth: Truth


def generate(
    folder: Path,
    seed: int,
    persons: int,
    providers: Sequence[ProviderSpec],
    period: Period,
    formats: Sequence[str] = FORMATS,
) -> Generated:
    """Write the files of all providers under ``folder/CODE/``.

    The same arguments give the same bytes, and the first people of more people are the same ones.

    Raises:
        UserError: no provider, two with one code, no people or an unknown format.
    """
    unknown = sorted(set(formats) - set(WRITERS))
    codes = [one.code for one in providers]
    if not codes or len(set(codes)) < len(codes) or persons < 1 or unknown:
        raise UserError(
            "synthetic.arguments",
            "Files are made for people, at providers with a code each, in known formats.",
            next_step=f"formats: {', '.join(WRITERS)}",
        )
    people = [person_of(seed, number) for number in range(persons)]
    visits = [visits_of(seed, person, len(providers), period) for person in people]
    files: dict[str, dict[str, tuple[Path, ...]]] = {}
    records: dict[tuple[str, str], dict[str, int]] = {}
    known: dict[tuple[int, str, str], frozenset[str]] = {}
    for place, spec in enumerate(providers):
        institution = Institution(place, spec, tuple(_patients(seed, place, people, visits)))
        files[spec.code] = {}
        for kind in formats:
            name, write = WRITERS[kind]
            written = write(institution, period, folder / spec.code / name)
            files[spec.code][kind] = tuple(written)
            records[spec.code, kind] = _summed(written.values())
            for patient in institution.patients:
                known[patient.person.number, spec.code, kind] = _known(institution, patient, kind)
    at = tuple(frozenset(codes[visit.place] for visit in mine) for mine in visits)
    return Generated(files, Truth(at, known, records))


def _patients(
    seed: int, place: int, people: Sequence[Person], visits: Sequence[tuple[Visit, ...]]
) -> list[Patient]:
    made = []
    for person, mine in zip(people, visits, strict=True):
        here = tuple(visit for visit in mine if visit.place == place)
        if here:
            made.append(Patient(person, chart_number(seed, place, person.number), here))
    return made


def _known(institution: Institution, patient: Patient, kind: str) -> frozenset[str]:
    noted = [condition(id) for visit in patient.visits for id in visit.noted]
    if kind == "uke":
        insured = patient.person.insurance(patient.visits[0].day) is not None
        return frozenset(one.receipt for one in noted if insured)
    if kind == "ss-mix2":
        return frozenset(one.medis for one in noted)
    if kind == "omop-csv":
        return frozenset(one.icd10 for one in noted)
    if kind in ("checkup-cda", "dpc-ef"):  # no diagnoses there
        return frozenset()
    return frozenset(one.dotted if institution.dotted else one.icd10 for one in noted)


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    made: dict[str, int] = {}
    for one in counts:
        for kind, number in one.items():
            made[kind] = made.get(kind, 0) + number
    return made
