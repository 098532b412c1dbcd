"""An operator leaves: what the oversight body signs, and what every body does from the last day on.

The oversight body signs the withdrawal; every body keeps it. After the last day the leaving body
takes nothing new, permits that name it end, its open cases end, and what it has moves to its
successor (`succession`). With the successor's receipts it destroys what it had (`ending`), and the
oversight body signs that it has left: from then on the framework is read without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import msgspec

from sekisho.body.context import Body
from sekisho.body.flows import expulsion, revocation
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import digest
from sekisho.common.errors import Refusal, UserError
from sekisho.common.ids import BodyId
from sekisho.control.review import Permit
from sekisho.exchange import jws
from sekisho.framework import cannot_succeed

KIND = "sekisho-operator-withdrawal"
WITHDRAWAL, LEFT = "withdrawal", "left-body"
DOOR = "status/body-withdrawn"
CODE = "operator-exit"
"""The cause in revocations and ended cases."""
NEW = frozenset(
    {
        "collection/submission",
        "review/application",
        "review/lane",
        "review/command",
        "review/draft",
        "collection/permit",
        "processing/payload",
        "analysis/permit",
        "analysis/job",
        "opt_out/choice",
        "enclave/permit",
    }
)
"""Doors through which something new comes: closed from the last day on."""


class Withdrawal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the oversight body signs. ``left`` is the day on which all was over, once it is.

    ``last_day`` is the last one of ordinary work; ``ground`` is one word.
    """

    body: str
    successor: str
    last_day: date
    ground: str
    on: date
    left: date | None = None


class _Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    body: str
    successor: str
    last_day: date
    ground: str


def withdraw(body: Body, message: Incoming) -> Outcome:
    """Sign the withdrawal of an operator, on the word of the oversight body's own operator."""
    if message.sender != body.id:
        raise Refusal("exit.not-operator", "Only the oversight body's own operator may sign this.")
    try:
        asked = msgspec.json.decode(message.read(), type=_Asked, strict=True)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UserError(
            "exit.form", "A withdrawal names body, successor, last_day and ground."
        ) from error
    name = f"withdrawals/{asked.body}.jws"
    if body.documents.exists(name):
        return Outcome()
    _check(body, asked)
    said = Withdrawal(**msgspec.structs.asdict(asked), on=body.today())
    token = _sign(body, said)
    outcome = Outcome(documents=[(name, token)])
    outcome.fact(
        "oversight.withdrawal",
        body=said.body,
        successor=said.successor,
        on=said.last_day.isoformat(),
        code=said.ground,
        digest=digest(token.encode()),
    )
    _tell_all(outcome, body, token)
    return outcome


def _check(body: Body, asked: _Asked) -> None:
    reasons = list(cannot_succeed(body.framework, BodyId(asked.body), BodyId(asked.successor)))
    if expulsion.is_revoked(body, asked.successor) or expulsion.is_revoked(body, asked.body):
        reasons.append("one of them was revoked")
    if body.store.get(WITHDRAWAL, asked.successor) is not None:
        reasons.append("it leaves itself")
    if asked.last_day < body.today():
        reasons.append("the last day is over")
    if reasons:
        raise Refusal(
            "exit.no-successor",
            f"{asked.successor} cannot take what {asked.body} has: {'; '.join(reasons)}.",
            rule="data, choices and functions of who leaves go to a body that has the same ones",
            next_step="name another successor, or change the framework first",
        )


def _sign(body: Body, said: Withdrawal) -> str:
    return jws.sign(msgspec.to_builtins(said), body.keys.signing, body.id, KIND)


def _tell_all(outcome: Outcome, body: Body, token: str) -> None:
    for party in body.directory.of_kind("body"):
        outcome.send.append(
            Outgoing(party.id, DOOR, token.encode(), content_type="application/jose")
        )


def take(body: Body, message: Incoming) -> Outcome:
    """Keep a withdrawal that the oversight body signed, and later that it is complete."""
    token = message.read().decode("ascii", "replace")
    signed = jws.verify(token, body.directory.resolve, KIND)
    said = msgspec.convert(signed.payload, Withdrawal, strict=False)
    if signed.signer != body.auxiliary("oversight"):
        raise Refusal("exit.not-oversight", "Only the oversight body signs withdrawals.")
    outcome = Outcome()
    kept = {**msgspec.to_builtins(said), "token": token}
    if body.store.get(WITHDRAWAL, said.body) is None:
        outcome.put.append((WITHDRAWAL, said.body, kept))
        outcome.fact(
            "body.withdrawn",
            body=said.body,
            successor=said.successor,
            on=said.last_day.isoformat(),
            digest=digest(token.encode()),
        )
    if said.left is not None and body.store.get(LEFT, said.body) is None:
        outcome.put.append((LEFT, said.body, {"successor": said.successor, "token": token}))
        outcome.fact("body.left", body=said.body, successor=said.successor)
    return outcome


def over(body: Body, message: Incoming) -> Outcome:
    """Sign, at the oversight body, that who withdrew has left: its successor receipted all."""
    from sekisho.body.flows import ending

    kept = body.store.get(WITHDRAWAL, message.sender)
    if kept is None:
        raise Refusal("exit.no-withdrawal", "This body did not withdraw.")
    name = f"departures/{message.sender}.jws"
    if body.documents.exists(name):
        return Outcome()
    said = read(kept)
    outcome = ending.keep_archive(body, said, message)
    token = _sign(body, msgspec.structs.replace(said, left=body.today()))
    outcome.documents.append((name, token))
    outcome.fact("oversight.left", body=said.body, digest=digest(token.encode()))
    _tell_all(outcome, body, token)
    return outcome


def read(kept: Json) -> Withdrawal:
    """Return a withdrawal from the record in which it is kept."""
    return msgspec.convert({k: v for k, v in kept.items() if k != "token"}, Withdrawal)


def of(body: Body, party: str) -> Withdrawal | None:
    """Return the withdrawal of ``party`` if its last day is over."""
    kept = body.store.get(WITHDRAWAL, party)
    if kept is None or body.today() <= (said := read(kept)).last_day:
        return None
    return said


def successions(body: Body) -> frozenset[tuple[BodyId, BodyId]]:
    """Return (leaving body, successor) of every withdrawal whose last day is over: between these
    a converter converts for a succession."""
    return frozenset((BodyId(one.body), BodyId(one.successor)) for one in _begun(body))


def left(body: Body) -> dict[str, str]:
    """Return left body → successor, of those that left for good; itself is never among them."""
    gone = {name: str(kept["successor"]) for name, kept in body.store.find(LEFT)}
    gone.pop(body.id, None)
    return gone


def _begun(body: Body) -> Iterator[Withdrawal]:
    for name, _ in body.store.find(WITHDRAWAL):
        said = of(body, name)
        if said is not None:
            yield said


def leaving(body: Body) -> tuple[str, ...]:
    """Return the bodies whose last day is over and who have not left yet: nothing rests on them."""
    return tuple(one.body for one in _begun(body) if body.store.get(LEFT, one.body) is None)


def check_takes(body: Body, path: str) -> None:
    """Refuse what is new at a body whose last day is over."""
    if path in NEW:
        check_receives(body, body.id)


def check_receives(body: Body, receiver: str) -> None:
    """Refuse what is for a body whose last day is over.

    Raises:
        Refusal: ``exit.left``; the next step names the successor.
    """
    said = of(body, receiver)
    if said is not None:
        raise Refusal(
            "exit.left",
            f"{said.body} takes nothing since its last day, {said.last_day}.",
            rule=f"withdrawal signed by the oversight body on {said.on}: {said.ground}",
            next_step=f"turn to its successor, {said.successor}",
        )


def daily(body: Body) -> Outcome:
    """Take back the permits that name who leaves; at that body itself, do the next step."""
    from sekisho.body.flows import ending

    outcome = Outcome()
    for said in _begun(body):
        outcome.add(_end_permits(body, said))
    own = of(body, body.id)
    if own is not None:
        outcome.add(ending.next_step(body, own))
    return outcome


def _end_permits(body: Body, said: Withdrawal) -> Outcome:
    """Take back every permit in force that this lane signed and that names the leaving body."""
    outcome = Outcome()
    for application, signed in body.store.find("signed-permit"):
        if "payload" not in signed:
            continue  # it ended, and who applied was erased
        permit = Permit.from_payload(signed["payload"])
        named = {hop for part in permit.parts for hop in part.hops} | set(permit.granted_by)
        if said.body in named | {permit.environment} and body.today() <= permit.expires:
            outcome.add(revocation.take_back(body, application, signed["payload"], CODE))
    return outcome
