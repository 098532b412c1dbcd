"""A body's signed documents: what each is, by its name, and which entry speaks of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sekisho.body.flows import (
    accounts,
    countersign,
    destruction,
    exit,
    expulsion,
    incident,
    job,
    lists,
    optout,
    project,
    review,
    revocation,
    succession,
)
from sekisho.exchange.destruction import KIND as KEY_DESTRUCTION
from sekisho.exchange.transfer import RECEIPT

KINDS: tuple[tuple[str, str], ...] = (
    ("receipts/extract-", project.RECEIPT),
    ("receipts/release-", job.RECEIPT),
    ("receipts/", RECEIPT),
    ("choices/", optout.RECEIPT),
    ("lists/", lists.LIST),
    ("statements/", accounts.STATEMENT),
    ("decisions/", review.DECISION),
    ("countersignatures/", countersign.COUNTERSIGNATURE),
    ("revocations/", revocation.REVOCATION),
    ("revoked-bodies/", expulsion.KIND),
    (f"{destruction.FOLDER}/", KEY_DESTRUCTION),
    ("incidents/", incident.NOTICE),
    ("withdrawals/", exit.KIND),
    ("departures/", exit.KIND),
    ("successions/", succession.RECEIPT),
    (succession.TAKEN, succession.RECEIPT),
)
"""What a document is, by the beginning of its name; the first that fits."""

SIGNED = {
    "submission.landed": "receipts/{submission}.jws",
    "optout.choice": "choices/{ref}.jws",
    "optout.statement": "statements/{registry}-{number:08d}.jws",
    "optout.list": "lists/{number:08d}.jws",
    "extract.countersigned": "countersignatures/{application}.jws",
    "lane.decided": "decisions/{application}.jws",
    "oversight.revoked": "revoked-bodies/{body}.jws",
    "key.destroyed": destruction.FOLDER + "/{epoch}.{converter}.jws",
    "lane.revoked": "revocations/{application}.jws",
    "permit.received": "permits/{application}.json",
    "incident.notified": "incidents/{incident}/{provider}.jws",
    "extract.made": "receipts/extract-{application}.jws",
    "release.made": "receipts/release-{application}-{run}.jws",
    "oversight.withdrawal": "withdrawals/{body}.jws",
    "oversight.left": "departures/{body}.jws",
    "exit.landed": "successions/{goods}.jws",
    "exit.receipted": succession.TAKEN + "{what}.jws",
}
"""The document that a body signed or took with an entry of this kind."""


def kind_of(name: str) -> str | None:
    """Return what the document called ``name`` must be signed as; None where no body writes it."""
    return next((kind for start, kind in KINDS if name.startswith(start)), None)


def document_of(entry: str, said: Mapping[str, Any]) -> str | None:
    """Return the document that belongs to an entry of this kind that says ``said``."""
    return SIGNED[entry].format(**_named(said)) if entry in SIGNED else None


def is_named(name: str, said: Mapping[str, Any]) -> bool:
    """Return whether a document lies under the name that follows from what it says."""
    patterns = [p for p in SIGNED.values() if name.startswith(p[: p.index("{")])]
    # The longest beginning decides, as with KINDS.
    pattern = max(patterns, key=lambda p: p.index("{"))
    return pattern.format(**_named(said)) == name


def signer_of(name: str, home: str, said: Mapping[str, Any]) -> str:
    """Return who must have signed a document in the folder of ``home``: itself, but for what a
    leaving body got from its successor, and every body from a converter."""
    if name.startswith(f"{destruction.FOLDER}/"):
        return str(said["converter"])
    return str(said["body"]) if name.startswith(succession.TAKEN) else home


def _named(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what names are made of: what was said, the run of a release, the goods of an exit."""
    run = str(said.get("release", "")).rpartition(":")[2]
    return {**said, "run": run, "goods": succession.goods(str(said.get("reason", "")))}
