"""Variants at the provider: a file of many samples becomes one file a person, without the names.

Rules kept: only what `vcf.toml` names leaves; a sample's name is replaced; paths, command lines and
texts of a header go, and so does what a file says over all of its samples; a line that cannot be
read stays and is told by its number.
"""

from sekisho.provider.genomes.header import GenomeProblem, Header, read_header
from sekisho.provider.genomes.lines import Kept, kept_line
from sekisho.provider.genomes.writing import write_person

__all__ = ["GenomeProblem", "Header", "Kept", "kept_line", "read_header", "write_person"]
