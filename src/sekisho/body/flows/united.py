"""Who is united with whom at a holder, for the observer of a rehearsal and nobody else.

It tells pseudonyms, which no ordinary door does: a body has this door only where it was started
for a rehearsal with people who are declared synthetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sekisho.body.context import Body
from sekisho.body.flows.aliases import roots
from sekisho.body.flows.extract import known_of
from sekisho.body.flows.submission import snapshot
from sekisho.body.ports import Json
from sekisho.common.errors import Refusal, UserError
from sekisho.common.ids import body_domain
from sekisho.data.lake import Lake
from sekisho.data.linkage import candidates, unite


def united(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Return each person's own pseudonym with that under which an extract of a day sends them."""
    if not body.config.declared_synthetic:
        raise Refusal("rehearsal.real-people", "Only synthetic people are looked at like this.")
    try:
        on = date.fromisoformat(params["on"])
    except (KeyError, ValueError) as error:
        raise UserError("rehearsal.day", "The day is missing.") from error
    lake, latest = Lake(body.folders.lake), snapshot(body)
    own = lake.all_wrapped()
    histories = roots(body, body_domain(body.id), on, on)
    found = unite(own, histories, known_of(lake, latest, candidates(own, histories)))
    methods = lake.methods_of(own)
    return {
        "epoch": body.epoch,
        "conflicts": len(found.conflicts),
        "persons": [
            {
                "own": bytes(body.keys.unwrap(own[key])).hex(),
                "sent": bytes(body.keys.unwrap(sent)).hex(),
                "method": methods[key],
            }
            for key, sent in sorted(found.sent.items())
        ],
    }
