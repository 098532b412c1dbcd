"""Which tables and columns exist: one list for readers, lake, catalogue and extracts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from sekisho.common.errors import UserError

Type = Literal["int64", "date", "string", "decimal"]
"""``decimal`` travels as a string in its canonical spelling, so that no engine rounds it."""


class Role(Enum):
    """What a column is for disclosure control; a column without one cannot exist."""

    KEY = "key"
    """Surrogate key of the row: issued anew for every extract."""
    PERSON = "person"
    """Whose row it is: a pseudonym of the holder or project, never an identifier."""
    VISIT = "visit"
    """The visit of the row: follows the visit's surrogate key."""
    QUASI = "quasi"
    """Quasi-identifier: can single out a person together with others."""
    SENSITIVE = "sensitive"
    """What a study is about: codes, values, amounts."""
    TECHNICAL = "technical"
    """Says how a row came to be: types, systems, statuses."""


@dataclass(frozen=True)
class Column:
    name: str
    type: Type
    role: Role


@dataclass(frozen=True)
class Table:
    """One CDM table. ``key`` is None for person and death, whose key is the person."""

    name: str
    columns: tuple[Column, ...]

    @property
    def key(self) -> str | None:
        return next((c.name for c in self.columns if c.role is Role.KEY), None)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    @property
    def content(self) -> tuple[Column, ...]:
        """The columns that a reader fills: all but row key, person and visit."""
        links = {Role.KEY, Role.PERSON, Role.VISIT}
        return tuple(c for c in self.columns if c.role not in links)

    @property
    def has_visit(self) -> bool:
        return any(c.role is Role.VISIT for c in self.columns)


def _table(name: str, *columns: str) -> Table:
    """Build a table from ``column:type:role`` lines."""
    made = []
    for line in columns:
        column, kind, role = line.split(":")
        made.append(Column(column, kind, Role(role)))  # type: ignore[arg-type]  # checked by tests
    return Table(name, tuple(made))


TABLES: tuple[Table, ...] = (
    _table(
        "person",
        "person_id:int64:person",
        "gender_concept_id:int64:quasi",
        "year_of_birth:int64:quasi",
        "month_of_birth:int64:quasi",
        "gender_source_value:string:quasi",
    ),
    _table(
        "visit_occurrence",
        "visit_occurrence_id:int64:key",
        "person_id:int64:person",
        "visit_concept_id:int64:sensitive",
        "visit_start_date:date:quasi",
        "visit_end_date:date:quasi",
        "visit_type_concept_id:int64:technical",
        "visit_source_value:string:sensitive",
    ),
    _table(
        "condition_occurrence",
        "condition_occurrence_id:int64:key",
        "person_id:int64:person",
        "condition_concept_id:int64:sensitive",
        "condition_start_date:date:quasi",
        "condition_end_date:date:quasi",
        "condition_type_concept_id:int64:technical",
        "condition_status_concept_id:int64:technical",
        "condition_source_value:string:sensitive",
        "condition_source_system:string:technical",
        "condition_source_concept_id:int64:sensitive",
        "visit_occurrence_id:int64:visit",
    ),
    _table(
        "drug_exposure",
        "drug_exposure_id:int64:key",
        "person_id:int64:person",
        "drug_concept_id:int64:sensitive",
        "drug_exposure_start_date:date:quasi",
        "drug_exposure_end_date:date:quasi",
        "drug_type_concept_id:int64:technical",
        "quantity:decimal:sensitive",
        "days_supply:int64:sensitive",
        "drug_source_value:string:sensitive",
        "drug_source_system:string:technical",
        "drug_source_concept_id:int64:sensitive",
        "visit_occurrence_id:int64:visit",
    ),
    _table(
        "procedure_occurrence",
        "procedure_occurrence_id:int64:key",
        "person_id:int64:person",
        "procedure_concept_id:int64:sensitive",
        "procedure_date:date:quasi",
        "procedure_type_concept_id:int64:technical",
        "quantity:int64:sensitive",
        "procedure_source_value:string:sensitive",
        "procedure_source_system:string:technical",
        "procedure_source_concept_id:int64:sensitive",
        "visit_occurrence_id:int64:visit",
    ),
    _table(
        "device_exposure",
        "device_exposure_id:int64:key",
        "person_id:int64:person",
        "device_concept_id:int64:sensitive",
        "device_exposure_start_date:date:quasi",
        "device_exposure_end_date:date:quasi",
        "device_type_concept_id:int64:technical",
        "quantity:decimal:sensitive",
        "unit_concept_id:int64:technical",
        "unit_source_value:string:technical",
        "device_source_value:string:sensitive",
        "device_source_system:string:technical",
        "device_source_concept_id:int64:sensitive",
        "visit_occurrence_id:int64:visit",
    ),
    _table(
        "measurement",
        "measurement_id:int64:key",
        "person_id:int64:person",
        "measurement_concept_id:int64:sensitive",
        "measurement_date:date:quasi",
        "measurement_type_concept_id:int64:technical",
        "operator_concept_id:int64:technical",
        "value_as_number:decimal:sensitive",
        "value_as_concept_id:int64:sensitive",
        "value_source_value:string:sensitive",
        "value_source_system:string:technical",
        "unit_concept_id:int64:technical",
        "unit_source_value:string:technical",
        "range_low:decimal:technical",
        "range_high:decimal:technical",
        "measurement_source_value:string:sensitive",
        "measurement_source_system:string:technical",
        "measurement_source_concept_id:int64:sensitive",
        "measurement_mapped_by:string:technical",
        "visit_occurrence_id:int64:visit",
    ),
    _table(
        "observation",
        "observation_id:int64:key",
        "person_id:int64:person",
        "observation_concept_id:int64:sensitive",
        "observation_date:date:quasi",
        "observation_type_concept_id:int64:technical",
        "value_as_number:decimal:sensitive",
        "value_as_concept_id:int64:sensitive",
        "value_source_value:string:sensitive",
        "value_source_system:string:technical",
        "unit_concept_id:int64:technical",
        "unit_source_value:string:technical",
        "observation_source_value:string:sensitive",
        "observation_source_system:string:technical",
        "observation_source_concept_id:int64:sensitive",
        "observation_mapped_by:string:technical",
        "visit_occurrence_id:int64:visit",
    ),
    _table(
        "image_occurrence",
        "image_occurrence_id:int64:key",
        "person_id:int64:person",
        "image_occurrence_date:date:quasi",
        "modality_concept_id:int64:sensitive",
        "modality_source_value:string:sensitive",
        "anatomic_site_concept_id:int64:sensitive",
        "anatomic_site_source_value:string:sensitive",
        "frame_count:int64:technical",
        "manufacturer_source_value:string:technical",
        "model_source_value:string:technical",
        "unresolved_source_value:string:technical",
        "visit_occurrence_id:int64:visit",
    ),
    _table(
        "genomic_test",
        "genomic_test_id:int64:key",
        "person_id:int64:person",
        "genomic_test_date:date:quasi",
        "reference_genome_source_value:string:technical",
        "caller_source_value:string:technical",
        "variant_count:int64:sensitive",
    ),
    _table(
        "cost",
        "cost_id:int64:key",
        "person_id:int64:person",
        "cost_domain_id:string:technical",
        "cost_type_concept_id:int64:technical",
        "currency_concept_id:int64:technical",
        "total_charge:decimal:sensitive",
        "total_paid:decimal:sensitive",
        "paid_by_payer:decimal:sensitive",
        "paid_by_patient:decimal:sensitive",
        "incurred_date:date:quasi",
        "cost_source_value:string:sensitive",
        "drg_concept_id:int64:sensitive",
        "drg_source_value:string:sensitive",
        "visit_occurrence_id:int64:visit",
    ),
    _table(
        "death",
        "person_id:int64:person",
        "death_date:date:quasi",
        "death_type_concept_id:int64:technical",
        "cause_concept_id:int64:sensitive",
        "cause_source_value:string:sensitive",
        "cause_source_system:string:technical",
        "cause_source_concept_id:int64:sensitive",
    ),
    _table(
        "observation_period",
        "observation_period_id:int64:key",
        "person_id:int64:person",
        "observation_period_start_date:date:quasi",
        "observation_period_end_date:date:quasi",
        "period_type_concept_id:int64:technical",
    ),
    _table(
        "payer_plan_period",
        "payer_plan_period_id:int64:key",
        "person_id:int64:person",
        "payer_plan_period_start_date:date:quasi",
        "payer_plan_period_end_date:date:quasi",
        "payer_concept_id:int64:quasi",
        "payer_source_value:string:quasi",
    ),
)


def table(name: str) -> Table:
    """Return the table called ``name``.

    Raises:
        UserError: there is none.
    """
    for candidate in TABLES:
        if candidate.name == name:
            return candidate
    known = ", ".join(t.name for t in TABLES)
    raise UserError("cdm.no-table", f"There is no table {name!r}.", next_step=f"tables: {known}")
