"""A submission from the provider's door to the collector's lake, and the receipt back."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path

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
from sekisho.body.flows.landed import METHODS, Persons, keys_of, with_key
from sekisho.body.ports import Incoming, Json, Outcome, Outgoing
from sekisho.common.atomicfile import settle
from sekisho.common.errors import Refusal
from sekisho.common.ids import Tag
from sekisho.data import collection
from sekisho.data.lake import Lake, Objects, Snapshot, Stored, Versions, hold
from sekisho.exchange import jws, parcel
from sekisho.exchange import tables as container
from sekisho.exchange.tables import batched
from sekisho.exchange.transfer import REASON, RECEIPT
from sekisho.pseudonym.tagged import Tagged

MANIFEST = "manifest"
ROUGHLY = 100
"""Numbers of persons are told to others rounded up to a multiple of this."""
OBJECTS = "objects"
"""Images and variants that belong to rows; beside the tables as well."""
NO_OBJECTS = Stored(0, 0, "")
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
    """Check, quarantine, land; make a snapshot; sign the receipt.

    A large submission is laid out on disk for that, in a folder that is gone afterwards.
    """
    manifest = orjson.loads(arrived.tables[MANIFEST]["json"][0].as_py())
    folder = body.folders.spool / "landing" / manifest["submission"]
    shutil.rmtree(folder, ignore_errors=True)  # of an attempt that was cut off
    try:
        return _land(body, arrived, manifest, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _land(body: Body, arrived: transfer.Arrived, manifest: Json, folder: Path) -> Outcome:
    submission: str = manifest["submission"]
    apart = {MANIFEST, METHODS, OBJECTS}
    lake = Lake(body.folders.lake)
    batch = next_batch(body)
    previous = snapshot(body)
    wrapped = ((tag, body.keys.wrap(one)) for tag, one in arrived.pseudonyms.items())
    stopped = stopping.stopped_of(body, wrapped)
    arrival = collection.Arrival(
        {name: one for name, one in batched(arrived.tables).items() if name not in apart}, folder
    )
    systems, version = vocabulary.systems_of(body), vocabulary.in_force(body)
    persons = Persons(arrived, folder)
    survey = arrival.check(
        quality.load_rules(body.rules / "collection.toml"),
        day=body.today(),
        known=persons.known,
        set_aside=lambda tables: stopping.set_aside(tables, stopped),
        keep=persons.keep,
        systems=systems if vocabulary.refuses(body) else None,
    )
    codes = [vocabulary.counted(body, systems, part, version) for part in arrival.may_be_kept()]
    balance = collection.balance(collection.read_declared(manifest["declared"]), survey)
    gone = collection.read_withdrawn(manifest.get("withdrawn", []))
    keys = persons.keys(body, lake)

    def held(name: str) -> Iterator[pa.Table]:
        for rows in arrival.kept(name):
            yield hold(name, rows, keys_of(keys, rows), provider=arrived.sender, batch=batch)

    landing = {name: partial(held, name) for name in survey.rows_landed}
    kept = map(arrival.kept, survey.rows_landed)
    objects = _objects(body.folders.objects, body, arrived, kept, keys, batch)
    waiting = map(arrival.quarantined, survey.rows_quarantined)
    held_objects = NO_OBJECTS
    if survey.held:
        held_objects = _objects(body.folders.held_objects, body, arrived, waiting, keys, batch)
    taken = [(arrived.sender, unit) for unit in gone]
    versions = lake.land(batch, submission, landing, vocabulary=version, withdrawn=taken)
    replaced = lake.replaced_by(batch, previous)
    made = Snapshot(1 + previous.number, versions)
    if survey.held:
        _quarantine(body, submission, arrival, sorted(survey.rows_quarantined), keys)
    payload = {
        "submission": submission,
        "body": body.id,
        "format": manifest["format"],
        **collection.receipt_payload(
            survey,
            balance,
            provider=arrived.sender,
            file_digests=manifest["files"],
            withdrawn=len(gone),
        ),
        "codes": collection.all_codes(codes).to_dict(),
    }
    if objects.objects:
        payload["objects"] = asdict(objects)
    if held_objects.objects:
        payload["objects_held"] = asdict(held_objects)
    outcome = _receipt(body, arrived.sender, manifest, payload, batch)
    if survey.held:
        held_back = quarantine.held_back(submission, arrived.sender, survey.rules_version, batch)
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
        persons=len(keys),
        objects=objects.objects,
        withdrawn=len(gone),
        digest=payload["content"],
        reasons=dict(Counter(one["code"] for one in manifest["refusals"])),
        snapshot=made.number,
    )
    outcome.add(quarantine.mend(body, arrived.sender, submission, arrival.may_be_kept()))
    outcome.add(
        duty.landed(
            body,
            arrived.sender,
            submission,
            manifest["format"],
            survey.months,
            balance,
            replaced,
        )
    )
    if survey.chosen:
        outcome.put.append(("set-aside", submission, _by_choice(survey)))
    if replaced:
        outcome.put.append(("replaced", submission, {"records": replaced}))
    return outcome


def _objects(
    folder: Path,
    body: Body,
    arrived: transfer.Arrived,
    tables: Iterable[Iterator[pa.Table]],
    keys: Tagged[bytes],
    batch: int,
) -> Stored:
    """Store what came beside rows, before the rows: none may name an object that is not there.

    Of a record whose person never arrived none is kept: no rule can ever let it out.
    """
    sent = batched(arrived.tables).get(OBJECTS)
    if sent is None:
        return NO_OBJECTS
    return Objects(folder).put(
        sent.batches() if isinstance(sent, container.StoredTable) else [sent],
        (with_key(keys, rows) for rows in chain.from_iterable(tables)),
        lambda tag: keys[Tag(tag)].hex(),
        body.keys.seal,
        provider=arrived.sender,
        batch=batch,
    )


def next_batch(body: Body) -> int:
    """Return the number under which the next thing lands: submissions and successions so far."""
    return 1 + sum(1 for kind in ("submission", INHERITED, RELEASED) for _ in body.store.find(kind))


def _by_choice(survey: collection.Survey) -> Json:
    """Return what choices kept out of one submission, as counts."""
    per_class: Counter[str] = Counter()
    for (_, data_class), number in survey.chosen.items():
        per_class[data_class] += number
    return {"records": dict(sorted(per_class.items())), "persons": survey.chosen_persons}


def _per_type(balance: collection.Balance) -> dict[str, dict[str, int]]:
    """Return landed, quarantined … → record type → records, as the ledger keeps them."""
    columns = ("sent", "landed", "quarantined", "refused", "superseded", "set_aside")
    counted: dict[str, Counter[str]] = {column: Counter() for column in columns}
    for line in balance.lines:
        for column in columns:
            counted[column][line.record_type] += getattr(line, column)
    return {column: {t: n for t, n in of.items() if n} for column, of in counted.items()}


@dataclass(frozen=True)
class _Held:
    """One table's quarantined rows, under the persons' keys where there are any."""

    arrival: collection.Arrival
    name: str
    keys: Tagged[bytes]

    @property
    def schema(self) -> pa.Schema:
        return next(self.batches()).schema

    def batches(self) -> Iterator[pa.Table]:
        for rows in self.arrival.quarantined(self.name):
            known = keys_of(self.keys, rows)
            keys = [known.get(tag) for tag in rows["tag"].to_pylist()]
            place = rows.column_names.index("tag")
            yield rows.set_column(place, "person_key", pa.array(keys, pa.string()))


def _quarantine(
    body: Body,
    submission: str,
    arrival: collection.Arrival,
    names: Sequence[str],
    keys: Tagged[bytes],
) -> None:
    """Keep what broke a rule apart from the lake."""
    file = body.folders.data / "quarantine" / submission
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{submission}.{os.getpid()}.new")
    container.write(unfinished, {name: _Held(arrival, name, keys) for name in names})
    settle(unfinished, file)


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
