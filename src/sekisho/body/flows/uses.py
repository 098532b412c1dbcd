"""The index of uses: each environment tells the oversight body whom a project included.

Under pseudonyms of a domain of the project's own, so that equal persons of two projects have
nothing in common there; they turn with each epoch (`indexturn`). That an index is due follows from
the permit and from the conversions that the oversight body sees itself; one that does not come is
missing, which is not "no use".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa
from msgspec.structs import replace

from sekisho.body.context import Body
from sekisho.body.flows import alarms
from sekisho.body.flows.permits import Granted, granted_permit
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest_of
from sekisho.common.errors import PeerError, Refusal
from sekisho.common.ids import Tag, new_tag, uses_domain
from sekisho.common.randomness import below, shuffle
from sekisho.control.conversion import USE_PADDING
from sekisho.control.uses import Standing, UseLog, read_rule
from sekisho.exchange.transfer import Reason
from sekisho.pseudonym.group import Element, random_element

if TYPE_CHECKING:
    from sekisho.body.flows.transfer import Arrived

VALID_DAYS = 7
LOG, INDEX, PARTS = "use", "use-index", "use-parts"
PERSONS = "persons"
"""The index's table: of each tag one mark a part, 1 where the gate let records of it in."""
Part = tuple[str, str]
"""What one holder sent of one class: (holder, class)."""
BUCKET_DIGITS = 2
NOTHING = digest_of([])


# At the environment


def send_index(
    body: Body, granted: Granted, included: Mapping[bytes, AbstractSet[Part]], receipt: str
) -> Outcome:
    """Tell the oversight body whom the gate let in, and of which parts; filled up with nobody.

    Nobody has the parts of somebody, drawn at random, so that none shows by its parts.

    Args:
        included: the project's pseudonyms of the persons that the extract receipt counts, with
            the parts of which records of theirs are in the extract.
        receipt: the digest of that receipt.
    """
    from sekisho.body.flows import transfer

    if body.has_fault("uses-log-lost"):
        return Outcome()
    parts = sorted({(part.holder, part.data_class) for part in granted.permit.parts})
    marks = {one: _marks(parts, of) for one, of in sorted(included.items())}
    told = [(new_tag(body.random), Element(one), marked) for one, marked in marks.items()]
    like = list(marks.values()) or [_marks(parts, parts)]
    for _ in range(filled_up(len(included)) - len(included)):
        nobody = random_element(body.random)
        told.append((new_tag(body.random), nobody, like[below(body.random, len(like))]))
    shuffle(body.random, told)
    oversight = body.auxiliary("oversight")
    reason = Reason(
        id=f"use:{granted.digest}",
        kind="use",
        from_domain=granted.environment_domain,
        to_domain=uses_domain(granted.application, oversight),
        receiver=oversight,
        room="oversight",
        max_rows=len(told),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
        permit=granted.text,
        about=canonical_json(
            {
                "included": len(included),
                "receipt": receipt,
                "made_on": body.today().isoformat(),
                "parts": [list(part) for part in parts],
            }
        ).decode(),
    )
    rows = {"tag": [tag for tag, _, _ in told], "parts": [marked for _, _, marked in told]}
    persons = [(tag, element) for tag, element, _ in told]
    return transfer.start(body, reason, persons, {PERSONS: pa.table(rows)})


def _marks(parts: Collection[Part], of: Collection[Part]) -> str:
    return "".join("1" if part in of else "0" for part in parts)


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
    return begin(body, granted)


def begin(body: Body, granted: Granted) -> Outcome:
    """Begin a project's log where there is none."""
    known = log_of(body, granted.application)
    return Outcome() if known is not None else keep(_begun(body, granted))


def data_move(body: Body, granted: Granted) -> Outcome:
    """Take note that persons are converted for a project: its index is due from this day on.

    The second converter sees this itself, so that no permit can be kept from the index.
    """
    log = log_of(body, granted.application) or _begun(body, granted)
    return Outcome() if log.moved_on else keep(replace(log, moved_on=body.today()))


def arrived(body: Body, arrival: Arrived) -> Outcome:
    """Keep whom a project included: wrapped, in buckets whose digests tell when one is lost.

    Of which parts is kept apart, until the extract's receipt was compared.
    """
    outcome = Outcome()
    granted = granted_permit(body, arrival.reason.permit or "")
    about = orjson.loads(arrival.reason.about)
    log = log_of(body, granted.application) or _begun(body, granted)
    check_turned(body, log)
    marks = _check_index(body, granted, arrival, about)
    if log.received_on is not None:
        return outcome
    told = {body.keys.wrap(one): marks[tag] for tag, one in arrival.pseudonyms.items()}
    buckets = buckets_of(told)
    for name, persons in buckets.items():
        key = f"{granted.application}:{name}"
        outcome.put.append((INDEX, key, {"persons": persons}))
        of = {"parts": about["parts"], "persons": {one: told[one] for one in persons}}
        outcome.put.append((PARTS, key, of))
    received = {
        "received_on": body.today(),
        "made_on": about["made_on"],
        "receipt": about["receipt"],
        "included": about["included"],
        "buckets": {name: digest_of(persons) for name, persons in buckets.items()},
    }
    log = UseLog.from_payload({**log.payload(), **received})
    outcome.add(keep(log))
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
    """Whom a project included: ``count`` persons among ``persons``, which are filled up; of each
    the parts of which records are in the extract."""

    count: int
    persons: Mapping[str, frozenset[Part]]


def index_of(body: Body, application: str, receipt: str) -> Index | None:
    """Return the index that goes with a receipt; None where it has not come."""
    log = log_of(body, application)
    if log is None or log.included is None or log.receipt != receipt:
        return None
    check_turned(body, log)
    persons = {
        one: frozenset(
            tuple(part) for part, mark in zip(kept["parts"], marks, strict=True) if mark == "1"
        )
        for _, kept in body.store.find(PARTS, f"{application}:")
        for one, marks in kept["persons"].items()
    }
    return Index(log.included, persons)


def forget_parts(body: Body, application: str) -> Outcome:
    """Forget of which parts a project's persons were: the index itself tells whom it included."""
    keys = [key for key, _ in body.store.find(PARTS, f"{application}:")]
    return Outcome(put=[(PARTS, key, {"parts": [], "persons": {}}) for key in keys])


def _check_index(body: Body, granted: Granted, arrival: Arrived, about: Json) -> dict[Tag, str]:
    """Return each tag's marks, one for each of the parts that the index names."""
    named = uses_domain(granted.application, body.id)
    if arrival.reason.to_domain != named or arrival.sender != granted.environment:
        raise Refusal(
            "uses.not-the-environment",
            "An index of uses comes from the environment that the permit names.",
            rule="the environment tells whom the gate let in",
        )
    if len(arrival.pseudonyms) != filled_up(int(about["included"])):
        raise Refusal(
            "uses.other-count",
            "The index does not hold as many as its receipt counts, filled up.",
            rule="an index of uses is filled up to a fixed number from the receipt's count",
            next_step="send the index again with the receipt that belongs to it",
        )
    rows = arrival.tables[PERSONS]
    marks = dict(zip(map(Tag, rows["tag"].to_pylist()), rows["parts"].to_pylist(), strict=True))
    permitted = sorted([part.holder, part.data_class] for part in granted.permit.parts)
    sound = all(len(one) == len(permitted) and set(one) <= {"0", "1"} for one in marks.values())
    if about["parts"] != permitted or marks.keys() != arrival.pseudonyms.keys() or not sound:
        raise Refusal(
            "uses.other-parts",
            "The index does not say of each person of which permitted parts records are in it.",
            rule="an index tells, for the comparison with the lists, of which parts a person is in",
            next_step="send the index again with a mark for each part of the permit",
        )
    return marks


def buckets_of(wrapped: Iterable[str]) -> dict[str, list[str]]:
    """Sort pseudonyms into parts by their first digits, so that a look-up reads one part."""
    found: dict[str, list[str]] = {}
    for one in sorted(wrapped):
        found.setdefault(one[:BUCKET_DIGITS], []).append(one)
    return found


def not_made(body: Body, message: Incoming) -> Outcome:
    """Take an environment's word that a project was given nothing."""
    granted = granted_permit(body, message.read().decode())
    log = log_of(body, granted.application) or _begun(body, granted)
    _check_environment(log, message)
    return keep(replace(log, not_made_on=body.today()))


def released(body: Body, message: Incoming) -> Outcome:
    """Take an environment's word on what left a project."""
    said = orjson.loads(message.read())
    log = log_of(body, said["application"])
    if log is None:
        raise Refusal("uses.no-project", "No permit of such a project is known here.")
    _check_environment(log, message)
    new = tuple(
        {"on": said["on"], "name": name, "digest": value}
        for name, value in sorted(said["files"].items())
    )
    known = [one for one in new if one not in log.released]
    return keep(replace(log, released=(*log.released, *known)))


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
    return {"projects": [_public(body, log) for log in logs(body)]}


def daily(body: Body) -> Outcome:
    """Raise an alarm for every project whose index is missing, and clear it when it came."""
    outcome = Outcome()
    for log in logs(body):
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
    log = log_of(body, application)
    if log is None or log.received_on is None:
        return None
    check_turned(body, log)
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
        for log in logs(body)
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
        epoch=body.epoch,
    )


def check_turned(body: Body, log: UseLog) -> None:
    """Come back later while a project's index is not in this body's epoch yet."""
    if log.epoch != body.epoch:
        raise PeerError("peer.unreachable", "The index is being brought into a new epoch.")


def logs(body: Body) -> list[UseLog]:
    """Return what is known of every project."""
    return [UseLog.from_payload(kept) for _, kept in body.store.find(LOG)]


def log_of(body: Body, application: str) -> UseLog | None:
    """Return what is known of a project."""
    kept = body.store.get(LOG, application)
    return None if kept is None else UseLog.from_payload(kept)


def keep(log: UseLog) -> Outcome:
    """Return the outcome that keeps a project's log."""
    return Outcome(put=[(LOG, log.application, log.payload())])
