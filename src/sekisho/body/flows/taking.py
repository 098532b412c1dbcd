"""A holder takes a registry's lists: in order, each once, none left out.

What comes too early waits, what comes again is acknowledged again, and what does not fit what was
taken before is not taken: it raises an alarm, and extracts wait until the registry's list fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sekisho.body.context import Body
from sekisho.body.flows import alarms
from sekisho.body.flows.effects import after_list
from sekisho.body.ports import Json, Outcome, Outgoing
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import TamperError
from sekisho.control.optout import ListHeader, Scope, acknowledge, check_chain, is_repeat

HELD, EARLY, TAKEN = "held-list", "early-list", "taken-list"
WAITING = "extract-waiting"
"""Permits whose extract waits for a list."""
Entries = Mapping[str, list[str]]


def take(body: Body, headers: Sequence[ListHeader], entries: Entries, epoch: int) -> Outcome:
    """Apply a list, after the headers before it, and those that waited for it.

    Args:
        headers: chained, verified; the last is that of the list whose ``entries`` came.
        entries: own wrapped pseudonym → scopes.
        epoch: the epoch of these pseudonyms.
    """
    outcome = Outcome()
    registry = headers[-1].registry
    kept = body.store.get(HELD, registry)
    previous = ListHeader.from_payload(kept["header"]) if kept else None
    if any(_differs(body, header) for header in headers):
        alarms.raise_(outcome, body, f"history:{registry}", "opt-out.two-histories", peer=registry)
        return outcome
    if previous is not None and headers[-1].number <= previous.number:
        if is_repeat(previous, headers[-1]):
            _acknowledge(outcome, body, previous, entries)
        return outcome
    coming = {"headers": [h.payload() for h in headers], "entries": dict(entries), "epoch": epoch}
    expected = 1 if previous is None else previous.number + 1
    if headers[0].number > expected:
        outcome.put.append((EARLY, _early_key(registry, headers[0].number), coming))
        return outcome
    for one in (coming, *_waiting(body, registry)):
        previous = _taken(outcome, body, previous, one) or previous
    return outcome


def _early_key(registry: str, number: int) -> str:
    return f"{registry}:{number:08d}"


def _waiting(body: Body, registry: str) -> Iterator[Json]:
    """Yield lists that came too early, in order; what was used of them is empty."""
    for _, kept in body.store.find(EARLY, f"{registry}:"):
        if kept["headers"]:
            yield kept


def newest_known(body: Body, registry: str) -> int:
    """Return the number of the newest list of which this holder knows, taken or not."""
    kept = body.store.get(HELD, registry)
    held = ListHeader.from_payload(kept["header"]).number if kept else 0
    early = [int(one["headers"][-1]["number"]) for one in _waiting(body, registry)]
    return max([held, *early])


def is_behind(body: Body, registry: str) -> bool:
    """Return whether this holder knows that it lacks a list of ``registry``."""
    kept = body.store.get(HELD, registry)
    held = int(kept["header"]["number"]) if kept else 0
    return newest_known(body, registry) > held or alarms.stands(body, f"list:{registry}")


def _differs(body: Body, header: ListHeader) -> bool:
    """Return whether another list of this number was taken: the registry has two histories."""
    taken = body.store.get(TAKEN, _early_key(header.registry, header.number))
    return taken is not None and taken["digest"] != header.digest


def _taken(
    outcome: Outcome, body: Body, previous: ListHeader | None, coming: Json
) -> ListHeader | None:
    """Take one list if it follows what is held; return its header, or None if it does not yet."""
    headers = [ListHeader.from_payload(one) for one in coming["headers"]]
    last = 0 if previous is None else previous.number
    fresh = [header for header in headers if header.number > last]
    if not fresh or fresh[0].number > last + 1:
        return None
    try:
        for before, header in zip([previous, *fresh], fresh, strict=False):
            check_chain(before, header)
    except TamperError as wrong:
        name = f"history:{headers[-1].registry}"
        alarms.raise_(outcome, body, name, "opt-out.two-histories", why=wrong.code)
        return None
    _apply(outcome, body, fresh, coming)
    return fresh[-1]


def _apply(outcome: Outcome, body: Body, fresh: Sequence[ListHeader], coming: Json) -> None:
    header, entries = fresh[-1], coming["entries"]
    state = {"header": header.payload(), "entries": entries, "epoch": coming["epoch"]}
    outcome.put.append((HELD, header.registry, state))
    for one in fresh:
        key = _early_key(one.registry, one.number)
        outcome.put.append((TAKEN, key, {"digest": one.digest, "on": body.today().isoformat()}))
        if body.store.get(EARLY, key) is not None:
            outcome.put.append((EARLY, key, {"headers": [], "entries": {}}))
    _acknowledge(outcome, body, header, entries)
    outcome.fact(
        "optout.list.applied",
        registry=header.registry,
        number=header.number,
        digest=header.digest,
        count=header.count,
    )
    outcome.add(after_list(body, header.registry, header.number))
    for application, waiting in body.store.find(WAITING):
        if waiting["permit"]:
            permit = waiting["permit"].encode()
            outcome.send.append(Outgoing(body.id, "collection/permit", permit))
            outcome.put.append((WAITING, application, {"permit": ""}))
    if header.number >= newest_known(body, header.registry):
        alarms.clear(outcome, body, f"list:{header.registry}")
        alarms.clear(outcome, body, f"history:{header.registry}")


def _acknowledge(outcome: Outcome, body: Body, header: ListHeader, entries: Entries) -> None:
    own = {p: [Scope.parse(text) for text in scopes] for p, scopes in entries.items()}
    answer = acknowledge(header, own, body.id, body.today())
    outcome.send.append(
        Outgoing(header.registry, "opt_out/acknowledgement", canonical_json(answer.payload()))
    )
