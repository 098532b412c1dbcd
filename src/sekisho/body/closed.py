"""A body that came from a backup is closed until it has caught up: which doors it has meanwhile.

Fail closed: what is not named here waits. Bodies send again later by themselves; others are told.
"""

from __future__ import annotations

from collections.abc import Iterable

from sekisho.body import duties
from sekisho.body.backup.manifest import MARKER, Marker
from sekisho.body.context import Body
from sekisho.body.endpoints import Endpoint
from sekisho.body.ports import Incoming, Json
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import PeerError, SekishoError
from sekisho.control.ledger import Entry, origin_of
from sekisho.exchange import jws, parcel
from sekisho.exchange.transfer import REASON

RESTORED = "restored"
NOW = "now"
CATCHING_UP = "body.catching-up"
"""Code with which a closed body puts others off."""

CATCH_UP, OPEN = "status/catch-up", "status/open"
TRANSFERS = frozenset(
    {
        "collection/payload",
        "collection/pseudonyms",
        "opt_out/payload",
        "opt_out/pseudonyms",
        "conversion/batch",
    }
)
"""Doors of transfers: which of them may be handled their reason says."""
KINDS = frozenset({"opt_out_list", "alias", "choice", "choice_forward", "list_return"})
"""Kinds of reasons that bring what a closed body waits for."""
DOORS = TRANSFERS | {
    CATCH_UP,
    OPEN,
    "status/resend-since",
    "status/resent",
    "status/notice",
    "status/permit-revoked",
    "status/body-revoked",
    "status/body-withdrawn",
    "status/head",
    "status/checkpoint",
    "status/cosigned",
    "status/figures",
    "opt_out/head",
    "opt_out/encrypted",
    "opt_out/acknowledgement",
    "opt_out/accounted-to",
    "opt_out/aliases-taken",
    "collection/aliases-taken",
    "collection/held-list",
    "collection/return-list",
    "collection/erase",
    "conversion/epoch",
    "conversion/ratio",
    "status/epoch",
    "status/key-destroyed",
    "status/destroyed-keys",
    "conversion/key-share",
    "history/identities",
    "history/aliases",
    "rehearsal/clock",
    "rehearsal/queue",
}

USING_SECRETS = frozenset({"conversion/batch", "conversion/ratio", "conversion/key-share"})
"""Doors of a converter that use its secrets: not before it knows which of them were destroyed."""
CLOSED = "closed"
"""The first step of a restored body, until it asked the others."""


def state(body: Body) -> Json | None:
    """Return what the body still waits for, None where it is open."""
    return body.store.get(RESTORED, NOW)


def check_is_open(body: Body, endpoint: Endpoint) -> None:
    """Put a caller off whose door is not one of catching up."""
    waiting = state(body)
    if waiting is None:
        return
    if endpoint.mode == "query" and _may_not_yet(waiting, endpoint.path):
        raise PeerError("peer.unreachable", f"{body.id} was restored and is not ready yet.")
    if endpoint.path not in DOORS:
        raise PeerError(
            CATCHING_UP,
            f"{body.id} was restored from a backup and is closed until it has caught up.",
            rule="a restored body opens when opt-out lists, aliases and key epochs have caught up",
            next_step="send again later (bodies do so by themselves); it opens by itself",
        )


def _may_not_yet(waiting: Json, path: str) -> bool:
    return bool(waiting["step"] == CLOSED) and path in USING_SECRETS


def wait_for(missing: Iterable[str]) -> None:
    """Come back later while something is missing.

    Raises:
        PeerError: it names what; the worker tries again by itself.
    """
    names = sorted(missing)
    if names:
        raise PeerError("peer.unreachable", f"Not caught up yet: {', '.join(names)}.")


def may_handle(body: Body, message: Incoming) -> bool:
    """Say whether a kept message may be handled now; one that may not waits."""
    waiting = state(body)
    if waiting is None:
        return True
    if _may_not_yet(waiting, message.path):
        return False
    if message.path in TRANSFERS:
        return bool(kinds := reason_kinds(body, message)) and kinds <= KINDS
    return message.path in DOORS


def may_send(body: Body, path: str, to: str) -> bool:
    """Say whether a message may leave now: what was decided before the restore waits."""
    return state(body) is None or path in DOORS


def reason_kinds(body: Body, message: Incoming) -> frozenset[str]:
    """Return the kinds of the signed reasons in a transfer's message; nothing if unreadable."""
    try:
        header, _ = parcel.unpack(message.read())
        tokens = header.get("reasons") or [header["reason"]]
        signed = [jws.verify(token, body.directory.resolve, REASON) for token in tokens]
    except (SekishoError, KeyError, TypeError, OSError):
        return frozenset()
    return frozenset(str(one.payload.get("kind")) for one in signed)


def take_up(body: Body) -> None:
    """Begin as a restored body if the folder says so: closed, and in a new ledger.

    Called at every start before anything else; a crash in the middle is taken up again.
    """
    file = body.folders.base / MARKER
    if not file.exists():
        return
    marker = Marker.from_bytes(file.read_bytes())
    last = body.store.get(RESTORED, "last") or {}
    if last.get("backup") != marker.backup:
        _begin(body, marker)
    file.unlink()


def _begin(body: Body, marker: Marker) -> None:
    said = {
        "previous": origin_of(body.id, marker.generation),
        "generation": marker.generation + 1,
        "size": marker.ledger_size,
        "root": marker.ledger_root,
        "backup": marker.backup,
    }
    begun = {
        "backup": marker.backup,
        "made_at": marker.made_at.isoformat(),
        "previous": said["previous"],
        "size": marker.ledger_size,
        "step": CLOSED,
        "day": (body.store.get(*duties.CUT_OFF) or {"day": ""})["day"],
    }
    data = canonical_json({"backup": marker.backup})
    message_id = digest(f"{CATCH_UP}/{marker.backup}".encode())[:32]
    own = Incoming(
        message_id,
        body.id,
        CATCH_UP,
        {},
        "application/json",
        body.store.write_spool("in", message_id, data),
    )
    store = body.store
    with store.transaction():
        store.begin_ledger_anew(Entry("ledger.continued", body.now(), said).to_bytes())
        store.put(RESTORED, NOW, begun)
        store.put(RESTORED, "last", {"backup": marker.backup})
        store.keep_incoming(own, len(data))
