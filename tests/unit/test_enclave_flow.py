"""The enclave at work among bodies: who may send what, who decides, what is left afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pyarrow as pa
import pytest
from click.testing import Result
from typer.testing import CliRunner

from memory_town import ROOT, SEED, MemoryClient, MemoryTown
from sekisho.body.flows.job import _require_permitted
from sekisho.body.flows.permits import PERMIT, decider, read_permit
from sekisho.commands import enclave as command
from sekisho.common.canonical import canonical_json
from sekisho.common.errors import Refusal
from sekisho.common.ids import BodyId, new_id
from sekisho.common.randomness import system_random
from sekisho.control.review import LedgerHead, ListMinimum, Permit, part_along
from sekisho.data.analysis.study import read_study
from sekisho.data.linkage import WEIGHT_TABLE
from sekisho.exchange import jws, parcel, seal, tables
from sekisho.exchange.identities import TABLE
from sekisho.exchange.keys import SigningKey
from sekisho.framework import environment, extract_route, find, holders
from sekisho.provider.enclave import answer_enclave, identities, patients
from sekisho.provider.handover import Sender
from sekisho.provider.profile import Profile
from sekisho.synthetic.draws import Draws
from sekisho.synthetic.identities import Registered, otherwise, registered

pytest.importorskip("splink", reason="the extra 'enclave' is not installed")

FIRST, SECOND = "1310000001", "1310000002"
HISTORY, HOLDER, CLERK = "history", "national", "clerk"
MEMBER = "http://jpfhir.jp/fhir/clins/Idsystem/JP_Insurance_memberID"
LOCAL = "urn:oid:1.2.392.100495.20.3.51.1"
IDE = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
PERSONS = 30


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    providers = ((FIRST, "provider", ()), (SECOND, "provider", ()))
    made = MemoryTown(
        find("1", ROOT), tmp_path, actors=(*providers, (CLERK, "reviewer", ("clerk",)))
    )
    made.begin()
    return made


def permit(town: MemoryTown, *, enclave: str = HISTORY, **changes: Any) -> str:
    """Return a permit of the holder's basic data, signed by who decides on them."""
    fw = town.framework
    holder = holders(fw, "basic")[0]
    lane = decider(fw, holder, "basic")
    hops = extract_route(fw, holder, "basic", environment(fw, ("basic",))).hops
    today = town.today
    named = {"body": enclave, "until": today + timedelta(days=30), "max_rows": 1000}
    fields: dict[str, Any] = {
        "id": "permit-kidney",
        "version": 1,
        "application": "kidney",
        "application_digest": "0" * 64,
        "applicant": "Example University",
        "team": ("user",),
        "purpose": "research",
        "tables": [{"table": "person", "columns": ["year_of_birth"]}],
        "classes": ("basic",),
        "cohort": {},
        "period": {},
        "form": "pseudonymised",
        "linkage": True,
        "environment": hops[-1],
        "parts": (part_along(hops, "basic", lane=lane, application="kidney", max_rows=100),),
        "opt_out": (ListMinimum(registry=holder, number=1),),
        "ledger_heads": (LedgerHead(body=holder, size=1, root="00"),),
        "conditions": (),
        "starts": today,
        "expires": today + timedelta(days=300),
        "granted_by": (lane,),
        "enclave": named if enclave else None,
    }
    made = Permit.from_payload(msgspec.to_builtins(fields | changes))
    key = SigningKey.read(town.folder / "bodies" / lane / "keys" / "signing")
    return jws.assemble(made.payload(), [jws.sign_shared(made.payload(), key, lane, PERMIT)])


def tell(town: MemoryTown, sender: str, path: str, data: bytes) -> None:
    peer = town.deployment.directory.find(HISTORY)
    MemoryClient(town, sender).post(peer, f"/exchange/{path}", data)
    town.settle()


def people() -> Iterator[tuple[int, Registered, Registered]]:
    for number in range(PERSONS):
        clean = registered(SEED, number)
        cause = ("same", "variant", "width", "sound", "address")[number % 5]
        yield number, clean, otherwise(clean, cause, Draws(SEED, "test", number))[0]


def write(file: Path, code: str, rows: list[tuple[int, Registered]], *, numbers: bool) -> None:
    lines = []
    for number, it in rows:
        identifier = [{"system": f"{LOCAL}{code}", "value": f"{code[-1]}{number:05}"}]
        if numbers:
            identifier.append({"system": MEMBER, "value": f"06132013:12:{1000 + number}:01"})
        names = [("IDE", it.family, it.given), ("SYL", it.family_kana, it.given_kana)]
        lines.append(
            {
                "resourceType": "Patient",
                "id": str(number),
                "identifier": identifier,
                "name": [
                    {"extension": [{"url": IDE, "valueCode": kind}], "family": f, "given": [g]}
                    for kind, f, g in names
                    if f and g
                ],
                "telecom": [{"system": "phone", "value": it.phone}],
                "gender": it.sex,
                "birthDate": it.birth_date,
                "address": [{"text": it.address}],
            }
        )
    file.write_bytes(b"\n".join(orjson.dumps(line) for line in lines) + b"\n")


def sender(town: MemoryTown, code: str) -> Sender:
    keys = town.folder / "actors" / code
    return Sender(
        code=code,
        key=SigningKey.read(keys / "signing"),
        provider_key=b"k" * 32,
        client=MemoryClient(town, code),  # type: ignore[arg-type]  # speaks as a client does
        directory=town.deployment.directory,
        converter=town.framework.with_role("converter")[0],
        global_key=town.body(HISTORY).global_key,
        random=system_random,
        today=town.today,
    )


def answer(town: MemoryTown, tmp_path: Path) -> None:
    """Let both providers answer: the first knows no insured number of anybody."""
    for code, which in ((FIRST, 2), (SECOND, 1)):
        file = tmp_path / f"{code}.ndjson"
        rows = [(one[0], one[which]) for one in people()]
        write(file, code, rows, numbers=code == SECOND)
        files = [("fhir-ndjson", [file])]
        assert answer_enclave(sender(town, code), BodyId(HISTORY), files, Profile()) == ["kidney"]
        file.unlink()
    town.settle()


def words() -> set[bytes]:
    """Return every name, telephone and address that providers know, of five characters or more
    as bytes; names of two characters would be found by chance."""
    found = set()
    for _, first, second in people():
        for it in (first, second):
            found |= {f"{it.family}{it.given}".encode(), (it.phone or "").encode()}
            found |= {(it.address or "").encode(), (it.given_kana or "").encode()}
    return {word for word in found if len(word) >= 10}


def on_disk(folder: Path) -> set[bytes]:
    everything = b"\0".join(f.read_bytes() for f in folder.rglob("*") if f.is_file())
    return {word for word in words() if word in everything}


def test_links_reach_the_project_and_nothing_of_them_stays(
    town: MemoryTown, tmp_path: Path
) -> None:
    text = permit(town)
    tell(town, HOLDER, "enclave/permit", text.encode())
    answer(town, tmp_path)
    body = town.body(HISTORY)
    (matched,) = town.entries(HISTORY, "enclave.matched")
    assert matched["verdicts"]["link"] >= 0.8 * PERSONS
    sealed = list((body.folders.data / "enclave" / "kidney").iterdir())
    assert len(sealed) == 2
    for folder in (tmp_path / "bodies", tmp_path / "actors"):
        assert on_disk(folder) == set(), "identity fields lie sealed, from their first day"

    for pair in MemoryClient(town, CLERK).get(peer(town), "/exchange/enclave/work").json()["pairs"]:
        assert set(pair["a"]) & {"family", "birth_date"}
        decision = {"application": "kidney", "pair": pair["pair"], "same": True}
        tell(town, CLERK, "enclave/decision", canonical_json(decision))
    (sent,) = town.entries(HISTORY, "enclave.sent")
    assert sent["persons"] == 2 * sum(sent["verdicts"].values())
    project = town.records(HOLDER, "project")["kidney"]
    assert project["links"]["pairs"] == sum(sent["verdicts"].values())

    key = body.folders.keys / "enclave-kidney"
    assert key.exists()
    town.begin(town.today + timedelta(days=30))
    assert not key.exists()
    assert not (body.folders.data / "enclave" / "kidney").exists()
    (gone,) = town.entries(HISTORY, "enclave.destroyed")
    assert gone["files"] == 2
    assert gone["persons"] == 2 * PERSONS
    assert on_disk(tmp_path / "bodies") == set()
    town.begin()
    assert len(town.entries(HISTORY, "enclave.destroyed")) == 1, "once is enough"


def test_a_clerk_sees_the_work_list_and_decides_from_the_command_line(
    town: MemoryTown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sekisho enclave`: two names side by side, a decision each, and nothing for anybody else."""
    rule = tmp_path / "rules" / "linkage" / "japanese.toml"
    rule.write_text(rule.read_text("utf-8").replace("shared = 0.5", "shared = 1e-9"), "utf-8")
    tell(town, HOLDER, "enclave/permit", permit(town).encode())
    answer(town, tmp_path)
    monkeypatch.setattr(command, "Client", lambda clerk, *_, **__: MemoryClient(town, clerk))
    where = ["--dir", str(town.folder), "--keys", str(town.folder / "actors" / CLERK)]

    def run(*words: str, clerk: str = CLERK) -> Result:
        made = CliRunner().invoke(command.app, [*words, *where, "--clerk", clerk])
        town.settle()
        return made

    pairs = orjson.loads(run("list", "--json").stdout)["pairs"]
    assert pairs
    shown = run("list").stdout
    assert all(f"kidney {one['pair']}" in shown for one in pairs)
    assert all(one[side]["family_kana"] in shown for one in pairs for side in ("a", "b"))
    first, second = pairs[0]["pair"], pairs[1]["pair"]
    assert run("decide", "kidney", first, "--same").stdout.strip() == f"kidney {first}: same"
    said = orjson.loads(run("decide", "kidney", second, "--other", "--json").stdout)
    assert said == {"application": "kidney", "pair": second, "same": False}
    left = {one["pair"] for one in orjson.loads(run("list", "--json").stdout)["pairs"]}
    assert left == {one["pair"] for one in pairs} - {first, second}
    decided = [one["verdict"] for one in town.entries(HISTORY, "enclave.decided")]
    assert decided == ["reviewed", "no"]
    stranger = run("list", clerk=FIRST)
    assert isinstance(stranger.exception, Refusal)
    assert not any(one["a"]["family_kana"] in stranger.output for one in pairs)


def test_a_study_may_read_the_weights_only_where_the_permit_names_an_enclave(
    town: MemoryTown,
) -> None:
    study = read_study(ROOT / "studies" / "kidney")
    asks = msgspec.structs.replace(study, inputs=("person", WEIGHT_TABLE))
    body = town.body(HOLDER)
    _require_permitted(asks, read_permit(body, permit(town)))
    with pytest.raises(Refusal) as refused:
        _require_permitted(asks, read_permit(body, permit(town, enclave="")))
    assert refused.value.code == "job.not-permitted"


def peer(town: MemoryTown) -> Any:
    return town.deployment.directory.find(HISTORY)


def test_a_permit_that_names_no_enclave_opens_none(town: MemoryTown) -> None:
    tell(town, HOLDER, "enclave/permit", permit(town, enclave="").encode())
    (refused,) = town.entries(HISTORY, "message.refused")
    assert refused["code"] == "enclave.not-named"
    asked = MemoryClient(town, FIRST).get(peer(town), "/exchange/enclave/requests").json()
    assert asked == {"cases": []}


def test_identity_fields_without_a_case_are_refused_with_an_entry(
    town: MemoryTown, tmp_path: Path
) -> None:
    tell(town, FIRST, "enclave/identities", parcel.pack({"application": "kidney"}, [b"sealed"]))
    (refused,) = town.entries(HISTORY, "message.refused")
    assert refused["code"] == "enclave.no-case"


def test_a_payload_column_never_gets_in(town: MemoryTown, tmp_path: Path) -> None:
    tell(town, HOLDER, "enclave/permit", permit(town).encode())
    case = town.records(HISTORY, "enclave")["kidney"]
    write(tmp_path / "p.ndjson", FIRST, [(1, registered(SEED, 1))], numbers=False)
    known = patients([("fhir-ndjson", [tmp_path / "p.ndjson"])], Profile())
    rows = identities(sender(town, FIRST), known)
    diagnosis = rows.append_column("condition_source_value", pa.array(["E11"]))
    for payload in ({TABLE: diagnosis}, {TABLE: rows, "condition_occurrence": rows}):
        sealed = seal.seal(tables.pack(payload), case["recipient"])
        data = parcel.pack({"application": "kidney"}, [sealed])
        tell(town, FIRST, "enclave/identities", data)
    codes = [one["code"] for one in town.entries(HISTORY, "message.refused")]
    assert codes == ["enclave.not-identity"] * 2
    assert town.records(HISTORY, "enclave")["kidney"]["answered"] == {}
    assert not (town.body(HISTORY).folders.data / "enclave").exists()


def test_a_provider_sends_nothing_where_the_permit_names_another_enclave(
    town: MemoryTown, tmp_path: Path
) -> None:
    tell(town, HOLDER, "enclave/permit", permit(town).encode())
    store = town.body(HISTORY).store
    case = store.get("enclave", "kidney")
    assert case is not None
    for other in (permit(town, enclave=""), permit(town, enclave="converter")):
        store.put("enclave", "kidney", {**case, "permit": other})
        with pytest.raises(Refusal, match="no permit that names this enclave"):
            answer_enclave(sender(town, FIRST), BodyId(HISTORY), [], Profile())
    assert town.entries(HISTORY, "enclave.received") == []


def test_pairs_that_nobody_decides_unite_nobody_and_end_with_the_case(
    town: MemoryTown, tmp_path: Path
) -> None:
    rule = tmp_path / "rules" / "linkage" / "japanese.toml"
    rule.write_text(rule.read_text("utf-8").replace("shared = 0.5", "shared = 1e-9"), "utf-8")
    tell(town, HOLDER, "enclave/permit", permit(town).encode())
    answer(town, tmp_path)
    assert town.entries(HISTORY, "enclave.sent") == []
    word = {"application": "kidney", "pair": "000000", "same": False}
    tell(town, CLERK, "enclave/decision", canonical_json(word))
    (decided,) = town.entries(HISTORY, "enclave.decided")
    assert decided["verdict"] == "no"
    tell(town, CLERK, "enclave/decision", canonical_json(word))
    assert town.entries(HISTORY, "message.refused")[-1]["code"] == "enclave.nothing-to-decide"
    town.begin(town.today + timedelta(days=30))
    (sent,) = town.entries(HISTORY, "enclave.sent")
    assert sent["verdicts"]["link"] == sent["verdicts"]["reviewed"] == 0
    assert sent["verdicts"]["clerical"] > 0
    assert len(town.entries(HISTORY, "enclave.destroyed")) == 1


def test_a_provider_that_is_silent_is_not_waited_for_beyond_the_rule(
    town: MemoryTown, tmp_path: Path
) -> None:
    tell(town, HOLDER, "enclave/permit", permit(town).encode())
    town.begin(town.today + timedelta(days=7))
    (matched,) = town.entries(HISTORY, "enclave.matched")
    assert matched["missing_providers"] == 2
    (sent,) = town.entries(HISTORY, "enclave.sent")
    assert sent["persons"] == 0
    assert town.records(HOLDER, "project")["kidney"]["links"]["pairs"] == 0


def test_only_the_named_enclave_turns_identities_into_a_projects_pseudonyms(
    town: MemoryTown,
) -> None:
    """The conversion desk's own check, apart from the enclave's: another body, or a permit
    without an enclave, converts nothing."""
    from sekisho.body.flows import transfer
    from sekisho.common.ids import IDENTITY, new_tag, project_domain
    from sekisho.exchange.transfer import Reason, encrypt_persons
    from sekisho.pseudonym.group import random_element

    for signer, text in ((HISTORY, permit(town, enclave="")), (HOLDER, permit(town))):
        body = town.body(signer)
        tag = new_tag(system_random)
        persons = encrypt_persons(
            [(tag, random_element(system_random))], body.global_key, system_random
        )
        reason = Reason(
            id=new_id(system_random),
            kind="enclave_links",
            from_domain=IDENTITY,
            to_domain=project_domain("kidney", HOLDER),
            receiver=HOLDER,
            room="analysis",
            max_rows=1,
            expires=town.today.isoformat(),
            permit=text,
        )
        made = transfer.start_encrypted(body, reason, persons, {})
        batch = next(out for out in made.send if out.path == "conversion/batch")
        converter = town.deployment.directory.find(batch.to)
        MemoryClient(town, signer).post(
            converter, "/exchange/conversion/batch", batch.file or batch.body
        )
        town.settle()
    codes = [one["code"] for one in town.entries("converter", "conversion.refused")]
    assert codes == ["conversion.signer-not-allowed"] * 2
