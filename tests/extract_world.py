"""Permits in a town, and the whole way of an extract: holders, converters, lists, gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from memory_town import MemoryTown
from sekisho.body.flows.permits import PERMIT, decider
from sekisho.body.flows.project import folder
from sekisho.body.ports import Json, Outcome, Outgoing
from sekisho.common.ids import BodyId
from sekisho.control.review import LedgerHead, ListMinimum, Permit, part_along
from sekisho.exchange import jws
from sekisho.exchange.keys import SigningKey
from sekisho.framework import environment, extract_route, registries_for
from sekisho.framework.kinds import DataClass


def permit(
    town: MemoryTown,
    application: str,
    holders: Sequence[str],
    data_class: DataClass,
    **changes: Any,
) -> str:
    """Return a permit of one class of some holders' data, signed by all who decide on them."""
    fw, today = town.framework, town.today
    place = environment(fw, (data_class,))
    parts, lanes, lists = [], set(), set()
    for holder in holders:
        lane = decider(fw, BodyId(holder), data_class)
        hops = extract_route(fw, BodyId(holder), data_class, place).hops
        parts.append(part_along(hops, data_class, lane=lane, application=application, max_rows=100))
        lanes.add(lane)
        lists |= set(registries_for(fw, BodyId(holder)))
    fields: dict[str, Any] = {
        "id": f"permit-{application}",
        "version": 1,
        "application": application,
        "application_digest": "0" * 64,
        "applicant": "Example University",
        "team": ("user",),
        "purpose": "research",
        "tables": [
            {"table": "person", "columns": ["year_of_birth"]},
            {"table": "condition_occurrence", "columns": ["condition_source_value"]},
        ],
        "classes": (data_class,),
        "cohort": {},
        "period": {},
        "form": "pseudonymised",
        "linkage": True,
        "environment": place,
        "parts": tuple(parts),
        "opt_out": tuple(ListMinimum(registry=one, number=1) for one in sorted(lists)),
        "ledger_heads": (LedgerHead(body=holders[0], size=1, root="00"),),
        "conditions": (),
        "starts": today,
        "expires": today + timedelta(days=300),
        "granted_by": tuple(sorted(lanes)),
    }
    payload = Permit.from_payload(msgspec.to_builtins(fields | changes)).payload()
    keys = {one: town.folder / "bodies" / one / "keys" / "signing" for one in sorted(lanes)}
    signed = [
        jws.sign_shared(payload, SigningKey.read(key), one, PERMIT) for one, key in keys.items()
    ]
    return jws.assemble(payload, signed)


def send_out(town: MemoryTown, text: str) -> None:
    """Show a permit to all whom it concerns, as the lane that completes it does."""
    payload = jws.verify_shared(text, town.deployment.directory.resolve, PERMIT).payload
    made = Permit.from_payload(payload)
    to = [(made.environment, "analysis/permit")]
    to += [(part.holder, "collection/permit") for part in made.parts]
    to += [(one.registry, "opt_out/permit") for one in made.opt_out]
    lane = made.granted_by[0]
    sent = [Outgoing(body, path, text.encode()) for body, path in to]
    town.services[lane].operate(Outcome(send=sent))
    town.settle()


def environment_of(town: MemoryTown, application: str) -> str:
    """Return the body that has a project."""
    return next(name for name in town.services if application in town.records(name, "project"))


def project(town: MemoryTown, application: str) -> Json:
    """Return the state of a project at its environment."""
    return town.records(environment_of(town, application), "project")[application]


def quality(town: MemoryTown, application: str) -> Mapping[str, Json]:
    """Return the linkage quality of each holder's part, as its receipt and the report have it."""
    return {name: part["linkage"] for name, part in project(town, application)["parts"].items()}


def table(town: MemoryTown, application: str, name: str) -> pa.Table:
    """Return what the environment sees of a table."""
    body = town.body(environment_of(town, application))
    return pq.read_table(folder(body, application) / "data" / f"{name}.parquet")
