"""A holder's work list: persons whom a history calls one and whose records speak of two.

Nothing waits for it: such persons are kept apart in every extract, and counted. A case ends when
the next look no longer finds it. The holder itself decides nothing, for it knows no person: either
a provider's record is wrong, or the insurer's statement is.
"""

from __future__ import annotations

from sekisho.body.context import Body
from sekisho.body.flows.aliases import events_at, roots
from sekisho.body.flows.extract import CONFLICT, conflict_id, known_of
from sekisho.body.flows.submission import snapshot
from sekisho.body.ports import Json
from sekisho.common.ids import body_domain
from sekisho.data.lake import Lake
from sekisho.data.linkage import candidates, unite
from sekisho.pseudonym.alias import in_force


def conflicts(body: Body) -> list[Json]:
    """Return the cases of today, without any value of a person.

    ``differ``: sex, birth-month or both. ``registrations``: under how many numbers. ``providers``:
    who sent the records that differ. ``changes``: the alias events that call them one, by the names
    under which the history service sent them here. ``extract``: the last that met the case.
    """
    lake, latest, day = Lake(body.folders.lake), snapshot(body), body.today()
    own, domain = lake.all_wrapped(), body_domain(body.id)
    histories = roots(body, domain, day, day)
    found = unite(own, histories, known_of(lake, latest, candidates(own, histories))).conflicts
    senders = lake.senders_of(latest, {key for one in found for key in one.keys})
    standing = in_force(events_at(body, domain), day, day)
    return [
        {
            "case": conflict_id(one),
            "differ": list(one.differ),
            "registrations": len(one.keys),
            "providers": sorted(set().union(*(senders[key] for key in one.keys))),
            "changes": sorted(
                event.ref
                for event in standing
                if event.revokes is None and histories[event.old] == one.root
            ),
            "extract": body.store.get(CONFLICT, conflict_id(one)),
        }
        for one in found
    ]
