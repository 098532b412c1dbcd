"""What applying a list does at a holder beside stopping provision: erasure, where it is the effect.

With ``opt_out.effect = "erase"`` what is held of who chose so goes from every version of every
table, from quarantine and from the objects beside the tables. What was already given to a project
is not called back. Parts of a submission that still wait for their other half are sealed; what the
choice covers of them is set aside when they land (`sekisho.body.flows.stopping`).
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pyarrow.compute as pc

from sekisho.body.context import Body
from sekisho.body.flows.stopping import stopped
from sekisho.body.flows.submission import snapshot
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.atomicfile import write_atomically
from sekisho.common.canonical import canonical_json
from sekisho.data.lake import Lake, Objects, Snapshot, Targets
from sekisho.exchange import tables as container


def after_list(body: Body, registry: str, number: int) -> Outcome:
    """Order what a newly applied list asks for beside stopping provision."""
    outcome = Outcome()
    if body.framework.opt_out.effect == "erase":
        order = canonical_json({"registry": registry, "number": number})
        outcome.send.append(Outgoing(body.id, "collection/erase", order))
    return outcome


def erase(body: Body, message: Incoming) -> Outcome:
    """Do what `after_list` ordered."""
    order: Json = orjson.loads(message.read())
    return _erase(body, order["registry"], int(order["number"]))


def in_force(body: Body) -> Outcome:
    """Do at once what the lists held here ask for and nobody has done (a restored body)."""
    outcome = Outcome()
    if body.framework.opt_out.effect == "erase":
        for registry, held in body.store.find("held-list"):
            outcome.add(_erase(body, registry, int(held["header"]["number"])))
    return outcome


def _erase(body: Body, registry: str, number: int) -> Outcome:
    """Erase who is on the lists in force; prove it, and record it with counts only."""
    out, id = stopped(body), f"{registry}:{number}"
    outcome = Outcome()
    if not out or body.store.get("erasure", id) is not None:
        return outcome
    lake = Lake(body.folders.lake)
    latest = snapshot(body)
    known = lake.known_keys(out)
    targets = Targets({key: out[wrapped] for wrapped, key in known.items()})
    quarantine = body.folders.data / "quarantine"
    rows, used = _clear_quarantine(quarantine, targets)
    # before the tables: afterwards nobody knows any more whose they are
    stores = (Objects(body.folders.objects), Objects(body.folders.held_objects))
    objects = sum(store.erase(targets.keys) for store in stores)
    done = lake.erase(id, out, latest, used=used)
    if done is None and not rows and not objects:
        return outcome
    made = Snapshot(1 + latest.number, lake.head())
    outcome.put.append(("snapshot", "head", made.to_dict()))
    counted = {
        "persons": 0 if done is None else done.persons,
        "rows": {} if done is None else dict(done.rows),
        "quarantined": rows,
        "objects": objects,
    }
    outcome.put.append(("erasure", id, {**counted, "on": body.today().isoformat()}))
    outcome.fact(
        "person.erased",
        registry=registry,
        list_number=number,
        **counted,
        searched=0 if done is None else done.searched,
        snapshot=made.number,
    )
    outcome.fact(
        "snapshot.made",
        snapshot=made.number,
        tables=dict(made.versions.tables),
        hidden=list(made.versions.hidden),
        reason="erasure",
    )
    return outcome


def _clear_quarantine(folder: Path, targets: Targets) -> tuple[int, set[str]]:
    """Erase persons' rows in quarantine; return how many, and which persons stay in it."""
    gone, used = 0, set[str]()
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        tables = container.unpack(file.read_bytes())
        left = {}
        for name, rows in tables.items():
            left[name] = rows.filter(pc.invert(targets.mask(rows)))
            gone += rows.num_rows - left[name].num_rows
            used |= set(left[name]["person_key"].unique().to_pylist()) & set(targets.keys)
        if any(left[name].num_rows < rows.num_rows for name, rows in tables.items()):
            write_atomically(file, container.pack(left))
    return gone, used
