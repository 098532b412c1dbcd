"""What a body still needs of an epoch that is over: while there is any, its secrets stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sekisho.body.context import Body
from sekisho.body.flows import indexturn
from sekisho.body.flows.permits import is_revoked, read_permit
from sekisho.body.ports import Json
from sekisho.common.errors import UserError
from sekisho.control.review import Permit


def told(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Answer a converter that would destroy its secret of an epoch: what, and how many."""
    try:
        epoch = int(params["epoch"])
    except (KeyError, ValueError) as error:
        raise UserError("keys.malformed", "The question names an epoch.") from error
    return {"needs": needs(body, epoch)}


def needs(body: Body, epoch: int) -> dict[str, int]:
    """Return what needs the converters' secrets of ``epoch`` here, in counts above 0.

    ``pseudonyms``: those at rest have not turned. ``indexes``: so many projects' have not.
    ``transfers``: wait for their other half. ``permits``: their projects' pseudonyms are of it.
    """
    found = {
        "pseudonyms": int(body.epoch <= epoch),
        "indexes": len(indexturn.behind(body, epoch + 1)),
        "transfers": sum(
            kept["state"] == "waiting" and kept["reason"]["epoch"] == epoch
            for _, kept in body.store.find("transfer")
        ),
        "permits": len({one.id for one in _permits(body) if _needs(body, one, epoch)}),
    }
    return {what: count for what, count in found.items() if count}


def _needs(body: Body, permit: Permit, epoch: int) -> bool:
    in_force = body.today() <= permit.expires and not is_revoked(body, permit)
    return permit.epoch == epoch and in_force


def _permits(body: Body) -> Iterator[Permit]:
    """Yield every permit that this body drafted, signed, or is the environment of."""
    for kind in ("joined", "signed-permit"):
        for _, kept in body.store.find(kind):
            if "payload" in kept:  # else it was not granted, or ended and was erased
                yield Permit.from_payload(kept["payload"])
    for _, state in body.store.find("project"):
        if state.get("permit"):
            yield read_permit(body, state["permit"]).permit
