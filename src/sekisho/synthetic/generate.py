"""From a seed to the files of each provider, person by person: memory does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from sekisho.common.errors import UserError
from sekisho.synthetic.care import Period, Visit, visits_of
from sekisho.synthetic.checkup import CheckupWriter
from sekisho.synthetic.clins import ClinsWriter
from sekisho.synthetic.dpc import DpcWriter
from sekisho.synthetic.fhir import FhirWriter
from sekisho.synthetic.imaging import ImageWriter
from sekisho.synthetic.mapping import NAME, OWN_NUMBERS, MappingWriter
from sekisho.synthetic.omop import OmopWriter
from sekisho.synthetic.person import Person, person_of
from sekisho.synthetic.provider import Institution, Patient, ProviderSpec, chart_number
from sekisho.synthetic.ssmix import SsmixWriter
from sekisho.synthetic.tables import condition
from sekisho.synthetic.uke import UkeWriter
from sekisho.synthetic.variants import VariantWriter
from sekisho.synthetic.writing import Counts, MakeWriter

WRITERS: Mapping[str, tuple[str, MakeWriter]] = {
    "uke": ("uke", UkeWriter),
    "fhir-ndjson": ("fhir", FhirWriter),
    "jp-clins": ("clins", ClinsWriter),
    "ss-mix2": ("ssmix", SsmixWriter),
    "checkup-cda": ("checkup", CheckupWriter),
    "dpc-ef": ("dpc", DpcWriter),
    "omop-csv": ("omop", OmopWriter),
    "dicom": ("dicom", ImageWriter),
    "vcf": ("vcf", VariantWriter),
}
"""Format → the folder of its files, and what writes them."""
FORMATS = ("uke", "fhir-ndjson")
"""What is made where no format is named."""
TOLD_EVERY = 100
"""People from one word of progress to the next."""

Progress = Callable[[int], None]
"""Told now and then how many people there are files of."""
_Written = dict[str, dict[str, dict[Path, Counts]]]
"""Provider code → format → files."""


@dataclass(frozen=True)
class Truth:
    """What is in the files, known without reading them.

    ``records``: per provider and format, the number of records by type.
    """

    seed: int
    persons: int
    providers: tuple[ProviderSpec, ...]
    period: Period
    records: Mapping[tuple[str, str], Mapping[str, int]]

    def at(self, number: int) -> frozenset[str]:
        """Return the codes of the providers that have records of a person."""
        return frozenset(self.providers[visit.place].code for visit in self._visits(number))

    def known(self, number: int, code: str, kind: str) -> frozenset[str]:
        """Return the codes of the conditions that a provider wrote of a person in a format."""
        place = [one.code for one in self.providers].index(code)
        institution = Institution(place, self.providers[place], self.seed)
        visits = [visit for visit in self._visits(number) if visit.place == place]
        return _known(institution, person_of(self.seed, number), visits, kind)

    def _visits(self, number: int) -> tuple[Visit, ...]:
        person = person_of(self.seed, number)
        return visits_of(self.seed, person, len(self.providers), self.period)


@dataclass(frozen=True)
class Generated:
    """``files``: provider code → format → its files, in the order to be sent.

    ``mappings``: provider code → its file from own numbers to insured ones, where a format needs
    one.
    """

    files: Mapping[str, Mapping[str, tuple[Path, ...]]]
    mappings: Mapping[str, Path]
    truth: Truth


def generate(
    folder: Path,
    seed: int,
    persons: int,
    providers: Sequence[ProviderSpec],
    period: Period,
    formats: Sequence[str] = FORMATS,
    *,
    jobs: int = 1,
    progress: Progress = lambda people: None,
) -> Generated:
    """Write the files of all providers under ``folder/CODE/``.

    The same arguments give the same bytes, and the first people of more people are the same ones.

    Args:
        jobs: most processes; providers are dealt out to them.

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
    run = _Run(folder, seed, persons, tuple(providers), period, tuple(formats))
    written = _made(run, max(1, min(jobs, len(codes))), progress)
    records = {
        (code, kind): _summed(files.values())
        for code in codes
        for kind, files in written[code].items()
    }
    files = {code: {kind: tuple(made) for kind, made in written[code].items()} for code in codes}
    mappings = {code: folder / code / NAME for code in codes if OWN_NUMBERS & set(formats)}
    truth = Truth(seed, persons, tuple(providers), period, records)
    return Generated(files, mappings, truth)


@dataclass(frozen=True)
class _Run:
    """What is to be made, as every process is told."""

    folder: Path
    seed: int
    persons: int
    providers: tuple[ProviderSpec, ...]
    period: Period
    formats: tuple[str, ...]


def _made(run: _Run, jobs: int, progress: Progress) -> _Written:
    """Make all files, the first share here: each share passes all people, so it tells how far."""
    own, *others = (range(first, len(run.providers), jobs) for first in range(jobs))
    if not others:
        return _write(run, own, progress)
    with ProcessPoolExecutor(len(others), get_context("spawn")) as pool:
        waiting = [pool.submit(_write, run, places) for places in others]
        made = _write(run, own, progress)
        for one in waiting:
            made |= one.result()
    return made


def _write(run: _Run, places: Iterable[int], progress: Progress = lambda people: None) -> _Written:
    """Write the files of some providers; ``places`` are their numbers."""
    writers = {}
    for place in places:
        spec = run.providers[place]
        institution, home = Institution(place, spec, run.seed), run.folder / spec.code
        writers[place] = {
            kind: make(institution, run.period, home / name)
            for kind, (name, make) in ((kind, WRITERS[kind]) for kind in run.formats)
        }
        if OWN_NUMBERS & set(run.formats):
            writers[place][NAME] = MappingWriter(institution, run.period, home)
    for number in range(run.persons):
        for place, patient in _patients(run, number):
            for writer in writers.get(place, {}).values():
                writer.add(patient)
        if (number + 1) % TOLD_EVERY == 0 or number + 1 == run.persons:
            progress(number + 1)
    made = {
        run.providers[place].code: {kind: one.close() for kind, one in of.items()}
        for place, of in writers.items()
    }
    for of_provider in made.values():
        of_provider.pop(NAME, None)
    return made


def _patients(run: _Run, number: int) -> Iterator[tuple[int, Patient]]:
    """Yield what a person is at each provider that knows them."""
    person = person_of(run.seed, number)
    visits = visits_of(run.seed, person, len(run.providers), run.period)
    for place in sorted({visit.place for visit in visits}):
        here = tuple(visit for visit in visits if visit.place == place)
        yield place, Patient(person, chart_number(run.seed, place, number), here)


def _known(
    institution: Institution, person: Person, visits: Sequence[Visit], kind: str
) -> frozenset[str]:
    noted = [condition(id) for visit in visits for id in visit.noted]
    if kind == "uke":
        insured = bool(visits) and person.insurance(visits[0].day) is not None
        return frozenset(one.receipt for one in noted if insured)
    if kind == "ss-mix2":
        return frozenset(one.medis for one in noted)
    if kind == "omop-csv":
        return frozenset(one.icd10 for one in noted)
    if kind in ("checkup-cda", "dpc-ef", "dicom", "vcf"):  # no diagnoses there
        return frozenset()
    return frozenset(one.dotted if institution.dotted else one.icd10 for one in noted)


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    made: dict[str, int] = {}
    for one in counts:
        for kind, number in one.items():
            made[kind] = made.get(kind, 0) + number
    return made
