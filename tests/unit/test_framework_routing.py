"""What follows from the shipped frameworks, case by case."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from sekisho.common.ids import BodyId
from sekisho.framework import (
    Framework,
    as_json,
    baselines,
    desks,
    difference,
    environment,
    extract_route,
    find,
    forwards,
    kinds_of,
    list_recipients,
    load,
    matrix,
    recipients,
    registries,
    registry_of,
    remedy,
    rooms,
    schema,
    schemas,
    submission_routes,
    table,
    windows,
)

MAIN = ("basic", "additional")


@pytest.fixture
def named(root: Path):
    return lambda name: load(find(name, root))


def with_rules(fw: Framework, **changes: object) -> Framework:
    raw = msgspec.to_builtins(fw)
    for path, value in changes.items():
        room, key = path.split("__")
        raw[room][key] = value
    return msgspec.convert(raw, Framework)


def test_a_provider_submits_to_both_where_collection_is_split_and_once_behind_a_shared_door(
    named,
) -> None:
    fw = named("2-1")
    assert [r.door for r in submission_routes(fw, MAIN, "alpha")] == ["national", "alpha"]
    (one,) = submission_routes(with_rules(fw, doors__submission="shared"), MAIN, "beta")
    assert one.door == "national"
    assert one.parts == (("national", ("basic",)), ("beta", ("additional",)))


@pytest.mark.parametrize("operator", [None, "nobody", "national"])
def test_a_provider_without_a_contract_is_legal_and_its_additional_data_are_withheld(
    named, operator: str | None
) -> None:
    fw = named("2-1")
    withheld = recipients(fw, "additional", operator)
    assert (withheld.body, withheld.cause) == (None, "no-operator-contract")
    assert recipients(fw, "basic", operator).body == "national"
    assert [r.parts for r in submission_routes(fw, MAIN, operator)] == [(("national", ("basic",)),)]


def test_one_collector_takes_all_whatever_the_contract(named) -> None:
    for operator in (None, "beta"):
        assert recipients(named("4-single"), "additional", operator).body == "alpha"


def test_windows_follow_the_door(named) -> None:
    fw = named("2-1")
    assert [w.body for w in windows(fw, MAIN)] == ["national", "alpha", "beta"]
    (one,) = windows(with_rules(fw, doors__application="shared"), MAIN)
    assert [lane.body for lane in one.lanes] == ["national", "alpha", "beta"]
    assert [w.body for w in windows(fw, ("basic",))] == ["national"]


@pytest.mark.parametrize(
    ("sync", "kept", "served", "told"),
    [
        ("none", ("alpha", "beta"), {"alpha": ("alpha",), "beta": ("beta",)}, ()),
        ("replicated", ("alpha", "beta"), {"alpha": ("alpha",), "beta": ("beta",)}, ("beta",)),
        ("lead", ("alpha",), {"alpha": ("alpha", "beta")}, ()),
        ("joint_registry", ("oversight",), {"oversight": ("alpha", "beta")}, ()),
    ],
)
def test_each_way_of_sharing_opt_out(named, sync, kept, served, told) -> None:
    fw = with_rules(named("4-several"), opt_out__sync=sync)
    assert desks(fw) == ("alpha", "beta")
    assert registries(fw) == kept
    assert {r: list_recipients(fw, r) for r in registries(fw)} == served
    assert forwards(fw, BodyId(kept[0])) == told
    assert ("opt_out" in rooms(fw, BodyId("oversight"))) == (sync == "joint_registry")
    assert registry_of(fw, BodyId("beta")) in kept


def test_one_opt_out_body_serves_every_holder(named) -> None:
    fw = named("2-2-certified")
    assert desks(fw) == registries(fw) == ("national",)
    assert list_recipients(fw, BodyId("national")) == ("national", "alpha", "beta")


def test_processing_stands_before_the_hand_over_or_after_it_as_the_framework_says(named) -> None:
    split, public, gone = named("2-1"), named("2-2-public"), named("3")
    alpha, national = BodyId("alpha"), BodyId("national")
    assert environment(split, MAIN) == "national"
    assert extract_route(split, alpha, "additional", national).processor == "alpha"
    assert extract_route(public, alpha, "additional", national).processor == "national"
    route = extract_route(gone, national, "basic", environment(gone, MAIN))
    assert (route.hops, route.processor) == (("national", "alpha"), "alpha")
    alone = named("1")
    assert extract_route(alone, national, "basic", national).hops == ("national",)


def test_a_third_body_that_processes_stands_between_holder_and_environment(named) -> None:
    raw = msgspec.to_builtins(named("2-1"))
    for one in raw["assignment"]:
        if one["function"] == "processing":
            one["bodies"] = ["beta"]
    fw = msgspec.convert(raw, Framework)
    route = extract_route(fw, BodyId("alpha"), "additional", BodyId("national"))
    assert (route.hops, route.processor) == (("alpha", "beta", "national"), "beta")


def test_rooms_of_auxiliary_bodies_hold_no_function(named) -> None:
    fw = named("2-1")
    assert rooms(fw, BodyId("history")) == {"history", "enclave"}
    assert rooms(fw, BodyId("converter")) == {"converter", "conversion"}
    assert rooms(fw, BodyId("oversight")) == {"oversight", "conversion"}
    assert rooms(named("3"), BodyId("national")) == {"collection", "opt_out"}
    assert rooms(named("3"), BodyId("alpha")) == {"review", "processing", "analysis"}


def test_the_remedy_follows_the_kind_of_body_that_decided(named) -> None:
    fw = named("2-1")
    public = remedy(fw, "application", BodyId("national"))
    private = remedy(fw, "application", BodyId("beta"))
    assert (public.body, private.body) == ("national", "beta")
    assert public.procedure != private.procedure
    assert public.source == private.source == "user input"


def test_what_each_framework_moves_against_today(named, root: Path) -> None:
    (today,) = baselines(root)
    moved = {
        name: difference(today, named(name))["functions_moved"]
        for name in ("1", "2-1", "2-2-public", "3", "4-single")
    }
    assert moved["2-1"] < min(moved[name] for name in moved if name != "2-1")
    one = difference(today, named("1"))
    changes = {(c["function"], c["data"]): c["change"] for c in one["cells"]}
    assert changes["collection", "basic"] == "keep"
    assert changes["collection", "additional"] == "move"
    assert changes["opt_out", "basic"] == "build"
    assert changes["analysis", "hard"] == "open"
    assert one["bodies_to_build_with_auxiliary"] == one["bodies_to_build"] + 3


def test_descriptions_are_plain_json_in_two_languages(named, root: Path) -> None:
    path = find("4-several", root)
    fw = named("4-several")
    described = msgspec.json.decode(msgspec.json.encode(as_json(fw, kinds_of(fw, path))))
    assert described["derived"]["function_bodies"] == 2
    assert described["derived"]["auxiliary_bodies"] == 3
    assert described["derived"]["submissions"]["none"]["missing"] == ["basic", "additional"]
    assert {one["key"] for one in described["unmeasured"]} >= {"holding.public_db", "open.hard"}
    assert all(set(row["label"]["bodies"]) == {"ja", "en"} for row in table(fw))
    (row,) = matrix([fw])
    assert "↔" in row["crossing"]["ja"]


def test_schemas_accept_every_shipped_file_and_refuse_an_unknown_key(root: Path) -> None:
    import tomllib

    import jsonschema

    for name, path in (
        ("claims", "frameworks/claims.toml"),
        ("framework", "frameworks/baseline/2025.toml"),
        ("data-kinds", "rules/data-kinds.toml"),
        ("providers", "rules/providers.toml"),
    ):
        # a date of TOML is a text where JSON Schema looks at it
        raw = msgspec.to_builtins(tomllib.loads((root / path).read_text("utf-8")))
        jsonschema.Draft202012Validator(schemas()[name]).validate(raw)
    checker = jsonschema.Draft202012Validator(schema())
    for path in sorted((root / "frameworks").glob("[0-9]*.toml")):
        raw = tomllib.loads(path.read_text("utf-8"))
        checker.validate(raw)
        raw["doors"]["window"] = "shared"
        assert not checker.is_valid(raw)
