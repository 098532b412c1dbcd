"""Items of health check-ups, the same by CDA and by FHIR: their system, type and table."""

from __future__ import annotations

from typing import Final

ITEMS: Final = "urn:oid:1.2.392.200119.6.1005"
"""System of the item codes, 17 characters built as JLAC10 codes are."""
CHECKUP: Final = 32836
"""OMOP type of what a check-up found (OHDSI ETL-LambdaBuilder, JMDC)."""
_QUESTIONS = "9N"
"""First characters of the codes that check-ups have for themselves: questions, judgements."""


def table_of(code: str, *, coded: bool) -> str:
    """Return the table of an item; a ``coded`` value of a check-up's own code is an answer."""
    return "observation" if coded and code.startswith(_QUESTIONS) else "measurement"
