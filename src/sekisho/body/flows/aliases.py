"""Alias events at a receiver: kept for ever, taken in order, asked for where one is missing.

A holder and a registry keep them alike, each under its own wrapped pseudonyms. Nothing of a record
is overwritten: who is who is decided when data are used, as of a day and what was known on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from sekisho.body.context import Body
from sekisho.body.flows import alarms
from sekisho.body.ports import Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal
from sekisho.common.ids import Domain, Tag, registry_domain
from sekisho.exchange import jws
from sekisho.exchange.aliases import ALIASES, GENESIS, AliasHeader, AliasRow, check_rows
from sekisho.pseudonym.alias import AliasEvent, resolve

if TYPE_CHECKING:
    from sekisho.body.flows import transfer


def arrived(body: Body, arrival: transfer.Arrived) -> Outcome:
    """Take a batch, and those that waited for it; one that came too early waits."""
    header, rows = _read(body, arrival)
    events = {row.ref: _kept(body, row, arrival) for row in rows}
    to = arrival.reason.to_domain
    number, digest = taken(body, to)
    outcome = Outcome()
    if header.number == number and header.digest != digest:
        raise Refusal(
            "alias.two-batches",
            f"Another batch of aliases with the number {number} was taken here before.",
            rule="batches are numbered and chained; a number is given once",
        )
    if header.number <= number:
        outcome.send.append(_acknowledgement(body, header))
        return outcome
    if header.number > number + 1:
        if body.store.get("alias-early", f"{to}/{header.number:08d}") is not None:
            return outcome
        waiting = {"header": header.payload(), "events": events}
        outcome.put.append(("alias-early", f"{to}/{header.number:08d}", waiting))
        alarms.raise_(outcome, body, f"aliases:{to}", "alias.gap", to=to, has=number)
        outcome.send.append(ask_since(body, to, number))
        return outcome
    fresh: dict[str, Json] = {}
    while True:
        header.check_follows(number, digest)
        fresh |= events
        number, digest = header.number, header.digest
        outcome.send.append(_acknowledgement(body, header))
        outcome.fact("alias.kept", to=to, number=number, digest=digest, count=header.count)
        early = body.store.get("alias-early", f"{to}/{number + 1:08d}")
        if early is None:
            break
        header, events = AliasHeader.from_payload(early["header"]), early["events"]
    # The first list that can rest on them: any list can then be made again (`flows.past`).
    known = {"list": (body.store.get("list-head", body.id) or {"number": 0})["number"] + 1}
    outcome.put += [("alias", f"{to}/{ref}", event | known) for ref, event in fresh.items()]
    outcome.put.append(("alias-head", to, {"number": number, "digest": digest}))
    alarms.clear(outcome, body, f"aliases:{to}")
    if to == registry_domain(body.id):
        from sekisho.body.flows.lists import aliases_changed

        outcome.add(aliases_changed(body, [event_of(ref, one) for ref, one in fresh.items()]))
    return outcome


def taken(body: Body, to: Domain) -> tuple[int, str]:
    """Return number and digest of the last batch taken for a domain of ours."""
    kept = body.store.get("alias-head", to)
    return (0, GENESIS) if kept is None else (int(kept["number"]), str(kept["digest"]))


def told(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell the history service which of its batches a domain of ours took last."""
    number, last = taken(body, Domain(params.get("to", "")))
    return {"number": number, "digest": last}


def require_taken(body: Body, to: Domain, least: int) -> None:
    """Refuse to go on where batches are missing that a permit counts on."""
    number, _ = taken(body, to)
    if number < least:
        raise Refusal(
            "alias.behind",
            f"The permit asks for alias batch {least} or a later one; here is {number}.",
            rule="two holders unite a person alike only if both know the person's history",
            next_step="ask the history service for the batches that are missing",
        )


def ask_since(body: Body, to: Domain, number: int) -> Outgoing:
    """Return the message that asks for every batch after ``number`` again."""
    asked = canonical_json({"to": to, "since": number})
    return Outgoing(body.auxiliary("history"), "history/aliases-since", asked)


def events_at(body: Body, to: Domain) -> list[AliasEvent]:
    """Return the events that are kept for a domain of ours."""
    prefix = f"{to}/"
    return [
        event_of(key.removeprefix(prefix), kept) for key, kept in body.store.find("alias", prefix)
    ]


def roots(
    body: Body, to: Domain, on: date, known: date, *, also: Sequence[AliasEvent] = ()
) -> dict[str, str]:
    """Return wrapped pseudonym → that of the person's oldest number, as of a day.

    Empty where the framework unites nobody by histories. ``also``: events of this same outcome.
    """
    if body.framework.open.identifier != "history":
        return {}
    return resolve([*events_at(body, to), *also], on, known)


def _read(body: Body, arrival: transfer.Arrived) -> tuple[AliasHeader, list[AliasRow]]:
    """Return a batch's header and rows, both verified."""
    token = arrival.tables["header"]["token"][0].as_py()
    signed = jws.verify(token, body.directory.resolve, ALIASES)
    header = AliasHeader.from_payload(signed.payload)
    history = body.auxiliary("history")
    if not signed.signer == arrival.sender == history or header.to != arrival.reason.to_domain:
        raise Refusal("alias.not-the-history", "The batch is not the history service's to us.")
    rows = [
        AliasRow(
            **{
                **row,
                "valid_from": date.fromisoformat(row["valid_from"]),
                "recorded_on": date.fromisoformat(row["recorded_on"]),
            }
        )
        for row in arrival.tables["aliases"].to_pylist()
    ]
    check_rows(header, rows)
    return header, rows


def _kept(body: Body, row: AliasRow, arrival: transfer.Arrived) -> Json:
    return {
        "old": body.keys.wrap(arrival.pseudonyms[Tag(row.tag_old)]),
        "new": body.keys.wrap(arrival.pseudonyms[Tag(row.tag_new)]),
        "valid_from": row.valid_from.isoformat(),
        "recorded_on": row.recorded_on.isoformat(),
        "reason": row.reason,
        "method": "history",
        "revokes": row.revokes,
    }


def event_of(ref: str, kept: Mapping[str, str | None]) -> AliasEvent:
    """Return a kept event as a value."""
    return AliasEvent(
        ref,
        str(kept["old"]),
        str(kept["new"]),
        date.fromisoformat(str(kept["valid_from"])),
        date.fromisoformat(str(kept["recorded_on"])),
        str(kept["reason"]),
        kept["revokes"],
    )


def _acknowledgement(body: Body, header: AliasHeader) -> Outgoing:
    said = {"to": header.to, "number": header.number, "digest": header.digest}
    return Outgoing(body.auxiliary("history"), "history/alias-kept", canonical_json(said))
