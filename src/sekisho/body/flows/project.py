"""A project at its environment: parts and lists come in, the gate lets through what may pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import orjson
import pyarrow as pa

from sekisho.body.context import Body
from sekisho.body.flows import alarms, countersign, transfer, uses
from sekisho.body.flows.permits import Granted, granted_permit, read_permit, way
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId, Tag
from sekisho.control.optout import (
    ListHeader,
    Scope,
    check_fresh_enough,
    drops,
    is_old,
    read_rule,
)
from sekisho.data.linkage import WEIGHT_TABLE
from sekisho.data.processing import GateResult, OptOuts, Part, gate, write_tables
from sekisho.exchange import jws
from sekisho.exchange import tables as container
from sekisho.framework import registries_for
from sekisho.pseudonym.group import Element

RECEIPT = "sekisho-extract-receipt"
LIST_REFUSALS = frozenset(
    f"opt-out.{what}" for what in ("no-list", "stale", "future", "below-minimum", "list-gap")
)
"""Why a holder waits with its extract, and makes it by itself when its list is right."""
Choice = tuple[str, Scope]
"""A scope with the registry whose list says so."""


def folder(body: Body, application: str) -> Path:
    """Return where the environment keeps a project."""
    return body.folders.projects / application


def open(body: Body, message: Incoming) -> Outcome:
    """Take a permit for which this body is the environment."""
    granted = granted_permit(body, message.read().decode())
    outcome = Outcome()
    state = {**state_of(body, granted), "permit": granted.text}
    outcome.put.append(("project", granted.application, state))
    if state["state"] == "refused":
        outcome.send.append(uses.tell_not_made(body, granted.text))
    outcome.documents.append((f"permits/{granted.application}.json", granted.text))
    outcome.fact(
        "permit.received",
        permit=granted.id,
        application=granted.application,
        digest=granted.digest,
        signers=sorted(granted.signers),
    )
    return outcome


def state_of(body: Body, granted: Granted) -> Json:
    """Return the project's state; parts and lists may come before the permit itself does."""
    kept = body.store.get("project", granted.application)
    if kept is not None:
        return kept
    parts = [f"{part.holder}:{part.data_class}" for part in granted.permit.parts]
    needed = {
        registry
        for part in granted.permit.parts
        for registry in registries_for(body.framework, BodyId(part.holder))
    }
    return {
        "state": "waiting",
        "permit": granted.text,
        "expected": sorted(parts),
        "registries": sorted(needed),
        "parts": {},
        "lists": {},
        "since": body.today().isoformat(),
    }


def part_arrived(
    body: Body,
    granted: Granted,
    about: Json,
    tables: Mapping[str, pa.Table],
    pseudonyms: Mapping[Tag, Element],
) -> Outcome:
    """Keep a processed part; open the gate when it was the last thing missing."""
    state = state_of(body, granted)
    name = f"{about['holder']}:{about['data_class']}"
    if state["state"] != "waiting" or name not in state["expected"]:
        raise Refusal("project.unexpected-part", "The project does not wait for this part.")
    persons = pa.table(
        {
            "tag": pa.array(list(pseudonyms), pa.string()),
            "pseudonym": pa.array([bytes(e) for e in pseudonyms.values()], pa.binary()),
        }
    )
    file = folder(body, granted.application) / "incoming" / f"{name.replace(':', '.')}.part"
    write_atomically(file, container.pack({**tables, "persons": persons}))
    parts = {**state["parts"], name: about}
    return _go_on(body, granted, {**state, "parts": parts})


def list_arrived(
    body: Body,
    arrival: transfer.Arrived,
    header: ListHeader,
    rows: Mapping[Tag, tuple[str, ...]],
) -> Outcome:
    """Keep a registry's list in this project's domain; open the gate when it was the last."""
    granted = granted_permit(body, arrival.reason.permit or "")
    state = state_of(body, granted)
    if state["state"] != "waiting":
        return Outcome()
    rule = read_rule(body.rules / "opt-out.toml")
    minimum = granted.minimum_list(header.registry)
    check_fresh_enough(header, minimum, body.today(), rule)
    here = arrival.pseudonyms.take(rows)
    choices = {here[tag].hex(): list(s) for tag, s in rows.items()}
    file = folder(body, granted.application) / "incoming" / f"{header.registry}.list"
    write_atomically(file, canonical_json(choices))
    said = {"number": header.number, "digest": header.digest, "on": header.on.isoformat()}
    lists = {**state["lists"], header.registry: said}
    signed = arrival.tables["header"]["token"][-1].as_py()
    headers = {**state.get("headers", {}), header.registry: signed}
    return _go_on(body, granted, {**state, "lists": lists, "headers": headers})


def _go_on(body: Body, granted: Granted, state: Json) -> Outcome:
    outcome = Outcome()
    complete = sorted(state["parts"]) == state["expected"]
    if complete and sorted(state["lists"]) == state["registries"]:
        rule = read_rule(body.rules / "opt-out.toml")
        old = [r for r, said in state["lists"].items() if is_old(said["on"], body.today(), rule)]
        if old:  # a part was late: the gate waits for the lists of today
            state = {**state, "lists": {r: s for r, s in state["lists"].items() if r not in old}}
            outcome.send += [Outgoing(r, "opt_out/permit", granted.text.encode()) for r in old]
        else:
            outcome, state = _open_gate(body, granted, state)
            alarms.clear(outcome, body, _alarm(granted.application))
    outcome.put.append(("project", granted.application, state))
    return outcome


def _alarm(application: str) -> str:
    return f"project:{application}"


def waits_for_links(body: Body, state: Json) -> bool:
    """Whether an enclave still works: nothing was asked of holders and registries yet."""
    permitted = read_permit(body, state["permit"]).permit.enclave is not None
    return permitted and "links" not in state


def daily(body: Body) -> Outcome:
    """Alarm on every project that has waited for parts or lists since an earlier day; ask again."""
    outcome = Outcome()
    today = body.today().isoformat()
    for application, state in body.store.find("project"):
        if state["state"] != "waiting" or state["since"] >= today or waits_for_links(body, state):
            continue
        parts = sorted(set(state["expected"]) - set(state["parts"]))
        missing = sorted(set(state["registries"]) - set(state["lists"]))
        about = {"parts": len(parts), "lists": len(missing)}
        alarms.raise_(outcome, body, _alarm(application), "project.incomplete", **about)
        permit = state["permit"].encode()
        # A holder that said that it waits for a list makes the extract by itself when it is there.
        asked = {name.partition(":")[0] for name in parts} - set(state.get("held_up", ()))
        outcome.send += [Outgoing(r, "opt_out/permit", permit) for r in missing]
        outcome.send += [Outgoing(h, "collection/permit", permit) for h in sorted(asked)]
    return outcome


def _open_gate(body: Body, granted: Granted, state: Json) -> tuple[Outcome, Json]:
    from sekisho.body.flows import links
    from sekisho.body.flows.extract import plan_of

    classes = tuple(sorted({about["data_class"] for about in state["parts"].values()}))
    plan = plan_of(body, granted, body.id, classes)
    parts = [_part(body, granted.application, about) for about in state["parts"].values()]
    here = {pseudonym for part in parts for pseudonym in part.pseudonyms.values()}
    matched = links.matched(body, granted, here.__contains__)
    result = gate(
        parts,
        plan,
        [_opt_outs(body, granted.application, registry) for registry in state["registries"]],
        _rule(body, granted) if not body.has_fault("gate-filter-off") else _nobody_stays_out,
        matched=matched,
    )
    digests = write_tables(result.tables, folder(body, granted.application) / "data")
    receipt = _receipt(body, granted, state, result, digests, plan.request_hash)
    if matched is not None:
        known = result.tables[WEIGHT_TABLE].num_rows
        receipt["links"] = {
            **state["links"],
            **matched.counts(),
            "persons": known,
            "opted_out": result.by_link,
        }
    token = jws.sign(receipt, body.keys.signing, body.id, RECEIPT)
    outcome = Outcome()
    outcome.documents.append((f"receipts/extract-{granted.application}.jws", token))
    for incident in result.incidents:
        outcome.fact(
            "gate.incident",
            permit=granted.id,
            application=granted.application,
            holder=incident.holder,
            rows={incident.data_class: incident.rows},
            persons=incident.persons,
        )
    outcome.fact(
        "extract.made",
        permit=granted.id,
        application=granted.application,
        plan=plan.request_hash,
        holders=sorted({about["holder"] for about in state["parts"].values()}),
        rows=dict(result.counts.rows),
        persons=result.counts.included,
        digests=digests,
        receipt=digest(token.encode()),
    )
    outcome.add(uses.send_index(body, granted, result.included, digest(token.encode())))
    outcome.send.append(countersign.send_receipt(body, granted, token))
    # Rows outside the cohort and everyone's pseudonyms: the gate has seen them, nobody else may.
    outcome.remove.append(folder(body, granted.application) / "incoming")
    for job, kept in body.store.find("job", f"{granted.application}:"):
        if kept["state"] == "waiting":
            outcome.send.append(Outgoing(body.id, "analysis/run", orjson.dumps({"job": job})))
    state = {key: value for key, value in state.items() if key not in {"problem", "held_up"}}
    state["made_on"] = receipt["made_on"]
    made = {**state, "state": "ready", "counts": receipt["counts"], "digests": digests}
    told = ("incidents", "links")
    return outcome, {**made, **{name: receipt[name] for name in told if name in receipt}}


def _part(body: Body, application: str, about: Json) -> Part:
    name = f"{about['holder']}.{about['data_class']}.part"
    read = container.unpack((folder(body, application) / "incoming" / name).read_bytes())
    persons = read.pop("persons")
    pairs = zip(persons["tag"].to_pylist(), persons["pseudonym"].to_pylist(), strict=True)
    return Part(about["holder"], about["data_class"], read, dict(pairs))


def _opt_outs(body: Body, application: str, registry: str) -> OptOuts[Choice]:
    file = folder(body, application) / "incoming" / f"{registry}.list"
    choices: dict[str, list[str]] = json.loads(file.read_bytes())
    return OptOuts(
        registry,
        {
            bytes.fromhex(pseudonym): [(registry, Scope.parse(text)) for text in scopes]
            for pseudonym, scopes in choices.items()
        },
    )


def _rule(body: Body, granted: Granted) -> Callable[[Collection[Choice], str, str, str], bool]:
    """Return the gate's own reading of the rule: a list binds the holders its registry serves."""

    def stays_out(choices: Collection[Choice], data_class: str, holder: str, purpose: str) -> bool:
        binding = registries_for(body.framework, BodyId(holder))
        hops = way(body.framework, granted, holder, data_class).hops
        scopes = [scope for registry, scope in choices if registry in binding]
        return drops(scopes, data_class, set(hops), purpose)

    return stays_out


def _nobody_stays_out(
    choices: Collection[Choice], data_class: str, holder: str, purpose: str
) -> bool:
    """The rule of a gate that a rehearsal switched off, to prove that this is found out."""
    return False


def _receipt(
    body: Body,
    granted: Granted,
    state: Json,
    result: GateResult,
    digests: Mapping[str, str],
    plan: str,
) -> Json:
    return {
        "application": granted.application,
        "permit": granted.digest,
        "environment": body.id,
        "made_on": body.today().isoformat(),
        "plan": plan,
        "lists": {
            registry: {**said, "header": state["headers"][registry]}
            for registry, said in sorted(state["lists"].items())
        },
        "parts": {
            name: {key: about[key] for key in ("plan", "snapshot", "lists", "rows", "persons")}
            | {"vocabularies": about["vocabularies"]}
            | {"dropped": about["dropped"], "linkage": about["linkage"], "bias": about["bias"]}
            | {"statement": about["statement"]}
            for name, about in sorted(state["parts"].items())
        },
        "counts": result.counts.to_dict(),
        "incidents": [
            {
                "holder": incident.holder,
                "data_class": incident.data_class,
                "rows": incident.rows,
                "persons": incident.persons,
            }
            for incident in result.incidents
        ],
        "tables": dict(sorted(digests.items())),
    }


def holder_refused(body: Body, message: Incoming) -> Outcome:
    """A holder made no extract: the project stays closed and says why."""
    problem: Json = orjson.loads(message.read())
    application = problem["application"]
    kept = body.store.get("project", application) or {"state": "waiting"}
    told = problem | {"holder": message.sender}
    if str(problem["type"]).rpartition(":")[2] in LIST_REFUSALS and kept.get("expected"):
        # The holder waits for a list, and makes the extract when it is there.
        held_up = sorted({*kept.get("held_up", ()), message.sender})
        waits = {**kept, "problem": told, "held_up": held_up}
        return Outcome(put=[("project", application, waits)])
    outcome = Outcome(put=[("project", application, {**kept, "state": "refused", "problem": told})])
    if "permit" in kept:
        outcome.send.append(uses.tell_not_made(body, kept["permit"]))
    return outcome


def status(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a member of the team how the project stands."""
    kept = body.store.get("project", params.get("application", ""))
    if kept is None:
        return {"state": "unknown"}
    granted = read_permit(body, kept["permit"])
    require_team(granted, sender)
    told = ("state", "expected", "parts", "counts", "problem")
    return {key: kept[key] for key in told if key in kept}


def require_team(granted: Granted, sender: str) -> None:
    """Refuse who is not of the permit's team."""
    if sender not in granted.permit.team:
        raise Refusal(
            "project.not-team",
            "Only the permit's team may do this.",
            rule="a permit names the people who handle the data",
            next_step="ask for a change of the permit's people",
        )
