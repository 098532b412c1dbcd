"""What is decoded of each FHIR R4 resource: elements that rows need, and nothing else.

``gc=False``: values of JSON hold no cycles, so the collector need not visit them.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct, field

from sekisho.provider.readers.fhir_values import Coding, Concept, Period, Quantity, Reference


class Head(Struct, rename="camel", gc=False):
    """What every resource has."""

    resource_type: str | None = None
    id: str | None = None


class Named(Struct, gc=False):
    """All that is looked at of a resource without a table; its type is told by its class."""

    id: str | None = None


class Resource(Named, rename="camel", gc=False):
    status: str | None = None
    subject: Reference | None = None
    patient: Reference | None = None
    encounter: Reference | None = None


class Encounter(Resource, rename="camel", gc=False):
    class_: Coding | None = field(name="class", default=None)
    period: Period | None = None


class Condition(Resource, rename="camel", gc=False):
    code: Concept | None = None
    verification_status: Concept | None = None
    onset_date_time: str | None = None
    onset_period: Period | None = None
    recorded_date: str | None = None
    abatement_date_time: str | None = None
    abatement_period: Period | None = None


class AllergyIntolerance(Resource, rename="camel", gc=False):
    code: Concept | None = None
    verification_status: Concept | None = None
    onset_date_time: str | None = None
    onset_period: Period | None = None
    recorded_date: str | None = None
    meta: Meta | None = None


class Meta(Struct, rename="camel", gc=False):
    last_updated: str | None = None


class Medication(Struct, rename="camel", gc=False):
    id: str | None = None
    code: Concept | None = None


class Repeat(Struct, rename="camel", gc=False):
    bounds_duration: Quantity | None = None


class Timing(Struct, gc=False):
    repeat: Repeat | None = None
    event: tuple[str, ...] = ()


class Dosage(Struct, gc=False):
    timing: Timing | None = None


class Dispense(Struct, rename="camel", gc=False):
    quantity: Quantity | None = None
    expected_supply_duration: Quantity | None = None


class Drug(Resource, rename="camel", gc=False):
    """MedicationRequest, MedicationStatement, MedicationAdministration, Immunization."""

    context: Reference | None = None
    contained: tuple[Medication, ...] = ()
    medication_codeable_concept: Concept | None = None
    medication_reference: Reference | None = None
    vaccine_code: Concept | None = None
    authored_on: str | None = None
    occurrence_date_time: str | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None
    date_asserted: str | None = None
    dosage_instruction: tuple[Dosage, ...] = ()
    dispense_request: Dispense | None = None
    dose_quantity: Quantity | None = None
    do_not_perform: bool = False


class Procedure(Resource, rename="camel", gc=False):
    code: Concept | None = None
    performed_date_time: str | None = None
    performed_period: Period | None = None


class Valued(Struct, rename="camel", gc=False):
    """The value[x] of an Observation or of one of its components."""

    code: Concept | None = None
    value_quantity: Quantity | None = None
    value_codeable_concept: Concept | None = None
    value_integer: int | None = None
    value_boolean: bool | None = None
    value_string: str | None = None


class Observation(Valued, rename="camel", gc=False):
    id: str | None = None
    status: str | None = None
    subject: Reference | None = None
    patient: Reference | None = None
    encounter: Reference | None = None
    category: tuple[Concept, ...] = ()
    effective_date_time: str | None = None
    effective_instant: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    component: tuple[Valued, ...] = ()


class Money(Struct, gc=False):
    value: Decimal | None = None
    currency: str | None = None


class Total(Struct, gc=False):
    category: Concept | None = None
    amount: Money | None = None


class Item(Struct, gc=False):
    encounter: tuple[Reference, ...] = ()


class ExplanationOfBenefit(Resource, rename="camel", gc=False):
    type: Concept | None = None
    billable_period: Period | None = None
    created: str | None = None
    item: tuple[Item, ...] = ()
    total: tuple[Total, ...] = ()
