"""The drill: one body's whole folder is in other hands, alone or with a converter's.

The attacker has every key, database and table in it, knows all insured numbers of the run (a
dictionary), and tries every product of up to two of the scalars he holds and their inverses. What
he wants: a person's identity behind a pseudonym, or the pseudonym of the same person at another
body, whose tables leaked as well. Both converters together succeed, which shows that the search
would find what is there.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from runs import Run
from typer.testing import CliRunner

from sekisho.body.keyring import converter_files, read_converter
from sekisho.commands import app
from sekisho.common.errors import TamperError
from sekisho.common.ids import Domain, body_domain, project_domain, registry_domain
from sekisho.common.secretfile import read_secret
from sekisho.framework import Framework, find, load
from sekisho.pseudonym import Element, Scalar, element_of, unwrap
from sekisho.pseudonym.group import ONE, multiply, scalar_inverse, scalar_product

pytestmark = pytest.mark.xdist_group("first-study")

FRAMEWORK = "2-1"
PEOPLE = 25
"""Persons of the dictionary that are tried; each costs some hundred group operations a case."""


@pytest.fixture(scope="module")
def run(study: Callable[[str], Run]) -> Run:
    return study(FRAMEWORK)


@pytest.fixture(scope="module")
def framework() -> Framework:
    return load(find(FRAMEWORK, Path(__file__).parents[2]))


def pseudonyms(home: Path) -> frozenset[Element]:
    """Return every pseudonym in a body's folder, unwrapped: what tables and key together give."""
    key = read_secret(home / "keys" / "wrapping")
    texts: set[str] = set()
    for file in (home / "data" / "lake").glob("persons*/*.parquet"):
        texts |= set(pq.read_table(file)["wrapped"].to_pylist())
    with sqlite3.connect(f"file:{home / 'control.sqlite3'}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT key FROM store_record WHERE kind = 'registry'")
        texts |= {row[0] for row in rows}
    return frozenset(unwrap(key, bytes.fromhex(text)) for text in texts)


def domains(framework: Framework) -> list[Domain]:
    bodies = [body.id for body in framework.body]
    return [
        *(body_domain(body) for body in framework.function_bodies),
        *(registry_domain(body) for body in framework.function_bodies),
        *(project_domain("kidney", body) for body in bodies[:1]),
    ]


def scalars(home: Path, framework: Framework) -> Iterator[Scalar]:
    """Yield all scalars in a folder: domain secrets; of a converter, all that follow from its."""
    for file in sorted((home / "keys").glob("domain-*.key")):
        yield Scalar(read_secret(file))
    if converter_files(home / "keys"):
        keys = read_converter(home / "keys")
        yield keys.of(0).share
        for domain in domains(framework):
            yield keys.factor(domain, 0)


def products(held: set[Scalar]) -> set[Scalar]:
    units = sorted({ONE, *held, *(scalar_inverse(one) for one in held)})
    return {scalar_product(a, b) for a, b in combinations_with_replacement(units, 2)}


def dictionary(run: Run) -> tuple[Element, ...]:
    return tuple(element_of(number) for number in run.numbers(PEOPLE))


def homes(run: Run) -> dict[str, Path]:
    return {home.name: home for home in sorted((run.folder / "bodies").iterdir()) if home.is_dir()}


def reached(
    run: Run,
    framework: Framework,
    folders: list[str],
    targets: frozenset[Element],
    few: int = PEOPLE,
) -> int:
    """Return how many of ``targets`` the holder of ``folders`` reaches from the dictionary."""
    held: set[Scalar] = set()
    for name in folders:
        held |= set(scalars(homes(run)[name], framework))
    known = products(held)
    return sum(multiply(z, h) in targets for h in dictionary(run)[:few] for z in known)


BODIES = ("national", "alpha", "beta", "history", "converter", "oversight")
CONVERTERS = ("converter", "oversight")


@pytest.mark.parametrize("body", BODIES)
def test_one_bodys_whole_folder_identifies_nobody(
    run: Run, framework: Framework, body: str
) -> None:
    everything = frozenset[Element]().union(*(pseudonyms(home) for home in homes(run).values()))
    assert len(everything) > 200
    assert reached(run, framework, [body], everything) == 0


@pytest.mark.parametrize("converter", CONVERTERS)
def test_a_holders_folder_with_one_converters_identifies_nobody(
    run: Run, framework: Framework, converter: str
) -> None:
    own = pseudonyms(homes(run)["national"])
    assert own
    assert reached(run, framework, ["national", converter], own, few=5) == 0


@pytest.mark.parametrize("converter", CONVERTERS)
def test_two_holders_folders_with_one_converters_do_not_link(
    run: Run, framework: Framework, converter: str
) -> None:
    mine, others = (pseudonyms(homes(run)[name]) for name in ("national", "alpha"))
    held: set[Scalar] = set()
    for name in ("national", "alpha", converter):
        held |= set(scalars(homes(run)[name], framework))
    known = products(held)
    tried = sorted(mine)[:5]
    assert not any(multiply(z, one) in others for one in tried for z in known)
    assert not mine & others


def test_both_converters_together_identify_so_the_search_finds_what_is_there(
    run: Run, framework: Framework
) -> None:
    """The row of the table that claims no safety, and the reason why they are two bodies."""
    own = pseudonyms(homes(run)["national"])
    keys = [read_converter(homes(run)[c] / "keys") for c in CONVERTERS]
    factors = {one.factor(body_domain("national"), 0) for one in keys}
    found = sum(multiply(z, h) in own for h in dictionary(run) for z in products(factors))
    assert found > PEOPLE / 2


def test_the_database_of_a_folder_without_its_keys_has_no_pseudonym_to_convert(run: Run) -> None:
    home = homes(run)["national"]
    data = (home / "control.sqlite3").read_bytes()
    assert not any(bytes(one).hex().encode() in data for one in pseudonyms(home))


def test_keys_show_lists_domains_and_epochs_and_no_secret(run: Run) -> None:
    result = CliRunner().invoke(app, ["keys", "show", str(run.folder), "--json"])
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    shown = {key["of"] for body in said["bodies"] for key in body["keys"]}
    assert {"body:national", "registry:national", "global", "converter's step"} <= shown
    secrets = {file for home in homes(run).values() for file in (home / "keys").iterdir()}
    for file in secrets - {home / "keys" / "global" for home in homes(run).values()}:
        raw = file.read_bytes()
        assert raw.hex() not in result.stdout
        assert raw.decode("latin-1").strip() not in result.stdout


def test_the_ceremonys_record_holds_and_another_key_is_found(run: Run, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["keys", "ceremony", str(run.folder), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["holds"]
    shutil.copytree(
        run.folder / "bodies", tmp_path / "bodies", ignore=shutil.ignore_patterns("data")
    )
    for name in ("directory.json", "framework.toml"):
        shutil.copyfile(run.folder / name, tmp_path / name)
    record = tmp_path / "bodies" / "alpha" / "documents" / "global-keys" / "0.json"
    data = bytearray(record.read_bytes())
    data[len(data) // 2] = ord("A") if data[len(data) // 2] != ord("A") else ord("B")
    record.write_bytes(data)
    result = CliRunner().invoke(app, ["keys", "ceremony", str(tmp_path), "--json"])
    assert result.exit_code == TamperError.exit_code
    assert [one["body"] for one in json.loads(result.stdout)["problems"]] == ["alpha"]
