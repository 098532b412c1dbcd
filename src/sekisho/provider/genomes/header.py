"""The header of a VCF file: what is kept of it, whose columns it has, what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sekisho.provider.genomes.rules import Rules
from sekisho.provider.sources import Line

SAMPLES: Final = 1_000
"""Most persons in one file: each becomes a file of its own, for which it is read again."""
_LINES: Final = 100_000
_FIXED: Final = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_WORD: Final = re.compile(r"[A-Za-z0-9_.:*+-]{1,100}")
_NUMBER: Final = re.compile(r"[0-9]{1,10}|[AGR.]")
_CALLER: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{0,59}")
_TYPES: Final = re.compile("Integer|Float|Flag|Character|String")
_FIELD: Final = re.compile(
    r'(?P<key>[A-Za-z0-9_.]{1,60})=(?P<value>"(?:[^"\\]|\\.)*"|[^,"<>]*)(?:,|\Z)'
)
_SAMPLE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


class GenomeProblem(Exception):
    """A file holds no variants that can be used; ``code`` is a finding's."""

    def __init__(self, code: str, line: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.line = line


@dataclass(frozen=True)
class Header:
    """What is known before the first variant.

    Args:
        line: number of the line with the columns.
        kept: meta-information lines as they leave.
        samples: names of the columns of persons; they stay here.
    """

    line: int
    kept: tuple[str, ...]
    samples: tuple[str, ...]
    day: str = ""
    assembly: str = ""
    caller: str = ""


def read_header(lines: Iterator[Line], rules: Rules) -> Header:
    """Take the header off ``lines``.

    Raises:
        GenomeProblem: it is none, has no columns, or names a sample twice.
    """
    kept, said = dict[str, None](), dict[str, str]()
    for line in lines:
        text = _text(line)
        if line.number == 1 and not text.startswith("##fileformat=VCFv4."):
            raise GenomeProblem("vcf.no-vcf", 1)
        if text.startswith("#CHROM"):
            return _finished(line.number, text, kept, said, rules)
        if not text.startswith("##") or line.number > _LINES:
            raise GenomeProblem("vcf.header", line.number)
        key, _, value = text[2:].partition("=")
        if key in rules.meta:
            made = _meta(key, value, rules)
            if made is not None:
                kept[made[0]] = None
                said.setdefault("assembly", made[1])
        elif key in ("fileDate", "source", "reference"):
            said[key] = value
    raise GenomeProblem("vcf.header")


def _finished(
    number: int, text: str, kept: Mapping[str, None], said: Mapping[str, str], rules: Rules
) -> Header:
    columns = tuple(text.split("\t") if "\t" in text else text.split())  # as vcfpy reads it
    names = columns[len(_FIXED) + 1 :]
    fits = columns[: len(_FIXED)] == _FIXED and columns[len(_FIXED) :][:1] in ((), ("FORMAT",))
    if not fits or len(set(names)) != len(names) or not all(map(_SAMPLE.fullmatch, names)):
        raise GenomeProblem("vcf.header", number)
    if len(names) > SAMPLES:
        raise GenomeProblem("vcf.too-many-samples", number)
    found = re.search(rules.assembly.pattern, said.get("reference", ""))
    caller = _CALLER.match(said.get("source", ""))
    return Header(
        number,
        tuple(kept),
        names,
        said.get("fileDate", "").replace("-", ""),
        found[0] if found else said.get("assembly", ""),
        caller[0] if caller else "",
    )


def _meta(key: str, value: str, rules: Rules) -> tuple[str, str] | None:
    """Return a structured line as it leaves, and the assembly that it names."""
    fields = _fields(value)
    if fields is None:
        return None
    made = {name: fields[name] for name in rules.meta[key] if name in fields}
    assembly = re.fullmatch(rules.assembly.pattern, made.pop("assembly", ""))
    if not _is_plain(made):
        return None
    if key in ("INFO", "FORMAT"):
        listed = rules.info if key == "INFO" else rules.format
        if made["ID"] not in listed.kept or len(made) != len(rules.meta[key]):
            return None
        made["Description"] = '""'
    if key in ("FILTER", "ALT"):
        made["Description"] = '""'
    if assembly:
        made["assembly"] = assembly[0]
    spelled = ",".join(f"{name}={text}" for name, text in made.items())
    return f"##{key}=<{spelled}>", made.get("assembly", "")


def _fields(value: str) -> dict[str, str] | None:
    """Return key → value of ``<key=value,…>``; None where it is not that.

    Our own, for vcfpy hands a quoted text to Python's parser (`ast.literal_eval`).
    """
    if not (value.startswith("<") and value.endswith(">")):
        return None
    made, place, end = dict[str, str](), 1, len(value) - 1
    while place < end:
        found = _FIELD.match(value, place, end)
        if found is None:
            return None
        made[found["key"]] = found["value"]
        place = found.end()
    return made


def _is_plain(fields: Mapping[str, str]) -> bool:
    forms = {"Number": _NUMBER, "Type": _TYPES}
    return "ID" in fields and all(
        forms.get(name, _WORD).fullmatch(text) for name, text in fields.items()
    )


def _text(line: Line) -> str:
    if line.data is None:
        raise GenomeProblem("line.too-long", line.number)
    if b"\0" in line.data:
        raise GenomeProblem("line.nul", line.number)
    try:
        return line.data.decode("utf-8")
    except UnicodeDecodeError:
        raise GenomeProblem("line.encoding", line.number) from None
