"""From a notice of a leak to the provider's own patients: found at home, by the provider's key.

A notice names records as the provider named them when it sent them (HMACs). Nobody else can turn
these names into patients; the provider reads its own files again and finds them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sekisho.provider.names import Name
from sekisho.provider.readers import format_of
from sekisho.provider.records import Note, Record
from sekisho.provider.submission import read


@dataclass(frozen=True)
class Concerned:
    """One patient by the provider's own local name, with the records that were in the leak."""

    patient: str
    records: int


def find_patients(
    files: Sequence[Path],
    format_id: str,
    provider_key: bytes,
    sources: Mapping[str, Collection[str]],
) -> tuple[tuple[Concerned, ...], int]:
    """Return the patients whom a notice concerns, and how many of its names these files know.

    Args:
        files: what the provider sent, of one format.
        provider_key: the key under which its records were named.
        sources: data class → names of units, as the notice has them.
    """
    family = format_of(format_id).family
    names = {one: Name.of(provider_key, family, one) for one in sources}
    wanted = {one: frozenset(known) for one, known in sources.items()}
    records: dict[str, int] = {}
    known: set[tuple[str, str]] = set()
    for item in read(format_id, files):
        if isinstance(item, Note):
            continue
        hits = {
            (data_class, unit)
            for data_class, name in names.items()
            if (unit := name("unit", item.unit)) in wanted[data_class]
        }
        known |= hits
        patient = _patient(item)
        if hits and patient is not None:
            records[patient] = records.get(patient, 0) + 1
    found = tuple(Concerned(patient, n) for patient, n in sorted(records.items()))
    return found, len(known)


def _patient(record: Record) -> str | None:
    if record.patient is not None:
        return record.patient
    return None if record.identity is None else record.identity.refs[0]
