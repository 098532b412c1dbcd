"""The tables of the platform: OMOP CDM 5.4 names and columns, and what each column is.

Source: OHDSI OMOP Common Data Model v5.4 (https://ohdsi.github.io/CommonDataModel/cdm54.html).
``image_occurrence`` follows OHDSI's imaging extension (https://github.com/ohdsi/MI-CDM),
``genomic_test`` the genomic one (https://github.com/OHDSI/Genomic-CDM); counts, makers and what is
unresolved about pixels are ours. UIDs of studies and series are in no table: a name that every
extract repeats would link them.
Without a vocabulary ``*_concept_id`` is 0; the source's code stays in
``*_source_value`` with its system in ``*_source_system`` (ours, not the CDM's).
"""

from sekisho.cdm.by_person import ByPerson
from sekisho.cdm.sliced import SLICES, Sliced
from sekisho.cdm.systems import CODED, CodeSystems, System, code_columns, read_code_systems
from sekisho.cdm.tables import TABLES, Column, Role, Table, table
from sekisho.cdm.transit import (
    ORIGIN,
    TRANSIT,
    arrow_type,
    content_fields,
    object_schema,
    transit_schema,
)

__all__ = [
    "CODED",
    "ORIGIN",
    "SLICES",
    "TABLES",
    "TRANSIT",
    "ByPerson",
    "CodeSystems",
    "Column",
    "Role",
    "Sliced",
    "System",
    "Table",
    "arrow_type",
    "code_columns",
    "content_fields",
    "object_schema",
    "read_code_systems",
    "table",
    "transit_schema",
]
