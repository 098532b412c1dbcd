"""One person's variants as a VCF file of their own, streaming."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from sekisho.provider.genomes.header import GenomeProblem, read_header
from sekisho.provider.genomes.lines import kept_line
from sekisho.provider.genomes.rules import vcf_rules
from sekisho.provider.sources import Limits, lines

_COLUMNS: Final = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t"


def write_person(path: Path, sample: str, name: str, limits: Limits, target: BinaryIO) -> None:
    """Write what is kept of ``sample``, which is called ``name`` in the result.

    Of a file of several samples a person gets the lines in which that person carries a variant:
    the others are there for someone else, and would tell what someone else carries.

    Raises:
        GenomeProblem: the file is not the one that was read.
        SourceProblem: it cannot be read, or not to its end.
    """
    rules = vcf_rules()
    source = lines(path, limits)
    header = read_header(source, rules)
    if sample not in header.samples:
        raise GenomeProblem("vcf.header", header.line)
    place = header.samples.index(sample)
    head = ("##fileformat=VCFv4.3", *header.kept, f"{_COLUMNS}{name}")
    target.write("".join(f"{line}\n" for line in head).encode())
    for line in source:
        try:
            made = kept_line(line, len(header.samples), rules)
        except GenomeProblem:
            continue  # the submission has told of it
        if len(header.samples) == 1 or made.carries(place):
            target.write(made.of(place) + b"\n")
