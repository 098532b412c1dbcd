"""How a body that came from a backup catches up with what others know, and then opens by itself.

It asks every body to deliver again what that body delivered since the backup; a registry gets its
list back from those who hold it. Opening needs the newest opt-out lists, aliases and key epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa

from sekisho.body import closed
from sekisho.body.closed import NOW, OPEN, RESTORED
from sekisho.body.context import Body
from sekisho.body.flows import aliases, lists, transfer
from sekisho.body.flows.keyshares import CONVERTERS
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.body.recovery import RestoreRule, read_restore_rule
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.clock import SystemClock
from sekisho.common.errors import PeerError, Refusal, TamperError
from sekisho.common.ids import BodyId, Domain, Tag, body_domain, new_tag, registry_domain
from sekisho.control.optout import GENESIS, Choice, ListHeader, effective
from sekisho.exchange.transfer import Reason
from sekisho.framework import alias_receivers, list_recipients, registries

RESENT, RETURNED = "resent", "list-returned"
UNREACHABLE = "peer.unreachable"
VALID_DAYS = 7
"""Days for which a reason holds, here and at a desk (`flows.optout`)."""


def rule(body: Body) -> RestoreRule:
    return read_restore_rule(body.rules / "restore.toml")


# What a restored body does


def catch_up(body: Body, message: Incoming) -> Outcome:
    """Ask every other body to deliver again what it delivered since the backup."""
    now = closed.state(body)
    outcome = Outcome()
    if now is None:
        return outcome
    since = datetime.fromisoformat(now["made_at"]) - timedelta(minutes=rule(body).slack_minutes)
    question = canonical_json({"since": since.isoformat(), "backup": now["backup"]})
    for peer in _peers(body):
        outcome.send.append(Outgoing(peer, "status/resend-since", question))
    outcome.put.append((RESTORED, NOW, now | {"step": "asked"}))
    outcome.send.append(Outgoing(body.id, OPEN, question))
    return outcome


def _peers(body: Body) -> list[str]:
    return [one.id for one in body.framework.body if one.id != body.id]


def open_again(body: Body, message: Incoming) -> Outcome:
    """Do the next step of catching up; open when nothing is missing.

    Raises:
        PeerError: something is still on its way; the worker comes back by itself.
    """
    now = closed.state(body)
    if now is None:
        return Outcome()
    _wait_for(_not_resent(body, now))
    if body.id in registries(body.framework):
        if now["step"] == "asked":
            return _ask_for_lists(body, now, message)
        if now["step"] == "returning":
            _wait_for(_not_returned(body, now))
            return _list_again(body, now, message)
    behind = _lists_behind(body)
    others = [registry for registry in behind if registry != body.id]
    if others and not now.get("asked_for_lists"):
        return _lists_since(body, now, others, message)
    _wait_for(f"the opt-out list of {registry}" for registry in behind)
    _wait_for(_epoch_behind(body))
    histories = _aliases_behind(body)
    if histories and not now.get("asked_for_aliases"):
        outcome = Outcome(put=[(RESTORED, NOW, now | {"asked_for_aliases": True})])
        outcome.send += [aliases.ask_since(body, to, has) for to, has in histories.items()]
        outcome.send.append(Outgoing(body.id, OPEN, message.read()))
        return outcome
    _wait_for(f"aliases of {to}" for to in histories)
    return _opened(body, now)


def _wait_for(missing: Iterable[str]) -> None:
    names = sorted(missing)
    if names:
        raise PeerError(UNREACHABLE, f"Not caught up yet: {', '.join(names)}.")


def _not_resent(body: Body, now: Json) -> list[str]:
    """Return the bodies whose messages since the backup are not all here and handled."""
    missing = []
    for peer in _peers(body):
        said = body.store.get(RESENT, f"{now['backup']}:{peer}")
        if said is None:
            missing.append(f"what {peer} sent")
        elif not said["complete"]:
            missing.append(f"what {peer} no longer has (the backup is too old)")
        elif any(_is_missing(body, one["id"], one["path"]) for one in said["messages"]):
            missing.append(f"messages of {peer}")
    return missing


def _is_missing(body: Body, message_id: str, path: str) -> bool:
    if path not in closed.DOORS:
        return False  # comes when the door is open again
    state = body.store.incoming_state(message_id)
    return state is None or (
        state == "waiting" and closed.may_handle(body, body.store.incoming(message_id))
    )


def _lists_behind(body: Body) -> list[str]:
    """Return the registries whose newest list is not applied here."""
    behind: list[str] = []
    for registry in registries(body.framework):
        if body.id not in list_recipients(body.framework, registry):
            continue
        head = _ask(body, registry, "opt_out/head")
        held = body.store.get("held-list", registry)
        have = held["header"]["digest"] if held else GENESIS
        if head.get("digest", GENESIS) != have:
            behind.append(registry)
    return behind


def _epoch_behind(body: Body) -> list[str]:
    """Say whether the converters have pseudonyms of a later epoch than those kept here.

    The turn to it is a message that the first converter delivers again; without the converters'
    ratios an old backup cannot be brought into the epoch in force, and stays closed.
    """
    for role in CONVERTERS:
        peer = body.auxiliary(role)
        if peer != body.id and int(_ask(body, peer, "conversion/epoch")["epoch"]) > body.epoch:
            return ["the key epoch"]
    return []


def _aliases_behind(body: Body) -> dict[Domain, int]:
    """Return our domains that lack batches of aliases, with the last batch that each has."""
    own = [to for to in alias_receivers(body.framework) if to.rpartition(":")[2] == body.id]
    if not own:
        return {}
    history = body.auxiliary("history")
    newest = int(_ask(body, history, "history/aliases")["number"])
    taken = {to: aliases.taken(body, to)[0] for to in own}
    return {to: number for to, number in taken.items() if number < newest}


def _lists_since(body: Body, now: Json, behind: list[str], message: Incoming) -> Outcome:
    """Ask registries for every list after the one that this holder has."""
    outcome = Outcome(put=[(RESTORED, NOW, now | {"asked_for_lists": True})])
    for registry in behind:
        held = body.store.get("held-list", registry)
        since = canonical_json({"since": held["header"]["number"] if held else 0})
        outcome.send.append(Outgoing(registry, "opt_out/lists-since", since))
    outcome.send.append(Outgoing(body.id, OPEN, message.read()))
    return outcome


def _ask(body: Body, peer: str, path: str) -> Json:
    if peer == body.id:
        return body.store.get("list-head", body.id) or {"number": 0}
    answer: Json = body.client.get(body.directory.find(peer), f"/exchange/{path}").json()
    return answer


def _opened(body: Body, now: Json) -> Outcome:
    outcome = Outcome(drop=[(RESTORED, NOW)])
    outcome.fact(
        "body.restored",
        backup=now["backup"],
        previous=now["previous"],
        size=now["size"],
        peers=len(_peers(body)),
    )
    outcome.fact("body.opened", backup=now["backup"])
    return outcome


# A restored registry


def _ask_for_lists(body: Body, now: Json, message: Incoming) -> Outcome:
    """Ask the holders that have a newer list than ours to return it."""
    head = body.store.get("list-head", body.id) or {"number": 0, "digest": GENESIS, "on": ""}
    own = {name: head[name] for name in ("number", "digest", "on")}
    said = {
        holder: body.client.get(
            body.directory.find(holder), f"/exchange/collection/held-list?registry={body.id}"
        ).json()
        for holder in list_recipients(body.framework, BodyId(body.id))
        if holder != body.id
    }
    newest = max([own, *said.values()], key=lambda one: int(one["number"]))
    holders = sorted(h for h, one in said.items() if one["number"] == newest["number"])
    if any(one["number"] == newest["number"] and one != newest for one in (own, *said.values())):
        raise TamperError(
            "restore.two-lists",
            f"There are different lists of this registry with the number {newest['number']}.",
            rule="lists are numbered and chained; every body takes every list, in order",
        )
    if newest["on"] > body.today().isoformat():
        _wait_for(["the day on which the newest list was made"])
    outcome = Outcome()
    ask = holders if newest != own else []
    if ask:
        question = canonical_json({"number": newest["number"], "backup": now["backup"]})
        outcome.send += [Outgoing(one, "collection/return-list", question) for one in ask]
    outcome.put.append((RESTORED, NOW, now | {"step": "returning", "from": ask, "head": newest}))
    outcome.send.append(Outgoing(body.id, OPEN, message.read()))
    return outcome


def _not_returned(body: Body, now: Json) -> list[str]:
    returned = {key for key, _ in body.store.find(RETURNED, f"{now['backup']}:")}
    return [
        f"the list back from {holder}"
        for holder in now["from"]
        if f"{now['backup']}:{holder}" not in returned
    ]


def held_list(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a registry which of its lists this holder has."""
    kept = body.store.get("held-list", sender)
    if kept is None:
        return {"number": 0, "digest": GENESIS, "on": ""}
    return {name: kept["header"][name] for name in ("number", "digest", "on")}


def return_list(body: Body, message: Incoming) -> Outcome:
    """Send a registry its own newest list back through the converters."""
    asked = orjson.loads(message.read())
    kept = body.store.get("held-list", message.sender)
    if kept is None:
        raise Refusal("restore.no-list", f"{body.id} holds no list of {message.sender}.")
    header = ListHeader.from_payload(kept["header"])
    entries = sorted(kept["entries"].items())
    tags = {wrapped: new_tag(body.random) for wrapped, _ in entries}
    persons = [(tags[wrapped], body.keys.unwrap(wrapped)) for wrapped, _ in entries]
    persons += lists._padding(body, len(persons))
    rows = sorted((tags[wrapped], scopes) for wrapped, scopes in entries)
    reason = Reason(
        id=f"list-return:{asked['backup']}:{body.id}",
        kind="list_return",
        from_domain=body_domain(body.id),
        to_domain=registry_domain(message.sender),
        receiver=message.sender,
        room="opt_out",
        max_rows=len(persons),
        expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
        epoch=body.epoch,
        about=asked["backup"],
    )
    payload = {
        "header": pa.table({"json": [canonical_json(header.payload()).decode()]}),
        "rows": pa.table(
            {
                "tag": pa.array([tag for tag, _ in rows], pa.string()),
                "scopes": pa.array([scopes for _, scopes in rows], pa.list_(pa.string())),
            }
        ),
    }
    return transfer.start(body, reason, persons, payload)


def returned(body: Body, arrival: transfer.Arrived) -> Outcome:
    """Take back a list of ours: who is on it stays out, as from the list's own day.

    Only added, never taken away: a choice that was undone after the backup counts as in force
    until it is undone again. That is the safe side.
    """
    now = closed.state(body)
    if now is None or arrival.reason.about != now["backup"]:
        return Outcome()
    header = ListHeader.from_payload(orjson.loads(arrival.tables["header"]["json"][0].as_py()))
    table = arrival.tables["rows"]
    outcome, added = Outcome(), 0
    for tag, scopes in zip(table["tag"].to_pylist(), table["scopes"].to_pylist(), strict=True):
        wrapped = body.keys.wrap(arrival.pseudonyms[Tag(tag)])
        extra = _missing_choices(body, wrapped, scopes, header.on, now["backup"])
        if extra:
            known = (body.store.get("registry", wrapped) or {"choices": []})["choices"]
            outcome.put.append(("registry", wrapped, {"choices": [*known, *extra]}))
            added += len(extra)
    key = f"{now['backup']}:{arrival.sender}"
    outcome.put.append((RETURNED, key, {"header": header.payload(), "added": added}))
    outcome.fact("optout.returned", holder=arrival.sender, number=header.number, added=added)
    return outcome


def _missing_choices(
    body: Body, wrapped: str, scopes: Iterable[str], day: date, backup: str
) -> list[Json]:
    """Return a choice for each scope of a returned list that our own choices do not give."""
    known = list((body.store.get("registry", wrapped) or {"choices": []})["choices"])
    choices = [Choice.from_payload(one) for one in known]
    in_force = {str(scope) for scope in effective(choices, body.today(), body.today())}
    added: list[Json] = []
    for scope in sorted(set(scopes) - in_force):
        ref = digest(f"{backup}/{wrapped}/{scope}".encode())[:32]
        added.append(_choice(body, ref, scope, day, [*known, *added]))
    return added


def _list_again(body: Body, now: Json, message: Incoming) -> Outcome:
    """Issue the list that follows the newest one that anybody has seen."""
    outcome, changed = _unheard(body, now["head"]["on"])
    for kind in ("choice", "opt_out_list"):
        outcome.add(transfer.end_halved(body, kind))
    outcome.add(lists.issue(body, changed, after=now["head"]))
    held = body.store.get("held-list", body.id)
    for holder in now["from"][:1] if held else ():
        # As a holder of our own list we missed the same ones; while closed nobody reads it.
        back = body.store.get(RETURNED, f"{now['backup']}:{holder}") or {}
        outcome.put.append(("held-list", body.id, {**(held or {}), "header": back["header"]}))
    outcome.put.append((RESTORED, NOW, now | {"step": "listed"}))
    outcome.send.append(Outgoing(body.id, OPEN, message.read()))
    return outcome


def _unheard(body: Body, listed_on: str) -> tuple[Outcome, dict[str, list[Json]]]:
    """Take choices of which only the person is known: what was chosen was lost with the body.

    The desk was this body itself, so that nobody can send the words again. Where the newest list
    cannot hold the choice, the person stays out of everything until it is stated again.
    """
    changed: dict[str, list[Json]] = {}
    for reason, tag, element in transfer.only_pseudonyms(body, "choice"):
        stated_on = date.fromisoformat(reason.expires) - timedelta(days=VALID_DAYS)
        wrapped = body.keys.wrap(element)
        known = (body.store.get("registry", wrapped) or {"choices": []})["choices"]
        late = stated_on.isoformat() > listed_on
        if not late and (known or stated_on.isoformat() < listed_on):
            continue
        changed.setdefault(wrapped, known).append(_choice(body, tag, "all", body.today(), known))
    outcome = Outcome()
    if changed:
        outcome.put += [("registry", one, {"choices": kept}) for one, kept in changed.items()]
        outcome.fact("optout.unheard", count=len(changed))
    return outcome, changed


def _choice(body: Body, ref: str, scope: str, since: date, known: list[Json]) -> Json:
    """Return a choice that a restored registry takes as stated, the last word in its scope."""
    return Choice.from_payload(
        {
            "ref": ref,
            "scope": scope,
            "effective_from": since.isoformat(),
            "recorded_on": body.today().isoformat(),
            "serial": 1 + max((int(one["serial"]) for one in known), default=0),
        }
    ).payload()


# What the others do


def resend(body: Body, message: Incoming) -> Outcome:
    """Deliver again to a restored body what it may have lost; tell it which messages these are."""
    asked = orjson.loads(message.read())
    since = datetime.fromisoformat(asked["since"])
    found = body.store.delivered(message.sender, since)
    oldest = SystemClock().now() - timedelta(days=rule(body).keep_sent_days)
    answer: dict[str, Any] = {
        "backup": asked["backup"],
        "complete": since >= oldest,
        # As the receiver names them (`web.views.keep`).
        "messages": [
            {"id": digest(f"{body.id}/{one}".encode())[:32], "path": path} for one, path in found
        ],
    }
    outcome = Outcome(again=[one for one, _ in found])
    outcome.send.append(Outgoing(message.sender, "status/resent", canonical_json(answer)))
    outcome.fact("message.resent", to=message.sender, count=len(found))
    return outcome


def resent(body: Body, message: Incoming) -> Outcome:
    """Keep what a body says it delivers again."""
    said = orjson.loads(message.read())
    key = f"{said['backup']}:{message.sender}"
    kept = {"complete": bool(said["complete"]), "messages": said["messages"]}
    return Outcome(put=[(RESENT, key, kept)])


def forget_sent(body: Body) -> Outcome:
    """Remove what was delivered so long ago that no restored body may ask for it."""
    before = SystemClock().now() - timedelta(days=rule(body).keep_sent_days)
    return Outcome(remove=body.store.delivered_before(before))
