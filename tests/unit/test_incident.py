"""A leak: what a thief gets with exactly these things, by when what is due, who is told what."""

from __future__ import annotations

import hmac
import html
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from memory_town import ROOT, START, MemoryTown
from sekisho.body.flows import incident as flow
from sekisho.body.incident import Found, assess, look, page, read_clocks, read_collusion
from sekisho.body.incident.page import WORST
from sekisho.common.ids import new_id
from sekisho.common.randomness import system_random
from sekisho.exchange import jws
from sekisho.pseudonym.keys import ConverterSecret

RULES = ROOT / "rules"
KNOWN = date(2026, 5, 12)
PROVIDER, OTHER = "1310000001", "1310000002"


def report_of(found: Found, entries: Iterable[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
    made = assess(
        found,
        {"alpha": list(entries)},
        "alpha",
        read_collusion(RULES),
        read_clocks(RULES),
        KNOWN,
        **more,
    )
    return made.report


def reach(parts: set[str]) -> dict[str, tuple[str, str]]:
    report = report_of(Found(parts=parts))
    return {one["rule"]: (one["links"], one["identifies"]) for one in report["reach"]}


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_page_says_all_that_an_assessment_can_say(language: Literal["ja", "en"]) -> None:
    collusion = read_collusion(RULES)
    parts = {part for rule in collusion.rule for part in (*rule.needs, *rule.without)}
    known = report_of(Found(parts=parts - {"one-converter"} | {"recovery-key"}))
    known["body"] = "<b>alpha</b>"
    text = page(known, language)
    assert "&lt;b&gt;alpha&lt;/b&gt;" in text
    assert "<b>" not in text
    for one in (*known["reach"], *known["actions"], *known["deadlines"]):
        assert html.escape(one[language]) in text.replace("&#39;", "&#x27;")
    assert all(one["source"] in text for one in known["deadlines"])
    assert page(report_of(Found()), language) != text  # where nothing was found, too


def test_the_page_puts_the_worst_that_can_be_done_first() -> None:
    assert "Everybody who leaked" in page(report_of(Found(parts={"both-converters"})), "en")
    assert "nobody can be identified" in page(report_of(Found(parts={"pseudonyms"})), "en")
    collusion = read_collusion(RULES)
    assert {rule.identifies for rule in collusion.rule} == set(WORST)


def test_wrapped_pseudonyms_without_the_wrapping_key_lead_nowhere() -> None:
    assert reach({"pseudonyms"}) == {"wrapped-pseudonyms": ("nothing", "nothing")}


def test_one_converter_with_a_bodys_folder_identifies_nobody_by_number() -> None:
    found = reach({"pseudonyms", "wrapping-key", "domain-key", "one-converter"})
    assert {identifies for _, identifies in found.values()} == {"nothing"}
    assert "this-body" in {links for links, _ in found.values()}


def test_both_converters_identify_everyone_who_leaked() -> None:
    found = reach({"pseudonyms", "wrapping-key", "both-converters"})
    assert found["both-converters"] == ("everything-leaked", "everyone-leaked")
    assert "one-converter" not in found
    actions = report_of(Found(parts={"pseudonyms", "both-converters"}))["actions"]
    assert {"rotate-epoch", "tell-authority"} <= {one["action"] for one in actions}


def test_a_backup_whose_keys_are_sealed_leads_nowhere_by_its_keys() -> None:
    assert reach({"sealed-keys"}) == {"sealed-keys": ("nothing", "nothing")}
    assert "sealed-keys" not in reach({"sealed-keys", "recovery-key"})


@pytest.mark.parametrize(("wrongful", "last"), [(False, "2026-06-11"), (True, "2026-07-11")])
def test_the_legal_clocks_run_from_the_day_on_which_it_became_known(
    wrongful: bool, last: str
) -> None:
    due = {d["id"]: d for d in report_of(Found(), wrongful=wrongful)["deadlines"]}
    assert (due["preliminary"]["from"], due["preliminary"]["due"]) == ("2026-05-15", "2026-05-17")
    assert due["final"]["due"] == last
    assert due["persons"]["due"] is None
    assert all(one["source"] for one in due.values())


def landed(provider: str, persons: int) -> dict[str, Any]:
    body = {"provider": provider, "persons": persons}
    return {"at": "2026-04-01T00:00:00Z", "kind": "submission.landed", "body": body}


def test_what_cannot_be_counted_is_bounded_from_the_ledger_and_says_so() -> None:
    entries = [landed(PROVIDER, 30), landed(PROVIDER, 20), landed(OTHER, 5)]
    report = report_of(Found(parts={"seal-key"}), entries)
    assert report["persons"] == {"exact": False, "at_least": 30, "at_most": 55}
    assert report["providers"][PROVIDER] == {"exact": False, "persons": 50}


def leaked(folder: Path) -> Path:
    """Write a table as a lake holds it, with a part of a key folder beside it."""
    rows = pa.table(
        {
            "person_key": ["a", "a", "b"],
            "source_id": ["u1.0", "u1.1", "u2"],
            "provider": [PROVIDER, PROVIDER, OTHER],
            "data_class": ["basic"] * 3,
            "kind": ["receipt"] * 3,
            "condition_start_date": pa.array([date(2025, 9, 1), None, date(2026, 1, 2)]),
        }
    )
    (folder / "lake").mkdir(parents=True)
    pq.write_table(rows, folder / "lake" / "part-1.parquet")
    (folder / "keys").mkdir()
    for name in ("converter-1", "converter-2"):
        secret = ConverterSecret.generate(system_random)
        (folder / "keys" / name).write_bytes(secret.to_bytes())
    return folder


def test_files_are_recognised_by_what_they_are(tmp_path: Path) -> None:
    found = look(leaked(tmp_path))
    assert found.parts == {"records", "both-converters"}
    assert found.everyone == {"a", "b"}
    assert (found.first, found.last) == (date(2025, 9, 1), date(2026, 1, 2))
    assert found.sources == {PROVIDER: {"basic": {"u1"}}, OTHER: {"basic": {"u2"}}}
    report = report_of(found)
    assert report["persons"] == {"exact": True, "at_least": 2, "at_most": 2}
    assert report["data"] == [{"data_class": "basic", "kind": "receipt", "rows": 3, "persons": 2}]


def test_a_provider_finds_its_own_patients_and_no_others(tmp_path: Path) -> None:
    """The notice holds names only; the provider's key and files turn them into patients."""
    from sekisho.provider.names import Name
    from sekisho.provider.notified import find_patients

    file = tmp_path / "patients.ndjson"
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]}
    lines = [
        orjson.dumps(
            {
                "resourceType": "Condition",
                "id": f"c{n}",
                "subject": {"reference": f"Patient/p{n % 3}"},
                "code": code,
                "onsetDateTime": "2025-10-01",
            }
        ).decode()
        for n in range(6)
    ]
    file.write_text("\n".join(lines))
    key = hmac.digest(b"k", b"provider", "sha256")
    name = Name.of(key, "fhir", "basic")
    everything = {name("unit", unit) for n in range(6) for unit in (f"Condition/c{n}", f"c{n}")}
    found, known = find_patients([file], "fhir-ndjson", key, {"basic": everything})
    stranger, none = find_patients([file], "fhir-ndjson", bytes(32), {"basic": everything})
    assert known == 6
    assert sum(one.records for one in found) == 6
    assert len(found) == 3
    assert (stranger, none) == ((), 0)


def test_notices_go_to_their_providers_and_are_acknowledged_once(tmp_path: Path) -> None:
    town = MemoryTown(ROOT / "frameworks" / "2-1.toml", tmp_path / "town")
    town.begin(START)
    body = town.body("alpha")
    made = assess(
        look(leaked(tmp_path / "leak")),
        {},
        "alpha",
        read_collusion(RULES),
        read_clocks(RULES),
        KNOWN,
    )
    message = message_of(body, {"report": made.report, "sources": made.sources}, "alpha")
    outcome = flow.opened(body, message)
    kinds = [fact.kind for fact in outcome.facts]
    assert kinds == ["incident.opened", "incident.notified", "incident.notified"]
    assert "u1" not in repr(outcome.facts)  # no ledger names a record
    for kind, key, data in outcome.put:
        body.store.put(kind, key, data)
    for name, text in outcome.documents:
        body.documents.write(name, text)
    assert flow.opened(body, message).facts == []
    (token,) = flow.notices(body, PROVIDER, {}, b"")["notices"]
    notice = jws.verify(token, body.directory.resolve, flow.NOTICE).payload
    assert notice["sources"] == {"basic": ["u1"]}
    assert flow.notices(body, "1999999999", {}, b"")["notices"] == []
    word = message_of(body, {"incident": made.id, "patients": 1}, PROVIDER)
    first = flow.acknowledged(body, word)
    assert [fact.kind for fact in first.facts] == ["incident.acknowledged"]
    for kind, key, data in first.put:
        body.store.put(kind, key, data)
    assert flow.acknowledged(body, word).facts == []


def message_of(body: Any, said: dict[str, Any], sender: str) -> Any:
    from sekisho.body.ports import Incoming
    from sekisho.common.canonical import canonical_json

    name = new_id(system_random)
    file = body.store.write_spool("in", name, canonical_json(said))
    return Incoming(name, sender, "any", {}, "application/json", file)
