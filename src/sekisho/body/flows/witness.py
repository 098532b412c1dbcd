"""Witnesses of ledgers: once a day one body sees that another's record only grew, and co-signs it.

Oversight is the witness of every other body; the first converter is that of oversight. What a
witness co-signed goes back to the body, which keeps it beside its checkpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sekisho.body.context import Body
from sekisho.body.flows import alarms
from sekisho.body.generations import earlier, generation
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import PeerError, Refusal, SekishoError, UserError
from sekisho.control.ledger import Judgement, Shown, TreeHead, Witness, origin_of
from sekisho.framework import Framework

log = logging.getLogger("sekisho.body")

KEPT = "witnessed"
"""The record of the last head that was co-signed, by body."""
EVIDENCE = "other-history"
"""The record of two checkpoints of one body that cannot both be of one history."""


def witness_for(framework: Framework, body: str) -> str:
    """Return the body that witnesses the ledger of ``body``."""
    oversight = framework.with_role("oversight")[0]
    return framework.with_role("converter")[0] if body == oversight else oversight


def witnessed_by(framework: Framework, witness: str) -> tuple[str, ...]:
    """Return the bodies whose ledgers ``witness`` co-signs."""
    every = (one.id for one in framework.body)
    return tuple(b for b in every if b != witness and witness_for(framework, b) == witness)


def daily(body: Body) -> Outcome:
    """Ask every body whose witness this one is for its checkpoint, and co-sign what holds.

    A body that shows nothing, or lacks what was co-signed last, is visited again on the next day,
    and an alarm stands until then.
    """
    outcome = Outcome()
    signed: dict[str, TreeHead] = {}
    for other in witnessed_by(body.framework, body.id):
        kept = body.store.get(KEPT, other)
        try:
            number, judged, has = _visit(body, other, kept)
        except SekishoError as error:
            log.warning("%s showed no checkpoint: %s", other, error.code)
            alarms.raise_(outcome, body, _silent(other), "ledger.not-shown", ledger=other)
            continue
        alarms.clear(outcome, body, _silent(other))
        if kept is not None and number > kept["generation"]:
            outcome.fact(
                "ledger.succeeded",
                body=other,
                generation=number,
                seen=kept["size"],
                seen_root=kept["root"],
            )
            kept = None
        if judged.cosigned is None:
            outcome.add(_other_history(body, other, kept or {}, judged))
            continue
        alarms.clear(outcome, body, _forked(other))
        lacks = kept is not None and has < kept["size"]
        alarms.settle(outcome, body, _lost(other), "ledger.not-kept", lacks, ledger=other)
        if kept is not None and _head(other, kept) == judged.head:
            if lacks:
                outcome.send.append(_cosigned(other, kept["note"].encode()))
        else:
            signed[other] = judged.head
            outcome.put.append((KEPT, other, _payload(judged.head, judged.cosigned, number)))
            outcome.send.append(_cosigned(other, judged.cosigned))
    if signed:
        outcome.fact(
            "ledger.cosigned",
            sizes={other: head.size for other, head in signed.items()},
            roots={other: head.root.hex() for other, head in signed.items()},
        )
    return outcome


def _cosigned(other: str, note: bytes) -> Outgoing:
    return Outgoing(other, "status/cosigned", note, content_type="text/plain")


def _visit(body: Body, other: str, kept: Json | None) -> tuple[int, Judgement, int]:
    """Ask ``other`` for its checkpoint, hold it against what was seen, and return with it how far
    the co-signed checkpoint goes that lies there; before them, the generation of its ledger.

    Raises:
        SekishoError: it does not answer, or not with a checkpoint that it signed.
    """
    peer = body.directory.find(other)
    since, known = (kept["size"], kept["generation"]) if kept else (0, 1)
    asked = f"since={since}&generation={known}"
    answer = body.client.get(peer, f"/exchange/status/checkpoint?{asked}").json()
    if not isinstance(answer, dict) or (str, int, int) != tuple(
        type(answer.get(name)) for name in ("shown", "cosigned", "generation")
    ):
        raise PeerError("ledger.not-shown", f"{other} answered with no checkpoint.")
    witness = Witness(origin_of(body.id), body.keys.signing)
    shown = Shown.from_text(answer["shown"])
    number = int(answer["generation"])
    # A restored body begins a ledger anew, and cannot go back to one that is over.
    seen = None if number > known else _head(other, kept)
    origin = origin_of(other, max(number, known))
    judged = witness.judge(shown, origin, peer.key, seen, body.now())
    return number, judged, int(answer["cosigned"])


def _silent(other: str) -> str:
    return f"ledger-not-shown/{other}"


def _lost(other: str) -> str:
    return f"ledger-not-kept/{other}"


def _forked(other: str) -> str:
    return f"ledger-other-history/{other}"


def _head(other: str, kept: Json | None) -> TreeHead | None:
    if kept is None:
        return None
    origin = origin_of(other, kept["generation"])
    return TreeHead(origin, kept["size"], bytes.fromhex(kept["root"]))


def _payload(head: TreeHead, note: bytes, generation: int = 1) -> Json:
    return {
        "size": head.size,
        "root": head.root.hex(),
        "note": note.decode(),
        "generation": generation,
    }


def _other_history(body: Body, other: str, seen: Json, judged: Judgement) -> Outcome:
    """Record that a body showed two histories; both checkpoints are kept, for they prove it."""
    shown = _payload(judged.head, judged.shown)
    known = body.store.get(EVIDENCE, other)
    if known is not None and (known["shown"]["size"], known["shown"]["root"]) == (
        shown["size"],
        shown["root"],
    ):
        return Outcome()
    outcome = Outcome()
    code = f"ledger.{judged.finding.value}"
    alarms.raise_(outcome, body, _forked(other), code, ledger=other)
    kept = {"finding": judged.finding.value, "seen": seen, "shown": shown}
    outcome.put.append((EVIDENCE, other, kept | {"on": body.today().isoformat()}))
    outcome.fact(
        "ledger.other-history",
        body=other,
        finding=judged.finding.value,
        seen=seen["size"],
        seen_root=seen["root"],
        shown=shown["size"],
        shown_root=shown["root"],
    )
    problem = Refusal(
        code,
        f"The ledger shown to {body.id} does not continue the one that it co-signed.",
        rule="a ledger is only appended to",
        next_step="restore the ledger's folder; both checkpoints are kept as evidence",
    )
    outcome.send.append(Outgoing(other, "status/notice", canonical_json(problem.as_problem())))
    return outcome


def show(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Show this body's checkpoint, with the proof that it continues that of ``since`` entries."""
    since = params.get("since", "0")
    if not since.isdecimal() or len(since) > 18:
        raise UserError("ledger.since", "A size is a whole number of entries.")
    witness = witness_for(body.framework, body.id)
    number = generation(body.folders)
    continues = params.get("generation", str(number)) == str(number)
    return {
        "generation": number,
        "shown": body.ledger.show(int(since) if continues else 0).text(),
        "cosigned": body.ledger.cosigned_size(witness),
    }


def keep(body: Body, message: Incoming) -> Outcome:
    """Keep a checkpoint of ours that our witness co-signed, beside the ledger."""
    if message.sender != witness_for(body.framework, body.id):
        raise Refusal(
            "ledger.other-witness",
            f"{message.sender} is not the witness of this ledger.",
            rule=f"its witness is {witness_for(body.framework, body.id)}",
        )
    note = message.read()
    over = {origin_of(body.id, n).encode() for n, _ in earlier(body.folders)}
    if note.partition(b"\n")[0] in over:
        return Outcome()  # delivered again after a restore: of a generation that is over
    key = body.directory.find(message.sender).key
    body.ledger.keep_cosigned(note, message.sender, key)
    return Outcome()
