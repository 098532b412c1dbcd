"""From what the lanes granted to the permit that they sign."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec

from sekisho.common.errors import Refusal, UserError
from sekisho.common.toml import read_toml
from sekisho.control.review.application import Application
from sekisho.control.review.joining import Outcome
from sekisho.control.review.permit import (
    Enclave,
    LedgerHead,
    ListMinimum,
    Part,
    Permit,
    ReceiverKey,
    holders_meet,
)
from sekisho.control.review.values import Value, sourced
from sekisho.control.review.workdays import add_months


class PermitRule(Value, frozen=True, kw_only=True):
    """``rules/review/permit.toml``: how long a permit lasts at most, and for how many persons.

    A holder may send as many persons as it has when the permit is made, and ``persons_margin`` of
    them more (who come in until the extract), rounded up to a multiple of ``persons_step``, which
    is also the least.
    """

    id: str
    version: str
    max_months: Annotated[int, msgspec.Meta(ge=1, le=120)]
    persons_margin: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.5
    persons_step: Annotated[int, msgspec.Meta(ge=1)] = 100
    source: dict[str, str]

    def __post_init__(self) -> None:
        sourced(self, self.source)


def read_permit_rule(path: Path) -> PermitRule:
    """Read the rule file."""
    return read_toml(path, PermitRule)


def most_persons(held: int, rule: PermitRule) -> int:
    """Return how many persons a holder that has ``held`` may send under a permit."""
    with_margin = held + math.ceil(held * rule.persons_margin)
    return max(1, math.ceil(with_margin / rule.persons_step)) * rule.persons_step


def permit_schema() -> dict[str, Any]:
    """Return the JSON Schema of the rule file."""
    return msgspec.json.schema(PermitRule)


def last_day(starts: date, rule: PermitRule) -> date:
    """Return the last day of the longest permit that starts on ``starts``."""
    return add_months(starts, rule.max_months) - timedelta(days=1)


def permit_payload(
    application: Application,
    outcome: Outcome,
    *,
    permit_id: str,
    environment: str,
    parts: Sequence[Part],
    opt_out: Mapping[str, int],
    ledger_heads: Sequence[LedgerHead],
    starts: date,
    rule: PermitRule,
    expires: date | None = None,
    version: int = 1,
    receiver_keys: Mapping[str, str] | None = None,
    epoch: int = 0,
    aliases: int = 0,
    enclave: Enclave | None = None,
) -> dict[str, Any]:
    """Return a permit as the JSON value that the granting lanes sign.

    Args:
        application: what was asked for.
        outcome: what the lanes together granted.
        permit_id: id of the permit.
        environment: the body in whose environment the data are used.
        parts: the ways of all data asked for; those whose lane did not grant them are left out.
        opt_out: least list number, by registry.
        ledger_heads: where the ledgers stood that the decisions are in.
        starts: first day.
        rule: how long it may last.
        expires: last day; by default the latest that the rule allows.
        version: number in the chain of versions.
        receiver_keys: digest of the sealing key of each body; those that data come to are named.
        epoch: epoch of the project's own pseudonyms.
        aliases: least number of the batch of changed numbers that holders must have.
        enclave: where persons without a number are matched, if that was asked for.

    Raises:
        Refusal: nothing was granted, the permit would last too long, or data of several holders
            would meet without a linkage grant.
    """
    if outcome.application_digest != application.fingerprint():
        _refuse("other-text", "The lanes decided on another text of the application.")
    granted = tuple(part for part in parts if outcome.granted_for(part.lane, part.data_class))
    if not granted:
        _refuse("nothing-granted", "No data were granted to this application.")
    reached = {body for part in granted for body in (part.hops[1:] or part.hops)}
    latest = last_day(starts, rule)
    if expires is not None and expires > latest:
        _refuse(
            "too-long",
            f"The permit would last beyond {latest}.",
            f"{rule.id} {rule.version}: {rule.source['max_months']}",
        )
    if not outcome.linkage and holders_meet(granted):
        _refuse(
            "no-linkage",
            "Data of several holders would meet in one domain, and linkage was not granted.",
            "no linked row without a linkage grant from every body that decides on the data",
        )
    try:
        permit = Permit(
            id=permit_id,
            version=version,
            application=application.id,
            application_digest=application.fingerprint(),
            applicant=application.applicant,
            team=application.team,
            purpose=application.purpose,
            tables=application.asked,
            classes=tuple(sorted({part.data_class for part in granted})),
            cohort=application.cohort,
            period=application.period,
            form=application.form,
            linkage=outcome.linkage,
            environment=environment,
            parts=granted,
            opt_out=tuple(ListMinimum(registry=r, number=n) for r, n in sorted(opt_out.items())),
            ledger_heads=tuple(sorted(ledger_heads, key=lambda head: head.body)),
            conditions=outcome.conditions,
            starts=starts,
            expires=latest if expires is None else expires,
            aliases=aliases,
            granted_by=outcome.signers,
            receiver_keys=tuple(
                ReceiverKey(body=body, digest=digest)
                for body, digest in sorted((receiver_keys or {}).items())
                if body in reached
            ),
            epoch=epoch,
            enclave=enclave,
        )
    except ValueError as error:
        raise UserError(
            "permit.invalid",
            f"This would not be a permit: {error}.",
            next_step="correct the ways of data, the lists or the heads",
        ) from error
    return permit.payload()


def _refuse(code: str, message: str, rule: str | None = None) -> NoReturn:
    raise Refusal(
        f"permit.{code}",
        message,
        rule=rule or "a permit grants what the lanes granted on one application, and no more",
        next_step="see the decisions of the lanes; hand in a changed application",
    )
