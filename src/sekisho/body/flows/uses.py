"""The index of uses: each environment tells the oversight body whom a project included.

Under pseudonyms of a domain of the project's own, so that equal persons of two projects have
nothing in common there. That an index is due follows from the permit and from the conversions that
the oversight body sees itself; one that does not come is missing, which is not "no use".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
from msgspec.structs import replace

from sekisho.body.context import Body
from sekisho.body.flows import alarms
from sekisho.body.flows.permits import Granted, granted_permit
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest_of
from sekisho.common.errors import Refusal
from sekisho.common.ids import new_tag, uses_domain
from sekisho.common.randomness import shuffle
from sekisho.control.conversion import USE_PADDING
from sekisho.control.uses import Standing, UseLog, read_rule
from sekisho.exchange.transfer import Reason
from sekisho.pseudonym.group import Element, random_element
from sekisho.pseudonym.pieces import Encrypting

if TYPE_CHECKING:
    from sekisho.body.flows.transfer import Arrived

VALID_DAYS = 7
LOG, INDEX = "use", "use-index"
BUCKET_DIGITS = 2
NOTHING = digest_of([])


# At the environment


def send_index(body: Body, granted: Granted, included: Collection[bytes], receipt: str) -> Outcome:
    """Tell the oversight body whom the gate let in: pseudonyms only, filled up with nobody.

    Args:
        included: the project's pseudonyms of the persons that the extract receipt counts.
        receipt: the digest of that receipt.
    """
    from sekisho.body.flows import transfer

    if body.has_fault("uses-log-lost"):
        return Outcome()
    persons = [(new_tag(body.random), Element(pseudonym)) for pseudonym in sorted(included)]
    for _ in range(filled_up(len(included)) - len(included)):
        persons.append((new_tag(body.random), random_element(body.random)))
    shuffle(body.random, persons)
    oversight = body.auxiliary("oversight")
    reason = Reason(
        id=f"use:{granted.digest}",
        kind="use",
        from_domain=granted.environment_domain,
        to_domain=uses_domain(granted.application, oversight),
        receiver=oversight,
        room="oversight",
        max_rows=len(persons),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
        permit=granted.text,
        about=canonical_json(
            {
                "included": len(included),
                "receipt": receipt,
                "made_on": body.today().isoformat(),
            }
        ).decode(),
    )
    batch = Encrypting(persons, body.global_key, body.random)
    return transfer.start_alone(body, [(reason, batch)])


def filled_up(count: int) -> int:
    """Return how many are sent for ``count`` persons: always some who are nobody."""
    return count + USE_PADDING - count % USE_PADDING


def tell_not_made(body: Body, permit: str) -> Outgoing:
    """Return the word that a project was given nothing, so that no index is missed."""
    return Outgoing(body.auxiliary("oversight"), "oversight/not-made", permit.encode())


def tell_released(body: Body, application: str, digests: Mapping[str, str]) -> Outgoing:
    """Return the word on which files left a project today."""
    said = {"application": application, "on": body.today().isoformat(), "files": dict(digests)}
    return Outgoing(body.auxiliary("oversight"), "oversight/released", canonical_json(said))


# At the oversight body


def permitted(body: Body, message: Incoming) -> Outcome:
    """Take note of a permit: from now on it is known that persons may come to be in a project."""
    granted = granted_permit(body, message.read().decode())
    if body.store.get(LOG, granted.application) is not None:
        return Outcome()
    return _keep(_begun(body, granted))


def data_move(body: Body, granted: Granted) -> Outcome:
    """Take note that persons are converted for a project: its index is due from this day on.

    The second converter sees this itself, so that no permit can be kept from the index.
    """
    log = _log(body, granted.application) or _begun(body, granted)
    return Outcome() if log.moved_on else _keep(replace(log, moved_on=body.today()))


def arrived(body: Body, arrivals: Sequence[Arrived]) -> Outcome:
    """Keep whom a project included: wrapped, in parts whose digests tell when one is lost."""
    outcome = Outcome()
    for arrival in arrivals:
        granted = granted_permit(body, arrival.reason.permit or "")
        about = orjson.loads(arrival.reason.about)
        log = _log(body, granted.application) or _begun(body, granted)
        _check_index(body, granted, arrival, int(about["included"]))
        if log.received_on is not None:
            continue
        buckets = _buckets(body.keys.wrap(one) for one in arrival.pseudonyms.values())
        for name, persons in buckets.items():
            outcome.put.append((INDEX, f"{granted.application}:{name}", {"persons": persons}))
        received = {
            "received_on": body.today(),
            "made_on": about["made_on"],
            "receipt": about["receipt"],
            "included": about["included"],
            "buckets": {name: digest_of(persons) for name, persons in buckets.items()},
        }
        log = UseLog.from_payload({**log.payload(), **received})
        outcome.add(_keep(log))
        outcome.fact(
            "use.indexed",
            application=granted.application,
            permit=granted.id,
            digest=digest_of(log.buckets),
            receipt=log.receipt,
            count=len(arrival.pseudonyms),
            persons=log.included,
        )
        outcome.send.append(look_at(body, granted.application))
    return outcome


def look_at(body: Body, application: str) -> Outgoing:
    """Return the word to ourselves to see whether an extract's receipt can be compared now."""
    return Outgoing(body.id, "oversight/compare", canonical_json({"application": application}))


@dataclass(frozen=True)
class Index:
    """Whom a project included: ``count`` persons among ``persons``, which are filled up."""

    count: int
    persons: frozenset[str]


def index_of(body: Body, application: str, receipt: str) -> Index | None:
    """Return the index that goes with a receipt; None where it has not come."""
    log = _log(body, application)
    if log is None or log.included is None or log.receipt != receipt:
        return None
    parts = body.store.find(INDEX, f"{application}:")
    return Index(log.included, frozenset(one for _, kept in parts for one in kept["persons"]))


def _check_index(body: Body, granted: Granted, arrival: Arrived, included: int) -> None:
    named = uses_domain(granted.application, body.id)
    if arrival.reason.to_domain != named or arrival.sender != granted.environment:
        raise Refusal(
            "uses.not-the-environment",
            "An index of uses comes from the environment that the permit names.",
            rule="the environment tells whom the gate let in",
        )
    if len(arrival.pseudonyms) != filled_up(included):
        raise Refusal(
            "uses.other-count",
            "The index does not hold as many as its receipt counts, filled up.",
            rule="an index of uses is filled up to a fixed number from the receipt's count",
            next_step="send the index again with the receipt that belongs to it",
        )


def _buckets(wrapped: Iterable[str]) -> dict[str, list[str]]:
    """Sort pseudonyms into parts by their first digits, so that a look-up reads one part."""
    found: dict[str, list[str]] = {}
    for one in sorted(wrapped):
        found.setdefault(one[:BUCKET_DIGITS], []).append(one)
    return found


def not_made(body: Body, message: Incoming) -> Outcome:
    """Take an environment's word that a project was given nothing."""
    granted = granted_permit(body, message.read().decode())
    log = _log(body, granted.application) or _begun(body, granted)
    _check_environment(log, message)
    return _keep(replace(log, not_made_on=body.today()))


def released(body: Body, message: Incoming) -> Outcome:
    """Take an environment's word on what left a project."""
    said = orjson.loads(message.read())
    log = _log(body, said["application"])
    if log is None:
        raise Refusal("uses.no-project", "No permit of such a project is known here.")
    _check_environment(log, message)
    new = tuple(
        {"on": said["on"], "name": name, "digest": value}
        for name, value in sorted(said["files"].items())
    )
    known = [one for one in new if one not in log.released]
    return _keep(replace(log, released=(*log.released, *known)))


def _check_environment(log: UseLog, message: Incoming) -> None:
    if log.body != message.sender:
        raise Refusal(
            "uses.not-the-environment",
            "Only a project's environment tells what became of it.",
            rule="the environment tells whom the gate let in and what left",
        )


def register(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell anybody at a desk which projects there are and how the index of each stands.

    Nothing of it depends on who asks; it is the permits' public word.
    """
    return {"projects": [_public(body, log) for log in _logs(body)]}


def daily(body: Body) -> Outcome:
    """Raise an alarm for every project whose index is missing, and clear it when it came."""
    outcome = Outcome()
    for log in _logs(body):
        missing = standing_of(body, log).state == "missing"
        about = {"application": log.application, "environment": log.body}
        key = f"uses/{log.application}"
        alarms.settle(outcome, body, key, "uses.missing", missing, **about)
    return outcome


def _public(body: Body, log: UseLog) -> Json:
    standing = standing_of(body, log)
    return {
        "application": log.application,
        "domain": uses_domain(log.application, body.id),
        "permit": log.permit,
        "applicant": log.applicant,
        "purpose": log.purpose,
        "form": log.form,
        "classes": list(log.classes),
        "body": log.body,
        "starts": log.starts.isoformat(),
        "expires": log.expires.isoformat(),
        "made_on": log.made_on.isoformat() if log.made_on else None,
        "released": list(log.released),
        "state": standing.state,
        "since": standing.since.isoformat(),
    }


def standing_of(body: Body, log: UseLog) -> Standing:
    """Return how a project's index stands today, under the rule."""
    return log.standing(body.today(), read_rule(body.rules / "uses.toml").index_days)


def is_included(body: Body, application: str, persons: Collection[Element]) -> bool | None:
    """Look persons up in a project's index; None where it, or the part asked for, is not there."""
    log = _log(body, application)
    if log is None or log.received_on is None:
        return None
    found = False
    for wrapped in (body.keys.wrap(one) for one in persons):
        name = wrapped[:BUCKET_DIGITS]
        kept = (body.store.get(INDEX, f"{application}:{name}") or {}).get("persons", [])
        if digest_of(kept) != log.buckets.get(name, NOTHING):
            return None
        found = found or wrapped in kept
    return found


def figures(body: Body) -> dict[str, Json]:
    """Return each project's state for a report: counts only."""
    return {
        log.application: {
            "state": standing_of(body, log).state,
            "included": log.included,
            "released": len(log.released),
        }
        for log in _logs(body)
    }


def _begun(body: Body, granted: Granted) -> UseLog:
    permit = granted.permit
    return UseLog(
        application=granted.application,
        permit=granted.digest,
        applicant=permit.applicant,
        purpose=permit.purpose,
        form=permit.form,
        classes=permit.classes,
        body=granted.environment,
        starts=permit.starts,
        expires=permit.expires,
        known_on=body.today(),
    )


def _logs(body: Body) -> list[UseLog]:
    return [UseLog.from_payload(kept) for _, kept in body.store.find(LOG)]


def _log(body: Body, application: str) -> UseLog | None:
    kept = body.store.get(LOG, application)
    return None if kept is None else UseLog.from_payload(kept)


def _keep(log: UseLog) -> Outcome:
    return Outcome(put=[(LOG, log.application, log.payload())])
