"""Asks a desk and takes its answer: the form sealed to the history service, a key per place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec
import orjson

from sekisho.common.canonical import canonical_json, filled_up
from sekisho.common.errors import PeerError, UserError
from sekisho.common.ids import BodyId, new_id, registry_domain
from sekisho.common.randomness import RandomBytes
from sekisho.exchange import seal
from sekisho.exchange.client import Client
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import SealKey
from sekisho.framework import Framework, desks, registries
from sekisho.person.view import Project, View, compose


@dataclass(frozen=True)
class Asked:
    """A question that was put: where, under which ticket, and the keys that open its answers."""

    desk: str
    ticket: str
    register: tuple[Project, ...]
    keys: Mapping[str, SealKey] = field(repr=False)


def ask(
    client: Client,
    directory: Directory,
    framework: Framework,
    spec: Mapping[str, Any],
    random: RandomBytes,
    *,
    desk: str | None = None,
    proxy: bool = False,
    on: date | None = None,
    known: date | None = None,
) -> Asked:
    """Put a person's question at a desk: the first one of the framework, if none is named.

    Args:
        spec: what names the person, as in the form of a choice.
        proxy: whether somebody asks for the person (代理人).
        on: the day of which the choices in force are told; today, if none is named.
        known: told is what the registries knew on this day; today, if none is named.
    """
    place = desk or _desk(framework)
    oversight = framework.with_role("oversight")[0]
    told = client.get(directory.find(oversight), "/exchange/oversight/register").json()
    projects = tuple(msgspec.convert(one, Project) for one in told["projects"])
    domains = [one.domain for one in projects if one.state == "received"]
    domains += [registry_domain(registry) for registry in registries(framework)]
    keys = {domain: SealKey.generate(random) for domain in domains}
    history = directory.find(framework.with_role("history")[0])
    plain = {k: v.isoformat() if isinstance(v, date) else v for k, v in spec.items()}
    ticket = new_id(random)
    question = {
        "ticket": ticket,
        "form": seal.seal(filled_up(plain), history.seal_recipient).hex(),
        "places": [{"domain": name, "recipient": key.recipient} for name, key in keys.items()],
        "proxy": proxy,
        **{name: day.isoformat() for name, day in (("on", on), ("known", known)) if day},
    }
    client.post(
        directory.find(place),
        "/exchange/opt_out/view",
        canonical_json(question),
        content_type="application/json",
    )
    return Asked(place, ticket, projects, keys)


def collect(client: Client, directory: Directory, asked: Asked) -> View | None:
    """Return the view, or None while the answers are on their way; the desk then forgets it.

    Raises:
        UserError: the history service could not read who asks.
        PeerError: the desk knows of no such question (any more).
    """
    desk = directory.find(asked.desk)
    path = f"/exchange/opt_out/view-status?ticket={asked.ticket}"
    told = client.get(desk, path).json()
    if told["state"] == "unreadable":
        raise UserError(
            "view.unreadable",
            "The history service could not read who asks.",
            next_step="see that the number is written as on the insurance card, and ask again",
        )
    if told["state"] == "unknown":
        raise PeerError(
            "view.forgotten",
            "The desk does not know this question.",
            rule="answers that nobody took are forgotten with the day",
            next_step="ask again",
        )
    if told["state"] != "answered":
        return None
    answers = {
        domain: orjson.loads(seal.open_sealed(bytes.fromhex(sealed), asked.keys[domain]))
        for domain, sealed in told["answers"].items()
    }
    done = canonical_json({"ticket": asked.ticket})
    client.post(desk, "/exchange/opt_out/view-taken", done, content_type="application/json")
    return compose(asked.register, answers)


def _desk(framework: Framework) -> BodyId:
    found = desks(framework)
    if not found:
        raise UserError("view.no-desk", "This framework has no desk for persons.")
    return found[0]
