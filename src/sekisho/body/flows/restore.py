"""How a body that came from a backup catches up with what others know, and then opens by itself.

It asks every body to deliver again what that body delivered since the backup (`resending`); a
registry gets its list back from those who hold it (`listback`). Opening needs the newest opt-out
lists, what they ask to be erased, aliases and the key epoch.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sekisho.body import closed
from sekisho.body.closed import NOW, OPEN, RESTORED
from sekisho.body.context import Body
from sekisho.body.flows import accounts, aliases, desk, destruction, effects, histories, listback
from sekisho.body.flows.keyshares import CONVERTERS
from sekisho.body.flows.resending import RESENT, rule
from sekisho.body.keyring import converter_files
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.common.ids import Domain
from sekisho.control.optout import GENESIS
from sekisho.framework import alias_receivers, desks, list_recipients, registries


def catch_up(body: Body, message: Incoming) -> Outcome:
    """Ask every other body to deliver again what it delivered since the backup."""
    now = closed.state(body)
    outcome = Outcome()
    if now is None:
        return outcome
    if "conversion" in body.rooms:
        outcome.add(destruction.follow(body))
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
    closed.wait_for(_not_resent(body, now))
    if body.id in registries(body.framework):
        if now["step"] == "asked":
            return listback.ask_for_lists(body, now, message)
        if now["step"] == "returning":
            closed.wait_for(listback.not_returned(body, now))
            return listback.list_again(body, now, message)
    behind = _lists_behind(body)
    others = [registry for registry in behind if registry != body.id]
    if others and not now.get("asked_for_lists"):
        return _lists_since(body, now, others, message)
    closed.wait_for(f"the opt-out list of {registry}" for registry in behind)
    closed.wait_for(_epoch_behind(body))
    histories = _aliases_behind(body)
    if histories and not now.get("asked_for_aliases"):
        outcome = Outcome(put=[(RESTORED, NOW, now | {"asked_for_aliases": True})])
        outcome.send += [aliases.ask_since(body, to, has) for to, has in histories.items()]
        outcome.send.append(Outgoing(body.id, OPEN, message.read()))
        return outcome
    closed.wait_for(f"aliases of {to}" for to in histories)
    return _opened(body, now)


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
    ratios an old backup cannot be brought into the epoch in force, and stays closed. So does a
    converter whose own secret of that epoch was lost with it: nobody can draw it again.
    """
    own = converter_files(body.keys.folder)
    if "conversion" in body.rooms and max(own, default=-1) < body.epoch:
        return ["its own secret of the key epoch (the backup is older than the rotation)"]
    for role in CONVERTERS:
        peer = body.auxiliary(role)
        if peer != body.id and int(_ask(body, peer, "conversion/epoch")["epoch"]) > body.epoch:
            gone = body.epoch in destruction.destroyed_epochs(body)
            why = " (the secret of the backup's epoch was destroyed: it is too old)"
            return [f"the key epoch{why if gone else ''}"]
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
    outcome = effects.in_force(body)  # what the backup still held is erased before anybody reads it
    outcome.drop.append((RESTORED, NOW))
    outcome.fact(
        "body.restored",
        backup=now["backup"],
        previous=now["previous"],
        size=now["size"],
        peers=len(_peers(body)),
    )
    outcome.fact("body.opened", backup=now["backup"])
    outcome.add(_accounts_go_on(body))
    if "history" in body.rooms:
        outcome.add(histories.go_on(body, now["day"]))
    if body.id in desks(body.framework):
        outcome.add(desk.lost(body, now["day"]))
    return outcome


def _accounts_go_on(body: Body) -> Outcome:
    """Follow the newest statement of ours that each registry took, as we follow its lists."""
    outcome = Outcome()
    for registry in accounts.accounts_to(body):
        if registry != body.id:
            taken = _ask(body, registry, "opt_out/accounted-to")
            outcome.put.append(("statement", registry, {**taken, "answered": True}))
    return outcome
