"""The registry's numbered lists: issued, carried to each holder and to each project's gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pyarrow as pa

from sekisho.body.context import Body
from sekisho.body.flows import transfer
from sekisho.body.flows.permits import Granted
from sekisho.body.ports import Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId, Domain, Tag, body_domain, new_tag, registry_domain
from sekisho.control.optout import (
    GENESIS,
    Choice,
    Entry,
    ListHeader,
    ListRow,
    OptOutList,
    Scope,
    acknowledge,
    check_chain,
    check_received,
    is_repeat,
    make_list,
    transfer_rows,
)
from sekisho.exchange import jws
from sekisho.exchange.transfer import Reason
from sekisho.framework import list_recipients
from sekisho.pseudonym.group import Element, random_element

LIST = "sekisho-opt-out-list"
VALID_DAYS = 7
PADDING = 16
"""A batch of a list is filled up to a multiple of this, so that its size says little."""


def issue(body: Body, changed: Mapping[str, Sequence[Json]]) -> Outcome:
    """Issue today's list and send it to every holder that this registry serves.

    ``changed`` are choices decided in this same outcome, not yet in the store.
    """
    kept = {wrapped: data["choices"] for wrapped, data in body.store.find("registry")}
    choices = {
        wrapped: [Choice.from_payload(one) for one in all_of_them]
        for wrapped, all_of_them in (kept | dict(changed)).items()
    }
    head = body.store.get("list-head", body.id) or {"number": 0, "digest": GENESIS}
    made = make_list(choices, head["number"] + 1, head["digest"], body.today(), registry=body.id)
    token = jws.sign(made.header.payload(), body.keys.signing, body.id, LIST)
    outcome = Outcome()
    outcome.put.append(
        ("list-head", body.id, {**made.header.payload(), "token": token, "list": _entries(made)})
    )
    outcome.documents.append((f"lists/{made.number:08d}.jws", token))
    outcome.fact("optout.list", number=made.number, digest=made.digest, count=made.header.count)
    for holder in list_recipients(body.framework, BodyId(body.id)):
        outcome.add(_send(body, made, token, holder, body_domain(holder), "collection", None))
    return outcome


def send_to_project(body: Body, granted: Granted) -> Outcome:
    """Send the newest list into the domain of a permit's environment."""
    head = body.store.get("list-head", body.id)
    if head is None:
        raise Refusal("opt-out.no-list", "This registry has issued no list yet.")
    fields = {name: head[name] for name in ListHeader.__struct_fields__}
    made = OptOutList(ListHeader.from_payload(fields), _read_entries(head["list"]))
    to = granted.environment_domain
    return _send(body, made, head["token"], granted.environment, to, "analysis", granted.text)


def _send(
    body: Body,
    made: OptOutList,
    token: str,
    receiver: str,
    to: Domain,
    room: str,
    permit: str | None,
) -> Outcome:
    tags = {entry.pseudonym: new_tag(body.random) for entry in made.entries}
    persons = [(tags[wrapped], body.keys.unwrap(wrapped)) for wrapped in tags]
    persons += _padding(body, len(persons))
    rows = transfer_rows(made, tags)
    reason = Reason(
        id=f"list:{body.id}:{made.number}:{to}",
        kind="opt_out_list",
        from_domain=registry_domain(body.id),
        to_domain=to,
        receiver=receiver,
        room=room,
        max_rows=len(persons),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
        permit=permit,
    )
    payload = {
        "header": pa.table({"token": [token]}),
        "rows": pa.table(
            {
                "tag": pa.array([row.tag for row in rows], pa.string()),
                "scopes": pa.array([list(row.scopes) for row in rows], pa.list_(pa.string())),
            }
        ),
    }
    return transfer.start(body, reason, persons, payload)


def _padding(body: Body, count: int) -> list[tuple[Tag, Element]]:
    missing = PADDING - count % PADDING
    return [(new_tag(body.random), random_element(body.random)) for _ in range(missing)]


def arrived(body: Body, arrival: transfer.Arrived) -> Outcome:
    """Take a list: at a holder it is applied, at a gate it is kept for the project."""
    header, received = read(body, arrival)
    if arrival.reason.permit is not None:
        from sekisho.body.flows.project import list_arrived

        return list_arrived(body, arrival, header, received)
    entries = {
        body.keys.wrap(arrival.pseudonyms[tag]): list(scopes) for tag, scopes in received.items()
    }
    return apply_in_order(body, header, entries)


def read(body: Body, arrival: transfer.Arrived) -> tuple[ListHeader, dict[Tag, tuple[str, ...]]]:
    """Return a list's header and rows, both verified."""
    token = arrival.tables["header"]["token"][0].as_py()
    signed = jws.verify(token, body.directory.resolve, LIST)
    header = ListHeader.from_payload(signed.payload)
    if not signed.signer == header.registry == arrival.sender:
        raise Refusal("opt-out.not-the-registry", "The list is not signed by its registry.")
    table = arrival.tables["rows"]
    pairs = zip(table["tag"].to_pylist(), table["scopes"].to_pylist(), strict=True)
    rows = [ListRow(tag, tuple(scopes)) for tag, scopes in pairs]
    check_received(header, rows)
    return header, {Tag(row.tag): row.scopes for row in rows}


def apply_in_order(body: Body, header: ListHeader, entries: dict[str, list[str]]) -> Outcome:
    """Apply a list and those that waited for it; one that came too early waits."""
    outcome = Outcome()
    kept = body.store.get("held-list", header.registry)
    previous = ListHeader.from_payload(kept["header"]) if kept else None
    if previous is not None and is_repeat(previous, header):
        return outcome
    expected = 1 if previous is None else previous.number + 1
    if header.number > expected:
        waiting = {"header": header.payload(), "entries": entries}
        outcome.put.append(("early-list", f"{header.registry}:{header.number}", waiting))
        return outcome
    check_chain(previous, header)
    outcome.add(_applied(body, header, entries))
    while early := body.store.get("early-list", f"{header.registry}:{header.number + 1}"):
        following = ListHeader.from_payload(early["header"])
        check_chain(header, following)
        header, entries = following, early["entries"]
        outcome.add(_applied(body, header, entries))
    return outcome


def _applied(body: Body, header: ListHeader, entries: dict[str, list[str]]) -> Outcome:
    outcome = Outcome()
    own = {p: [Scope.parse(text) for text in scopes] for p, scopes in entries.items()}
    answer = acknowledge(header, own, body.id, body.today())
    state = {"header": header.payload(), "entries": entries}
    outcome.put.append(("held-list", header.registry, state))
    outcome.send.append(
        Outgoing(header.registry, "opt_out/acknowledgement", canonical_json(answer.payload()))
    )
    outcome.fact(
        "optout.list.applied",
        registry=header.registry,
        number=header.number,
        digest=header.digest,
        count=header.count,
    )
    return outcome


def _entries(made: OptOutList) -> list[list[object]]:
    return [[entry.pseudonym, [str(s) for s in entry.scopes]] for entry in made.entries]


def _read_entries(raw: Sequence[tuple[str, Sequence[str]]]) -> tuple[Entry, ...]:
    return tuple(
        Entry(wrapped, tuple(Scope.parse(text) for text in scopes)) for wrapped, scopes in raw
    )
