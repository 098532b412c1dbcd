"""No entry of any ledger lets its reader link a person: whole runs, every framework."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from runs import FRAMEWORKS, Run
from test_identifiers_on_disk import identifiers

from sekisho.common.errors import UserError
from sekisho.common.ids import Domain, body_domain, registry_domain
from sekisho.control.ledger import TileLog
from sekisho.pseudonym.group import multiply
from sekisho.pseudonym.identifiers import element_of, parse_spec
from sekisho.synthetic import person_of

pytestmark = [pytest.mark.acceptance, pytest.mark.xdist_group("first-study")]

ABOUT_MANY = (
    "submission:", "choices:", "list:", "permit-", "extract:", "alias:", "use:", "uses:",
    "statement:",
)  # fmt: skip
"""How the id of a batch begins that several ledgers may name: a batch, never a person."""
ONE_LOOK = "view:"
"""How the id of one look at one's uses begins: fresh for each look, named by converters only."""


@pytest.fixture(params=FRAMEWORKS)
def run(request: pytest.FixtureRequest, study: Callable[[str], Run]) -> Run:
    return study(request.param)


def ledgers(run: Run) -> dict[str, list[dict[str, Any]]]:
    homes = sorted((run.folder / "bodies").iterdir())
    return {
        home.name: [json.loads(entry) for entry in TileLog(home / "ledger").entries()]
        for home in homes
    }


def everything(run: Run) -> bytes:
    """Return the bytes of all entries of all ledgers, the history service's with them."""
    homes = (run.folder / "bodies").iterdir()
    return b"\n".join(entry for home in homes for entry in TileLog(home / "ledger").entries())


def values(value: Any) -> Iterator[str]:
    """Yield every string in an entry, names of fields with them."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from values(item)
    elif isinstance(value, list):
        for item in value:
            yield from values(item)
    elif isinstance(value, str):
        yield value


def functions_of_persons(run: Run) -> Iterator[tuple[str, str]]:
    """Yield what any body or attacker can make of a person: pseudonyms, keys, and their digests."""
    bodies = [home.name for home in (run.folder / "bodies").iterdir()]
    domains = [Domain("identity"), *map(body_domain, bodies), *map(registry_domain, bodies)]
    assert run.scenario.population is not None
    secrets = list(run._converters())
    for number in range(0, run.scenario.population.persons, 4):
        try:
            key = parse_spec(person_of(run.scenario.seed, number).spec())
        except UserError:
            continue  # has no insured number, so nothing follows from it
        made = [bytes(element_of(key))]
        for domain in domains[1:]:
            element = element_of(key)
            for secret in secrets:
                element = multiply(secret.factor(domain, 0), element)
            made.append(bytes(element))
        for application in run.report["projects"]:
            made.append(run.pseudonym(application, key))
        for value in made:
            for spelled in (value, sha256(value).digest(), sha256(value.hex().encode()).digest()):
                yield f"person {number}", spelled.hex()


def test_no_entry_holds_a_function_of_a_person(run: Run) -> None:
    written = everything(run).decode()
    found = {who for who, value in functions_of_persons(run) if value in written}
    assert found == set()


def test_no_entry_holds_an_identifier_or_its_digest(run: Run) -> None:
    files = sorted((run.folder / "providers").glob("*/fhir/*.ndjson"))
    receipts = sorted((run.folder / "providers").glob("*/uke/*"))
    wanted = {text for text in identifiers(files, receipts) if not text.isdigit()}
    written = everything(run).decode()
    words = {word for entries in ledgers(run).values() for one in entries for word in values(one)}
    assert {text for text in wanted if text in written} == set()
    digests = {sha256(text.encode()).hexdigest() for text in identifiers(files, receipts)}
    assert digests & words == set()


def test_a_tag_of_a_transfer_stands_in_no_entry(run: Run) -> None:
    """Tags live in a transfer only; what is left of them lies in bodies' databases."""
    written = everything(run).decode()
    kept = {
        word
        for home in (run.folder / "bodies").iterdir()
        for file in (home / "data").rglob("tags*.json")
        for word in values(json.loads(file.read_bytes()))
    }
    assert {tag for tag in kept if len(tag) == 32 and tag in written} == set()


def test_a_choice_is_named_in_the_ledger_of_its_desk_alone_and_by_its_receipt_only(
    run: Run,
) -> None:
    places: dict[str, set[tuple[str, str]]] = defaultdict(set)
    refs: dict[str, str] = {}
    for body, entries in ledgers(run).items():
        for entry in entries:
            for word in values(entry["body"]):
                places[word].add((body, entry["kind"]))
            if entry["kind"] == "optout.choice":
                assert entry["body"].keys() == {"ref"}
                assert entry["at"].endswith("T00:00:00Z")
                refs[entry["body"]["ref"]] = body
    assert refs
    for ref, desk in refs.items():
        assert places[ref] == {(desk, "optout.choice")}


def test_an_id_that_several_ledgers_name_is_a_batchs_and_no_persons(run: Run) -> None:
    """Whoever reads all ledgers can follow batches; what follows a person would be found here."""
    bodies: dict[str, set[str]] = defaultdict(set)
    kinds: dict[str, set[str]] = defaultdict(set)
    submissions: set[str] = set()
    for body, entries in ledgers(run).items():
        for entry in entries:
            submissions.add(entry["body"].get("submission", ""))
            for name, value in entry["body"].items():
                if isinstance(value, str) and len(value) >= 32 and not _digest(value):
                    bodies[value].add(body)
                    kinds[value].add(name)
    shared = {value: kinds[value] for value, seen in bodies.items() if len(seen) > 1}
    unknown = {
        value: names
        for value, names in shared.items()
        if not value.startswith(ABOUT_MANY) and value.partition(":")[0] not in submissions
    }
    looks = {value for value in unknown if value.startswith(ONE_LOOK)}
    assert {value: names for value, names in unknown.items() if value not in looks} == {}
    roles = {one["body"]: {*one["roles"]} for one in run.report["bodies"]}
    converters = {body for body, has in roles.items() if has & {"converter", "oversight"}}
    for value in looks:
        assert bodies[value] <= converters


def _digest(value: str) -> bool:
    return len(value) == 64 and set(value) <= set("0123456789abcdef")


def test_whatever_is_counted_of_persons_is_counted_in_tens(run: Run) -> None:
    counted = {"persons", "rows", "dropped", "dropped_persons", "landed", "refused", "quarantined"}
    for body, entries in ledgers(run).items():
        for entry in entries:
            for name in counted & entry["body"].keys():
                for number in _numbers(entry["body"][name]):
                    assert number % 10 == 0, (body, entry["kind"], name)


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _numbers(item)
    else:
        yield value


def test_a_planted_pseudonym_would_be_found(run: Run, tmp_path: Path) -> None:
    who, value = next(functions_of_persons(run))
    written = json.dumps({"kind": "message.refused", "body": {"path": value}})
    assert who.startswith("person")
    assert value in written
