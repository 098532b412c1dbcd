"""A new epoch of pseudonyms: begun by the converters, taken up by every body, then the old refused.

1. The first converter draws a new secret and sends its public step to the second (`rotate`).
2. The second draws its own, completes and signs the new global key (`prepare`); from here on it
   converts in both epochs. So does the first when it signs as well, and tells every body (`agree`).
3. A body asks both converters for the ratios of its domains, turns every pseudonym that it keeps
   and every later message (`turn`), and says so. One transaction; done again after a crash. An
   index of uses follows project by project (`indexturn`).
4. When all have turned and a day has passed for what was on its way, or at the deadline, the
   converters refuse the old epoch (`daily`, `over`). Projects keep theirs to their end.

What arrives in another epoch than the body's own is brought into it on arrival (`into_own`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import orjson

from sekisho.body.context import EPOCH, Body, Epoch
from sekisho.body.flows.aliases import event_of
from sekisho.body.flows.atrest import Turning, turned_records
from sekisho.body.flows.keyshares import CONVERTERS, is_index_of
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import PeerError, Refusal, UserError
from sekisho.common.ids import BodyId, Domain, Tag, body_domain, registry_domain, rotates
from sekisho.common.randomness import RandomBytes, seeded
from sekisho.exchange import jws, seal
from sekisho.exchange.globalkey import KIND, read_global_key
from sekisho.framework import registries
from sekisho.pseudonym.group import Element, Scalar, decode_element, multiply, scalar_product

ROTATION, GLOBALS, ENDED = "rotation", "global-key", "ended-epoch"
TURN = "status/epoch"
DEADLINE_DAYS = 14


# At the converters


def rotate(body: Body, message: Incoming) -> Outcome:
    """Begin a rotation at the first converter, on the word of its own operator."""
    _only(body, message, "converter", "converter")
    days = int(_read(message.read(), "deadline_days")["deadline_days"])
    running = body.store.get(ROTATION, "now")
    if running is not None and running["phase"] != "over":
        raise Refusal(
            "keys.rotation-running",
            f"The rotation to epoch {running['to']} is not over yet.",
            next_step="wait until all bodies have turned, or until its deadline",
        )
    new = body.epoch + 1
    secret = body.keys.begin_epoch(new, _draw(body, "converter", new)).of(new)
    step = bytes(secret.public_step(None)).hex()
    state = {"from": new - 1, "to": new, "phase": "begun", "turned": []}
    state |= {"deadline": (body.today() + timedelta(days=days)).isoformat()}
    outcome = Outcome(put=[(ROTATION, "now", state)])
    told = canonical_json({"epoch": new, "step": step, "on": body.today().isoformat()})
    outcome.send.append(Outgoing(body.auxiliary("oversight"), "conversion/epoch-prepare", told))
    outcome.fact("key.rotation", epoch=new, phase="begun")
    return outcome


def prepare(body: Body, message: Incoming) -> Outcome:
    """Draw the second converter's secret; complete and sign the new global key."""
    _only(body, message, "oversight", "converter")
    said = _read(message.read(), "epoch", "step", "on")
    new = int(said["epoch"])
    if new != body.epoch + 1:
        raise Refusal("keys.other-epoch", "The first converter is in another epoch.")
    first = decode_element(bytes.fromhex(said["step"]))
    secret = body.keys.begin_epoch(new, _draw(body, "oversight", new)).of(new)
    made = secret.public_step(first)
    steps = [said["step"], bytes(made).hex()]
    payload = {"steps": steps, "group": "ristretto255", "epoch": new, "on": said["on"]}
    signature = jws.sign_shared(payload, body.keys.signing, body.id, KIND)
    outcome = _accepting_both(new, made, {})
    answer = {"payload": payload, "protected": signature.protected}
    answer |= {"signature": signature.signature}
    outcome.send.append(Outgoing(message.sender, "conversion/epoch-agree", canonical_json(answer)))
    outcome.fact("key.rotation", epoch=new, phase="prepared")
    return outcome


def agree(body: Body, message: Incoming) -> Outcome:
    """Sign the new global key as well, and tell every body to turn."""
    _only(body, message, "converter", "oversight")
    said = _read(message.read(), "payload", "protected", "signature")
    payload, state = said["payload"], body.store.get(ROTATION, "now") or {}
    if state.get("phase") != "begun" or payload["epoch"] != state["to"]:
        return Outcome()
    new = int(state["to"])
    own = bytes(body.keys.converter().of(new).public_step(None)).hex()
    if payload["steps"][0] != own:
        raise Refusal("keys.other-step", "The second converter built on another step than ours.")
    theirs = jws.Signature(protected=said["protected"], signature=said["signature"])
    mine = jws.sign_shared(payload, body.keys.signing, body.id, KIND)
    text = jws.assemble(payload, [mine, theirs])
    made = global_key_of(body, text)
    outcome = _accepting_both(new, made.global_key, state)
    outcome.documents.append((f"global-keys/{new}.json", text))
    for party in body.directory.of_kind("body"):
        outcome.send.append(Outgoing(party.id, TURN, text.encode()))
    outcome.fact("key.rotation", epoch=new, phase="turning", digest=digest(text.encode()))
    return outcome


def _accepting_both(new: int, made: Element, state: Json) -> Outcome:
    turning = {"turned": [], **state, "from": new - 1, "to": new, "phase": "turning"}
    known = {"global": bytes(made).hex()}
    return Outcome(put=[(ROTATION, "now", turning), (GLOBALS, str(new), known)])


def turned(body: Body, message: Incoming) -> Outcome:
    """Keep a body's word that it has turned; the first day on which all have is remembered."""
    state = body.store.get(ROTATION, "now")
    said = _read(message.read(), "epoch")
    if state is None or state["phase"] != "turning" or said["epoch"] != state["to"]:
        return Outcome()
    done = sorted({*state["turned"], message.sender})
    state = {**state, "turned": done}
    if set(done) >= {party.id for party in body.directory.of_kind("body")}:
        state["settled"] = body.today().isoformat()
    return Outcome(put=[(ROTATION, "now", state)])


def daily(body: Body) -> Outcome:
    """End the old epoch when all have turned and a day has passed, or at the deadline."""
    state = body.store.get(ROTATION, "now")
    if state is None or state["phase"] != "turning" or "deadline" not in state:
        return Outcome()
    settled = "settled" in state and body.today() > date.fromisoformat(state["settled"])
    if not settled and body.today() <= date.fromisoformat(state["deadline"]):
        return Outcome()
    everyone = {party.id for party in body.directory.of_kind("body")}
    outcome = _over(body, state, sorted(everyone - set(state["turned"])))
    told = canonical_json({"epoch": state["to"]})
    outcome.send.append(Outgoing(body.auxiliary("oversight"), "conversion/epoch-over", told))
    return outcome


def over(body: Body, message: Incoming) -> Outcome:
    """Refuse the old epoch at the second converter, too."""
    _only(body, message, "oversight", "converter")
    said = _read(message.read(), "epoch")
    state = body.store.get(ROTATION, "now")
    if state is None or state["phase"] != "turning" or said["epoch"] != state["to"]:
        return Outcome()
    return _over(body, state, [])


def _over(body: Body, state: Json, late: list[str]) -> Outcome:
    outcome = Outcome(put=[(ROTATION, "now", {**state, "phase": "over"})])
    ended = {"on": body.today().isoformat()}
    outcome.put.append((ENDED, str(state["from"]), ended))
    outcome.fact("key.rotation", epoch=state["to"], phase="over", late=late)
    return outcome


def ended_on(body: Body, epoch: int) -> date | None:
    """Return since when this converter refuses an epoch; at the latest a later one's end is its."""
    known = {int(key): kept["on"] for key, kept in body.store.find(ENDED)}
    days = [date.fromisoformat(on) for ended, on in known.items() if ended >= epoch]
    return min(days, default=None)


def accepted(body: Body) -> tuple[int, int | None]:
    """Return the newest epoch in which this converter converts, and the former one if it still
    does."""
    state = body.store.get(ROTATION, "now")
    if state is None or state["phase"] == "begun":
        return body.epoch, None
    return int(state["to"]), int(state["from"]) if state["phase"] == "turning" else None


def global_key_at(body: Body, epoch: int) -> Element:
    """Return the global key of an epoch, as a converter remembers it."""
    kept = body.store.get(GLOBALS, str(epoch))
    return Element(bytes.fromhex(kept["global"])) if kept else body.keys.first_global_key


def now(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell in which epoch to sign, under which global key to encrypt, and until when the old."""
    epoch, former = accepted(body)
    record = body.documents.read(f"global-keys/{epoch}.json")
    return {"epoch": epoch, "former": former, "record": record}


def give_ratio(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Answer an owner's request for this converter's ratio between two epochs, sealed to it."""
    question = _read(data, "domain", "from", "to")
    domain = Domain(str(question["domain"]))
    own = domain in {body_domain(sender), registry_domain(sender)}
    if not own and not is_index_of(body, sender, domain):
        raise Refusal(
            "keys.not-your-domain",
            "A body gets ratios for its own domains only.",
            rule="linkage: each converter gives the ratio to the domain's owner",
        )
    old, new = int(question["from"]), int(question["to"])
    ratio = body.keys.converter().ratio(domain, old, new)
    recipient = body.directory.find(sender).seal_recipient
    return {"sealed": seal.seal(bytes(ratio), recipient).hex()}


# At every body


def turn(body: Body, message: Incoming) -> Outcome:
    """Turn all that this body keeps to the new epoch, and all that it does from now on."""
    text = message.read().decode("ascii", "replace")
    from sekisho.body.flows import indexturn

    new = global_key_of(body, text)
    if new.number <= body.epoch:
        return indexturn.begin(body, body.epoch)
    if new.number > body.epoch + 1:
        raise PeerError("peer.unreachable", "An epoch before this one has not arrived yet.")
    turning = Turning(body, _ratios(body, body.epoch, new.number))
    outcome = indexturn.begin(body, new.number)
    kept = {"epoch": new.number, "global": bytes(new.global_key).hex()}
    outcome.put.append((EPOCH, "now", kept))
    outcome.documents.append((f"global-keys/{new.number}.json", text))
    records = list(turned_records(turning))
    for record in records:
        if record.new != record.old:
            outcome.drop.append((record.place.kind, record.old))
        data = {**record.data, "epoch": new.number} if "epoch" in record.data else record.data
        outcome.put.append((record.place.kind, record.new, data))
    chosen = {r.new: r.data["choices"] for r in records if r.place.kind == "registry"}
    gone = {r.old for r in records if r.place.kind == "registry"} - set(chosen)
    if body.store.get("list-head", body.id) is not None:
        from sekisho.body.flows.lists import issue

        mine = f"{registry_domain(body.id)}/"
        changed = [
            event_of(r.new.removeprefix(mine), r.data)
            for r in records
            if r.place.kind == "alias" and r.new.startswith(mine)
        ]
        now = replace(body, turning=new)
        outcome.add(issue(now, chosen, gone=gone, aliases=changed))
    outcome.fact("key.epoch", epoch=new.number, records=len(records), digest=digest(text.encode()))
    if "collection" in body.rooms:
        from sekisho.data.lake import Lake

        # Last, so that only the commit follows: from here until then the body is half turned.
        own = body_domain(body.id)
        outcome.remove += Lake(body.folders.lake).turn(
            new.number, lambda wrapped: [turning.one(own, one) for one in wrapped]
        )
    return outcome


def confirm(body: Body, number: int) -> Outgoing:
    """Return the word that all that this body keeps is in an epoch."""
    said = canonical_json({"epoch": number})
    return Outgoing(body.auxiliary("converter"), "conversion/epoch-turned", said)


def half_turned(body: Body) -> bool:
    """Return whether a turn broke off before it was committed: nothing else may be done then."""
    from sekisho.data.lake import Lake

    return "collection" in body.rooms and Lake(body.folders.lake).epoch > body.epoch


def into_own(
    body: Body, domain: Domain, epoch: int, pseudonyms: Iterable[tuple[Tag, Element]]
) -> Iterator[tuple[Tag, Element]]:
    """Yield pseudonyms that came in ``epoch`` in this body's own epoch."""
    if epoch == body.epoch or not rotates(domain):
        yield from pseudonyms
        return
    ratio = ratio_of(body, domain, epoch, body.epoch)
    for tag, element in pseudonyms:
        yield tag, multiply(ratio, element)


def global_key_of(body: Body, text: str) -> Epoch:
    """Return the epoch that a global key's record begins; both converters must have signed it."""
    record = read_global_key(text, body.directory)
    return Epoch(record.epoch, record.key)


def _ratios(body: Body, old: int, new: int) -> dict[Domain, Scalar]:
    own = [body_domain(body.id)] if "collection" in body.rooms else []
    own += [registry_domain(body.id)] if BodyId(body.id) in registries(body.framework) else []
    return {domain: ratio_of(body, domain, old, new) for domain in own}


def ratio_of(body: Body, domain: Domain, old: int, new: int) -> Scalar:
    """Ask both converters for their parts of a domain's ratio; neither knows the whole."""
    question = canonical_json({"domain": domain, "from": old, "to": new})
    parts = []
    for role in CONVERTERS:
        peer = body.directory.find(body.auxiliary(role))
        answer = body.client.post(peer, "/exchange/conversion/ratio", question).json()
        parts.append(Scalar(seal.open_sealed(bytes.fromhex(answer["sealed"]), body.keys.seal)))
    return scalar_product(*parts)


def _draw(body: Body, role: str, epoch: int) -> RandomBytes:
    """Return the randomness of a new secret: in a rehearsal it follows from the seed."""
    rehearsal = body.config.rehearsal
    return body.random if rehearsal is None else seeded(rehearsal.seed, "converter", role, epoch)


def _only(body: Body, message: Incoming, role: Any, sender: Any) -> None:
    """Refuse a step of a rotation that is not for this converter or not from whom it must be."""
    if body.id != body.auxiliary(role) or message.sender != body.auxiliary(sender):
        raise Refusal("keys.out-of-turn", "This step of a rotation is another converter's.")


def _read(data: bytes, *names: str) -> Json:
    try:
        said: Json = orjson.loads(data)
        if missing := [name for name in names if name not in said]:
            raise KeyError(missing[0])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError("keys.malformed", "The message of a rotation lacks a field.") from error
    return said
