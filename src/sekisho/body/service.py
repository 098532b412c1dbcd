"""Turns one kept message into one committed outcome; delivers what must go out."""

from __future__ import annotations

import hmac
import importlib
import logging
import shutil
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import orjson

from sekisho.body import closed
from sekisho.body.context import Body
from sekisho.body.delivery import post
from sekisho.body.endpoints import Endpoint, mounted
from sekisho.body.flows import exit
from sekisho.body.flows.epochs import TURN, half_turned
from sekisho.body.flows.expulsion import is_revoked
from sekisho.body.generations import after_restore
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.body.unfinished import unfinished_in
from sekisho.common.atomicfile import remove_unfinished
from sekisho.common.canonical import canonical_json, file_digest
from sekisho.common.clock import SystemClock
from sekisho.common.errors import (
    Defect,
    PeerError,
    Refusal,
    SekishoError,
    TamperError,
    UserError,
)
from sekisho.common.ids import new_id
from sekisho.common.secretfile import destroy_secret
from sekisho.common.storage import is_full, storage_full
from sekisho.control.ledger import Entry
from sekisho.exchange.directory import Directory
from sekisho.exchange.overdue import read_rule
from sekisho.framework import without

log = logging.getLogger("sekisho.body")

REMOVE = "remove"
UNREACHABLE = "peer.unreachable"
FAILED = "peer.failed"
DEFECT = "defect"
FULL = storage_full().code
LATER = frozenset({UNREACHABLE, FAILED, DEFECT, FULL, closed.CATCHING_UP})
"""Codes of a peer that is away, answered with an error of its own, has no room, or is not open."""


class Service:
    """One body at work. The web process keeps messages; the worker handles and delivers them."""

    def __init__(self, body: Body) -> None:
        self.body = body
        rehearsal = body.config.rehearsal is not None
        self.endpoints = {e.path: e for e in mounted(body.rooms, rehearsal=rehearsal)}

    def endpoint(self, path: str) -> Endpoint:
        """Return the door at ``path``.

        Raises:
            Refusal: this body has no such door.
        """
        if path not in self.endpoints:
            raise Refusal("body.no-such-door", "This is not a function of this body.")
        return self.endpoints[path]

    def admit(self, endpoint: Endpoint, sender: str) -> None:
        """Refuse a caller that has none of the roles of this door, or comes before we are open."""
        if is_revoked(self.body, sender):
            raise Refusal(
                "body.revoked",
                f"{sender} was revoked; its messages are answered no more.",
                rule="a body whose keys may be in other hands is cut off until it has new ones",
                next_step="ask the oversight body; join again with new keys",
            )
        if not roles_of(self.body.directory, sender) & endpoint.senders:
            raise Refusal(
                "body.not-yours",
                f"{sender} may not call {endpoint.path}.",
                rule=f"open to: {', '.join(sorted(endpoint.senders))}",
            )
        closed.check_is_open(self.body, endpoint)
        exit.check_takes(self.body, endpoint.path)

    def _now(self) -> Body:
        """Return the body as flows see it: bodies that left have no functions any more."""
        gone = exit.left(self.body)
        if not gone:
            return self.body
        charter = self.body.framework
        return replace(self.body, framework=without(charter, gone), charter=charter)

    def query(
        self, endpoint: Endpoint, sender: str, params: Mapping[str, str], data: bytes
    ) -> Json:
        """Answer a question at once; nothing is changed."""
        answer: Json = flow(endpoint)(self._now(), sender, params, data)
        return answer

    def handle(self, message_id: str) -> str:
        """Handle a kept message; doing it again after a crash ends in the same state."""
        message = self.body.store.incoming(message_id)
        if message.state != "waiting":
            # The crash came after the outcome was committed and before the task was closed.
            self.body.ledger.integrate()
            return message.state
        if message.path != TURN and half_turned(self.body):
            return "unreachable"  # a turn to a new epoch broke off: it goes first
        try:
            endpoint = self.endpoint(message.path)
            if not closed.may_handle(self.body, message):
                return "unreachable"
            outcome = flow(endpoint)(self._now(), message)
            state = "done"
        except (Refusal, UserError, TamperError) as refusal:
            _pass_on_full(refusal)
            outcome, state = self._refused(message, refusal), "refused"
        except PeerError as away:
            _pass_on_full(away)
            if away.code in (UNREACHABLE, FULL):
                return "unreachable"
            log.error("%s: %s", message.path, away.code)
            outcome, state = self._refused(message, away), "failed"
        except orjson.JSONDecodeError:
            malformed = UserError("message.malformed", "The message's body is not JSON.")
            outcome, state = self._refused(message, malformed), "refused"
        except Exception as error:
            _pass_on_full(error)
            log.error("%s failed: %s", message.path, where(error))
            outcome, state = Outcome(), "failed"
        self.commit(outcome, message, state)
        return state

    def commit(self, outcome: Outcome, message: Incoming, state: str) -> None:
        """Write what came of a message, and that it was handled."""
        # The body of a message that failed by our fault is kept for whoever mends it.
        if state != "failed":
            outcome.remove.append(message.file)
        finish = self.body.store.finish_incoming
        self._write(outcome, message.id, lambda: finish(message.id, state))

    def operate(self, outcome: Outcome) -> None:
        """Write what the body's operator decided on its own machine; there is no message."""
        self._write(outcome, new_id(self.body.random), lambda: None)

    def _write(self, outcome: Outcome, cause: str, finish: Callable[[], None]) -> None:
        """Write an outcome: files first (repeatable), then one transaction, then the ledger."""
        store = self.body.store
        for name, text in outcome.documents:
            self.body.documents.write(name, text)
        own = self.body.keys.wrapping
        # After a restore the same message may lead to other bytes: they get ids of their own.
        cause += after_restore(self.body.folders)
        ids = [derived(own, cause, n) for n in range(len(outcome.send))]
        for out_id, out in zip(ids, outcome.send, strict=True):
            way = "in" if out.to == self.body.id else "out"
            if out.file is None:
                store.write_spool(way, out_id, out.body)
            else:
                store.take_spool(way, out_id, out.file)
        with store.transaction():
            for kind, key, data in outcome.put:
                store.put(kind, key, data)
            for kind, key in outcome.drop:
                store.drop(kind, key)
            for out_id in outcome.again:
                store.deliver_again(out_id)
            for stream, expected, events in outcome.append:
                store.append(stream, expected, events)
            for stream, events in outcome.rewrite:
                store.rewrite(stream, events)
            for out_id, out in zip(ids, outcome.send, strict=True):
                self._queue(out_id, out)
            at = self.body.now().astimezone(UTC)
            for fact in outcome.facts:
                store.stage(Entry(fact.kind, at, fact.body).to_bytes())
            store.put(REMOVE, cause, {"paths": [str(path) for path in outcome.remove]})
            finish()
        if outcome.facts:
            self.body.ledger.integrate()
        self.clean_up()

    def started(self) -> None:
        """Record that the body came up, as what; take up what a crash cut off."""
        from sekisho.body.flows import payloads

        body = self.body
        remove_unfinished(body.folders.base)
        payloads.sweep(body)
        kept_days = read_rule(body.rules / "exchange.toml").unfinished_days
        unfinished_in(body.folders).sweep(SystemClock().now(), kept_days)
        closed.take_up(body)
        said = {
            "body": body.id,
            "framework": file_digest(body.folders.base / body.config.framework),
            "rooms": sorted(body.rooms),
            "mode": "ordinary" if body.config.rehearsal is None else "rehearsal",
        }
        with body.store.transaction():
            body.store.stage(Entry("body.started", body.now(), said).to_bytes())
        body.ledger.integrate()
        self.clean_up()

    def clean_up(self) -> None:
        """Remove what committed outcomes no longer need; called again at the start."""
        for key, kept in list(self.body.store.find(REMOVE)):
            for name in kept["paths"]:
                path = Path(name)
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif path.parent == self.body.folders.keys:
                    destroy_secret(path)
                else:
                    path.unlink(missing_ok=True)
            self.body.store.drop(REMOVE, key)

    def _queue(self, out_id: str, out: Outgoing) -> None:
        store = self.body.store
        if out.to == self.body.id:
            file = store.file("in", out_id)
            own = Incoming(out_id, self.body.id, out.path, out.meta, out.content_type, file)
            store.keep_incoming(own, file.stat().st_size)
        else:
            store.keep_outgoing(out_id, out)

    def deliver(self, message_id: str) -> str:
        """Send one message; a receiver that refuses it ends it, one that is away does not."""
        message, state = self.body.store.outgoing(message_id)
        if state != "waiting":
            return state
        if not closed.may_send(self.body, message.path, message.to):
            return "unreachable"
        try:
            post(self.body, message_id, message)
        except PeerError as away:
            if away.code in LATER:
                return "unreachable"
            self._commit_refused_delivery(message_id, message, away)
            return "refused"
        except SekishoError as refusal:
            log.warning("%s refused %s: %s", message.to, message.path, refusal.code)
            self._commit_refused_delivery(message_id, message, refusal)
            return "refused"
        # It stays for a while: a receiver that must be restored asks for it again. Its time is
        # that of delivery, and is set first, so that a crash between the two forgets nothing.
        self.body.store.file("out", message_id).touch()
        self.body.store.finish_outgoing(message_id, "done")
        return "done"

    def _commit_refused_delivery(self, message_id: str, out: Outgoing, error: SekishoError) -> None:
        store = self.body.store
        entry = Entry(
            "message.refused",
            self.body.now(),
            {"path": out.path, "by": out.to, "code": error.code},
        )
        with store.transaction():
            store.stage(entry.to_bytes())
            store.finish_outgoing(message_id, "failed")
        self.body.ledger.integrate()

    def _refused(self, message: Incoming, error: SekishoError) -> Outcome:
        """A refusal is recorded, and the sender is told which rule decided."""
        log.info("refused %s: %s", message.path, error.code)
        outcome = Outcome()
        outcome.fact("message.refused", path=message.path, by=self.body.id, code=error.code)
        problem = error.as_problem() | {"about": message.id, "path": message.path}
        outcome.put.append(("refused", message.id, problem | {"sender": message.sender}))
        if (
            "body" in roles_of(self.body.directory, message.sender)
            and message.sender != self.body.id
            and message.path != "status/notice"
        ):
            outcome.send.append(Outgoing(message.sender, "status/notice", canonical_json(problem)))
        return outcome


def _pass_on_full(error: Exception) -> None:
    """Let a lack of room end the handling without an outcome: it waits, and has not failed."""
    if is_full(error):
        raise storage_full() from error


def roles_of(directory: Directory, party: str) -> frozenset[str]:
    """Return what a party may act as: its kind and the roles that the directory gives it."""
    peer = directory.find(party)
    return frozenset({peer.kind, *peer.roles})


def flow(endpoint: Endpoint) -> Callable[..., Any]:
    """Return the function behind a door; it is imported when the door is first used."""
    module, _, name = endpoint.flow.partition(":")
    found: Callable[..., Any] = getattr(
        importlib.import_module(f"sekisho.body.flows.{module}"), name
    )
    return found


def derived(key: bytes, message_id: str, position: int) -> str:
    """Return the id of the n-th message that follows from a message: the same when done again,
    and known to nobody else beforehand."""
    return hmac.digest(key, f"{message_id}/{position}".encode(), "sha256").hex()[:32]


def where(error: BaseException) -> str:
    """Say what failed and where, without the exception's text, which may hold a value."""
    frames = traceback.extract_tb(error.__traceback__)
    place = " < ".join(
        f"{f.filename.rpartition('sekisho/')[2]}:{f.lineno}" for f in frames[::-1][:6]
    )
    name = type(error).__name__
    code = error.code if isinstance(error, Defect) else ""
    return f"{name} {code} at {place}"
