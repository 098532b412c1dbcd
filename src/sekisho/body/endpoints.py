"""Every door of the exchange as one table: room, name, who may call it, which flow answers.

A body mounts the rows whose room its framework gives it; nothing else has a route (promise 2).
A room of "*" is everywhere. Rehearsal doors exist only in a body that was started for one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

REHEARSAL = "rehearsal"
EVERYWHERE = "status"
SELF = "self"
"""No party has this role: such a door takes only what a body sends to itself."""

ANYONE = "body provider applicant reviewer desk observer"
"""Whoever has a key in the directory."""


@dataclass(frozen=True)
class Endpoint:
    """One door.

    Args:
        room: the room of the framework that has it.
        name: the last part of its path.
        senders: roles that may call it; a caller with none of them is refused.
        flow: ``module:function`` below `sekisho.body.flows`.
        mode: a ``message`` is kept, acknowledged and handled once by the worker; a ``query`` is
            answered at once and changes nothing.
    """

    room: str
    name: str
    senders: frozenset[str]
    flow: str
    mode: Literal["message", "query"] = "message"

    @property
    def path(self) -> str:
        return f"{self.room}/{self.name}"


def _door(room: str, name: str, senders: str, flow: str, *, query: bool = False) -> Endpoint:
    return Endpoint(room, name, frozenset(senders.split()), flow, "query" if query else "message")


ENDPOINTS: tuple[Endpoint, ...] = (
    # Submission
    _door("collection", "submission", "provider", "submission:receive"),
    _door("collection", "payload", "body", "transfer:receive_payload"),
    _door("collection", "pseudonyms", "converter", "transfer:receive_pseudonyms"),
    _door("collection", "receipt", "body", "submission:keep_receipt"),
    _door("collection", "erase", SELF, "effects:erase"),
    _door("collection", "persons", "body", "submission:persons", query=True),
    _door("collection", "receipts", "provider", "submission:receipts", query=True),
    _door("collection", "schedule", "provider", "pulling:schedule", query=True),
    _door("collection", "standing", "provider", "duty:standing", query=True),
    # Identity
    _door("conversion", "batch", "provider body converter", "conversion:convert"),
    _door("oversight", "revoke-body", "oversight", "expulsion:revoke"),
    _door("oversight", "withdraw", "oversight", "exit:withdraw"),
    _door("oversight", "left", "body", "exit:over"),
    _door("conversion", "epoch", "provider body", "epochs:now", query=True),
    _door("conversion", "rotate", "converter", "epochs:rotate"),
    _door("conversion", "epoch-prepare", "converter", "epochs:prepare"),
    _door("conversion", "epoch-agree", "converter", "epochs:agree"),
    _door("conversion", "epoch-turned", "body", "epochs:turned"),
    _door("conversion", "epoch-over", "converter", "epochs:over"),
    _door("conversion", "destroy", "converter", "destruction:destroy"),
    _door("conversion", "destruction", "converter", "destruction:ordered", query=True),
    _door("conversion", "ratio", "body", "epochs:give_ratio", query=True),
    _door("conversion", "key-share", "body", "keyshares:give_share", query=True),
    _door("history", "identities", "body", "identity:encrypt"),
    _door("history", "change", "insurer", "histories:record"),
    _door("history", "aliases-since", "body", "histories:again"),
    _door("history", "alias-kept", "body", "histories:kept"),
    _door("history", "aliases", "body", "histories:head", query=True),
    # Opt-out
    _door("opt_out", "choice", "desk", "desk:record"),
    _door("opt_out", "answer", "desk", "desk:answered"),
    _door("opt_out", "complaint", "desk", "desk:complain"),
    _door("opt_out", "complaint-step", "desk", "desk:step"),
    _door("opt_out", "work", "desk", "desk:work", query=True),
    _door("opt_out", "status", "desk body", "past:status", query=True),
    _door("opt_out", "statement", "desk", "statements:statement", query=True),
    _door("opt_out", "encrypted", "history", "optout:convert_choices"),
    _door("opt_out", "payload", "body", "transfer:receive_payload"),
    _door("opt_out", "pseudonyms", "converter", "transfer:receive_pseudonyms"),
    _door("opt_out", "acknowledgement", "body", "reconcile:acknowledged"),
    _door("opt_out", "account", "body", "accounts:stated"),
    _door("opt_out", "accounted", "body", "accounts:answered"),
    _door("opt_out", "aliases-taken", "history", "aliases:told", query=True),
    _door("collection", "aliases-taken", "history", "aliases:told", query=True),
    _door("opt_out", "accounted-to", "body", "accounts:accounted_to", query=True),
    _door("opt_out", "lists-since", "body", "lists:since"),
    _door("opt_out", "head", "body", "optout:head", query=True),
    _door("opt_out", "permit", "body", "optout:list_for_project"),
    # Review
    _door("review", "application", "applicant", "review:apply"),
    _door("review", "lane", "body", "review:open_lane"),
    _door("review", "command", "reviewer", "review:command"),
    _door("review", "decision", "body", "review:collect_decision"),
    _door("review", "draft", "body", "permit:sign"),
    _door("review", "signature", "body", "permit:collect_signature"),
    _door("review", "revoke", "reviewer", "revocation:revoke"),
    _door("review", "cases", "reviewer", "review:cases", query=True),
    _door("review", "status", "applicant", "review:status", query=True),
    # Extract
    _door("collection", "permit", "body", "extract:hand_over"),
    _door("processing", "payload", "body", "transfer:receive_payload"),
    _door("processing", "pseudonyms", "converter", "transfer:receive_pseudonyms"),
    _door("analysis", "permit", "body", "project:open"),
    _door("analysis", "payload", "body", "transfer:receive_payload"),
    _door("analysis", "pseudonyms", "converter", "transfer:receive_pseudonyms"),
    _door("analysis", "countersigned", "body", "countersign:answered"),
    _door("analysis", "refusal", "body", "project:holder_refused"),
    # Linkage enclave
    _door("enclave", "permit", "body", "enclave:open_case"),
    _door("enclave", "identities", "provider", "enclave:receive"),
    _door("enclave", "decision", "clerk", "clerk:decide"),
    _door("enclave", "requests", "provider", "enclave:requests", query=True),
    _door("enclave", "work", "clerk", "clerk:work", query=True),
    # Analysis and release
    _door("analysis", "job", "applicant", "job:submit"),
    _door("analysis", "run", SELF, "job:run"),
    _door("analysis", "review", "checker", "job:review"),
    _door("analysis", "requests", "checker", "job:requests", query=True),
    _door("analysis", "released", "applicant", "job:released", query=True),
    _door("analysis", "project", "applicant", "project:status", query=True),
    # A person's view
    _door("opt_out", "view", "desk", "person:ask"),
    _door("opt_out", "view-encrypted", "history", "person:convert"),
    _door("opt_out", "view-answer", "body", "person:answered"),
    _door("opt_out", "view-status", "desk", "person:status", query=True),
    _door("opt_out", "view-taken", "desk", "person:taken"),
    _door("history", "view", "body", "person:encrypt"),
    _door("oversight", "payload", "body", "transfer:receive_payload"),
    _door("oversight", "receipt", "body", "countersign:receipt_came"),
    _door("oversight", "compare", SELF, "countersign:compare"),
    _door("oversight", "permit", "body", "uses:permitted"),
    _door("oversight", "turn-index", SELF, "indexturn:turn"),
    _door("oversight", "pseudonyms", "converter", "transfer:receive_pseudonyms"),
    _door("oversight", "not-made", "body", "uses:not_made"),
    _door("oversight", "released", "body", "uses:released"),
    _door("oversight", "register", "body desk", "uses:register", query=True),
    # Incidents
    _door("collection", "notices", "provider", "incident:notices", query=True),
    _door("collection", "notice-acknowledged", "provider", "incident:acknowledged"),
    _door(EVERYWHERE, "incident", SELF, "incident:opened"),
    # Restore
    _door("collection", "held-list", "body", "listback:held_list", query=True),
    _door("collection", "return-list", "body", "listback:return_list"),
    _door(EVERYWHERE, "catch-up", SELF, "restore:catch_up"),
    _door(EVERYWHERE, "open", SELF, "restore:open_again"),
    _door(EVERYWHERE, "resend-since", "body", "resending:resend"),
    _door(EVERYWHERE, "resent", "body", "resending:resent"),
    # Every body
    _door(EVERYWHERE, "cases", "body", "casework:stated"),
    _door(EVERYWHERE, "cases-kept", "body", "casework:answered"),
    _door(EVERYWHERE, "notice", "body", "status:notice"),
    _door(EVERYWHERE, "day", SELF, "status:day_begins"),
    _door(EVERYWHERE, "body-revoked", "oversight", "expulsion:take"),
    _door(EVERYWHERE, "body-withdrawn", "oversight", "exit:take"),
    _door(EVERYWHERE, "succession-receipt", "body", "ending:receipted"),
    _door(EVERYWHERE, "exit-destroy", SELF, "ending:destroy"),
    _door(EVERYWHERE, "epoch", "converter", "epochs:turn"),
    _door(EVERYWHERE, "needs-epoch", "converter", "formerneeds:told", query=True),
    _door(EVERYWHERE, "key-destroyed", "converter", "destruction:take"),
    _door(EVERYWHERE, "destroyed-keys", "body", "destruction:shown", query=True),
    _door(EVERYWHERE, "permit-revoked", "body", "revocation:take"),
    _door(EVERYWHERE, "head", "body", "status:head", query=True),
    _door(EVERYWHERE, "checkpoint", ANYONE, "witness:show", query=True),
    _door(EVERYWHERE, "cosigned", "body", "witness:keep"),
    _door(EVERYWHERE, "figures", "observer", "status:figures", query=True),
    # Rehearsal
    _door(REHEARSAL, "clock", "observer", "status:set_clock"),
    _door(REHEARSAL, "united", "observer", "united:united", query=True),
    _door(REHEARSAL, "queue", "observer", "status:queue", query=True),
)


def rooms_mounted(rooms: Iterable[str], *, rehearsal: bool) -> frozenset[str]:
    """Return the rooms whose doors a body mounts."""
    return frozenset(rooms) | {EVERYWHERE} | ({REHEARSAL} if rehearsal else set())


def mounted(rooms: Iterable[str], *, rehearsal: bool) -> tuple[Endpoint, ...]:
    """Return the doors of a body with these rooms."""
    open_rooms = rooms_mounted(rooms, rehearsal=rehearsal)
    return tuple(endpoint for endpoint in ENDPOINTS if endpoint.room in open_rooms)
