"""An enclave's links at the environment: who is one person is known before any record comes.

Only when the links are here are the holders and registries asked for their parts: a payload never
waits for a clerk, and lists of choices are as fresh as in any other project.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from sekisho.body.context import Body
from sekisho.body.flows import project, transfer
from sekisho.body.flows.permits import Granted, granted_permit
from sekisho.body.ports import Json, Outcome, Outgoing
from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal
from sekisho.common.ids import Tag
from sekisho.data.linkage.matched import Link, Matched, join_links

FILE = "links"


def arrived(body: Body, arrival: transfer.Arrived) -> Outcome:
    """Keep the links in this project's domain, and ask for the data."""
    granted = granted_permit(body, arrival.reason.permit or "")
    named = granted.permit.enclave
    if named is None or named.body != arrival.sender:
        raise Refusal(
            "project.other-enclave",
            "Links come from the enclave that the permit names, and from no other body.",
        )
    state = project.state_of(body, granted)
    if state["state"] != "waiting" or "links" in state:
        return Outcome()
    rows = arrival.tables["links"]
    links = _converted(rows, arrival)
    write_atomically(_file(body, granted.application), canonical_json(links))
    kept = {**state, "links": {"pairs": len(links)}, "since": body.today().isoformat()}
    outcome = ask_for_parts(granted)
    outcome.put.append(("project", granted.application, kept))
    return outcome


def ask_for_parts(granted: Granted) -> Outcome:
    """Send the permit to its holders and to the registries that bind them."""
    outcome = Outcome()
    text = granted.text.encode()
    for holder in sorted({part.holder for part in granted.permit.parts}):
        outcome.send.append(Outgoing(holder, "collection/permit", text))
    for minimum in granted.permit.opt_out:
        outcome.send.append(Outgoing(minimum.registry, "opt_out/permit", text))
    return outcome


def matched(body: Body, granted: Granted, present: Callable[[bytes], bool]) -> Matched | None:
    """Return who is one person in the project; None where no enclave was permitted."""
    if granted.permit.enclave is None:
        return None
    file = _file(body, granted.application)
    read = json.loads(file.read_bytes())
    return join_links(
        [
            Link(
                bytes.fromhex(one["a"]),
                bytes.fromhex(one["b"]),
                one["reliable_a"],
                one["reliable_b"],
                float(one["weight"]),
                float(one["probability"]),
                one["verdict"],
            )
            for one in read
        ],
        present,
    )


def _converted(rows: pa.Table, arrival: transfer.Arrived) -> list[Json]:
    tags = [Tag(tag) for column in ("tag_a", "tag_b") for tag in rows[column].to_pylist()]
    hexed = {tag: element.hex() for tag, element in arrival.pseudonyms.take(tags).items()}
    return [
        {
            "a": hexed[row["tag_a"]],
            "b": hexed[row["tag_b"]],
            "reliable_a": row["reliable_a"],
            "reliable_b": row["reliable_b"],
            # As text: JSON of the ledger kind has no fractions.
            "weight": repr(row["weight"]),
            "probability": repr(row["probability"]),
            "verdict": row["verdict"],
        }
        for row in rows.to_pylist()
    ]


def _file(body: Body, application: str) -> Path:
    return project.folder(body, application) / "incoming" / FILE
