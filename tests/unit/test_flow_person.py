"""A person's view in every framework: exactly the own uses, and nowhere a trace of the answer."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory_town import DESK, ROOT, SEED, START, MemoryClient, MemoryTown
from sekisho.body.flows import alarms, uses
from sekisho.common.canonical import filled_up
from sekisho.common.errors import SekishoError, UserError
from sekisho.common.ids import uses_domain
from sekisho.common.randomness import system_random
from sekisho.exchange import seal
from sekisho.framework import desks, framework_files
from sekisho.person import ask, collect
from sekisho.pseudonym.group import multiply
from sekisho.synthetic import person_of
from uses_world import HEART, KIDNEY, index, log_of, oversight, pseudonym, used, view

FILES = {path.stem: path for path in framework_files(ROOT)}
every_framework = pytest.mark.parametrize("framework", sorted(FILES))


def town_of(framework: str, folder: Path) -> MemoryTown:
    town = MemoryTown(FILES[framework], folder)
    town.begin(START)
    return town


@every_framework
def test_exactly_the_included_see_their_uses_and_their_choices(
    framework: str, tmp_path: Path
) -> None:
    town = town_of(framework, tmp_path)
    desk = desks(town.framework)[-1]
    town.choose(desk, 1)
    town.choose(desk, 4, "purpose:commercial")
    town.begin()
    index(town, "heart", HEART)
    index(town, "kidney", KIDNEY)
    for person in range(1, 7):
        seen = view(town, person, desk)
        assert used(seen) == {
            name for name, inside in (("heart", HEART), ("kidney", KIDNEY)) if person in inside
        }
        assert seen is not None
        assert len(seen.of("not_used")) == 2 - len(used(seen))
        scopes = {1: {"all"}, 4: {"purpose:commercial"}}.get(person, set())
        assert {one.scope for one in seen.choices} == scopes


@every_framework
def test_a_person_learns_what_was_in_force_on_a_day_as_known_on_another(
    framework: str, tmp_path: Path
) -> None:
    """By the person's own form, with no receipt: a choice, its reversal, and before either."""
    town = town_of(framework, tmp_path)
    desk = desks(town.framework)[-1]
    town.choose(desk, 1, "purpose:commercial")
    town.begin()
    chosen = town.today
    town.begin()
    town.choose(desk, 1, "purpose:commercial", revoke=True)
    town.begin()
    undone = town.today

    def scopes(**as_of: date) -> set[str]:
        seen = view(town, 1, desk, **as_of)
        assert seen is not None
        return {one.scope for one in seen.choices}

    assert scopes() == scopes(on=undone) == set()
    assert scopes(on=chosen) == {"purpose:commercial"}
    assert scopes(known=chosen) == {"purpose:commercial"}
    assert scopes(on=undone, known=chosen) == {"purpose:commercial"}
    assert scopes(known=START - timedelta(days=1)) == set()
    assert scopes(on=START - timedelta(days=1)) == set()


def test_a_missing_log_is_missing_and_never_no_use(tmp_path: Path) -> None:
    town = town_of("2-1", tmp_path)
    index(town, "kidney", KIDNEY)
    store = town.body(oversight(town)).store
    for name, known in (("moving", {"moved_on": START}), ("quiet", {}), ("none", {})):
        store.put(uses.LOG, name, log_of(town, name, **known).payload())
    store.put(uses.LOG, "none", log_of(town, "none", not_made_on=START).payload())
    seen = view(town, 2)
    assert seen is not None
    assert [p.application for p in seen.of("not_yet")] == ["moving", "quiet"]
    town.begin(START + timedelta(days=4))
    seen = view(town, 2)
    assert seen is not None
    assert [(p.application, p.since) for p in seen.of("missing")] == [("moving", "2026-04-03")]
    assert [p.application for p in seen.of("not_yet")] == ["quiet"]
    assert [p.application for p in seen.of("not_made")] == ["none"]
    (alarm,) = alarms.shown(town.body(oversight(town)))
    assert (alarm["code"], alarm["about"]["application"]) == ("uses.missing", "moving")
    index(town, "moving", {2})
    assert used(view(town, 2)) == {"moving"}
    town.begin()
    assert alarms.shown(town.body(oversight(town)))[0]["cleared"] is not None


def test_a_part_of_the_index_that_was_lost_or_changed_is_missing(tmp_path: Path) -> None:
    town = town_of("2-1", tmp_path)
    index(town, "kidney", KIDNEY)
    store = town.body(oversight(town)).store
    wrapped = town.body(oversight(town)).keys.wrap(pseudonym(town, "kidney", 3))
    store.drop(uses.INDEX, f"kidney:{wrapped[:2]}")
    seen = view(town, 3)
    assert seen is not None
    assert [p.application for p in seen.of("missing")] == ["kidney"]
    store.put(uses.INDEX, f"kidney:{wrapped[:2]}", {"persons": []})
    seen = view(town, 3)
    assert seen is not None
    assert [p.application for p in seen.of("missing")] == ["kidney"]


def test_the_same_persons_have_nothing_in_common_in_two_projects(tmp_path: Path) -> None:
    """Nor has the oversight body a way to see them as the same: the first converter's is lacking.

    Were it to take its own factor away, what is left still differs; only with the other one's
    do equal persons become equal.
    """
    town = town_of("2-1", tmp_path)
    index(town, "heart", HEART)
    index(town, "kidney", KIDNEY)
    body = town.body(oversight(town))
    stored: dict[str, set[str]] = {"heart": set(), "kidney": set()}
    for key, kept in body.store.find(uses.INDEX):
        stored[key.partition(":")[0]] |= set(kept["persons"])
    assert {name: len(each) for name, each in stored.items()} == {"heart": 3, "kidney": 3}
    assert not stored["heart"] & stored["kidney"]
    first = town.body(str(town.framework.with_role("converter")[0])).keys.converter()
    own = body.keys.converter()
    for secrets, common in (([own], 0), ([first], 0), ([own, first], 2)):
        bare = []
        for name, each in stored.items():
            elements = set()
            for wrapped in each:
                element = body.keys.unwrap(wrapped)
                for secret in secrets:
                    assert secret is not None
                    element = multiply(inverse(secret, name, body.id), element)
                elements.add(bytes(element))
            bare.append(elements)
        assert len(bare[0] & bare[1]) == common


def inverse(secret: Any, application: str, body: str) -> Any:
    from sekisho.pseudonym.group import scalar_inverse

    return scalar_inverse(secret.factor(uses_domain(application, body), 0))


NAMES = ("reason", "ref", "digest", "roots")
"""Fields of entries that are drawn at random, or follow from what is."""


def traces(town: MemoryTown) -> dict[str, Any]:
    """Return what every body keeps and sent, as shapes: how many records of which kind, entries
    without random names, and what was sent whereto."""
    found: dict[str, Any] = {}
    for name, service in town.services.items():
        store: Any = service.body.store
        records = {kind: len(kept) for kind, kept in store.records.items() if kept}
        entries = [
            (entry.kind, {k: v for k, v in entry.body.items() if k not in NAMES})
            for entry in service.body.ledger.entries()
        ]
        sent = [(out.to, out.path) for out, _ in store.sent.values()]
        found[name] = (records, entries, sent)
    return found


@pytest.mark.parametrize("framework", ["2-1", "4-several"])
def test_nothing_that_stays_or_moves_depends_on_the_answer(framework: str, tmp_path: Path) -> None:
    """Two towns in which one person asks: used twice and opted out in one, in nothing in the other.

    Every body then has as many records of each kind, the same entries, and has sent as many
    messages to the same doors; whose pseudonym was looked up stands nowhere.
    """
    seen = []
    for number, (person, folder) in enumerate(((3, "a"), (6, "b"))):
        town = town_of(framework, tmp_path / folder)
        town.choose(desks(town.framework)[0], 3)
        town.begin()
        index(town, "heart", HEART)
        index(town, "kidney", KIDNEY)
        before = {name: everything(town, name) for name in town.services}
        assert len(used(view(town, person))) == 2 * (1 - number)
        seen.append(traces(town))
        body = town.body(oversight(town))
        for application in ("heart", "kidney"):
            element = pseudonym(town, application, person)
            for text in (element.hex(), body.keys.wrap(element)):
                for name in town.services:
                    assert everything(town, name).count(text) == before[name].count(text)
    assert seen[0] == seen[1]


def everything(town: MemoryTown, name: str) -> str:
    """Return all records and entries of a body, as one text."""
    store: Any = town.body(name).store
    records = [str(data) for kept in store.records.values() for data in kept.items()]
    entries = [f"{one.kind} {dict(one.body)}" for one in town.body(name).ledger.entries()]
    return "\n".join([*records, *entries])


def test_answers_and_forms_are_as_long_whatever_they_say(tmp_path: Path) -> None:
    """Before they are sealed; age itself adds some bytes at random, the same for all."""
    town = town_of("2-1", tmp_path)
    town.choose("national", 3)
    town.begin()
    index(town, "kidney", KIDNEY)
    client: Any = MemoryClient(town, DESK)
    directory, lengths = town.deployment.directory, set()
    for person in (3, 6):
        asked = ask(
            client, directory, town.framework, person_of(SEED, person).spec(), system_random
        )
        town.settle()
        told = client.get(
            directory.find(asked.desk), f"/exchange/opt_out/view-status?ticket={asked.ticket}"
        ).json()
        for domain, sealed in told["answers"].items():
            lengths.add(len(seal.open_sealed(bytes.fromhex(sealed), asked.keys[domain])))
    assert lengths == {1024}
    assert len(filled_up({"insured": "1"})) == len(filled_up({"insured": "1" * 90})) == 1024


def test_answers_that_nobody_takes_are_forgotten_with_the_day(tmp_path: Path) -> None:
    town = town_of("2-1", tmp_path)
    index(town, "kidney", KIDNEY)
    client: Any = MemoryClient(town, DESK)
    directory = town.deployment.directory
    asked = ask(client, directory, town.framework, person_of(SEED, 3).spec(), system_random)
    town.settle()
    assert len(town.records(asked.desk, "view")) == 1
    town.begin()
    assert town.records(asked.desk, "view") == {}
    with pytest.raises(Exception, match="forgotten"):
        collect(client, directory, asked)


def test_a_form_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    town = town_of("2-1", tmp_path)
    client: Any = MemoryClient(town, DESK)
    asked = ask(client, town.deployment.directory, town.framework, {"no": "one"}, system_random)
    town.settle()
    with pytest.raises(UserError, match="could not read"):
        collect(client, town.deployment.directory, asked)


@pytest.mark.parametrize(
    "changed",
    [
        {"ticket": "x"},
        {"form": "no hex"},
        {"places": []},
        {"places": [{"domain": "body:alpha", "recipient": "age1"}]},
        {"places": [{"domain": "uses:kidney:nobody", "recipient": "age1"}]},
        {"places": [{"domain": "uses:kidney:oversight", "recipient": "no key"}]},
    ],
)
def test_a_question_that_is_none_is_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    town = town_of("2-1", tmp_path)
    good = {"ticket": "0" * 32, "form": "00", "places": [], "proxy": False}
    town.tell(DESK, "national", "opt_out/view", {**good, **changed})
    town.settle()
    assert len(town.entries("national", "message.refused")) == 1
    assert town.records("national", "view") == {}


def test_only_a_projects_environment_tells_what_became_of_it(tmp_path: Path) -> None:
    town = town_of("2-1", tmp_path)
    index(town, "kidney", KIDNEY)
    said = {"application": "kidney", "on": "2026-05-01", "files": {"a.csv": "0" * 64}}
    place = oversight(town)
    town.tell("alpha", place, "oversight/released", said)
    town.settle()
    assert [one["code"] for one in town.entries(place, "message.refused")] == [
        "uses.not-the-environment"
    ]
    for _ in range(2):
        town.tell("national", place, "oversight/released", said)
    town.settle()
    seen = view(town, 3)
    assert seen is not None
    (project,) = seen.of("used")
    assert [one["name"] for one in project.released] == ["a.csv"]


def test_nobody_but_the_oversight_body_gets_the_key_of_an_index(tmp_path: Path) -> None:
    from sekisho.body.flows.keyshares import domain_secret

    town = town_of("2-1", tmp_path)
    for name in ("national", "alpha", "converter"):
        for owner in (oversight(town), name):
            with pytest.raises(SekishoError):
                domain_secret(town.body(name), uses_domain("kidney", owner), 0)
