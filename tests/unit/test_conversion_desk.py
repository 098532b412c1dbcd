"""The converter's desk: what is allowed, and that each way out of it is refused by its own code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from sekisho.common.errors import Refusal
from sekisho.common.ids import (
    IDENTITY,
    ActorId,
    BodyId,
    Domain,
    body_domain,
    project_domain,
    registry_domain,
    uses_domain,
)
from sekisho.control.conversion import RULES, Facts, Grant, check, read_reason
from sekisho.framework import (
    CLASSES,
    Framework,
    all_frameworks,
    collectors,
    desks,
    forwards,
    holders,
    lanes,
    list_recipients,
    load,
    registries,
    registry_of,
)

TODAY = date(2026, 4, 20)
NATIONAL, ALPHA, BETA = BodyId("national"), BodyId("alpha"), BodyId("beta")
HOSPITAL = "1310000001"
PROJECT, OTHER = project_domain("kidney", NATIONAL), project_domain("heart", NATIONAL)
AT_ALPHA = project_domain("kidney", ALPHA)
USES = uses_domain("kidney", "oversight")


@pytest.fixture(scope="module")
def shared(root: Path) -> Framework:
    """Two kinds of bodies, one registry."""
    return load(root / "frameworks" / "2-1.toml")


@pytest.fixture(scope="module")
def several(root: Path) -> Framework:
    """Two registries that tell each other."""
    return load(root / "frameworks" / "4-several.toml")


def grant(**changes: Any) -> Grant:
    values: dict[str, Any] = {
        "id": "permit-1",
        "hops": frozenset(
            {
                (body_domain(NATIONAL), PROJECT),
                (body_domain(ALPHA), AT_ALPHA),
                (AT_ALPHA, PROJECT),
            }
        ),
        "valid_until": date(2027, 3, 31),
        "deciders": frozenset({NATIONAL, ALPHA}),
        "granted_by": frozenset({NATIONAL, ALPHA}),
        "linkage_granted_by": frozenset({NATIONAL, ALPHA}),
    }
    granted = values | changes
    rows = granted.pop("rows", 1000)
    return Grant(max_rows=dict.fromkeys(granted["hops"], rows), **granted)


def facts(framework: Framework, **changes: Any) -> Facts:
    roles = {body.id: frozenset({"body", *body.roles}) for body in framework.body}
    roles |= {HOSPITAL: frozenset({"provider"}), "person-desk": frozenset({"desk"})}
    keys = {body.id: f"key of {body.id}" for body in framework.body}
    known = {"today": TODAY, "epoch": 3, "framework": framework, "roles": roles}
    return Facts(**known | {"receiver_keys": keys} | changes)


def reason(kind: str, start: Domain, end: Domain, **changes: Any) -> dict[str, Any]:
    return {
        "id": "reason-1",
        "kind": kind,
        "from": start,
        "to": end,
        "receiver": end.rpartition(":")[2],
        "receiver_key": f"key of {end.rpartition(':')[2]}",
        "room": "collection",
        "max_rows": 100,
        "expires": "2026-04-27",
        "epoch": 3,
        "about": "",
    } | changes


def ask(
    payload: dict[str, Any], signer: str, known: Facts, count: int = 100, **ends: Domain
) -> None:
    start = ends.get("start", Domain(payload["from"]))
    end = ends.get("end", Domain(payload["to"]))
    check(payload, ActorId(signer), start, end, count, known)


def code_of(attempt: Callable[[], None]) -> str:
    with pytest.raises(Refusal) as refused:
        attempt()
    assert refused.value.rule
    assert refused.value.next_step
    return refused.value.code


SUBMISSION = reason("submission", IDENTITY, body_domain(NATIONAL))
PERMIT = reason("permit", body_domain(ALPHA), AT_ALPHA)


def test_every_conversion_of_the_design_is_allowed(shared: Framework, several: Framework) -> None:
    known, permitted = facts(shared), facts(shared, permit=grant())
    registry = registry_domain(NATIONAL)
    ask(SUBMISSION, HOSPITAL, known)
    ask(reason("submission", IDENTITY, body_domain(ALPHA)), HOSPITAL, known)
    ask(reason("choice", IDENTITY, registry), NATIONAL, known)
    for holder in (NATIONAL, ALPHA, BETA):
        ask(reason("opt_out_list", registry, body_domain(holder)), NATIONAL, known)
    ask(reason("opt_out_list", registry, PROJECT), NATIONAL, permitted)
    ask(PERMIT, ALPHA, permitted)
    ask(reason("permit", body_domain(NATIONAL), PROJECT), NATIONAL, permitted)
    ask(reason("permit", AT_ALPHA, PROJECT), ALPHA, permitted)
    ask(reason("use", PROJECT, USES), NATIONAL, permitted)
    ask(reason("view", IDENTITY, USES), NATIONAL, known)
    ask(reason("view", IDENTITY, registry), NATIONAL, known)
    forward = reason("choice_forward", registry_domain(ALPHA), registry_domain(BETA))
    ask(forward, ALPHA, facts(several))


def test_the_desk_allows_every_route_that_a_framework_computes(root: Path) -> None:
    frameworks = all_frameworks(root)
    assert len(frameworks) >= 7
    for framework in frameworks:
        known = facts(framework)
        for data_class in CLASSES:
            for body in collectors(framework, data_class):
                ask(reason("submission", IDENTITY, body_domain(body)), HOSPITAL, known)
        for desk in desks(framework):
            registry = registry_domain(registry_of(framework, desk))
            ask(reason("choice", IDENTITY, registry), desk, known)
        for body in registries(framework):
            registry = registry_domain(body)
            for holder in list_recipients(framework, body):
                ask(reason("opt_out_list", registry, body_domain(holder)), body, known)
            for other in forwards(framework, body):
                ask(reason("choice_forward", registry, registry_domain(other)), body, known)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "curiosity"}, "conversion.unknown-kind"),
        ({"kind": None}, "conversion.unknown-kind"),
        ({"id": ""}, "conversion.malformed-reason"),
        ({"id": 7}, "conversion.malformed-reason"),
        ({"max_rows": 0}, "conversion.malformed-reason"),
        ({"max_rows": "100"}, "conversion.malformed-reason"),
        ({"max_rows": True}, "conversion.malformed-reason"),
        ({"expires": "soon"}, "conversion.malformed-reason"),
        ({"expires": None}, "conversion.malformed-reason"),
        ({"epoch": 2.5}, "conversion.malformed-reason"),
        ({"epoch": 2}, "conversion.old-epoch"),
        ({"epoch": 4}, "conversion.future-epoch"),
        ({"expires": "2026-04-19"}, "conversion.expired"),
        ({"max_rows": 99}, "conversion.too-many-rows"),
        ({"receiver": "alpha"}, "conversion.wrong-receiver"),
        ({"receiver_key": "key of alpha"}, "conversion.wrong-receiver-key"),
        ({"receiver_key": ""}, "conversion.wrong-receiver-key"),
        ({"from": "body:alpha"}, "conversion.ends-differ"),
        ({"to": "body:beta"}, "conversion.ends-differ"),
    ],
)
def test_a_reason_that_says_something_else_is_refused(
    shared: Framework, changes: dict[str, Any], code: str
) -> None:
    ends = {"start": IDENTITY, "end": body_domain(NATIONAL)}
    assert code_of(lambda: ask(SUBMISSION | changes, HOSPITAL, facts(shared), **ends)) == code


FIELDS = ["id", "from", "to", "receiver", "receiver_key", "max_rows", "expires", "epoch"]


@pytest.mark.parametrize("field", FIELDS)
def test_a_reason_that_leaves_something_out_is_refused(shared: Framework, field: str) -> None:
    payload = {key: value for key, value in SUBMISSION.items() if key != field}
    ends = {"start": IDENTITY, "end": body_domain(NATIONAL)}
    attempt = code_of(lambda: check(payload, HOSPITAL, *ends.values(), 1, facts(shared)))
    assert attempt == "conversion.malformed-reason"


def test_a_reason_holds_on_its_last_day(shared: Framework) -> None:
    ask(SUBMISSION | {"expires": TODAY.isoformat()}, HOSPITAL, facts(shared))


@pytest.mark.parametrize(
    "domain",
    [
        "body:gamma",
        "registry:gamma",
        "project:kidney:gamma",
        "project::national",
        "project:kidney",
        "body:",
        "body",
        "",
        "identity:national",
        "Identity",
        "body:national:x",
        "project:kidney:national:x",
    ],
)
def test_unknown_domains_are_refused_at_both_ends(shared: Framework, domain: str) -> None:
    for start, end in ((domain, body_domain(NATIONAL)), (body_domain(NATIONAL), Domain(domain))):
        payload = reason("permit", Domain(start), end)
        known = facts(shared, permit=grant())
        assert code_of(lambda p=payload, k=known: ask(p, NATIONAL, k)) == (
            "conversion.unknown-domain"
        )


def test_every_pair_of_ends_that_no_kind_has_is_refused(shared: Framework) -> None:
    domains = {
        "identity": IDENTITY,
        "body": body_domain(ALPHA),
        "registry": registry_domain(NATIONAL),
        "project": PROJECT,
        "uses": USES,
    }
    refused = 0
    for kind, rule in RULES.items():
        for start in domains:
            for end in domains:
                if (start, end) in rule.ends:
                    continue
                payload = reason(kind, domains[start], domains[end])
                known = facts(shared, permit=grant())
                assert code_of(lambda p=payload, k=known: ask(p, NATIONAL, k)) == (
                    "conversion.ends-not-of-kind"
                )
                refused += 1
    assert refused == len(RULES) * len(domains) ** 2 - sum(
        len(rule.ends) for rule in RULES.values()
    )


def test_nothing_leads_to_bare_identities() -> None:
    assert not {end for rule in RULES.values() for _, end in rule.ends} & {"identity"}


@pytest.mark.parametrize(
    ("payload", "signer"),
    [
        (SUBMISSION, "alpha"),
        (SUBMISSION, "person-desk"),
        (SUBMISSION, "stranger"),
        (reason("choice", IDENTITY, registry_domain(NATIONAL)), "alpha"),
        (reason("choice", IDENTITY, registry_domain(NATIONAL)), HOSPITAL),
        (reason("opt_out_list", registry_domain(NATIONAL), body_domain(ALPHA)), "alpha"),
        (reason("opt_out_list", registry_domain(ALPHA), body_domain(ALPHA)), "alpha"),
        (PERMIT, "national"),
        (PERMIT, "beta"),
        (PERMIT, HOSPITAL),
        (reason("permit", AT_ALPHA, PROJECT), "national"),
    ],
)
def test_who_may_not_sign_is_refused(
    shared: Framework, payload: dict[str, Any], signer: str
) -> None:
    known = facts(shared, permit=grant())
    assert code_of(lambda: ask(payload, signer, known)) == "conversion.signer-not-allowed"


def test_a_signer_sends_only_where_framework_or_permit_lead(
    shared: Framework, several: Framework
) -> None:
    registry = registry_domain(NATIONAL)
    unlinked = reason("permit", body_domain(ALPHA), PROJECT)  # not a hop of the permit
    for payload, signer, known in (
        (reason("submission", IDENTITY, body_domain("oversight")), HOSPITAL, facts(shared)),
        (reason("choice", IDENTITY, registry_domain(ALPHA)), NATIONAL, facts(shared)),
        (reason("opt_out_list", registry, body_domain("converter")), NATIONAL, facts(shared)),
        (reason("opt_out_list", registry, PROJECT), NATIONAL, facts(shared)),
        (reason("opt_out_list", registry, OTHER), NATIONAL, facts(shared, permit=grant())),
        (
            reason("choice_forward", registry, registry_domain(ALPHA)),
            NATIONAL,
            facts(shared),
        ),
        (
            reason("opt_out_list", registry_domain(ALPHA), body_domain(BETA)),
            ALPHA,
            facts(several),
        ),
        (unlinked, ALPHA, facts(shared, permit=grant())),
    ):
        attempt = code_of(lambda p=payload, s=signer, k=known: ask(p, s, k))
        assert attempt == "conversion.end-not-allowed"


def test_a_holder_without_a_permit_converts_nothing(shared: Framework) -> None:
    assert code_of(lambda: ask(PERMIT, ALPHA, facts(shared))) == "conversion.no-permit"


def test_two_projects_are_never_joined(shared: Framework) -> None:
    known = facts(shared, permit=grant(hops=frozenset({(PROJECT, OTHER)})))
    payload = reason("permit", PROJECT, OTHER)
    assert code_of(lambda: ask(payload, NATIONAL, known)) == "conversion.two-projects"


def test_a_domain_does_not_lead_to_itself(shared: Framework) -> None:
    payload = reason("permit", PROJECT, PROJECT)
    known = facts(shared, permit=grant(hops=frozenset({(PROJECT, PROJECT)})))
    assert code_of(lambda: ask(payload, NATIONAL, known)) == "conversion.same-domain"


def test_one_reason_is_one_batch(shared: Framework) -> None:
    known = facts(shared, seen=frozenset({"reason-1"}))
    assert code_of(lambda: ask(SUBMISSION, HOSPITAL, known)) == "conversion.replayed"


@pytest.mark.parametrize("count", [0, -1])
def test_an_empty_batch_is_refused(shared: Framework, count: int) -> None:
    attempt = code_of(lambda: ask(SUBMISSION, HOSPITAL, facts(shared), count))
    assert attempt == "conversion.empty-batch"


@pytest.mark.parametrize("revoked", ["reason-1", "permit-1"])
def test_a_revoked_reason_or_permit_is_refused(shared: Framework, revoked: str) -> None:
    known = facts(shared, permit=grant(), revoked=frozenset({revoked}))
    assert code_of(lambda: ask(PERMIT, ALPHA, known)) == "conversion.revoked"


def test_an_expired_permit_is_refused_though_the_reason_holds(shared: Framework) -> None:
    known = facts(shared, permit=grant(valid_until=date(2026, 4, 19)))
    assert code_of(lambda: ask(PERMIT, ALPHA, known)) == "conversion.expired"


def test_a_permits_number_of_persons_binds_the_sum_of_its_batches(shared: Framework) -> None:
    known = facts(shared, permit=grant(rows=250), rows_before=150)
    ask(PERMIT, ALPHA, known)
    over = replace(known, rows_before=151)
    assert code_of(lambda: ask(PERMIT, ALPHA, over)) == "conversion.too-many-rows"


@pytest.mark.parametrize(
    "granted_by", [frozenset(), frozenset({ALPHA}), frozenset({NATIONAL, BETA})]
)
def test_a_permit_that_a_deciding_body_has_not_signed_is_refused(
    shared: Framework, granted_by: frozenset[BodyId]
) -> None:
    known = facts(shared, permit=grant(granted_by=granted_by))
    assert code_of(lambda: ask(PERMIT, ALPHA, known)) == "conversion.missing-grant"
    to_gate = reason("opt_out_list", registry_domain(NATIONAL), PROJECT)
    assert code_of(lambda: ask(to_gate, NATIONAL, known)) == "conversion.missing-grant"


def test_a_permit_on_which_nobody_decides_is_refused(shared: Framework) -> None:
    nobody: frozenset[BodyId] = frozenset()
    known = facts(shared, permit=grant(deciders=nobody, granted_by=nobody))
    assert code_of(lambda: ask(PERMIT, ALPHA, known)) == "conversion.missing-grant"


@pytest.mark.parametrize(
    "signers",
    [
        frozenset({BodyId(HOSPITAL)}),
        frozenset({BodyId("history")}),
        frozenset({ALPHA}),
        frozenset({BETA, BodyId("oversight")}),
    ],
)
def test_a_permit_that_only_names_its_own_signers_as_deciding_is_refused(
    shared: Framework, signers: frozenset[BodyId]
) -> None:
    """Who decides is the framework's to say: alpha alone cannot grant what national holds."""
    forged = grant(deciders=signers, granted_by=signers, linkage_granted_by=signers)
    for payload, signer in (
        (PERMIT, ALPHA),
        (reason("permit", body_domain(NATIONAL), PROJECT), NATIONAL),
        (reason("opt_out_list", registry_domain(NATIONAL), PROJECT), NATIONAL),
    ):
        attempt = code_of(lambda p=payload, s=signer: ask(p, s, facts(shared, permit=forged)))
        assert attempt == "conversion.missing-grant"


def test_a_permit_without_a_holder_grants_nothing(shared: Framework) -> None:
    known = facts(shared, permit=grant(hops=frozenset({(AT_ALPHA, PROJECT)})))
    attempt = code_of(lambda: ask(reason("permit", AT_ALPHA, PROJECT), ALPHA, known))
    assert attempt == "conversion.missing-grant"


def test_in_every_framework_the_lanes_can_grant_and_others_cannot(root: Path) -> None:
    for framework in all_frameworks(root):
        held = {body for one in CLASSES for body in holders(framework, one)}
        deciding = frozenset(lane.body for lane in lanes(framework, CLASSES))
        others = frozenset(BodyId(body.id) for body in framework.body) - deciding
        environment_of = project_domain("kidney", min(deciding))
        hops = frozenset({(body_domain(holder), environment_of) for holder in held})
        for holder in held:
            payload = reason("permit", body_domain(holder), environment_of)
            for signers, allowed in ((deciding, True), (others, False)):
                permit = grant(
                    hops=hops, deciders=signers, granted_by=signers, linkage_granted_by=signers
                )
                known = facts(framework, permit=permit)
                if allowed:
                    ask(payload, holder, known)
                else:
                    attempt = code_of(lambda p=payload, h=holder, k=known: ask(p, h, k))
                    assert attempt == "conversion.missing-grant"


@pytest.mark.parametrize(
    "linkage", [frozenset(), frozenset({ALPHA}), frozenset({NATIONAL}), frozenset({BETA})]
)
def test_holders_do_not_meet_without_linkage_granted_by_every_deciding_body(
    shared: Framework, linkage: frozenset[BodyId]
) -> None:
    """Already the first hop is refused, where alpha's persons are still by themselves."""
    known = facts(shared, permit=grant(linkage_granted_by=linkage))
    for payload, signer in (
        (PERMIT, ALPHA),
        (reason("permit", AT_ALPHA, PROJECT), ALPHA),
        (reason("permit", body_domain(NATIONAL), PROJECT), NATIONAL),
    ):
        attempt = code_of(lambda p=payload, s=signer: ask(p, s, known))
        assert attempt == "conversion.no-linkage-grant"


def test_holders_that_stay_apart_need_no_linkage(shared: Framework) -> None:
    apart = grant(
        hops=frozenset({(body_domain(NATIONAL), PROJECT), (body_domain(ALPHA), AT_ALPHA)}),
        linkage_granted_by=frozenset(),
    )
    ask(PERMIT, ALPHA, facts(shared, permit=apart))
    ask(reason("permit", body_domain(NATIONAL), PROJECT), NATIONAL, facts(shared, permit=apart))


def test_two_permits_do_not_link_what_one_may_not(shared: Framework) -> None:
    alone = grant(
        hops=frozenset({(body_domain(ALPHA), PROJECT)}),
        deciders=frozenset({ALPHA}),
        linkage_granted_by=frozenset(),
    )
    payload = reason("permit", body_domain(ALPHA), PROJECT)
    ask(payload, ALPHA, facts(shared, permit=alone))
    ask(payload, ALPHA, facts(shared, permit=alone, holders_before=frozenset({ALPHA})))
    second = facts(shared, permit=alone, holders_before=frozenset({NATIONAL}))
    assert code_of(lambda: ask(payload, ALPHA, second)) == "conversion.no-linkage-grant"


def test_the_desk_reads_past_fields_that_are_not_its_own() -> None:
    read = read_reason(SUBMISSION | {"permit": "…", "invented": [1]})
    assert (read.id, read.expires) == ("reason-1", date(2026, 4, 27))


@pytest.mark.parametrize(
    ("start", "end", "signer", "code"),
    [
        (AT_ALPHA, USES, ALPHA, "signer-not-allowed"),  # processes on the way, is no environment
        (PROJECT, USES, ALPHA, "signer-not-allowed"),
        (OTHER, USES, NATIONAL, "two-projects"),
        (OTHER, uses_domain("heart", "oversight"), NATIONAL, "signer-not-allowed"),
        (PROJECT, uses_domain("kidney", ALPHA), NATIONAL, "end-not-allowed"),
        (PROJECT, uses_domain("kidney", "history"), NATIONAL, "end-not-allowed"),
    ],
)
def test_only_a_permits_environment_tells_whom_it_included_and_only_the_index(
    shared: Framework, start: Domain, end: Domain, signer: str, code: str
) -> None:
    known = facts(shared, permit=grant())
    assert code_of(lambda: ask(reason("use", start, end), signer, known)) == f"conversion.{code}"


def test_an_index_needs_a_permit_and_holds_no_more_than_it_permits(shared: Framework) -> None:
    use = reason("use", PROJECT, USES)
    assert code_of(lambda: ask(use, NATIONAL, facts(shared))) == "conversion.signer-not-allowed"
    small = facts(shared, permit=grant(rows=45), rows_before=6)
    ask(use, NATIONAL, small)  # filled up with nobody, so some more than were permitted
    more = facts(shared, permit=grant(rows=45), rows_before=7)
    assert code_of(lambda: ask(use, NATIONAL, more)) == "conversion.too-many-rows"


@pytest.mark.parametrize(
    ("end", "signer", "code"),
    [
        (USES, "oversight", "signer-not-allowed"),
        (USES, ALPHA, "signer-not-allowed"),
        (USES, "person-desk", "signer-not-allowed"),
        (uses_domain("kidney", NATIONAL), NATIONAL, "end-not-allowed"),
        (registry_domain(ALPHA), NATIONAL, "end-not-allowed"),
    ],
)
def test_only_a_desk_asks_for_a_person_and_only_where_something_is_kept_for_them(
    shared: Framework, end: Domain, signer: str, code: str
) -> None:
    view = reason("view", IDENTITY, end)
    assert code_of(lambda: ask(view, signer, facts(shared))) == f"conversion.{code}"


def test_a_list_goes_to_who_compares_it_only_for_the_project_of_its_permit(
    shared: Framework,
) -> None:
    def send(to: Domain, permit: Grant | None) -> None:
        payload = reason("opt_out_list", registry_domain(NATIONAL), to)
        ask(payload, NATIONAL, facts(shared, permit=permit))

    send(USES, grant())
    for to, permit in ((USES, None), (uses_domain("heart", "oversight"), grant())):
        assert code_of(lambda t=to, p=permit: send(t, p)) == "conversion.end-not-allowed"
