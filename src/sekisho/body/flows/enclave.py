"""The linkage enclave: identity fields in, links out, everything destroyed on the permit's day.

Under a permit that names it, the enclave makes a key for this one case. Providers seal identity
fields to that key; they lie on disk as they came, and are opened in memory only. What goes on to
the project are fresh tags with ciphertexts that the providers made, and weights. With the key gone
on the day, whatever was copied of the files cannot be opened any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from sekisho.body.context import Body
from sekisho.body.flows import transfer
from sekisho.body.flows.permits import Granted, granted_permit, read_permit
from sekisho.body.ports import Incoming, Json, Outcome
from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import Refusal
from sekisho.common.ids import IDENTITY, Tag, new_tag
from sekisho.data.linkage import (
    check_identities,
    read_enclave_rule,
    read_matcher,
    require_splink,
)
from sekisho.data.linkage.matched import LINK, OPEN, REVIEWED
from sekisho.exchange import jws, parcel, seal
from sekisho.exchange import tables as container
from sekisho.exchange.identities import CASE, RELIABLE
from sekisho.exchange.keys import SealKey
from sekisho.exchange.transfer import Reason, encrypt_persons
from sekisho.pseudonym.group import random_element

LINKS = "links"
PAIR = "enclave-pair"
VALID_DAYS = 7
COLLECTING, REVIEWING, SENT, DESTROYED = "collecting", "reviewing", "sent", "destroyed"


def open_case(body: Body, message: Incoming) -> Outcome:
    """Open a case under a permit that names this enclave; any other permit is refused."""
    granted = granted_permit(body, message.read().decode())
    named = granted.permit.enclave
    if named is None or named.body != body.id:
        raise Refusal(
            "enclave.not-named",
            "The permit does not name this enclave.",
            rule="persons without a number are matched only under a permit that names it",
            next_step="apply with the enclave; every deciding body sees that it is asked for",
        )
    if body.store.get("enclave", granted.application) is not None:
        return Outcome()
    require_splink()
    rule = read_enclave_rule(body.rules / "linkage")
    key = _key_file(body, granted.application)
    if not key.exists():
        SealKey.generate(body.random).write(key)
    close_on = min(body.today() + timedelta(days=rule.collect_days), named.until)
    case = {
        "state": COLLECTING,
        "permit": granted.text,
        "recipient": SealKey.read(key).recipient,
        "close_on": close_on.isoformat(),
        "epoch": body.epoch,
        "answered": {},
    }
    outcome = Outcome(put=[("enclave", granted.application, case)])
    outcome.fact(
        "enclave.opened",
        permit=granted.id,
        application=granted.application,
        until=named.until.isoformat(),
        providers=len(_providers(body)),
    )
    return outcome


def requests(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a provider which cases wait for its identity fields, each under its permit."""
    waiting = []
    for application, case in body.store.find("enclave"):
        if case["state"] == COLLECTING and sender not in case["answered"]:
            said = {name: case[name] for name in ("recipient", "epoch")}
            said["application"] = application
            token = jws.sign(said, body.keys.signing, body.id, CASE)
            waiting.append({"application": application, "permit": case["permit"], "case": token})
    return {"cases": waiting}


def receive(body: Body, message: Incoming) -> Outcome:
    """Take a provider's identity fields; with the last provider's, match."""
    header, blobs = parcel.unpack(message.read(), needs=("application",))
    application = str(header["application"])
    case = body.store.get("enclave", application)
    if case is None or case["state"] != COLLECTING:
        raise Refusal(
            "enclave.no-case",
            "No case of this enclave waits for identity fields of that application.",
            rule="identity fields come under a permit that names the enclave, while it collects",
            next_step="ask enclave/requests which cases wait",
        )
    if message.sender in case["answered"]:
        return Outcome()
    key = SealKey.read(_key_file(body, application))
    rows = check_identities(container.unpack(seal.open_sealed(blobs[0], key)))
    write_atomically(_folder(body, application) / f"{message.sender}.sealed", blobs[0])
    unreliable = rows.num_rows - sum(rows[RELIABLE].to_pylist())
    counts = {"persons": rows.num_rows, "without_number": unreliable}
    answered = {**case["answered"], message.sender: counts}
    outcome = Outcome()
    outcome.fact("enclave.received", application=application, provider=message.sender, **counts)
    changed = {**case, "answered": answered}
    if set(_providers(body)) <= set(answered):
        granted = granted_permit(body, case["permit"])
        matched, changed = _match(body, granted, changed)
        outcome.add(matched)
    outcome.put.append(("enclave", application, changed))
    return outcome


def _match(body: Body, granted: Granted, case: Json) -> tuple[Outcome, Json]:
    """Match what came; send the links at once where nothing is left to a clerk."""
    matcher = read_matcher(body.rules / "linkage")
    registers = registers_of(body, granted.application, case)
    judged = matcher.match(registers, int(granted.digest[:12], 16))
    pairs: dict[str, Json] = {}
    for number, one in enumerate(found for found in judged if found.verdict != "no"):
        pairs[f"{number:06d}"] = {
            "a": one.pair.a,
            "b": one.pair.b,
            "source_a": one.pair.source_a,
            "source_b": one.pair.source_b,
            "weight": one.pair.weight,
            "probability": one.pair.probability,
            "verdict": LINK if one.verdict == "link" else OPEN,
            "votes": {},
        }
    outcome = Outcome()
    outcome.put += [(PAIR, f"{granted.application}:{k}", p) for k, p in pairs.items()]
    verdicts = Counter(one.verdict for one in judged)
    outcome.fact(
        "enclave.matched",
        application=granted.application,
        rule=f"{matcher.linkage.id}/{matcher.linkage.version}",
        variants=matcher.variants.version,
        persons=sum(rows.num_rows for rows in registers.values()),
        verdicts={name: verdicts[name] for name in ("link", "clerical", "no")},
        missing_providers=len(set(_providers(body)) - set(registers)),
    )
    if verdicts["clerical"]:
        return outcome, {**case, "state": REVIEWING}
    outcome.add(send(body, granted, pairs, registers))
    return outcome, {**case, "state": SENT}


def send(
    body: Body, granted: Granted, pairs: Mapping[str, Json], registers: Mapping[str, pa.Table]
) -> Outcome:
    """Send links to the project under fresh tags: who sent the old ones cannot follow them."""
    kept = [pair for pair in pairs.values() if pair["verdict"] in (LINK, REVIEWED, OPEN)]
    known = {
        row["tag"]: (row["cipher"], row[RELIABLE])
        for rows in registers.values()
        for row in rows.select(["tag", "cipher", RELIABLE]).to_pylist()
    }
    used = sorted({pair[side] for pair in kept for side in ("a", "b")})
    fresh = {tag: new_tag(body.random) for tag in used}
    persons = tuple(sorted((fresh[tag], known[tag][0]) for tag in used))
    if not persons:  # nobody was found: a batch of one that is nobody's says so to nobody else
        nobody = [(new_tag(body.random), random_element(body.random))]
        persons = encrypt_persons(nobody, body.global_key, body.random)
    rows = sorted(
        (
            fresh[pair["a"]],
            fresh[pair["b"]],
            known[pair["a"]][1],
            known[pair["b"]][1],
            float(pair["weight"]),
            float(pair["probability"]),
            pair["verdict"],
        )
        for pair in kept
    )
    named = granted.permit.enclave
    assert named is not None
    reason = Reason(
        id=f"links:{granted.id}",
        kind="enclave_links",
        from_domain=IDENTITY,
        to_domain=granted.environment_domain,
        receiver=granted.environment,
        room="analysis",
        max_rows=len(persons),
        expires=min(body.today() + timedelta(days=VALID_DAYS), granted.permit.expires).isoformat(),
        epoch=body.epoch,
        permit=granted.text,
    )
    outcome = transfer.start_encrypted(body, reason, persons, {LINKS: _table(rows)})
    verdicts = Counter(pair["verdict"] for pair in kept)
    outcome.fact(
        "enclave.sent",
        application=granted.application,
        permit=granted.id,
        to=granted.environment,
        persons=len(used),
        verdicts={name: verdicts[name] for name in (LINK, REVIEWED, OPEN)},
    )
    return outcome


def _table(rows: list[tuple[Tag, Tag, bool, bool, float, float, str]]) -> pa.Table:
    kinds = (pa.string(), pa.string(), pa.bool_(), pa.bool_(), pa.float64(), pa.float64())
    names = ("tag_a", "tag_b", "reliable_a", "reliable_b", "weight", "probability", "verdict")
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    typed = zip(names, columns, (*kinds, pa.string()), strict=True)
    return pa.table({name: pa.array(list(values), kind) for name, values, kind in typed})


def daily(body: Body) -> Outcome:
    """Close what has waited long enough; on its day, destroy a case whatever its state."""
    outcome = Outcome()
    today = body.today()
    for application, case in list(body.store.find("enclave")):
        if case["state"] == DESTROYED:
            continue
        granted = read_permit(body, case["permit"])
        named = granted.permit.enclave
        assert named is not None
        due = today >= named.until
        if case["state"] in (COLLECTING, REVIEWING) and case["epoch"] != body.epoch:
            again, case = _start_over(body, granted, case)
            outcome.add(again)
        if case["state"] == COLLECTING and today >= date.fromisoformat(case["close_on"]):
            matched, case = _match(body, granted, case)
            outcome.add(matched)
            outcome.put.append(("enclave", application, case))
        if due and case["state"] == REVIEWING:
            # Nobody decided in time: the pairs go on as open, and unite nobody.
            registers = registers_of(body, application, case)
            pairs = pairs_of(body, application) or _put(outcome, application)
            outcome.add(send(body, granted, pairs, registers))
        if due:
            outcome.add(_destroy(body, application, case))
    return outcome


def _start_over(body: Body, granted: Granted, case: Json) -> tuple[Outcome, Json]:
    """Ask anew in a new epoch: what providers encrypted in the former one converts no more."""
    outcome = Outcome(remove=[_folder(body, granted.application)])
    for number in pairs_of(body, granted.application):
        gone = (PAIR, f"{granted.application}:{number}", {"verdict": "no", "votes": {}})
        outcome.put.append(gone)
    days = read_enclave_rule(body.rules / "linkage").collect_days
    assert granted.permit.enclave is not None
    close_on = min(body.today() + timedelta(days=days), granted.permit.enclave.until)
    anew = {"answered": {}, "epoch": body.epoch, "close_on": close_on.isoformat()}
    case = {**case, **anew, "state": COLLECTING}
    outcome.put.append(("enclave", granted.application, case))
    return outcome, case


def _put(outcome: Outcome, application: str) -> dict[str, Json]:
    """Return the pairs of a case that was matched in this same outcome."""
    prefix = f"{application}:"
    return {
        key.removeprefix(prefix): data
        for kind, key, data in outcome.put
        if kind == PAIR and key.startswith(prefix)
    }


def _destroy(body: Body, application: str, case: Json) -> Outcome:
    """Destroy every identity field of a case, and the key that could open a copy."""
    folder = _folder(body, application)
    files = sorted(folder.glob("*.sealed")) if folder.is_dir() else []
    outcome = Outcome(remove=[folder, _key_file(body, application)])
    pairs = list(pairs_of(body, application)) or list(_put(outcome, application))
    outcome.put += [(PAIR, f"{application}:{one}", {"gone": True}) for one in pairs]
    kept = {name: case[name] for name in ("permit", "answered")}
    outcome.put.append(("enclave", application, {**kept, "state": DESTROYED}))
    outcome.fact(
        "enclave.destroyed",
        application=application,
        files=len(files),
        persons=sum(counts["persons"] for counts in case["answered"].values()),
        pairs=len(pairs),
    )
    return outcome


def shown(body: Body) -> Json:
    """Return what a report says of the cases here: counts."""
    return {
        application: {
            "state": case["state"],
            "received": case["answered"],
            "verdicts": dict(
                Counter(p.get("verdict", "gone") for p in pairs_of(body, application).values())
            ),
        }
        for application, case in body.store.find("enclave")
    }


def _verdicts(pairs: Mapping[str, Json]) -> dict[str, int]:
    return dict(Counter(pair.get("verdict", "gone") for pair in pairs.values()))


def pairs_of(body: Body, application: str) -> dict[str, Json]:
    prefix = f"{application}:"
    return {key.removeprefix(prefix): pair for key, pair in body.store.find(PAIR, prefix)}


def registers_of(body: Body, application: str, case: Json) -> dict[str, pa.Table]:
    """Open the identity fields in memory; nothing of them is written anywhere."""
    key = SealKey.read(_key_file(body, application))
    return {
        provider: check_identities(
            container.unpack(
                seal.open_sealed(
                    (_folder(body, application) / f"{provider}.sealed").read_bytes(), key
                )
            )
        )
        for provider in sorted(case["answered"])
    }


def _providers(body: Body) -> list[str]:
    return [peer.id for peer in body.directory if peer.kind == "provider"]


def _folder(body: Body, application: str) -> Path:
    return body.folders.data / "enclave" / application


def _key_file(body: Body, application: str) -> Path:
    return body.folders.keys / f"enclave-{application}"
