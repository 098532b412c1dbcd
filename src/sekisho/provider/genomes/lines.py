"""One line of variants: what is kept of it for all, and what for one person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sekisho.provider.genomes.header import GenomeProblem
from sekisho.provider.genomes.rules import Rules
from sekisho.provider.sources import Line

_CHROM: Final = re.compile(rb"[A-Za-z0-9_.*+-]{1,100}")
_POS: Final = re.compile(rb"[0-9]{1,12}")
_ID: Final = re.compile(rb"rs[0-9]{1,12}")
_REF: Final = re.compile(rb"[ACGTNRYSWKMBDHVacgtnryswkmbdhv]{1,100000}")
_ALT: Final = re.compile(rb"[ACGTNRYSWKMBDHVacgtnryswkmbdhv*.,<>:\[\]A-Za-z0-9_=-]{1,200000}")
_QUAL: Final = re.compile(rb"\.|[0-9.eE+-]{1,30}")
_FILTER: Final = re.compile(rb"[A-Za-z0-9_.;-]{1,200}")
_VALUE: Final = re.compile(rb"[A-Za-z0-9_.,|/*<>:=+-]{0,100000}")
_GENOTYPE: Final = re.compile(rb"[0-9.]{1,4}(?:[/|][0-9.]{1,4})*")
_FIXED: Final = 8


@dataclass(frozen=True)
class Kept:
    """A line without its persons' columns, and those columns, one for each sample."""

    fixed: bytes
    keys: tuple[bytes, ...]
    places: tuple[int, ...]
    columns: tuple[bytes, ...]

    def carries(self, sample: int) -> bool:
        """Return whether the person has an allele that is not the reference."""
        if self.keys[:1] != (b"GT",):
            return False
        genotype = self.columns[sample].split(b":", 1)[0]
        return any(one not in (b"0", b".") for one in re.split(rb"[/|]", genotype))

    def of(self, sample: int) -> bytes:
        """Return the line as it leaves, with one person's column."""
        values = self.columns[sample].split(b":")
        said = [values[place] if place < len(values) else b"." for place in self.places]
        return b"\t".join((self.fixed, b":".join(self.keys) or b".", b":".join(said) or b"."))


def kept_line(line: Line, samples: int, rules: Rules) -> Kept:
    """Return what is kept of a line.

    Raises:
        GenomeProblem: it cannot be read; none of it leaves.
    """
    if line.data is None:
        raise GenomeProblem("line.too-long", line.number)
    fields = line.data.split(b"\t") if b"\t" in line.data else line.data.split()
    if len(fields) != _FIXED + 1 + samples:
        raise GenomeProblem("vcf.line", line.number)
    chrom, pos, name, ref, alt, qual, passed, info = fields[:_FIXED]
    checks = ((_CHROM, chrom), (_POS, pos), (_REF, ref), (_ALT, alt), (_QUAL, qual))
    if not all(form.fullmatch(text) for form, text in (*checks, (_FILTER, passed))):
        raise GenomeProblem("vcf.line", line.number)
    keys = fields[_FIXED].split(b":")
    places = tuple(
        n for n, key in enumerate(keys) if key.decode("ascii", "replace") in rules.format.kept
    )
    columns = tuple(fields[_FIXED + 1 :])
    genotypes = keys[0] == b"GT"
    for column in columns:
        good = _VALUE.fullmatch(column) is not None
        if not good or (genotypes and not _GENOTYPE.fullmatch(column.split(b":", 1)[0])):
            raise GenomeProblem("vcf.line", line.number)
    fixed = (
        chrom,
        pos,
        name if _ID.fullmatch(name) else b".",
        ref,
        alt,
        qual,
        passed,
        _info(info, rules),
    )
    return Kept(b"\t".join(fixed), tuple(keys[n] for n in places), places, columns)


def _info(info: bytes, rules: Rules) -> bytes:
    kept = [
        one
        for one in info.split(b";")
        if one.split(b"=", 1)[0].decode("ascii", "replace") in rules.info.kept
        and _VALUE.fullmatch(one)
    ]
    return b";".join(kept) or b"."
