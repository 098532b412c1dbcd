"""A submission from the provider's door to the collector's lake, and the receipt back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import orjson
import pyarrow as pa

from sekisho import quality
from sekisho.body.context import Body
from sekisho.body.flows import (
    alarms,
    duty,
    exit,
    notices,
    quarantine,
    stopping,
    transfer,
    vocabulary,
)
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import Refusal
from sekisho.common.ids import Tag
from sekisho.data import collection
from sekisho.data.lake import Lake, Objects, Snapshot, Stored, Versions, hold
from sekisho.exchange import jws, parcel
from sekisho.exchange import tables as container
from sekisho.exchange.transfer import REASON, RECEIPT

MANIFEST = "manifest"
ROUGHLY = 100
"""Numbers of persons are told to others rounded up to a multiple of this."""
METHODS = "methods"
"""How each tag's person was identified; beside the tables, as the manifest is."""
OBJECTS = "objects"
"""Images and variants that belong to rows; beside the tables as well."""
INHERITED = "inherited"
"""The record of a succession that landed here, by the id of its reason."""
RELEASED = "released"
"""The record of what was let out of quarantine, by submission and version of the checks."""
RECONCILED = "reconciled"
"""What came of holding a submission's tables against its receipt."""


def receive(body: Body, message: Incoming) -> Outcome:
    """Take a submission at this door: keep our part, pass on the others', sealed as they are."""
    header, blobs = parcel.open_file(message.file, needs=("submission", "bodies"), each="reasons")
    if body.store.get("door", header["submission"]) is not None:
        return Outcome()  # sent again before the receipt came: the first one counts
    given = notices.given_on(header)
    outcome = Outcome()
    for token, sealed in zip(header["reasons"], blobs, strict=True):
        signed = jws.verify(token, body.directory.resolve, REASON)
        if signed.signer != message.sender:
            raise Refusal("submission.not-yours", "The submission is signed by another provider.")
        receiver = signed.payload["receiver"]
        exit.check_receives(body, receiver)
        outcome.add(notices.check(body, message.sender, receiver, given))
        if receiver == body.id:
            outcome.add(transfer.keep_payload(body, token, sealed))
            continue
        outcome.add(transfer.pass_on(receiver, "collection/payload", token, sealed))
    kept = {"bodies": header["bodies"], "on": body.today().isoformat()}
    outcome.put.append(("door", header["submission"], kept))
    outcome.fact(
        "submission.received",
        submission=header["submission"],
        provider=message.sender,
        bytes=sum(blob.size for blob in blobs),
    )
    return outcome


def land(body: Body, arrived: transfer.Arrived) -> Outcome:
    """Check, quarantine, land; make a snapshot; sign the receipt."""
    manifest = orjson.loads(arrived.tables[MANIFEST]["json"][0].as_py())
    submission: str = manifest["submission"]
    apart = {MANIFEST, METHODS, OBJECTS}
    tables = {name: arrived.tables[name] for name in arrived.tables if name not in apart}
    lake = Lake(body.folders.lake)
    batch = next_batch(body)
    previous = snapshot(body)
    wrapped = {tag: body.keys.wrap(element) for tag, element in arrived.pseudonyms.items()}
    tables, chosen = stopping.set_aside(tables, stopping.stopped_of(body, wrapped))
    systems = vocabulary.systems_of(body)
    landed = quality.check(
        tables,
        quality.load_rules(body.rules / "collection.toml"),
        day=body.today(),
        tags=frozenset(arrived.pseudonyms),
        systems=systems if vocabulary.refuses(body) else None,
    )
    version = vocabulary.in_force(body)
    by_choice = quality.records_of(chosen)
    balance = collection.balance(collection.read_declared(manifest["declared"]), landed, by_choice)
    # Of whom nothing is kept no key is made either: a body then does not remember having met them.
    gone = collection.read_withdrawn(manifest.get("withdrawn", []))
    present = {tag for rows in tables.values() for tag in rows["tag"].unique().to_pylist()}
    wrapped = {tag: one for tag, one in wrapped.items() if tag in present}
    methods = {wrapped[tag]: method for tag, method in _methods(arrived) if tag in wrapped}
    keys = lake.keys_for(sorted(set(wrapped.values())), body.random, methods)
    persons: dict[str, str] = {tag: keys[one] for tag, one in wrapped.items()}
    held = {
        name: hold(name, rows, persons, provider=arrived.sender, batch=batch)
        for name, rows in landed.tables.items()
    }
    objects = _objects(body, arrived, landed.tables, persons, batch)
    taken = [(arrived.sender, unit) for unit in gone]
    versions = lake.land(batch, submission, held, vocabulary=version, withdrawn=taken)
    replaced = lake.replaced_by(batch, previous)
    made = Snapshot(1 + previous.number, versions)
    if landed.quarantined:
        _quarantine(body, submission, landed.quarantined, persons)
    payload = {
        "submission": submission,
        "body": body.id,
        "format": manifest["format"],
        **collection.receipt_payload(
            landed,
            balance,
            provider=arrived.sender,
            file_digests=manifest["files"],
            withdrawn=len(gone),
        ),
        "codes": vocabulary.counted(body, systems, tables, version).to_dict(),
    }
    if objects.objects:
        payload["objects"] = asdict(objects)
    outcome = _receipt(body, arrived.sender, manifest, payload, batch)
    if landed.quarantined:
        held_back = quarantine.held_back(submission, arrived.sender, landed.rules_version)
        outcome.put.append((quarantine.KIND, submission, held_back))
    outcome.put.append(("snapshot", "head", made.to_dict()))
    outcome.fact(
        "snapshot.made",
        snapshot=made.number,
        tables=dict(versions.tables),
        hidden=list(versions.hidden),
        submission=submission,
    )
    outcome.fact(
        "submission.landed",
        submission=submission,
        provider=arrived.sender,
        format=manifest["format"],
        **_per_type(balance),
        persons=len(persons),
        objects=objects.objects,
        withdrawn=len(gone),
        digest=payload["content"],
        reasons=dict(Counter(one["code"] for one in manifest["refusals"])),
        snapshot=made.number,
    )
    units = collection.units_of({**tables})
    outcome.add(quarantine.mend(body, arrived.sender, submission, units))
    outcome.add(
        duty.landed(
            body, arrived.sender, submission, manifest["format"], landed.tables, balance, replaced
        )
    )
    if by_choice:
        outcome.put.append(("set-aside", submission, _by_choice(by_choice, chosen)))
    if replaced:
        outcome.put.append(("replaced", submission, {"records": replaced}))
    return outcome


def _objects(
    body: Body,
    arrived: transfer.Arrived,
    landed: Mapping[str, pa.Table],
    persons: Mapping[str, str],
    batch: int,
) -> Stored:
    """Store what came beside the rows, before the rows: none may name an object that is not there.

    Objects of records in quarantine are not kept: the record is sent again when it is mended.
    """
    sent: Iterable[pa.Table] = ()
    if OBJECTS in arrived.tables:
        every = arrived.tables
        if isinstance(every, container.StoredTables):
            sent = every.stored(OBJECTS).batches()
        else:
            sent = [every[OBJECTS]]
    return Objects(body.folders.objects).put(
        sent,
        landed,
        persons,
        body.keys.seal,
        provider=arrived.sender,
        batch=batch,
    )


def next_batch(body: Body) -> int:
    """Return the number under which the next thing lands: submissions and successions so far."""
    return 1 + sum(1 for kind in ("submission", INHERITED, RELEASED) for _ in body.store.find(kind))


def _methods(arrived: transfer.Arrived) -> list[tuple[Tag, str]]:
    """Return tag and method of the persons whose provider said how they were identified."""
    rows = arrived.tables.get(METHODS)
    if rows is None:
        return []
    return list(zip(rows["tag"].to_pylist(), rows["method"].to_pylist(), strict=True))


def _by_choice(records: Counter[tuple[str, str]], chosen: Mapping[str, pa.Table]) -> Json:
    """Return what choices kept out of one submission, as counts."""
    per_class: Counter[str] = Counter()
    for (_, data_class), number in records.items():
        per_class[data_class] += number
    persons = {tag for rows in chosen.values() for tag in rows["tag"].unique().to_pylist()}
    return {"records": dict(sorted(per_class.items())), "persons": len(persons)}


def _per_type(balance: collection.Balance) -> dict[str, dict[str, int]]:
    """Return landed, quarantined … → record type → records, as the ledger keeps them."""
    columns = ("sent", "landed", "quarantined", "refused", "superseded", "set_aside")
    counted: dict[str, Counter[str]] = {column: Counter() for column in columns}
    for line in balance.lines:
        for column in columns:
            counted[column][line.record_type] += getattr(line, column)
    return {column: {t: n for t, n in of.items() if n} for column, of in counted.items()}


def _quarantine(
    body: Body, submission: str, tables: dict[str, pa.Table], persons: Mapping[str, str]
) -> None:
    """Keep what broke a rule apart from the lake, under the persons' keys where there are any."""
    held = {
        name: rows.set_column(
            rows.column_names.index("tag"),
            "person_key",
            pa.array([persons.get(tag) for tag in rows["tag"].to_pylist()], pa.string()),
        )
        for name, rows in tables.items()
    }
    write_atomically(body.folders.data / "quarantine" / submission, container.pack(held))


def _receipt(body: Body, provider: str, manifest: Json, payload: Json, batch: int) -> Outcome:
    submission = manifest["submission"]
    token = jws.sign(payload, body.keys.signing, body.id, RECEIPT)
    outcome = Outcome()
    outcome.documents.append((f"receipts/{submission}.jws", token))
    kept = {
        "provider": provider,
        "payload": payload,
        "refusals": manifest["refusals"],
        "batch": batch,
        "on": body.today().isoformat(),
    }
    outcome.put.append(("submission", submission, kept))
    back = orjson.dumps({"submission": submission, "receipt": token})
    outcome.send.append(Outgoing(manifest["door"], "collection/receipt", back))
    return outcome


def keep_receipt(body: Body, message: Incoming) -> Outcome:
    """Keep another body's receipt for the provider who asks at this door."""
    answer = orjson.loads(message.read())
    key = f"{answer['submission']}:{message.sender}"
    outcome = Outcome(put=[("receipt", key, {"receipt": answer["receipt"]})])
    door = body.store.get("door", answer["submission"]) or {"bodies": []}
    if not _without_receipt(body, answer["submission"], door) - {message.sender}:
        alarms.clear(outcome, body, _alarm(answer["submission"]))
    return outcome


def _alarm(submission: str) -> str:
    return f"submission:{submission}"


def _without_receipt(body: Body, submission: str, door: Json) -> set[str]:
    return {
        one for one in door["bodies"] if body.store.get("receipt", f"{submission}:{one}") is None
    }


def daily(body: Body) -> Outcome:
    """Alarm at the door on every submission of an earlier day that a body has not receipted."""
    outcome = Outcome()
    today = body.today().isoformat()
    for submission, door in body.store.find("door"):
        missing = _without_receipt(body, submission, door) if door["on"] < today else set()
        if missing:
            alarms.raise_(
                outcome,
                body,
                _alarm(submission),
                "submission.no-receipt",
                peers=",".join(sorted(missing)),
                receipts=len(missing),
            )
    return outcome


def reconcile(body: Body) -> Outcome:
    """Hold what lies in the tables against the receipt, once, on the day after it landed.

    Where something was erased in the meantime the two may differ, and are not compared.
    """
    outcome = Outcome()
    lake, today = Lake(body.folders.lake), body.today().isoformat()
    erased = max((kept["on"] for _, kept in body.store.find("erasure")), default="")
    for key, kept in body.store.find("submission"):
        if kept.get("on", today) >= today or body.store.get(RECONCILED, key) is not None:
            continue
        said, found = kept["payload"]["totals"]["landed"], lake.records_in(kept["batch"])
        state = "erased since" if erased >= kept["on"] else "even" if said == found else "differs"
        outcome.put.append((RECONCILED, key, {"state": state, "on": today}))
        if state == "differs":
            alarms.raise_(
                outcome,
                body,
                f"reconcile:{key}",
                "submission.tables-differ",
                receipt=said,
                tables=found,
            )
    return outcome


def receipts(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Give a provider the receipts of its submission, one from each body that it was meant for."""
    wanted = params.get("submission", "")
    found = []
    for _, kept in body.store.find("receipt", f"{wanted}:"):
        signed = jws.verify(kept["receipt"], body.directory.resolve, RECEIPT)
        if signed.payload["provider"] == sender:
            found.append(kept["receipt"])
    return {"receipts": found}


def persons(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a body that drafts a permit of how many persons this one has records, roughly."""
    held = Lake(body.folders.lake).persons()
    return {"persons": -(-held // ROUGHLY) * ROUGHLY}


def snapshot(body: Body) -> Snapshot:
    """Return the newest snapshot of this body's lake; before anything landed, an empty one."""
    kept = body.store.get("snapshot", "head")
    return Snapshot(0, Versions({}, ())) if kept is None else Snapshot.from_dict(kept)
