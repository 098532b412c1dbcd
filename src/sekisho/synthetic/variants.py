"""VCF: some variants of one patient in fifty, a hundred persons in a file.

What a person has is the person's, the same at every provider; a sample is called by the chart
number, and only the hospital's mapping says whose that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from sekisho.synthetic.care import Period
from sekisho.synthetic.draws import Draws
from sekisho.synthetic.person import Person
from sekisho.synthetic.provider import Institution, Patient
from sekisho.synthetic.writing import Counts


class Site(NamedTuple):
    """A place on GRCh38 (dbSNP), and in how many of a hundred copies the other base stands.

    The shares are assumptions, and no source of any frequency.
    """

    chromosome: str
    position: int
    id: str
    reference: str
    other: str
    share: int


SITES: Final = (
    Site("chr10", 94780653, "rs4986893", "G", "A", 12),  # CYP2C19*3
    Site("chr10", 94781859, "rs4244285", "G", "A", 30),  # CYP2C19*2
    Site("chr12", 111803962, "rs671", "G", "A", 25),  # ALDH2
    Site("chr13", 48045719, "rs116855232", "C", "T", 11),  # NUDT15
    Site("chr16", 31096368, "rs9923231", "C", "T", 80),  # VKORC1
)
ONE_IN: Final = 50
"""How many patients there are for one whose variants are known: an assumption."""
_SAMPLES = 100


class VariantWriter:
    """Writes a file as soon as its samples are together."""

    def __init__(self, institution: Institution, period: Period, folder: Path) -> None:
        self._institution, self._day, self._folder = institution, period.last, folder
        self._waiting: list[Patient] = []
        self._written: dict[Path, Counts] = {}

    def add(self, patient: Patient) -> None:
        if is_sequenced(self._institution.seed, patient.person):
            self._waiting.append(patient)
            if len(self._waiting) == _SAMPLES:
                self._write()

    def close(self) -> dict[Path, Counts]:
        if self._waiting:
            self._write()
        return self._written

    def _write(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"panel-{len(self._written) + 1:04}.vcf"
        path.write_text("".join(f"{line}\n" for line in self._text()), "utf-8")
        self._written[path] = {"genome": len(self._waiting)}
        self._waiting = []

    def _text(self) -> Iterator[str]:
        yield "##fileformat=VCFv4.3"
        yield f"##fileDate={self._day:%Y%m%d}"
        yield "##reference=GRCh38"
        for chromosome in dict.fromkeys(site.chromosome for site in SITES):
            yield f"##contig=<ID={chromosome},assembly=GRCh38>"
        yield '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">'
        fixed = ["CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
        yield "#" + "\t".join([*fixed, *(patient.chart for patient in self._waiting)])
        found = [genotypes(self._institution.seed, one.person) for one in self._waiting]
        for place, site in enumerate(SITES):
            copies = ["/".join(map(str, one[place])) for one in found]
            where = (site.chromosome, str(site.position), site.id, site.reference, site.other)
            yield "\t".join([*where, ".", "PASS", ".", "GT", *copies])


def is_sequenced(seed: int, person: Person) -> bool:
    """Whether somebody's variants are known."""
    return Draws(seed, "sequenced", person.number).below(ONE_IN) == 0


def genotypes(seed: int, person: Person) -> tuple[tuple[int, int], ...]:
    """Return what a person has at each of `SITES`: 0 the reference, 1 the other base."""
    draws = Draws(seed, "genome", person.number)
    return tuple((int(draws.chance(site.share)), int(draws.chance(site.share))) for site in SITES)
