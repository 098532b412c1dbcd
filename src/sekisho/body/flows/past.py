"""What a registry held, as of a day and as known on another; any list of the past, made again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime

from sekisho.body.context import Body
from sekisho.body.flows.aliases import event_of, roots
from sekisho.body.flows.lists import LIST
from sekisho.body.ports import Json
from sekisho.common.clock import JST
from sekisho.common.errors import Refusal, UserError
from sekisho.common.ids import BodyId, registry_domain
from sekisho.control.optout import (
    GENESIS,
    Choice,
    Learned,
    OptOutList,
    in_force,
    list_as_of,
    of_persons,
    read_learned,
)
from sekisho.exchange import jws
from sekisho.framework import desks, registry_of
from sekisho.pseudonym.alias import resolve


def held(body: Body) -> dict[str, tuple[Learned, ...]]:
    """Return everything that this registry holds, by wrapped pseudonym."""
    return {wrapped: read_learned(kept) for wrapped, kept in body.store.find("registry")}


def _roots_at(body: Body, number: int, on: date) -> dict[str, str]:
    """Return pseudonym → the person's oldest one, as this registry knew it at a list."""
    if body.framework.open.identifier != "history":
        return {}
    prefix = f"{registry_domain(body.id)}/"
    events = [
        event_of(key.removeprefix(prefix), kept)
        for key, kept in body.store.find("alias", prefix)
        if kept["list"] <= number
    ]
    return resolve(events, on, on)


def _persons(body: Body, on: date, known: date) -> Iterator[tuple[Learned, ...]]:
    """Yield each person's choices, under whichever number they were stated."""
    same = roots(body, registry_domain(body.id), on, known)
    for pseudonym, choices in of_persons(held(body), same).items():
        if same.get(pseudonym, pseudonym) == pseudonym:
            yield tuple(choices)


def numbers(body: Body) -> list[int]:
    """Return the numbers of the lists that this registry issued."""
    return [int(key) for key, _ in body.store.find("issued-list")]


def again(body: Body, number: int) -> tuple[OptOutList, str]:
    """Make list ``number`` again from what is held today; return it and its signed header.

    Nothing of the list itself is read: only on which day it was issued, and the digest of the one
    before it.

    Raises:
        UserError: no list of that number was issued here.
    """
    issued = body.store.get("issued-list", f"{number:08d}")
    if issued is None:
        raise UserError(
            "opt-out.no-such-list",
            f"This registry has issued no list {number}.",
            next_step="list numbers begin with 1; see the newest one without a number",
        )
    before = body.store.get("issued-list", f"{number - 1:08d}") or {"digest": GENESIS}
    on = datetime.fromisoformat(issued["at"]).astimezone(JST).date()
    same = _roots_at(body, number, on)
    made = list_as_of(held(body), number, before["digest"], on, registry=body.id, roots=same)
    return made, jws.sign(made.header.payload(), body.keys.signing, body.id, LIST)


def same_bytes(body: Body, number: int) -> bool | None:
    """Return whether a list made again is, byte for byte, the one that was signed then.

    None where it cannot be made again: this registry's pseudonyms were others then (an earlier
    epoch), and the point of a new epoch is that nobody keeps the old ones.
    """
    issued = body.store.get("issued-list", f"{number:08d}") or {}
    if issued.get("epoch") != body.epoch:
        return None
    _, token = again(body, number)
    return body.documents.read(f"lists/{number:08d}.jws") == token


def status(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell what is in force for the person of a receipt, on a day and as known on another.

    A receipt's number is the key: who has it may ask. A proxy's receipt tells of that statement
    only, never of what the person stated otherwise.
    """
    _check_asker(body, sender)
    ref = params.get("ref", "")
    today = body.today()
    on = _day(params.get("on"), today)
    known = _day(params.get("known"), today)
    registry = registry_of(body.framework, BodyId(body.id)) if "opt_out" in body.rooms else body.id
    if registry != body.id and body.store.get("choice", ref) is not None:
        peer = body.directory.find(registry)
        query = f"ref={ref}&on={on.isoformat()}&known={known.isoformat()}"
        answer: Json = body.client.get(peer, f"/exchange/opt_out/status?{query}").json()
        return answer
    for person in _persons(body, on, known):
        mine = next((one for one in person if one.choice.ref == ref), None)
        if mine is not None:
            told = person if mine.choice.proxy is None else (mine,)
            return _told(told, on, known, limited=mine.choice.proxy is not None)
    kept = body.store.get("choice", ref)
    return {"state": "unknown" if kept is None else kept["state"]}


def _check_asker(body: Body, sender: str) -> None:
    """Refuse a body that is no desk of this registry; a receipt's number stands in ledgers."""
    fw = body.framework
    bodies = {one.id for one in fw.body}
    served = {desk for desk in desks(fw) if registry_of(fw, desk) == body.id}
    if sender in bodies - served - {body.id}:
        raise Refusal(
            "opt-out.not-a-desk",
            "Only a desk of this registry may ask what is in force for a person.",
            rule="a person asks at a desk, with the receipt; no other body learns of choices",
        )


def _told(choices: tuple[Learned, ...], on: date, known: date, *, limited: bool) -> Json:
    scopes = in_force(choices, on, known)
    ordered = sorted(choices, key=lambda one: (one.choice.recorded_on, one.choice.serial))
    return {
        "state": "registered",
        "on": on.isoformat(),
        "known": known.isoformat(),
        "in_force": sorted(str(scope) for scope in scopes),
        "limited": limited,
        "statements": [_statement(one) for one in ordered if one.on <= known],
    }


def _statement(one: Learned) -> Json:
    choice: Choice = one.choice
    return {
        "ref": choice.ref,
        "scope": str(choice.scope),
        "revoke": choice.revoke,
        "effective_from": choice.effective_from.isoformat(),
        "recorded_on": choice.recorded_on.isoformat(),
        "registered_on": one.on.isoformat(),
        "proxy": None if choice.proxy is None else choice.proxy.kind,
    }


def _day(text: str | None, today: date) -> date:
    try:
        return date.fromisoformat(text) if text else today
    except ValueError as error:
        raise UserError(
            "opt-out.day", "This is not a day.", next_step="write it as 2026-04-01"
        ) from error


def as_of(body: Body, on: date, known: date) -> Json:
    """Return how many persons had each scope in force, on a day and as known on another."""
    counts: dict[str, int] = {}
    persons = 0
    for person in _persons(body, on, known):
        scopes = in_force(person, on, known)
        persons += bool(scopes)
        for scope in scopes:
            counts[str(scope)] = counts.get(str(scope), 0) + 1
    return {
        "registry": body.id,
        "on": on.isoformat(),
        "known": known.isoformat(),
        "persons": persons,
        "scopes": dict(sorted(counts.items())),
    }
