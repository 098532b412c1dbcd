"""A body's figures for a report: counts of many, never a value of one."""

from __future__ import annotations

from collections import Counter

from sekisho.body import delivery
from sekisho.body.context import Body
from sekisho.body.flows import alarms, countersign, duty, notices, quarantine, undelivered, uses
from sekisho.body.flows.extract import CONFLICT
from sekisho.body.flows.permits import read_permit
from sekisho.body.flows.submission import snapshot
from sekisho.body.ports import Json
from sekisho.control.ledger import Entry
from sekisho.control.review import read_events, replay, review_days
from sekisho.data.lake import Lake

_JOB = ("state", "outputs", "problem", "runs")
_PROJECT = ("state", "counts", "digests", "incidents", "lists", "links", "problem", "countersigned")


def figures(body: Body) -> Json:
    """Return everything that a report reads of one body."""
    return {
        "body": body.id,
        "rooms": sorted(body.rooms),
        "traffic": body.store.traffic(),
        "held": _held(body),
        "submissions": [
            {"submission": key, "provider": kept["provider"], **_receipt(kept["payload"])}
            for key, kept in body.store.find("submission")
        ],
        "windows": [kept["fields"] for _, kept in body.store.find("window")],
        "lanes": [_lane(body, name) for name in body.store.streams("lane/")],
        "joined": {
            key: {name: kept[name] for name in ("state", "kind", "linkage") if name in kept}
            for key, kept in body.store.find("joined")
        },
        "projects": {key: _project(body, kept) for key, kept in body.store.find("project")},
        "jobs": {key: _some(kept, _JOB) for key, kept in body.store.find("job")},
        "choices": sum(1 for _ in body.store.find("choice")),
        "lists": _lists(body),
        "countersigned": countersign.figures(body),
        "propagation": _propagation(body),
        "notice": notices.clocks(body),
        "effects": {
            "set_aside": [kept for _, kept in body.store.find("set-aside")],
            "erased": [kept for _, kept in body.store.find("erasure")],
        },
        "histories": _histories(body),
        "refused": [
            {name: kept.get(name) for name in ("type", "title", "path", "sender", "rule", "next")}
            for _, kept in body.store.find("refused")
        ],
        "alarms": alarms.shown(body),
        "mishaps": delivery.happened(body),
        "undelivered": undelivered.shown(body),
        "uses": uses.figures(body) if "oversight" in body.rooms else {},
        "enclave": _enclave(body),
        "asked": duty.figures(body),
        "quarantine": quarantine.figures(body) if "collection" in body.rooms else {},
        "ledger": _ledger(body),
    }


def _some(kept: Json, names: tuple[str, ...]) -> Json:
    return {name: kept[name] for name in names if name in kept}


def _held(body: Body) -> list[Json]:
    """Return rows and persons per table, class and provider in the lake."""
    if "collection" not in body.rooms:
        return []
    return [
        {
            "table": count.table,
            "data_class": count.data_class,
            "provider": count.provider,
            "rows": count.rows,
            "persons": count.persons,
        }
        for count in Lake(body.folders.lake).counts(snapshot(body))
    ]


def _receipt(payload: Json) -> Json:
    return {
        name: payload[name] for name in ("format", "balance", "totals", "rows", "codes", "breaches")
    }


def _lane(body: Body, name: str) -> Json:
    events = read_events(body.store.events(name))
    state = replay(events)
    decision = state.decision
    return {
        "application": name.removeprefix("lane/"),
        "stage": state.stage.value,
        "outcome": None if decision is None else decision.outcome,
        "days": review_days(events),
    }


def _project(body: Body, kept: Json) -> Json:
    told = _some(kept, _PROJECT)
    parts = kept.get("parts", {}).items()
    told["parts"] = {
        name: {k: v for k, v in part.items() if k != "statement"} for name, part in parts
    }
    if kept.get("permit"):
        told["permit"] = read_permit(body, kept["permit"]).id
    return told


def _enclave(body: Body) -> Json:
    """Return the cases of a linkage enclave here: what came, and what became of the pairs."""
    if not any(True for _ in body.store.find("enclave")):
        return {}
    from sekisho.body.flows import enclave

    return enclave.shown(body)


def _lists(body: Body) -> Json:
    head = body.store.get("list-head", body.id)
    return {
        "issued": None if head is None else {"number": head["number"], "count": head["count"]},
        "acknowledged": sum(1 for _ in body.store.find("acknowledgement")),
        "held": {
            registry: kept["header"]["number"] for registry, kept in body.store.find("held-list")
        },
    }


def _histories(body: Body) -> Json:
    """Return how many changes of numbers are kept here, up to which batch, and what they met."""
    kept = {
        to: {"batch": head["number"], "events": sum(1 for _ in body.store.find("alias", f"{to}/"))}
        for to, head in body.store.find("alias-head")
    }
    return {
        "changes": sum(1 for _ in body.store.find("change")),
        "kept": kept,
        "conflicts": sum(1 for _ in body.store.find(CONFLICT)),
    }


def _propagation(body: Body) -> Json:
    """Return when choices were recorded and lists taken, by batch and by list, never by person."""
    recorded = {ref: kept["choice"]["recorded_on"] for ref, kept in body.store.find("choice")}
    taken: dict[str, dict[str, str]] = {}
    for key, kept in body.store.find("taken-list"):
        registry, _, number = key.rpartition(":")
        taken.setdefault(registry, {})[str(int(number))] = kept["on"]
    return {
        "sent": {
            f"choices:{batch}": sorted(recorded[ref] for ref in kept["refs"])
            for batch, kept in body.store.find("choice-batch")
            if not kept.get("superseded")
        },
        "registered": {came: kept["list"] for came, kept in body.store.find("registered-batch")},
        "taken": taken,
    }


def _ledger(body: Body) -> Json:
    kinds = Counter(entry.kind for entry in _entries(body))
    return {"size": sum(kinds.values()), "kinds": dict(sorted(kinds.items()))}


def _entries(body: Body) -> list[Entry]:
    return list(body.ledger.entries())
