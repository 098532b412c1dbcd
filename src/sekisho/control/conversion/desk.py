"""The desk's policy: one table of kinds of reasons, one order of checks, no effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sekisho.common.errors import Refusal
from sekisho.common.ids import ActorId, BodyId, Domain
from sekisho.control.conversion.domains import Place, Sort, place_of
from sekisho.control.conversion.reason import Grant, Kind, Reason, read_reason
from sekisho.framework import (
    CLASSES,
    Framework,
    alias_receivers,
    collectors,
    desks,
    forwards,
    holders,
    list_recipients,
    registries,
    registry_of,
)

USE_PADDING: Final = 16
"""The index of a project's uses is filled up with nobody to a multiple of this."""

OF_A_PERMIT: Final = frozenset[Kind]({"permit", "use", "enclave_links"})
"""Kinds for which a permit is the reason, and whose persons it limits."""


@dataclass(frozen=True)
class Facts:
    """What the desk must know beside the reason; every part is the converter's own knowledge."""

    today: date
    epoch: int
    """The epoch of pseudonyms now in force."""
    framework: Framework
    roles: Mapping[str, frozenset[str]]
    """What each party may act as, by the directory; strangers are not in it."""
    receiver_keys: Mapping[str, str]
    """Digest of each body's sealing key, by the directory."""
    former: int | None = None
    """The epoch before, while owners still turn to the one in force; else None."""
    seen: frozenset[str] = frozenset()
    """Ids of reasons of this signer that were converted for. One reason is one batch."""
    permit: Grant | None = None
    """The permit that the reason refers to, verified."""
    revoked: frozenset[str] = frozenset()
    """Ids of revoked reasons and permits."""
    rows_before: int = 0
    """Persons converted over this hop under this permit before."""
    holders_before: frozenset[BodyId] = frozenset()
    """Holders from which the project's ``to`` domain was filled before, under any permit."""
    successions: frozenset[tuple[BodyId, BodyId]] = frozenset()
    """(leaving body, successor) of the withdrawals that oversight signed and whose day has come."""


@dataclass(frozen=True)
class _Case:
    """One conversion asked for, taken apart."""

    reason: Reason
    signer: ActorId
    start: Place
    end: Place
    from_domain: Domain
    to_domain: Domain
    facts: Facts

    @property
    def framework(self) -> Framework:
        return self.facts.framework

    @property
    def by_body(self) -> BodyId:
        return BodyId(self.signer)


@dataclass(frozen=True)
class _Rule:
    """What holds for a kind of reason: its ends, who signs, and where to that signer may send."""

    ends: frozenset[tuple[Sort, Sort]]
    may_sign: Callable[[_Case], bool]
    may_send: Callable[[_Case], bool]


def _provider(case: _Case) -> bool:
    return "provider" in case.facts.roles.get(case.signer, frozenset())


def _desk(case: _Case) -> bool:
    return case.by_body in desks(case.framework)


def _own_registry(case: _Case) -> bool:
    return case.start.owner == case.by_body and case.by_body in registries(case.framework)


def _own_domain(case: _Case) -> bool:
    return case.start.owner == case.by_body


def _named_enclave(case: _Case) -> bool:
    permit = case.facts.permit
    named = permit is not None and permit.enclave == case.by_body
    return named and case.by_body in case.framework.with_role("history")


def _to_collector(case: _Case) -> bool:
    return any(case.end.owner in collectors(case.framework, one) for one in CLASSES)


def _to_its_registry(case: _Case) -> bool:
    return case.end.owner == registry_of(case.framework, case.by_body)


def _to_its_readers(case: _Case) -> bool:
    if case.end.sort == "body":
        return case.end.owner in list_recipients(case.framework, case.by_body)
    permit = case.facts.permit  # a gate gets the list for a project that exists
    if case.end.sort == "uses":  # so does who compares it with the project's persons
        applications = {to.split(":")[1] for _, to in permit.hops} if permit else set()
        return _to_index(case) and applications == {case.end.application}
    return permit is not None and any(case.to_domain == to for _, to in permit.hops)


def _to_other_registry(case: _Case) -> bool:
    return case.end.owner in forwards(case.framework, case.by_body)


def _history(case: _Case) -> bool:
    return case.by_body in case.framework.with_role("history")


def _to_who_unites(case: _Case) -> bool:
    return case.to_domain in alias_receivers(case.framework)


def _to_registry_that_serves(case: _Case) -> bool:
    owner = case.end.owner
    return owner in registries(case.framework) and case.by_body in list_recipients(
        case.framework, owner
    )


def _to_its_successor(case: _Case) -> bool:
    return (case.start.owner, case.end.owner) in case.facts.successions


def _over_permitted_hop(case: _Case) -> bool:
    permit = case.facts.permit
    return permit is not None and (case.from_domain, case.to_domain) in permit.hops


def _from_environment(case: _Case) -> bool:
    """Whether the start is the signer's own, and the last domain of the permit's ways of data."""
    permit = case.facts.permit
    return (
        _own_domain(case)
        and permit is not None
        and any(case.from_domain == to for _, to in permit.hops)
        and all(case.from_domain != start for start, _ in permit.hops)
    )


def _to_index(case: _Case) -> bool:
    return case.end.owner in case.framework.with_role("oversight")


def _to_own_record(case: _Case) -> bool:
    """Whether the end is where something is kept about persons for them to see."""
    if case.end.sort == "registry":
        return case.end.owner in registries(case.framework)
    return _to_index(case)


# Who signs: design section 5. A kind that is not here is refused; so is a pair of ends.
RULES: Final[dict[Kind, _Rule]] = {
    "submission": _Rule(frozenset({("identity", "body")}), _provider, _to_collector),
    "choice": _Rule(frozenset({("identity", "registry")}), _desk, _to_its_registry),
    "opt_out_list": _Rule(
        frozenset({("registry", "body"), ("registry", "project"), ("registry", "uses")}),
        _own_registry,
        _to_its_readers,
    ),
    "choice_forward": _Rule(
        frozenset({("registry", "registry")}), _own_registry, _to_other_registry
    ),
    "list_return": _Rule(frozenset({("body", "registry")}), _own_domain, _to_registry_that_serves),
    "permit": _Rule(
        frozenset({("body", "project"), ("project", "project")}), _own_domain, _over_permitted_hop
    ),
    "use": _Rule(frozenset({("project", "uses")}), _from_environment, _to_index),
    "view": _Rule(
        frozenset({("identity", "uses"), ("identity", "registry")}), _desk, _to_own_record
    ),
    "alias": _Rule(
        frozenset({("identity", "body"), ("identity", "registry")}), _history, _to_who_unites
    ),
    "succession": _Rule(
        frozenset({("body", "body"), ("registry", "registry")}), _own_domain, _to_its_successor
    ),
    "enclave_links": _Rule(
        frozenset({("identity", "project")}), _named_enclave, _over_permitted_hop
    ),
}


def check(
    reason_payload: Mapping[str, Any],
    signer: ActorId | str,
    from_domain: Domain,
    to_domain: Domain,
    count: int,
    facts: Facts,
) -> None:
    """Raise a `Refusal` unless ``count`` persons may be converted from one domain to the other.

    Args:
        reason_payload: the payload of a reason whose signature holds.
        signer: who signed it.
        from_domain: the domain that the batch is said to come from.
        to_domain: the domain that it shall go to.
        count: persons in the batch.
        facts: what the converter knows.
    """
    reason = read_reason(reason_payload)
    bodies = frozenset(BodyId(body.id) for body in facts.framework.body)
    start, end = place_of(from_domain, bodies), place_of(to_domain, bodies)
    case = _Case(reason, ActorId(signer), start, end, from_domain, to_domain, facts)
    _check_ends(case)
    _check_signer(case)
    _check_time(case)
    _check_batch(case, count)
    if facts.permit is not None:
        _check_permit(case, facts.permit, count)


def _check_ends(case: _Case) -> None:
    reason = case.reason
    if (reason.from_domain, reason.to_domain) != (case.from_domain, case.to_domain):
        raise _refusal("ends-differ", "The conversion asked for is not the one that was signed.")
    if (case.start.sort, case.end.sort) not in RULES[reason.kind].ends:
        raise _refusal(
            "ends-not-of-kind", f"A reason of kind {reason.kind} does not lead between these ends."
        )
    if case.from_domain == case.to_domain:
        raise _refusal("same-domain", "A conversion leads from one domain to another.")
    if len({case.start.application, case.end.application} - {None}) > 1:
        raise _refusal("two-projects", "Pseudonyms of one project do not go to another.")
    if reason.receiver != case.end.owner:
        raise _refusal("wrong-receiver", "The receiver is not the body to whom the domain belongs.")
    permitted = case.facts.permit.receiver_keys if case.facts.permit else {}
    known = case.facts.receiver_keys.get(reason.receiver)
    if reason.receiver_key != known or permitted.get(reason.receiver, known) != known:
        raise _refusal(
            "wrong-receiver-key",
            f"The reason or its permit names another key of {reason.receiver} than the directory.",
        )


def _check_signer(case: _Case) -> None:
    rule = RULES[case.reason.kind]
    if case.signer not in case.facts.roles or not rule.may_sign(case):
        raise _refusal(
            "signer-not-allowed", f"{case.signer} may not sign a reason of this kind or start."
        )
    if case.reason.kind in OF_A_PERMIT and case.facts.permit is None:
        raise _refusal("no-permit", "The reason refers to no permit that holds.")
    if not rule.may_send(case):
        raise _refusal(
            "end-not-allowed",
            "Neither the framework nor a permit lets this signer send to that domain.",
        )


def _check_time(case: _Case) -> None:
    facts, permit = case.facts, case.facts.permit
    if case.reason.epoch < facts.epoch and case.reason.epoch != facts.former:
        raise _refusal("old-epoch", "The reason is of an epoch whose pseudonyms convert no more.")
    if case.reason.epoch > facts.epoch or (permit is not None and permit.epoch > facts.epoch):
        raise _refusal("future-epoch", "The reason is of an epoch that has not begun.")
    ends = [case.reason.expires, *([permit.valid_until] if permit else [])]
    if facts.today > min(ends):
        raise _refusal("expired", f"The reason or its permit ended on {min(ends)}.")
    if facts.revoked & {case.reason.id, *([permit.id] if permit else [])}:
        raise _refusal("revoked", "The reason or its permit was revoked.")


def _check_batch(case: _Case, count: int) -> None:
    if count < 1:
        raise _refusal("empty-batch", "The batch holds nobody.")
    if count > case.reason.max_rows:
        raise _refusal(
            "too-many-rows", f"The batch holds {count} persons, {case.reason.max_rows} are allowed."
        )
    if case.reason.id in case.facts.seen:
        raise _refusal("replayed", "A batch was converted for this reason before.")


def _check_permit(case: _Case, permit: Grant, count: int) -> None:
    must = _must_grant(case.framework, permit)
    if not must or not must <= permit.granted_by:
        raise _refusal("missing-grant", "A body that decides on the data has not granted them.")
    if case.reason.kind not in OF_A_PERMIT:
        return
    allowed = _allowed(case, permit)
    if case.facts.rows_before + count > allowed:
        raise _refusal(
            "too-many-rows",
            f"With {case.facts.rows_before} persons before, {count} more are over the {allowed} "
            "that the permit allows from there.",
        )
    if case.reason.kind == "use":
        return
    meeting = _holders_meeting(permit, case.to_domain) | case.facts.holders_before
    linked = len(meeting) > 1 or case.reason.kind == "enclave_links"
    if linked and not must <= permit.linkage_granted_by:
        raise _refusal(
            "no-linkage-grant",
            f"Data of {len(meeting)} holders would meet; not every body that decides on them has "
            "granted linkage.",
        )


def _allowed(case: _Case, permit: Grant) -> int:
    """Return how many persons may take this way; an index of uses holds who may come to be in the
    project, and is filled up."""
    if case.reason.kind == "use":
        ways = (rows for (_, to), rows in permit.max_rows.items() if to == case.from_domain)
        return sum(ways) + USE_PADDING
    return permit.max_rows.get((case.from_domain, case.to_domain), 0)


def _must_grant(framework: Framework, permit: Grant) -> frozenset[BodyId]:
    """Return who must have granted ``permit``; empty where nobody who may decide has.

    A permit's own word on who decides is not enough: any party could sign one that names itself.
    So for each holder one of the signers must be a body that decides on a class of data that the
    holder has, and the holder itself where it decides on all of them. Where a lead lane decides
    for all, any deciding body may be the lead.
    """
    led = framework.review.join == "lead"
    deciding = {body for one in CLASSES for body in framework.assigned("review", one)}
    must = set(permit.deciders)
    found = {BodyId(start[5:]) for start, _ in permit.hops if start.startswith("body:")}
    for holder in found:
        held = [one for one in CLASSES if holder in holders(framework, one)]
        able = {body for one in held for body in framework.assigned("review", one)}
        if not permit.granted_by & (deciding if led else able):
            return frozenset()
        if not led and all(holder in framework.assigned("review", one) for one in held):
            must.add(holder)
    return frozenset(must) if found and permit.deciders else frozenset()


def _holders_meeting(permit: Grant, domain: Domain) -> frozenset[BodyId]:
    """Return the holders whose persons reach ``domain`` over the permit's hops, or go on with them.

    Any domain that this one leads to counts: persons who meet after a further hop are linked too.
    """
    reaching: dict[str, set[BodyId]] = {}
    for _ in permit.hops:  # each round carries holders one hop on
        for start, end in permit.hops:
            sort, _, owner = start.partition(":")
            arrived = {BodyId(owner)} if sort == "body" else reaching.get(start, set())
            reaching.setdefault(end, set()).update(arrived)
    mine = reaching.get(domain, set())
    return frozenset[BodyId]().union(*(found for found in reaching.values() if found >= mine))


_RULES_SAID: Final = {
    "too-many-rows": "a reason names the persons it is for by number; a permit binds their sum",
    "replayed": "one reason is one batch",
    "missing-grant": "a permit is signed by every body that, by the framework, decides on the data",
    "no-linkage-grant": "promise 4: no linked row without a linkage grant from every body that "
    "decides on the data it joins",
    "two-projects": "person_id means nothing outside a project: two projects cannot be joined",
}
_NEXT: Final = {
    "too-many-rows": "send no more persons than were allowed, or ask for a larger permit",
    "replayed": "take the answer to the first batch, or sign a new reason with a new id",
    "old-epoch": "sign the reason again in the epoch in force, with pseudonyms of that epoch",
    "wrong-receiver-key": "compare the directory with the receiver's; a permit that names an "
    "older key of it must be granted anew",
    "expired": "sign a new reason; a permit that ended must be renewed by those who granted it",
    "missing-grant": "wait until every lane has granted",
    "no-linkage-grant": "ask for linkage in every lane, or use each holder's data by themselves",
}


def _refusal(code: str, message: str) -> Refusal:
    return Refusal(
        f"conversion.{code}",
        message,
        rule=_RULES_SAID.get(
            code, "design section 5, Identity: a conversion needs a signed reason"
        ),
        next_step=_NEXT.get(code, "sign a reason that names this conversion and is yours to sign"),
    )
