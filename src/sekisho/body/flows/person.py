"""A person's view: who asks at a desk learns which projects used their data, and nobody else does.

The form with the identity goes sealed to the history service, which encrypts every number that it
knows of the person, once for each place where something is kept; the desk sends these through the
converters, and each place answers under a key that only the asker's client has. What was matched
is kept nowhere: a place answers and forgets, the desk holds sealed answers until they are taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import orjson

from sekisho.body.context import Body
from sekisho.body.flows import registered, transfer, uses
from sekisho.body.flows.histories import numbers_of
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json, filled_up
from sekisho.common.errors import SekishoError, UserError
from sekisho.common.ids import IDENTITY, BodyId, Domain, new_tag
from sekisho.common.randomness import shuffle
from sekisho.control.conversion import place_of
from sekisho.control.optout import in_force, read_learned
from sekisho.exchange import parcel, seal
from sekisho.exchange.transfer import Reason
from sekisho.pseudonym.elgamal import encrypt_many
from sekisho.pseudonym.group import Element, random_element
from sekisho.pseudonym.identifiers import element_of, parse_spec

VIEW = "view"
WIDTH = 8
"""Persons in a batch: the numbers of one person, filled up with nobody to a multiple of this."""
MOST_PLACES = 1000
VALID_DAYS = 1
_TICKET = re.compile(r"[0-9a-f]{32}")
_ROOMS = {"uses": "oversight", "registry": "opt_out"}


# At the desk


def ask(body: Body, message: Incoming) -> Outcome:
    """Take a person's question; who asks stands in a form that this desk cannot read."""
    asked = _question(body, message.read())
    outcome = Outcome()
    if body.store.get(VIEW, asked["ticket"]) is not None:
        return outcome
    kept = {"state": "asked", "day": body.today().isoformat(), "places": asked["places"]}
    kept["as_of"] = asked["as_of"]
    outcome.put.append((VIEW, asked["ticket"], {**kept, "answers": {}}))
    header = {"view": asked["ticket"], "places": len(asked["places"])}
    outcome.send.append(
        Outgoing(
            body.auxiliary("history"),
            "history/view",
            parcel.pack(header, [bytes.fromhex(asked["form"])]),
            content_type=parcel.MEDIA_TYPE,
        )
    )
    outcome.fact("view.asked", places=len(asked["places"]), proxy=asked["proxy"])
    return outcome


def _question(body: Body, data: bytes) -> Json:
    """Return ticket, sealed form (hex) and places with the one-time key for each answer."""
    try:
        stated = orjson.loads(data)
        bytes.fromhex(stated["form"])
        places = [[str(p["domain"]), str(p["recipient"])] for p in stated["places"]]
        if not _TICKET.fullmatch(stated["ticket"]) or not 0 < len(places) <= MOST_PLACES:
            raise ValueError
        if len({domain for domain, _ in places}) < len(places):
            raise ValueError
        as_of = {name: str(stated[name]) for name in ("on", "known") if name in stated}
        for day in as_of.values():
            date.fromisoformat(day)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            "view.form",
            "A person's question has a ticket, a sealed form and places, each once with a key.",
            next_step="make the question anew from the register of projects",
        ) from error
    for domain, recipient in places:
        _place(body, domain)
        seal.seal(b"", recipient)
    return {
        "ticket": stated["ticket"],
        "form": stated["form"],
        "places": places,
        "proxy": bool(stated.get("proxy", False)),
        "as_of": as_of,
    }


def _place(body: Body, domain: str) -> tuple[str, str]:
    """Return body and room that keep ``domain``; refuse one where nothing is kept to be seen."""
    place = place_of(Domain(domain), [BodyId(one.id) for one in body.framework.body])
    if place.sort not in _ROOMS or place.owner is None:
        raise UserError("view.no-such-place", "Nothing is kept there for a person to see.")
    return place.owner, _ROOMS[place.sort]


def convert(body: Body, message: Incoming) -> Outcome:
    """Send what the history service encrypted through the converters, to every place at once."""
    header, ciphers = parcel.unpack(message.read(), needs=("view",), empty=True)
    ticket = str(header["view"])
    kept = body.store.get(VIEW, ticket)
    if kept is None or kept["state"] != "asked":
        return Outcome()
    places: list[list[str]] = kept["places"]
    if not ciphers or len(ciphers) % len(places):
        return Outcome(put=[(VIEW, ticket, {**kept, "state": "unreadable", "places": []})])
    width = len(ciphers) // len(places)
    transfers = []
    for number, (domain, recipient) in enumerate(places):
        owner, room = _place(body, domain)
        reason = Reason(
            id=f"view:{ticket}:{number}",
            kind="view",
            from_domain=IDENTITY,
            to_domain=Domain(domain),
            receiver=owner,
            room=room,
            max_rows=width,
            expires=(body.today() + timedelta(days=VALID_DAYS)).isoformat(),
            epoch=body.epoch,
            about=canonical_json(
                {"view": ticket, "recipient": recipient, **kept["as_of"]}
            ).decode(),
        )
        mine = ciphers[number * width : (number + 1) * width]
        persons = tuple((new_tag(body.random), cipher) for cipher in mine)
        transfers.append((reason, transfer.packed(body, persons)))
    outcome = Outcome(put=[(VIEW, ticket, {**kept, "state": "converting"})])
    outcome.add(transfer.start_alone(body, transfers))
    return outcome


def answered(body: Body, message: Incoming) -> Outcome:
    """Keep sealed answers until the asker's client takes them."""
    header, blobs = parcel.unpack(message.read(), needs=("view",), each="domains")
    kept = body.store.get(VIEW, str(header["view"]))
    if kept is None or kept["state"] != "converting":
        return Outcome()
    asked = {domain for domain, _ in kept["places"] if _place(body, domain)[0] == message.sender}
    answers = {
        **kept["answers"],
        **{
            domain: blob.hex()
            for domain, blob in zip(header["domains"], blobs, strict=True)
            if domain in asked
        },
    }
    state = "answered" if len(answers) == len(kept["places"]) else "converting"
    new = {**kept, "answers": answers, "state": state}
    return Outcome(put=[(VIEW, str(header["view"]), new)])


def status(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Give the sealed answers to whoever has the ticket; nobody else can open them anyway."""
    kept = body.store.get(VIEW, params.get("ticket", "")) or {"state": "unknown"}
    done = kept["state"] == "answered"
    return {"state": kept["state"], "answers": kept["answers"] if done else {}}


def taken(body: Body, message: Incoming) -> Outcome:
    """Forget a question whose answers were taken."""
    return Outcome(drop=[(VIEW, str(orjson.loads(message.read())["ticket"]))])


def daily(body: Body) -> Outcome:
    """Forget questions of earlier days, whose answers nobody took."""
    today = body.today().isoformat()
    old = [key for key, kept in body.store.find(VIEW) if kept["day"] < today]
    return Outcome(drop=[(VIEW, key) for key in old])


# At the history service


def encrypt(body: Body, message: Incoming) -> Outcome:
    """Encrypt a person's numbers once for each place, filled up with nobody and shuffled.

    Neither the desk nor a converter sees how many numbers a person had.
    """
    header, forms = parcel.unpack(message.read(), needs=("view", "places"))
    places = int(header["places"])
    if not 0 < places <= MOST_PLACES:
        raise UserError("view.form", "A person's question names at least one place.")
    try:
        spec = orjson.loads(seal.open_sealed(forms[0], body.keys.seal))
        numbers = [element_of(one) for one in numbers_of(body, parse_spec(spec))]
    except (SekishoError, orjson.JSONDecodeError):
        numbers = []
    ciphers: list[bytes] = []
    for _ in range(places if numbers else 0):
        missing = -len(numbers) % WIDTH
        persons = [*numbers, *(random_element(body.random) for _ in range(missing))]
        shuffle(body.random, persons)
        ciphers += encrypt_many(persons, body.global_key, body.random)
    outcome = Outcome()
    outcome.send.append(
        Outgoing(
            message.sender,
            "opt_out/view-encrypted",
            parcel.pack({"view": header["view"]}, ciphers),
            content_type=parcel.MEDIA_TYPE,
        )
    )
    outcome.fact("view.encrypted", desk=message.sender, places=places, unreadable=not numbers)
    return outcome


# Where something is kept


def match(body: Body, arrivals: Sequence[transfer.Arrived]) -> Outcome:
    """Answer a person's question about this place, sealed to the asker; keep nothing of it."""
    answers: dict[tuple[str, str], list[tuple[str, bytes]]] = {}
    for arrival in arrivals:
        about = orjson.loads(arrival.reason.about)
        domain = arrival.reason.to_domain
        persons = list(arrival.pseudonyms.values())
        today = body.today()
        on, known = (date.fromisoformat(about.get(k, str(today))) for k in ("on", "known"))
        answer = _answer(body, domain, persons, on, known)
        sealed = seal.seal(filled_up(answer), about["recipient"])
        answers.setdefault((arrival.sender, about["view"]), []).append((domain, sealed))
    outcome = Outcome()
    for (desk, view), each in answers.items():
        header = {"view": view, "domains": [domain for domain, _ in each]}
        outcome.send.append(
            Outgoing(
                desk,
                "opt_out/view-answer",
                parcel.pack(header, [sealed for _, sealed in each]),
                content_type=parcel.MEDIA_TYPE,
            )
        )
        outcome.fact("view.answered", desk=desk, places=len(each))
    return outcome


def _answer(body: Body, domain: Domain, persons: Sequence[Element], on: date, known: date) -> Json:
    """Return whether a project used one of the ``persons``, or their choices in force on a day.

    Of all numbers of a person together: a reversal under a new number undoes what was said under
    an old one.
    """
    place = place_of(domain, [BodyId(one.id) for one in body.framework.body])
    if place.sort == "uses":
        return {"used": uses.is_included(body, str(place.application), persons)}
    learned = [
        one
        for person in persons
        for one in read_learned(registered.known(body, body.keys.wrap(person), {}))
    ]
    scopes = in_force(learned, on, known)
    found: dict[str, date] = {}
    for choice in (one.choice for one in learned if one.on <= known):
        if choice.scope in scopes and not choice.revoke and choice.effective_from <= on:
            name = str(choice.scope)
            found[name] = max(choice.effective_from, found.get(name, choice.effective_from))
    in_order = sorted(found.items())
    return {"choices": [{"scope": name, "since": since.isoformat()} for name, since in in_order]}
