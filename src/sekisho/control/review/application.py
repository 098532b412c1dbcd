"""An application: who asks, for what, about whom, and why. Valid or it does not exist."""

from __future__ import annotations

from datetime import date

import msgspec

from sekisho.common.errors import UserError
from sekisho.control.catalogue import TableColumns, check_columns
from sekisho.control.review.values import Value, check_actor, check_id, read_value

OLDEST = 150
"""No age in years is above this one."""
LARGEST_CONCEPT = 2**31 - 1
"""OMOP CDM 5.4: concept_id is an integer of 32 bits."""


def _check_range(field: str, what: str, first: date | int | None, last: date | int | None) -> None:
    if first is not None and last is not None and first > last:  # type: ignore[operator]  # both are days, or both ages
        raise _wrong(field, f"The first {what} comes after the last.", "exchange them")


def _wrong(field: str, message: str, next_step: str) -> UserError:
    return UserError(f"application.{field}", message, next_step=next_step)


class Cohort(Value, frozen=True, kw_only=True):
    """Whom the study is about: persons with one of the codes in a time, of certain ages.

    A code stands for itself and its ICD-10 descendants, a concept (of the OMOP vocabularies) for
    itself and those below it that a holder's vocabulary names; neither stands for everyone. Ages
    are completed years. Both ends of a range belong to it.
    """

    codes: tuple[str, ...] = ()
    concepts: tuple[int, ...] = ()
    from_: date | None = msgspec.field(default=None, name="from")
    to: date | None = None
    min_age: int | None = None
    max_age: int | None = None

    def __post_init__(self) -> None:
        if len(set(self.codes)) < len(self.codes):
            raise _wrong("cohort", "A code of the cohort is named twice.", "name each once")
        if len(set(self.concepts)) < len(self.concepts):
            raise _wrong("cohort", "A concept of the cohort is named twice.", "name each once")
        for concept in self.concepts:
            if not 0 < concept <= LARGEST_CONCEPT:
                raise _wrong("cohort", f"{concept} is no concept.", "give numbers as Athena does")
        for code in self.codes:
            if not 0 < len(code) <= 64 or not code.isprintable() or " " in code:
                raise _wrong(
                    "cohort", f"{code[:80]!r} is not a code.", "give codes as their system does"
                )
        _check_range("cohort", "day", self.from_, self.to)
        for age in (self.min_age, self.max_age):
            if age is not None and not 0 <= age <= OLDEST:
                raise _wrong("cohort", f"{age} is not an age.", f"give years from 0 to {OLDEST}")
        _check_range("cohort", "age", self.min_age, self.max_age)


class Period(Value, frozen=True, kw_only=True):
    """The time that the data themselves cover; without an end, as far as they reach."""

    from_: date | None = msgspec.field(default=None, name="from")
    to: date | None = None

    def __post_init__(self) -> None:
        _check_range("period", "day", self.from_, self.to)


class Application(Value, frozen=True, kw_only=True):
    """One application, as submitted. What may be answered where is the rule's matter
    (`sekisho.control.review.forms`); what cannot be is refused here.

    ``team`` are the accounts that will work with the data. ``columns`` narrows tables down; a
    table without an entry is asked for whole. ``enclave``: persons without a reliable number shall
    be matched by name, birth date and address. ``environment`` asks for another place than the
    framework's.
    """

    id: str
    applicant: str
    team: tuple[str, ...]
    purpose: str
    tables: tuple[str, ...]
    submitted_on: date
    columns: tuple[TableColumns, ...] = ()
    cohort: Cohort = Cohort()
    period: Period = Period()
    linkage: bool = False
    form: str = "pseudonymised"
    environment: str | None = None
    enclave: bool = False

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.enclave and not self.linkage:
            raise _wrong(
                "enclave",
                "Persons without a number can be matched for linkage only.",
                "ask for linkage as well, or do without the enclave",
            )
        if not self.applicant.strip() or len(self.applicant) > 200:
            raise _wrong("applicant", "The applicant has no name.", "name the organisation")
        if not self.team or len(set(self.team)) < len(self.team):
            raise _wrong(
                "team", "The team is empty, or names someone twice.", "name each account once"
            )
        for member in self.team:
            check_actor(member)
        check_id(self.purpose)
        check_columns(self.tables, self.columns)

    @property
    def asked(self) -> tuple[TableColumns, ...]:
        """The content columns asked for, per table, in the order of the CDM."""
        return check_columns(self.tables, self.columns)

    @classmethod
    def from_payload(cls, payload: object) -> Application:
        """Read an application from a JSON value.

        Raises:
            UserError: it is not one, with what is wrong.
        """
        return read_value(cls, payload, "application.invalid", "an application")


def fields_typed(application: Application) -> int:
    """Return how many fields of the form the applicant filled in.

    Counted is one for each entry made: the applicant, the purpose, each member, each table, each
    column where columns are chosen, each code and concept, each bound of a range, linkage and the
    enclave if asked for, the form of processing, an environment if named. Ids and dates that the
    system gives are not.
    """
    cohort, period = application.cohort, application.period
    bounds = (cohort.from_, cohort.to, cohort.min_age, cohort.max_age, period.from_, period.to)
    return (
        3  # applicant, purpose and form of processing
        + len(application.team)
        + len(application.tables)
        + sum(len(chosen.columns) for chosen in application.columns)
        + len(cohort.codes)
        + len(cohort.concepts)
        + sum(1 for bound in bounds if bound is not None)
        + int(application.linkage)
        + int(application.enclave)
        + int(application.environment is not None)
    )
