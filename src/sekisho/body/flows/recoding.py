"""A better vocabulary comes: it counts for all that is held, from a new snapshot on."""

from __future__ import annotations

from sekisho.body.context import Body
from sekisho.body.flows.submission import snapshot
from sekisho.body.flows.vocabulary import in_force
from sekisho.body.ports import Outcome
from sekisho.data.lake import Lake, Snapshot


def daily(body: Body) -> Outcome:
    """Let the vocabulary in force count for batches that another one, or none, was read by."""
    outcome = Outcome()
    version = in_force(body)
    kept = body.store.get("vocabulary", "applied")
    if version is None or (kept is not None and kept["version"] == version):
        return outcome
    previous = snapshot(body)
    versions = Lake(body.folders.lake).recode(version, previous)
    if versions != previous.versions:
        made = Snapshot(previous.number + 1, versions)
        outcome.put.append(("snapshot", "head", made.to_dict()))
        outcome.fact(
            "snapshot.made",
            snapshot=made.number,
            tables=dict(versions.tables),
            hidden=list(versions.hidden),
            reason=f"vocabulary:{version}",
        )
    outcome.put.append(("vocabulary", "applied", {"version": version}))
    return outcome
