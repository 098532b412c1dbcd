"""VCF: one file, plain or (b)gzip → for each person a row and that person's variants as an object.

Whose they are: the name of a sample is no number of a patient; only the institution's mapping file
ties it to a person (`Profile`). A file without samples tells of sites and nobody: it is set aside.
Source: VCFv4.3; OMOP's genomic extension (https://github.com/OHDSI/Genomic-CDM) for
``genomic_test``.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sekisho.provider.genomes import GenomeProblem, Header, kept_line, read_header
from sekisho.provider.genomes.rules import vcf_rules
from sekisho.provider.readers.uke_values import uke_day
from sekisho.provider.records import (
    NO_IDENTIFIER,
    SAMPLE,
    UNREADABLE,
    Identity,
    Note,
    Object,
    Outcome,
    Record,
    Unreadable,
    refused,
    row,
)
from sekisho.provider.sources import Limits, SourceProblem, lines

GENOME: Final = "genome"


def read(path: Path, limits: Limits) -> Iterator[Record | Note]:
    """Yield a note for each line that cannot be read, then a record for each person."""
    source, rules = lines(path, limits), vcf_rules()
    try:
        header = read_header(source, rules)
    except SourceProblem as problem:
        yield Note(problem.line, problem.code)
        return
    except GenomeProblem as problem:
        yield refused(UNREADABLE, problem.line or 1, f"file/{path.name}", problem.code)
        return
    if not header.samples:
        unit = f"{path.name}/"
        yield Record(GENOME, header.line, unit, outcome=Outcome.SET_ASIDE, code="no-sample")
        return
    carried, problem_code = array("Q", bytes(8 * len(header.samples))), ""
    try:
        for line in source:
            try:
                made = kept_line(line, len(header.samples), rules)
            except GenomeProblem as problem:
                yield Note(line.number, problem.code, GENOME)
                continue
            for place in range(len(header.samples)):
                carried[place] += made.carries(place)
    except SourceProblem:
        problem_code = "vcf.truncated"
    for place, sample in enumerate(header.samples):
        yield _record(path, header, sample, carried[place], problem_code)


def _record(path: Path, header: Header, sample: str, carried: int, code: str) -> Record:
    unit, patient = f"{path.name}/{sample}", f"{SAMPLE}|{sample}"
    identity = Identity((patient,), None, NO_IDENTIFIER, ((SAMPLE, sample),))
    if code:
        return refused(GENOME, header.line, unit, code, patient=patient, identity=identity)
    try:
        day = uke_day(header.day) if header.day else None
    except Unreadable:
        day = None  # nobody needs the day on which a program wrote its file
    made = row(
        "genomic_test",
        genomic_test_date=day,
        reference_genome_source_value=header.assembly or None,
        caller_source_value=header.caller or None,
        variant_count=carried,
    )
    held = (Object("vcf", path, sample),)
    return Record(GENOME, header.line, unit, (made,), patient, identity=identity, objects=held)
