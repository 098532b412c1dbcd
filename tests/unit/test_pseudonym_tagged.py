"""What belongs to tags is read back as it was put, and memory does not grow with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sekisho.common.errors import Refusal
from sekisho.common.ids import Tag
from sekisho.pseudonym import tagged as module
from sekisho.pseudonym.tagged import tagged

tags = st.binary(min_size=16, max_size=16).map(lambda raw: Tag(raw.hex()))
pairs = st.dictionaries(tags, st.binary(min_size=4, max_size=4), max_size=40)


@settings(max_examples=60, deadline=None)
@given(pairs, st.lists(tags, max_size=5), st.integers(1, 7), st.integers(1, 7))
def test_it_is_the_mapping_that_was_put_in(
    tmp_path_factory: pytest.TempPathFactory,
    put: dict[Tag, bytes],
    others: list[Tag],
    run: int,
    block: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SORTED", run)
        patch.setattr(module, "BLOCK", block)
        found = tagged(put.items(), 4, tmp_path_factory.mktemp("tagged"))
        assert list(found.items()) == sorted(put.items())
        assert list(found) == sorted(put)
        assert list(found.values()) == [value for _, value in sorted(put.items())]
        assert len(found) == len(put)
        assert found.take([*put, *others]) == put | {t: put[t] for t in others if t in put}
        assert all(found[tag] == value for tag, value in put.items())
        assert [tag in found for tag in others] == [tag in put for tag in others]


def test_a_tag_that_stands_twice_is_refused(tmp_path: Path) -> None:
    twice = [(Tag("00" * 16), b"a"), (Tag("01" * 16), b"b"), (Tag("00" * 16), b"c")]
    with pytest.raises(Refusal, match="twice"):
        tagged(twice, 1, tmp_path)


@pytest.mark.parametrize("said", ["", "zz" * 16, "0F" * 16, "00" * 17, "00 " * 16])
def test_what_is_no_tag_belongs_to_nobody(tmp_path: Path, said: str) -> None:
    found = tagged([(Tag("0f" * 16), b"a"), (Tag("00" * 16), b"b")], 1, tmp_path)
    assert not found.take([Tag(said)])
    assert Tag(said) not in found
    with pytest.raises(Refusal, match="tag"):
        tagged([(Tag(said), b"a")], 1, tmp_path)


def test_no_file_with_a_name_holds_a_pseudonym(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SORTED", 2)
    found = tagged(((Tag(f"{n:032x}"), b"v") for n in range(9)), 1, tmp_path / "new")
    assert len(found) == 9
    assert list((tmp_path / "new").iterdir()) == []


MEMORY = """
import hashlib, resource, sys
from pathlib import Path
from sekisho.common.ids import Tag
from sekisho.pseudonym.tagged import tagged

def pairs(count):
    for n in range(count):
        raw = hashlib.sha256(n.to_bytes(4, "big")).digest()
        yield Tag(raw[:16].hex()), raw

base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = tagged(pairs(int(sys.argv[1])), 32, Path(sys.argv[2]))
assert sum(1 for _ in found.items()) == int(sys.argv[1])
tag, value = next(pairs(1))
assert found[tag] == value
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)
"""


def added(persons: int, folder: Path) -> int:
    """Return by how many KiB a process grows that takes so many persons and reads them."""
    said = subprocess.run(  # our own interpreter and text
        [sys.executable, "-c", MEMORY, str(persons), str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(said.stdout)


def test_four_times_the_persons_take_the_same_memory(tmp_path: Path) -> None:
    """Beyond one run of the sort; a dictionary would take four times as much."""
    few, many = (added(count, tmp_path) for count in (2 * module.SORTED, 8 * module.SORTED))
    assert many < few + 8 * 1024
