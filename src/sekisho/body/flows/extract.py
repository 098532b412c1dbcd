"""A holder's extract under a permit, and its way through the body that processes it.

The holder drops who opted out first, keeps what is permitted, and sends persons through the
converters; processing happens where the framework puts it: before the hand-over or after it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pyarrow as pa

from sekisho.body.context import Body
from sekisho.body.flows import project, taking, transfer, vocabulary
from sekisho.body.flows.aliases import require_taken, roots
from sekisho.body.flows.permits import Granted, granted_permit, way
from sekisho.body.flows.submission import snapshot as latest_snapshot
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId, Tag, body_domain, new_tag, project_domain
from sekisho.control.optout import ListHeader, Scope, check_fresh_enough, drops, read_rule
from sekisho.data.lake import Lake, Snapshot, replace_ids
from sekisho.data.linkage import Conflict, Known, candidates, unite
from sekisho.data.processing import (
    Cohort,
    ExtractOrder,
    Period,
    Plan,
    extract,
    make_plan,
    process,
    read_rules,
    read_same_fact,
    retag,
)
from sekisho.data.release import Member, profile, read_rule_sets
from sekisho.exchange import jws
from sekisho.exchange.transfer import Reason
from sekisho.framework import Route, registries_for
from sekisho.pseudonym.alias import with_aliases
from sekisho.pseudonym.group import Element, random_element

ABOUT = "about"
CONFLICT = "linkage-conflict"
"""Records of cases that an extract met: the last one that did, and when."""
PART = "sekisho-extract-part"
VALID_DAYS = 7
LIST_REFUSALS = project.LIST_REFUSALS


def hand_over(body: Body, message: Incoming) -> Outcome:
    """Make this holder's extract for each class that the permit asks of it, and send it on."""
    granted = granted_permit(body, message.read().decode())
    outcome = Outcome()
    try:
        for part in granted.permit.parts:
            if part.holder == body.id:
                outcome.add(_send_class(body, granted, part.data_class))
    except Refusal as refusal:
        refused = _tell_environment(granted, refusal)
        if refusal.code in LIST_REFUSALS:
            refused.put.append((taking.WAITING, granted.application, {"permit": granted.text}))
        return refused
    return outcome


def _tell_environment(granted: Granted, refusal: Refusal) -> Outcome:
    problem = {**refusal.as_problem(), "application": granted.application}
    outcome = Outcome()
    outcome.send.append(Outgoing(granted.environment, "analysis/refusal", canonical_json(problem)))
    outcome.fact("message.refused", path="collection/permit", by="holder", code=refusal.code)
    return outcome


def order_of(granted: Granted, operator: str, classes: tuple[str, ...]) -> ExtractOrder:
    """Return what a permit asks, in the data wing's words."""
    permit = granted.permit
    cohort = permit.cohort
    return ExtractOrder(
        application=permit.application,
        purpose=permit.purpose,
        operator=operator,
        form=permit.form,
        classes=classes,
        tables={asked.table: asked.columns for asked in permit.tables},
        cohort=Cohort(
            cohort.codes,
            cohort.concepts,
            cohort.from_,
            cohort.to,
            cohort.min_age,
            cohort.max_age,
        ),
        period=Period(permit.period.from_, permit.period.to),
    )


def plan_of(body: Body, granted: Granted, operator: str, classes: tuple[str, ...]) -> Plan:
    """Return the plan of a permit under this body's rules for its form."""
    rules = read_rules(body.rules / "processing" / f"{granted.permit.form}.toml")
    by = body.framework.open.identifier
    same = read_same_fact(body.rules / "same-fact.toml")
    return make_plan(order_of(granted, operator, classes), rules, identifier=by, same=same)


def _send_class(body: Body, granted: Granted, data_class: str) -> Outcome:
    route = way(body.framework, granted, body.id, data_class)
    lists = _lists_in_force(body, granted)
    lake = Lake(body.folders.lake)
    snapshot = latest_snapshot(body)
    plan = plan_of(body, granted, body.id, (data_class,)).at(snapshot)
    versions = lake.vocabularies_of(snapshot)
    if plan.order.cohort.concepts:
        vocabulary.require_concepts(body, versions)
    own = body_domain(body.id)
    day = granted.permit.starts
    require_taken(body, own, granted.permit.aliases)
    histories = roots(body, own, day, day)
    dropped = _dropped(body, lake, granted, lists, data_class, route, histories)
    made = extract(lake, plan, {data_class: dropped})
    tables: Mapping[str, pa.Table] = made.parts[data_class]
    blanked: Json = {}
    if route.processor == body.id:
        done = process(tables, read_rules(body.rules / "processing" / f"{plan.order.form}.toml"))
        tables, blanked = done.tables, dict(done.blanked)
    keys = made.persons(data_class)
    wrapped = lake.wrapped_for(keys)
    united = unite(wrapped, histories, known_of(lake, snapshot, candidates(wrapped, histories)))
    tags_of = {one: new_tag(body.random) for one in sorted(set(united.sent.values()))}
    tags = {key: tags_of[united.sent[key]] for key in keys}
    persons = [(tag, body.keys.unwrap(one)) for one, tag in tags_of.items()]
    quality = united.quality(wrapped, lake.methods_of(keys))
    sent = f"{granted.id}:{data_class}"
    times = (body.store.get("extract-sent", sent) or {"times": 0})["times"]
    about: Json = {
        "application": granted.application,
        "holder": body.id,
        "data_class": data_class,
        "processed": route.processor == body.id,
        "plan": plan.plan_hash,
        "snapshot": snapshot.number,
        "vocabularies": versions,
        "lists": {h.registry: {"number": h.number, "digest": h.digest} for h, _ in lists},
        "rows": {table: rows.num_rows for table, rows in tables.items()},
        "persons": len(persons),
        "linkage": quality.to_dict(),
        "dropped": made.counts[data_class].dropped,
        "blanked": blanked,
        "again": times,
        "bias": _bias(body, lake, snapshot, data_class, dropped),
    }
    about["statement"] = _statement(body, granted, about)
    outcome = _send(body, granted, about, retag(tables, tags), persons, own, route)
    outcome.put.append(("extract-sent", sent, {"times": times + 1}))
    outcome.put += _work_list(body, granted, united.conflicts)
    outcome.fact(
        "extract.sent",
        permit=granted.id,
        application=granted.application,
        plan=plan.plan_hash,
        snapshot=snapshot.number,
        rows=about["rows"],
        persons=about["persons"],
        dropped_persons={data_class: about["dropped"]},
        linkage=quality.to_dict(),
        to=_next(route, body.id),
        form=plan.order.form,
    )
    return outcome


def known_of(lake: Lake, snapshot: Snapshot, keys: Collection[str]) -> dict[str, Known]:
    """Return what the holder's records say of sex and birth month, by person key."""
    sexes: dict[str, set[int]] = {key: set() for key in keys}
    births: dict[str, set[tuple[int, int]]] = {key: set() for key in keys}
    for key, sex, year, month in lake.said_of(snapshot, keys):
        if sex:
            sexes[key].add(sex)
        if year and month:
            births[key].add((year, month))
    return {key: Known(frozenset(sexes[key]), frozenset(births[key])) for key in keys}


def _work_list(
    body: Body, granted: Granted, conflicts: Sequence[Conflict]
) -> list[tuple[str, str, Json]]:
    """Return cases for a clerk: named by the person's root, said without any value."""
    return [
        (
            CONFLICT,
            conflict_id(one),
            {
                "records_of": len(one.keys),
                "differ": list(one.differ),
                "application": granted.application,
                "on": body.today().isoformat(),
            },
        )
        for one in conflicts
    ]


def conflict_id(conflict: Conflict) -> str:
    """Return the name of a case, the same at every extract that meets it."""
    return digest(conflict.root.encode())[:32]


def _statement(body: Body, granted: Granted, about: Json) -> str:
    """Return what this holder signs of its part: which lists it applied, and what it sent."""
    named = ("application", "holder", "data_class", "plan", "snapshot", "lists", "rows", "persons")
    said = {name: about[name] for name in (*named, "dropped")}
    return jws.sign({**said, "permit": granted.digest}, body.keys.signing, body.id, PART)


def _next(route: Route, body: str) -> str:
    """Return the body after ``body`` on the way; the last one sends to itself."""
    position = route.hops.index(BodyId(body))
    return route.hops[min(position + 1, len(route.hops) - 1)]


def _lists_in_force(body: Body, granted: Granted) -> list[tuple[ListHeader, Json]]:
    """Return the lists that bind this holder; one that is missing or stale stops the extract."""
    rule = read_rule(body.rules / "opt-out.toml")
    found = []
    for registry in registries_for(body.framework, BodyId(body.id)):
        kept = body.store.get("held-list", registry)
        if kept is None:
            raise Refusal(
                "opt-out.no-list",
                f"{body.id} has no opt-out list of {registry} yet.",
                rule=f"{rule.id} {rule.version}",
                next_step="wait for the registry's next list",
            )
        header = ListHeader.from_payload(kept["header"])
        if taking.is_behind(body, registry):
            raise Refusal(
                "opt-out.list-gap",
                f"{body.id} lacks a list of {registry} of which it knows.",
                rule=f"{rule.id} {rule.version}: an extract rests on the newest list known",
                next_step="nothing: the list was asked for; the extract is made when it is here",
            )
        minimum = granted.minimum_list(registry)
        check_fresh_enough(header, minimum, body.today(), rule)
        found.append((header, kept["entries"]))
    return found


def _dropped(
    body: Body,
    lake: Lake,
    granted: Granted,
    lists: list[tuple[ListHeader, Json]],
    data_class: str,
    route: Route,
    histories: Mapping[str, str],
) -> list[str]:
    if body.has_fault("holder-filter-off"):
        return []
    out = {
        wrapped
        for _, entries in lists
        for wrapped, scopes in entries.items()
        if drops(
            [Scope.parse(text) for text in scopes],
            data_class,
            set(route.hops),
            granted.permit.purpose,
        )
    }
    return sorted(lake.known_keys(with_aliases(out, histories)).values())


def _bias(body: Body, lake: Lake, snapshot: Snapshot, data_class: str, dropped: list[str]) -> Json:
    """Return how those whom this extract drops differ by age and sex, checked for disclosure."""
    out = set(dropped)
    members = [
        Member(one["person_key"], one["year"], one["gender"], one["person_key"] in out)
        for one in lake.births(snapshot, data_class).to_pylist()
    ]
    rules = list(read_rule_sets(body.rules / "publication").values())
    return profile(members, body.today().year, rules)


def _send(
    body: Body,
    granted: Granted,
    about: Json,
    tables: Mapping[str, pa.Table],
    persons: list[tuple[Tag, Element]],
    from_domain: Any,
    route: Route,
) -> Outcome:
    receiver = _next(route, body.id)
    # A holder with nobody still sends a batch, of one element that is nobody's pseudonym: whether
    # it had somebody is then not to be seen from outside.
    sent = persons or [(new_tag(body.random), random_element(body.random))]
    # One reason is one batch: a part that was lost on its way comes again for another reason.
    again = f":{about['again']}" if about["again"] else ""
    reason = Reason(
        id=f"extract:{granted.id}:{about['holder']}:{about['data_class']}:{receiver}{again}",
        kind="permit",
        from_domain=from_domain,
        to_domain=project_domain(granted.application, receiver),
        receiver=receiver,
        room="analysis" if receiver == granted.environment else "processing",
        max_rows=len(sent),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
        permit=granted.text,
    )
    payload = {**tables, ABOUT: pa.table({"json": [canonical_json(about).decode()]})}
    return transfer.start(body, reason, sent, payload)


def arrived(body: Body, arrival: transfer.Arrived) -> Outcome:
    """Process a part that came unprocessed, if that is ours to do; then pass it on or let it in."""
    granted = granted_permit(body, arrival.reason.permit or "")
    about: Json = orjson.loads(arrival.tables[ABOUT]["json"][0].as_py())
    tables: Mapping[str, pa.Table] = {k: v for k, v in arrival.tables.items() if k != ABOUT}
    route = way(body.framework, granted, about["holder"], about["data_class"])
    if route.processor == body.id and not about["processed"]:
        done = process(
            tables, read_rules(body.rules / "processing" / f"{granted.permit.form}.toml")
        )
        tables = done.tables
        about = {**about, "processed": True, "blanked": dict(done.blanked)}
    if body.id == granted.environment:
        if not about["processed"]:
            raise Refusal(
                "extract.unprocessed",
                "A part came to the environment without having been processed.",
                rule="every row is processed by the body to which the framework gives it",
            )
        return project.part_arrived(body, granted, about, tables, arrival.pseudonyms)
    return _pass_on(body, granted, about, tables, arrival, route)


def _pass_on(
    body: Body,
    granted: Granted,
    about: Json,
    tables: Mapping[str, pa.Table],
    arrival: transfer.Arrived,
    route: Route,
) -> Outcome:
    fresh = {tag: new_tag(body.random) for tag in arrival.pseudonyms}
    # In the order of the new tags: that of the old ones would tell a converter which is which.
    persons = sorted((fresh[tag], element) for tag, element in arrival.pseudonyms.items())
    retagged = {
        name: replace_ids(rows, "tag", "tag", {str(a): str(b) for a, b in fresh.items()}).sort_by(
            "tag"
        )
        for name, rows in tables.items()
    }
    return _send(body, granted, about, retagged, persons, arrival.reason.to_domain, route)
