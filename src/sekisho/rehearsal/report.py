"""The observer's report of a run: every step, counts, bodies, seconds; no value of a person."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sekisho.framework import (
    Framework,
    desks,
    functions_of,
    holds_and_joins,
    registry_of,
    unmeasured,
)
from sekisho.rehearsal.play import Play
from sekisho.rehearsal.windows import windows_of

Json = dict[str, Any]


def compose(play: Play, figures: dict[str, Json], seconds: dict[str, float]) -> Json:
    """Return the report of a played scenario from its record and each body's figures."""
    framework, record = play.framework, play.record
    fields = {body: one["windows"] for body, one in figures.items() if one["windows"]}
    return {
        "framework": framework.id,
        "title": {"ja": framework.title.ja, "en": framework.title.en},
        "scenario": {
            "start": play.scenario.start.isoformat(),
            "seed": play.scenario.seed,
            "providers": len(play.scenario.provider),
            "persons": play.scenario.population.persons if play.scenario.population else None,
        },
        "bodies": [
            {
                "body": body.id,
                "kind": body.kind,
                "roles": list(body.roles),
                "functions": sorted(functions_of(framework, body.id)),
            }
            for body in framework.body
        ],
        "submissions": record.submissions,
        "pulls": play.pulling.pulls,
        "choices": record.choices,
        "applications": record.applications,
        "jobs": record.jobs,
        "views": record.views,
        "undelivered": {
            body: one["undelivered"] for body, one in figures.items() if one["undelivered"]
        },
        "uses": {name: use for one in figures.values() for name, use in one["uses"].items()},
        "notes": record.notes,
        "measures": measures(play, figures),
        "windows": fields,
        "lost": _lost(play, figures),
        "traffic": {body: _traffic(one) for body, one in figures.items()},
        "held": {body: one["held"] for body, one in figures.items() if one["held"]},
        "landed": {body: one["submissions"] for body, one in figures.items() if one["submissions"]},
        "lists": {
            body: one["lists"]
            for body, one in figures.items()
            if one["lists"]["issued"] or one["lists"]["held"]
        },
        "notice": {body: one["notice"] for body, one in figures.items() if one["notice"]},
        "effects": {
            body: one["effects"] for body, one in figures.items() if any(one["effects"].values())
        },
        "histories": {
            body: one["histories"]
            for body, one in figures.items()
            if one["histories"]["changes"] or one["histories"]["kept"]
        },
        "lanes": {body: one["lanes"] for body, one in figures.items() if one["lanes"]},
        "joined": {body: one["joined"] for body, one in figures.items() if one["joined"]},
        "projects": {
            name: {**project, "environment": body}
            for body, one in figures.items()
            for name, project in one["projects"].items()
        },
        "enclaves": {body: one["enclave"] for body, one in figures.items() if one["enclave"]},
        "quarantine": {
            body: one["quarantine"] for body, one in figures.items() if one["quarantine"]
        },
        "asked": {body: one["asked"] for body, one in figures.items() if one["asked"]},
        "studies": {body: one["jobs"] for body, one in figures.items() if one["jobs"]},
        "released": record.released,
        "refused": {body: one["refused"] for body, one in figures.items() if one["refused"]},
        "countersigned": {
            name: found for one in figures.values() for name, found in one["countersigned"].items()
        },
        "mishaps": {body: one["mishaps"] for body, one in figures.items() if one["mishaps"]},
        "alarms": {body: one["alarms"] for body, one in figures.items() if one["alarms"]},
        "ledgers": {body: one["ledger"] for body, one in figures.items()},
        "not_measured_yet": [
            {"key": one[0], "value": str(one[1]), "why": _text(one[2])}
            for one in unmeasured(framework)
        ],
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def measures(play: Play, figures: dict[str, Json]) -> Json:
    """Return the figures by which frameworks are compared; each has a name and a unit."""
    framework, record = play.framework, play.record
    sent = [one for one in record.submissions if "doors" in one]
    providers = sorted({one["provider"] for one in sent})
    by_provider = {
        code: sum(len(one["doors"]) for one in sent if one["provider"] == code)
        for code in providers
    }
    deliveries = {code: sum(1 for one in sent if one["provider"] == code) for code in providers}
    fields = [count for one in figures.values() for count in one["windows"]]
    days = [
        lane["days"]
        for one in figures.values()
        for lane in one["lanes"]
        if lane["days"] is not None
    ]
    held = _persons_rows(figures)
    total = sum(held.values())
    return {
        "submissions_per_provider": {
            code: by_provider[code] / deliveries[code] for code in providers
        },
        "provider_messages": {
            code: sum(one["messages"] for one in sent if one["provider"] == code)
            for code in providers
        },
        "provider_bytes": {
            code: sum(one["bytes"] for one in sent if one["provider"] == code) for code in providers
        },
        "pull_requests": sum(one["requests"] for one in play.pulling.pulls),
        "collection_delay_days": max((one.get("waited_days", 0) for one in sent), default=0),
        "application_windows": max((len(one["windows"]) for one in record.applications), default=0),
        "fields_typed": sum(fields),
        "review_lanes": max((len(one["lanes"]) for one in record.applications), default=0),
        "review_days": max(days, default=0),
        "opt_out_desks": len(desks(framework)),
        "opt_out_steps": opt_out_steps(framework),
        **windows_of(framework, figures),
        "used_after_opting_out": sum(
            found["elsewhere"]
            for one in figures.values()
            for found in one["countersigned"].values()
        ),
        "bodies_holding_records": sum(1 for rows in held.values() if rows),
        "records_held": held,
        "records_held_max_share": round(max(held.values()) / total, 4) if total else 0,
        **_effects(figures),
        "bodies_that_hold_and_join": list(holds_and_joins(framework)),
        "messages": sum(_traffic(one)["out"]["messages"] for one in figures.values()),
        "bytes": sum(_traffic(one)["out"]["bytes"] for one in figures.values()),
    }


def _effects(figures: dict[str, Json]) -> dict[str, int]:
    """Return what choices did beside stopping provision, summed over bodies."""
    aside = [each for one in figures.values() for each in one["effects"]["set_aside"]]
    erased = [each for one in figures.values() for each in one["effects"]["erased"]]
    return {
        "records_stopped": sum(sum(each["records"].values()) for each in aside),
        "rows_erased": sum(sum(each["rows"].values()) + each["quarantined"] for each in erased),
        "persons_erased": sum(each["persons"] for each in erased),
    }


def opt_out_steps(framework: Framework) -> int:
    """Return at how many desks a person states a choice so that every holder learns of it."""
    if framework.opt_out.sync != "none":
        return 1
    return len({registry_of(framework, desk) for desk in desks(framework)}) or 1


def _persons_rows(figures: dict[str, Json]) -> dict[str, int]:
    return {
        body: sum(count["rows"] for count in one["held"])
        for body, one in figures.items()
        if one["held"]
    }


def _traffic(figures: Json) -> Json:
    totals = {way: {"messages": 0, "bytes": 0} for way in ("in", "out")}
    paths: Counter[str] = Counter()
    for row in figures["traffic"]["paths"]:
        totals[row["direction"]]["messages"] += row["messages"]
        totals[row["direction"]]["bytes"] += row["bytes"]
        paths[f"{row['direction']} {row['path']}"] += row["messages"]
    return {**totals, "paths": dict(sorted(paths.items()))}


def _lost(play: Play, figures: dict[str, Json]) -> Json:
    """Return what did not reach a project, by cause: records withheld, persons dropped."""
    withheld: Counter[str] = Counter()
    for one in play.record.submissions:
        withheld.update(one.get("withheld", {}))
    projects = {}
    for one in figures.values():
        for name, project in one["projects"].items():
            if "counts" not in project:
                continue
            parts = project["parts"]
            projects[name] = {
                "dropped_by_holders": {key: part["dropped"] for key, part in parts.items()},
                "opted_out_at_gate": project["counts"]["opted_out"],
                "outside_cohort": project["counts"]["outside_cohort"],
                "incidents": project["incidents"],
            }
    return {
        "records_withheld": dict(withheld),
        "records_quarantined": _quarantined(figures),
        "projects": projects,
    }


def _quarantined(figures: dict[str, Json]) -> dict[str, dict[str, int]]:
    """Return body → rule → records that the body's rule kept out of its tables."""
    found: dict[str, Counter[str]] = {}
    for body, one in figures.items():
        for receipt in one["submissions"]:
            for breach in receipt["breaches"]:
                found.setdefault(body, Counter())[breach["rule"]] += breach["records"]
    return {body: dict(sorted(rules.items())) for body, rules in found.items()}


def _text(value: Any) -> Any:
    return {"ja": value.ja, "en": value.en} if hasattr(value, "ja") else str(value)
