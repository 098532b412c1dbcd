"""The registry's numbered lists: issued, carried to each holder and to each project's gate."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import orjson
import pyarrow as pa

from sekisho.body import closed
from sekisho.body.context import Body
from sekisho.body.flows import taking, transfer
from sekisho.body.flows.aliases import roots
from sekisho.body.flows.permits import Granted
from sekisho.body.generations import after_restore
from sekisho.body.ports import Incoming, Json, Outcome
from sekisho.common.errors import Refusal, UserError
from sekisho.common.ids import (
    BodyId,
    Domain,
    Tag,
    body_domain,
    new_id,
    new_tag,
    registry_domain,
    uses_domain,
)
from sekisho.control.optout import (
    GENESIS,
    Choice,
    Entry,
    ListHeader,
    ListRow,
    OptOutList,
    Scope,
    check_chain,
    check_received,
    make_list,
    of_persons,
    transfer_rows,
)
from sekisho.exchange import jws
from sekisho.exchange.transfer import Reason
from sekisho.framework import list_recipients
from sekisho.pseudonym.alias import AliasEvent, with_aliases
from sekisho.pseudonym.group import Element, random_element

LIST = "sekisho-opt-out-list"
VALID_DAYS = 7
PADDING = 16
"""A batch of a list is filled up to a multiple of this, so that its size says little."""


def issue(
    body: Body,
    changed: Mapping[str, Sequence[Json]],
    *,
    gone: Collection[str] = (),
    aliases: Sequence[AliasEvent] = (),
    after: Json | None = None,
) -> Outcome:
    """Issue today's list and send it to every holder that this registry serves.

    ``changed`` are choices, ``aliases`` changes of numbers, decided in this same outcome and not
    yet in the store; ``gone`` are pseudonyms of an epoch that ends with it. The list carries every
    number of a person who chose. ``after`` is the head to follow where it is not our own; a
    restored registry issues nothing without it.
    """
    if after is None and closed.state(body) is not None:
        return Outcome()
    kept = {
        wrapped: data["choices"]
        for wrapped, data in body.store.find("registry")
        if wrapped not in gone
    }
    choices = {
        wrapped: [Choice.from_payload(one) for one in all_of_them]
        for wrapped, all_of_them in (kept | dict(changed)).items()
    }
    own = roots(body, registry_domain(body.id), body.today(), body.today(), also=aliases)
    choices = of_persons(choices, own)
    head = after or body.store.get("list-head", body.id) or {"number": 0, "digest": GENESIS}
    made = make_list(choices, head["number"] + 1, head["digest"], body.today(), registry=body.id)
    token = jws.sign(made.header.payload(), body.keys.signing, body.id, LIST)
    outcome = Outcome()
    outcome.put.append(
        ("list-head", body.id, {**made.header.payload(), "token": token, "list": _entries(made)})
    )
    outcome.put.append(
        (
            "issued-list",
            _place(made.number),
            {"at": body.now().isoformat(), "digest": made.digest, "epoch": body.epoch},
        )
    )
    outcome.documents.append((f"lists/{_place(made.number)}.jws", token))
    outcome.fact("optout.list", number=made.number, digest=made.digest, count=made.header.count)
    for holder in list_recipients(body.framework, BodyId(body.id)):
        outcome.add(_send(body, made, [token], holder, body_domain(holder), "collection", None))
    return outcome


def _place(number: int) -> str:
    return f"{number:08d}"


def since(body: Body, message: Incoming) -> Outcome:
    """Send a holder every list after the one that it has: it noticed a gap."""
    last = _number(message.read())
    if message.sender not in list_recipients(body.framework, BodyId(body.id)):
        raise Refusal("opt-out.not-a-reader", "This registry's lists do not bind that holder.")
    return send_again(body, message.sender, last)


def _number(data: bytes) -> int:
    try:
        return max(0, int(orjson.loads(data)["since"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError("opt-out.since", "The number of the last list is missing.") from error


def send_again(body: Body, holder: str, last: int) -> Outcome:
    """Send the headers of all lists after number ``last``, and the newest list's entries.

    A list says who is out in full, so that entries of older ones are of no use to anyone; their
    headers prove that none was left out. The newest list is sent also to who should have it.
    """
    made, token = newest(body)
    first = min(last + 1, made.number)
    tokens = [body.documents.read(f"lists/{_place(n)}.jws") for n in range(first, made.number)]
    outcome = _send(
        body,
        made,
        [*tokens, token],
        holder,
        body_domain(holder),
        "collection",
        None,
        again=new_id(body.random)[:8],
    )
    outcome.fact("optout.list.resent", to=holder, first=first, number=made.number)
    return outcome


def header_of(body: Body, number: int) -> ListHeader:
    """Return the header of a list that this registry issued."""
    token = body.documents.read(f"lists/{_place(number)}.jws")
    return ListHeader.from_payload(jws.verify(token, body.directory.resolve, LIST).payload)


def newest(body: Body) -> tuple[OptOutList, str]:
    """Return this registry's newest list and its signed header."""
    head = body.store.get("list-head", body.id)
    if head is None:
        raise Refusal("opt-out.no-list", "This registry has issued no list yet.")
    fields = {name: head[name] for name in ListHeader.__struct_fields__}
    return OptOutList(ListHeader.from_payload(fields), _read_entries(head["list"])), head["token"]


def aliases_changed(body: Body, fresh: Sequence[AliasEvent]) -> Outcome:
    """Issue a list at once where a change of numbers concerns somebody who chose."""
    own = roots(body, registry_domain(body.id), body.today(), body.today(), also=fresh)
    touched = with_aliases({number for one in fresh for number in (one.old, one.new)}, own)
    if any(body.store.get("registry", number) is not None for number in touched):
        return issue(body, {}, aliases=fresh)
    return Outcome()


def send_to_project(body: Body, granted: Granted) -> Outcome:
    """Send the newest list to the gate of a permit's environment, and to the oversight body.

    Each gets it in a domain of its own; the second compares it with whom the gate let in.
    """
    made, token = newest(body)
    to, oversight = granted.environment_domain, body.auxiliary("oversight")
    outcome = _send(body, made, [token], granted.environment, to, "analysis", granted.text)
    to = uses_domain(granted.application, oversight)
    outcome.add(_send(body, made, [token], oversight, to, "oversight", granted.text))
    return outcome


def _send(
    body: Body,
    made: OptOutList,
    tokens: Sequence[str],
    receiver: str,
    to: Domain,
    room: str,
    permit: str | None,
    *,
    again: str = "",
) -> Outcome:
    """Send a list with its header, after the headers that the receiver lacks.

    One reason is one batch, so that a list that is sent ``again`` has a reason of its own.
    """
    tags = {entry.pseudonym: new_tag(body.random) for entry in made.entries}
    persons = [(tags[wrapped], body.keys.unwrap(wrapped)) for wrapped in tags]
    persons += padding(body, len(persons))
    rows = transfer_rows(made, tags)
    reason = Reason(
        id=f"list:{body.id}:{made.number}:{to}{again and ':'}{again}{after_restore(body.folders)}",
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
        "header": pa.table({"token": list(tokens)}),
        "rows": pa.table(
            {
                "tag": pa.array([row.tag for row in rows], pa.string()),
                "scopes": pa.array([list(row.scopes) for row in rows], pa.list_(pa.string())),
            }
        ),
    }
    return transfer.start(body, reason, persons, payload)


def padding(body: Body, count: int) -> list[tuple[Tag, Element]]:
    """Return nobody's pseudonyms, so many that ``count`` persons do not show."""
    missing = PADDING - count % PADDING
    return [(new_tag(body.random), random_element(body.random)) for _ in range(missing)]


def arrived(body: Body, arrival: transfer.Arrived) -> Outcome:
    """Take a list: at a holder it is applied, at a gate it is kept for the project."""
    headers, received = read(body, arrival)
    if arrival.reason.to_domain.startswith("uses:"):
        from sekisho.body.flows import countersign

        return countersign.list_arrived(body, arrival, headers[-1], received)
    if arrival.reason.permit is not None:
        from sekisho.body.flows.project import list_arrived

        return list_arrived(body, arrival, headers[-1], received)
    here = arrival.pseudonyms.take(received)
    entries = {body.keys.wrap(here[tag]): list(scopes) for tag, scopes in received.items()}
    return taking.take(body, headers, entries, arrival.reason.epoch)


def read(
    body: Body, arrival: transfer.Arrived
) -> tuple[tuple[ListHeader, ...], dict[Tag, tuple[str, ...]]]:
    """Return the chained headers that came, the list's own last, and its rows, all verified."""
    headers: list[ListHeader] = []
    for token in arrival.tables["header"]["token"].to_pylist():
        signed = jws.verify(token, body.directory.resolve, LIST)
        header = ListHeader.from_payload(signed.payload)
        if not signed.signer == header.registry == arrival.sender:
            raise Refusal("opt-out.not-the-registry", "The list is not signed by its registry.")
        if headers:
            check_chain(headers[-1], header)
        headers.append(header)
    if not headers:
        raise Refusal("opt-out.no-header", "A list came without its header.")
    table = arrival.tables["rows"]
    pairs = zip(table["tag"].to_pylist(), table["scopes"].to_pylist(), strict=True)
    rows = [ListRow(tag, tuple(scopes)) for tag, scopes in pairs]
    check_received(headers[-1], rows)
    return tuple(headers), {Tag(row.tag): row.scopes for row in rows}


def _entries(made: OptOutList) -> list[list[object]]:
    return [[entry.pseudonym, [str(s) for s in entry.scopes]] for entry in made.entries]


def _read_entries(raw: Sequence[tuple[str, Sequence[str]]]) -> tuple[Entry, ...]:
    return tuple(
        Entry(wrapped, tuple(Scope.parse(text) for text in scopes)) for wrapped, scopes in raw
    )
