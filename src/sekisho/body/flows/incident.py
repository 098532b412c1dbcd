"""A leak that became known: recorded, told to the providers, and acknowledged by them.

The body knows pseudonyms only. A notice gives each provider the names that the provider itself
gave to its records (HMACs under the provider's key), so that only there the patients are found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from sekisho.body.context import Body
from sekisho.body.ports import Incoming, Json, Outcome
from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal, UserError
from sekisho.exchange import jws

NOTICE = "sekisho-incident-notice"
INCIDENT, NOTIFIED = "incident", "incident-notice"
DOOR = "status/incident"


def opened(body: Body, message: Incoming) -> Outcome:
    """Record a leak as it was assessed, and make a signed notice for each provider."""
    report, sources = _read(message.read())
    name = str(report["incident"])
    if body.store.get(INCIDENT, name) is not None:
        return Outcome()
    outcome = Outcome(put=[(INCIDENT, name, report)])
    outcome.fact(
        "incident.opened",
        incident=name,
        parts=report["parts"],
        persons=int(report["persons"]["at_most"]),
        exact=bool(report["persons"]["exact"]),
        providers=len(report["providers"]),
        kinds=sorted({str(one["kind"]) for one in report["data"]}),
        uses=[str(one["application"]) for one in report["uses"]],
    )
    for provider, count in sorted(report["providers"].items()):
        _notify(outcome, body, report, provider, count, sources.get(provider, {}))
    return outcome


def _notify(
    outcome: Outcome, body: Body, report: Json, provider: str, count: Json, sources: Json
) -> None:
    name = str(report["incident"])
    notice = {
        "incident": name,
        "body": body.id,
        "provider": provider,
        "known_on": report["known_on"],
        "made_on": body.today().isoformat(),
        "count": count,
        "period": report["period"],
        "data": [{"data_class": d["data_class"], "kind": d["kind"]} for d in report["data"]],
        "reach": [one["rule"] for one in report["reach"]],
        "deadlines": report["deadlines"],
        "sources": sources,
    }
    token = jws.sign(notice, body.keys.signing, body.id, NOTICE)
    outcome.documents.append((f"incidents/{name}/{provider}.jws", token))
    outcome.put.append((NOTIFIED, f"{provider}:{name}", {"acknowledged": None}))
    outcome.fact(
        "incident.notified",
        incident=name,
        provider=provider,
        persons=int(count["persons"]),
        exact=bool(count["exact"]),
        digest=digest(token.encode()),
    )


def _read(data: bytes) -> tuple[Json, dict[str, Any]]:
    try:
        said = orjson.loads(data)
        report: Json = said["report"]
        sources: dict[str, Any] = said["sources"]
        for name in ("incident", "parts", "persons", "providers", "data", "uses", "deadlines"):
            report[name]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(
            "incident.report",
            "This is no assessment of a leak.",
            next_step="write one with `sekisho incident assess`",
        ) from error
    return report, sources


def notices(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Give a provider the notices that are meant for it."""
    found = [key.partition(":")[2] for key, _ in body.store.find(NOTIFIED, f"{sender}:")]
    return {"notices": [body.documents.read(f"incidents/{name}/{sender}.jws") for name in found]}


def acknowledged(body: Body, message: Incoming) -> Outcome:
    """Keep a provider's word that it has the notice and how many of its patients it concerns."""
    try:
        said = orjson.loads(message.read())
        name, patients = str(said["incident"]), int(said["patients"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            "incident.acknowledgement", "It names no incident, or no number of patients."
        ) from error
    key = f"{message.sender}:{name}"
    kept = body.store.get(NOTIFIED, key)
    if kept is None:
        raise Refusal(
            "incident.no-notice", "No notice of this incident was made for this provider."
        )
    if kept["acknowledged"] is not None:
        return Outcome()
    outcome = Outcome(put=[(NOTIFIED, key, {"acknowledged": body.today().isoformat()})])
    outcome.fact("incident.acknowledged", incident=name, provider=message.sender, count=patients)
    return outcome
