"""What a body's start page shows: what it is, its functions, its ledger's head, its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from sekisho.body.context import Body
from sekisho.common.ids import BodyId
from sekisho.framework import functions_of, labels


@dataclass(frozen=True)
class Neighbour:
    id: str
    title_ja: str
    title_en: str
    url: str


def start_page(body: Body) -> dict[str, object]:
    """Return the template's context."""
    me = body.framework.find_body(BodyId(body.id))
    checkpoint = body.folders.ledger / "checkpoint"
    neighbours = [
        Neighbour(other.id, other.title.ja, other.title.en, body.directory.find(other.id).url or "")
        for other in body.framework.body
        if other.id != body.id
    ]
    return {
        "me": me,
        "kind": labels.BODY_KIND[me.kind],
        "framework": body.framework,
        "functions": [labels.FUNCTION[f] for f in sorted(functions_of(body.framework, me.id))],
        "roles": [labels.ROLE[role] for role in me.roles],
        "checkpoint": checkpoint.read_text() if checkpoint.exists() else "",
        "neighbours": neighbours,
        "rehearsal": body.config.rehearsal is not None,
        "day": body.today(),
    }
