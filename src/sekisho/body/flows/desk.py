"""The desk: choices are taken, a guardian's is asked again, a complaint has an owner and a day.

The desk keeps what was chosen, by whom in general (the person, a guardian …), and a form that it
cannot read. It holds no name and no birthday: the month in which a guardian's choice is to be asked
again is worked out where the form is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from sekisho.body.context import Body
from sekisho.body.flows import alarms
from sekisho.body.flows.optout import RECEIPT
from sekisho.body.ports import Incoming, Json, Outcome
from sekisho.common.canonical import digest
from sekisho.common.errors import UserError
from sekisho.common.ids import BodyId
from sekisho.control.optout import (
    Choice,
    Complaint,
    DeskRule,
    Proxy,
    Scope,
    check_authority,
    check_month_only,
    check_scope,
    file_complaint,
    known_scopes,
    read_desk_rule,
)
from sekisho.control.review import read_form_rule
from sekisho.exchange import jws
from sekisho.framework import Redress, remedy

OFFICER = "opt-out-officer"
"""The office of a desk that answers complaints, unless a complaint was referred."""


LOST = "choices-lost"
"""Kind of the records that say when choices were stated that a restore may have lost."""


class Stated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a desk's client sends: the choice, and in ``form`` (sealed, hex) who the person is."""

    scope: str
    form: str
    revoke: bool = False
    effective_from: date | None = None
    proxy: Proxy | None = None
    ask_again_on: date | None = None
    answers: str | None = None
    """The receipt of a guardian's choice that this one answers."""
    receipt: str | None = None
    """The signed receipt of this choice, where the desk lost it and it is stated again."""

    def __post_init__(self) -> None:
        bytes.fromhex(self.form)


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The person was asked: the guardian's choice ``ref`` stands, or a new one was stated."""

    ref: str
    stands: bool = True


class Filed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A complaint. ``text`` is sealed to the desk, hex; ``about`` a receipt's number."""

    category: str
    text: str = ""
    about: str | None = None

    def __post_init__(self) -> None:
        bytes.fromhex(self.text)


class Stepped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step with a complaint."""

    complaint: str
    step: str


def record(body: Body, message: Incoming) -> Outcome:
    """Record a choice at this desk; the form that names the person stays sealed."""
    stated = _read(message, Stated, "A choice has a scope and a sealed form, in hex; this has not.")
    day = body.today()
    scope = Scope.parse(stated.scope)
    check_scope(scope, known_scopes(body.framework, purposes(body)))
    if stated.proxy is not None:
        check_authority(stated.proxy, day)
    choice = _of_receipt(body, stated) or Choice(
        # From the message, so that a choice handled again after a crash keeps its reference.
        ref=digest(message.id.encode())[:32],
        scope=scope,
        effective_from=stated.effective_from or day,
        recorded_on=day,
        revoke=stated.revoke,
        proxy=stated.proxy,
        serial=sum(1 for _ in body.store.find("choice")),
    )
    if body.store.get("choice", choice.ref) is not None:
        return Outcome()  # it was not lost
    kept: Json = {"choice": choice.payload(), "form": stated.form, "state": "recorded"}
    outcome = Outcome()
    if (again := _ask_again_on(stated)) is not None:
        asking = {"due": again.isoformat(), "scope": str(scope), "state": "later"}
        outcome.put.append(("ask-again", choice.ref, asking))
    if stated.answers is not None:
        outcome.add(_answered(body, stated.answers, "changed"))
    outcome.put.append(("choice", choice.ref, kept))
    receipt = jws.sign(choice.payload(), body.keys.signing, body.id, RECEIPT)
    outcome.documents.append((f"choices/{choice.ref}.jws", receipt))
    outcome.fact("optout.choice", ref=choice.ref)
    return outcome


def _of_receipt(body: Body, stated: Stated) -> Choice | None:
    """Return a choice as this desk confirmed it before it was restored, with its own days."""
    if stated.receipt is None:
        return None
    signed = jws.verify(stated.receipt, body.directory.resolve, RECEIPT)
    choice = Choice.from_payload(signed.payload)
    if signed.signer != body.id or (str(choice.scope), choice.revoke) != (
        stated.scope,
        stated.revoke,
    ):
        raise UserError(
            "opt-out.other-receipt",
            "The receipt is another desk's, or confirms another choice.",
            next_step="state the choice as the receipt says it, at the desk that signed it",
        )
    return choice


def lost(body: Body, day: str) -> Outcome:
    """Say at a restored desk that choices stated since ``day`` may be lost: only the persons'
    receipts tell of them, so that they can be stated again as they were."""
    window = {"since": day, "until": body.today().isoformat()}
    outcome = Outcome(put=[(LOST, window["until"], window)])
    outcome.fact("optout.lost", **window)
    return outcome


def purposes(body: Body) -> list[str]:
    """Return the purposes for which data may be asked for at all."""
    rule = read_form_rule(body.rules / "review" / "application.toml")
    return [one.id for one in rule.purpose if one.open]


def rule_of(body: Body) -> DeskRule:
    """Return what this desk owes to who comes to it."""
    return read_desk_rule(body.rules / "opt-out-desk.toml")


def _ask_again_on(stated: Stated) -> date | None:
    guardian = stated.proxy is not None and stated.proxy.kind == "guardian"
    if guardian != (stated.ask_again_on is not None):
        raise UserError(
            "opt-out.ask-again",
            "A guardian's choice, and no other, says in which month it is to be asked again.",
            next_step="work it out from the birthday with the ages of rules/opt-out-desk.toml",
        )
    return None if stated.ask_again_on is None else check_month_only(stated.ask_again_on)


def answered(body: Body, message: Incoming) -> Outcome:
    """Close the question put to a person whose guardian chose: the choice stands."""
    said = _read(message, Answer, "An answer names the receipt of the choice that was asked about.")
    return _answered(body, said.ref, "stands" if said.stands else "changed")


def _answered(body: Body, ref: str, outcome_word: str) -> Outcome:
    kept = body.store.get("ask-again", ref)
    if kept is None:
        raise UserError(
            "opt-out.nothing-asked",
            "No choice of that receipt is to be asked again here.",
            next_step="compare the number with the receipt",
        )
    if kept["state"] == "answered":
        return Outcome()
    outcome = Outcome(put=[("ask-again", ref, kept | {"state": "answered"})])
    outcome.fact("optout.asked_again", ref=ref, outcome=outcome_word)
    return outcome


def complain(body: Body, message: Incoming) -> Outcome:
    """Take a complaint of anyone: it has an owner and a day from now on."""
    said = _read(message, Filed, "A complaint has a category; what it says is sealed, in hex.")
    made = file_complaint(
        digest(message.id.encode())[:32],
        said.category,
        said.about,
        said.text,
        OFFICER,
        body.today(),
        rule_of(body).complaint_days,
    )
    outcome = Outcome(put=[("complaint", made.id, made.payload())])
    outcome.fact(
        "complaint.filed",
        complaint=made.id,
        category=made.category,
        owner=made.owner,
        due=made.due.isoformat(),
    )
    return outcome


def step(body: Body, message: Incoming) -> Outcome:
    """Take a step with a complaint; once it is answered its alarm is over."""
    said = _read(message, Stepped, "A step names the complaint and what is done.")
    kept = body.store.get("complaint", said.complaint)
    if kept is None:
        raise UserError("opt-out.no-complaint", "There is no complaint of that number here.")
    owner = redress(body).body if said.step == "refer" else None
    after = Complaint.from_payload(kept).after(said.step, owner=owner)
    outcome = Outcome(put=[("complaint", after.id, after.payload())])
    outcome.fact(
        "complaint.step", complaint=after.id, step=said.step, state=after.state, owner=after.owner
    )
    late = after.overdue(body.today())
    alarms.settle(outcome, body, f"complaint:{after.id}", "opt-out.complaint-overdue", late)
    return outcome


def daily(body: Body) -> Outcome:
    """Put on the work list whom to ask again, and raise an alarm for complaints that wait."""
    outcome = Outcome()
    today = body.today()
    for ref, kept in body.store.find("ask-again"):
        if kept["state"] == "later" and date.fromisoformat(kept["due"]) <= today:
            outcome.put.append(("ask-again", ref, kept | {"state": "open"}))
            outcome.fact("optout.ask_again", ref=ref, due=kept["due"])
    for key, raw in body.store.find("complaint"):
        complaint = Complaint.from_payload(raw)
        late = complaint.overdue(today)
        alarms.settle(
            outcome, body, f"complaint:{key}", "opt-out.complaint-overdue", late, owner=raw["owner"]
        )
    return outcome


def redress(body: Body) -> Redress:
    """Return where a person turns against what this desk did."""
    return remedy(body.framework, "opt_out", BodyId(body.id))


def work(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Return what waits at this desk: persons to be asked again, complaints, and the remedy."""
    today = body.today()
    where = redress(body)
    complaints = [Complaint.from_payload(raw) for _, raw in body.store.find("complaint")]
    return {
        "ask_again": [
            {"ref": ref, "since": kept["due"], "scope": kept["scope"]}
            for ref, kept in body.store.find("ask-again")
            if kept["state"] == "open"
        ],
        "complaints": [
            {k: v for k, v in one.payload().items() if k != "text"}
            | {"overdue": one.overdue(today)}
            for one in sorted(complaints, key=lambda one: (one.due, one.id))
        ],
        "lost": [window for _, window in body.store.find(LOST)],
        "remedy": {
            "body": where.body,
            "ja": where.procedure.ja,
            "en": where.procedure.en,
            "source": where.source,
        },
    }


def _read(message: Incoming, kind: Any, what: str) -> Any:
    try:
        return msgspec.json.decode(message.read(), type=kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise UserError(
            "opt-out.form", what, next_step="seal the form to the history service and send it again"
        ) from error
