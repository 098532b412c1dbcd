"""Keys of a submission's persons are made some at a time, and mean the same as made at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from sekisho.body.flows import landed
from sekisho.body.flows.landed import Persons, keys_of, with_key
from sekisho.body.flows.transfer import Arrived
from sekisho.common.errors import Refusal
from sekisho.common.ids import Tag, new_tag
from sekisho.common.randomness import seeded, system_random
from sekisho.data.lake import Lake
from sekisho.pseudonym import new_wrapping_key, random_element, wrap
from sekisho.pseudonym.tagged import tagged

PEOPLE = 7
RANDOM = seeded("landed", 1)
TAGS = sorted(new_tag(RANDOM) for _ in range(PEOPLE))
ELEMENTS = [random_element(RANDOM) for _ in range(PEOPLE)]
WRAPPING = new_wrapping_key(RANDOM)


def body() -> Any:
    """What making keys needs of a body."""
    keys = SimpleNamespace(wrap=lambda element: wrap(WRAPPING, element).hex())
    return SimpleNamespace(keys=keys, random=system_random)


def arrived(folder: Path, said: dict[Tag, str] | None = None) -> Any:
    """A transfer of seven tags; the last one is the first one's person again."""
    elements = [*ELEMENTS[:-1], ELEMENTS[0]]
    tables = {}
    if said is not None:
        tables["methods"] = pa.table({"tag": list(said), "method": list(said.values())})
    pseudonyms = tagged(zip(TAGS, elements, strict=True), 32, folder)
    reason: Any = None
    return Arrived(reason, "hospital", tables, pseudonyms)


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_a_person_has_one_key_however_many_are_made_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(landed, "AT_ONCE", at_once)
    lake = Lake(tmp_path / "lake")
    stranger = "f" * 32
    persons = Persons(
        arrived(tmp_path, dict(zip(TAGS, ["number", "direct"] * 3, strict=False))), tmp_path
    )
    persons.keep([*TAGS[1:3], stranger])
    persons.keep([TAGS[0], *TAGS[3:5], TAGS[6]])
    keys = persons.keys(body(), lake)
    assert list(keys) == [*TAGS[:5], TAGS[6]]  # of whom nothing is kept none is made
    assert lake.persons() == 5
    assert keys[TAGS[0]] == keys[TAGS[6]]
    assert len(set(keys.values())) == 5
    told = lake.methods_of([keys[tag].hex() for tag in TAGS[:5]])
    assert [told[keys[tag].hex()] for tag in TAGS[:4]] == ["number", "direct"] * 2
    again = Persons(arrived(tmp_path), tmp_path)
    again.keep(TAGS[:2])
    assert dict(again.keys(body(), lake)) == {tag: keys[tag] for tag in TAGS[:2]}


def test_no_key_is_made_before_it_is_asked_for(tmp_path: Path) -> None:
    """A submission whose counts are found wrong meanwhile leaves nobody known."""
    lake = Lake(tmp_path / "lake")
    persons = Persons(arrived(tmp_path), tmp_path)
    persons.keep(TAGS)
    assert lake.persons() == 0


def test_rows_find_the_keys_of_their_persons_and_strangers_have_none(tmp_path: Path) -> None:
    keys = tagged([(TAGS[0], b"a" * 16), (TAGS[1], b"b" * 16)], 16, tmp_path)
    rows = pa.table({"tag": pa.array([TAGS[1], "no tag", TAGS[2], None, TAGS[1]], pa.string())})
    assert keys_of(keys, rows) == {TAGS[1]: (b"b" * 16).hex()}
    assert with_key(keys, rows)["tag"].to_pylist() == [TAGS[1], TAGS[1]]
    assert keys_of(keys, rows.slice(0, 0)) == {}


@pytest.mark.parametrize("said", [{Tag(""): "number"}, {Tag("Z" * 32): "number"}])
def test_a_method_of_no_tag_is_refused(tmp_path: Path, said: dict[Tag, str]) -> None:
    persons = Persons(arrived(tmp_path, said), tmp_path)
    persons.keep(TAGS)
    lake = Lake(tmp_path / "lake")
    with pytest.raises(Refusal, match="tag"):
        persons.keys(body(), lake)
    assert lake.persons() == 0


def test_a_method_that_is_no_word_counts_as_another(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    persons = Persons(arrived(tmp_path, {TAGS[1]: "by heart"}), tmp_path)
    persons.keep([TAGS[1]])
    (key,) = persons.keys(body(), lake).values()
    assert lake.methods_of([key.hex()]) == {key.hex(): "other"}
