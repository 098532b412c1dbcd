"""The table of persons turns to a new epoch whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sekisho.common.randomness import seeded
from sekisho.data.lake import Lake

OLD = [f"{n:096x}" for n in range(50)]


def turned(wrapped: Sequence[str]) -> list[str]:
    return [one.replace("0", "f", 1) for one in wrapped]


def broken(wrapped: Sequence[str]) -> list[str]:
    raise OSError("the disk is full")


def test_a_turn_keeps_every_person_and_can_be_done_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    keys = lake.keys_for(OLD, seeded("turn"))
    old = lake.turn(1, turned)
    assert [path.name for path in old] == ["persons"]
    assert lake.turn(1, broken) == old  # whole already: nothing is computed again
    after = Lake(tmp_path)
    assert after.epoch == 1
    assert after.persons() == len(OLD)
    assert after.known_keys(OLD) == {}
    new = turned(OLD)
    assert after.known_keys(new) == {turned([one])[0]: key for one, key in keys.items()}


def test_a_turn_that_breaks_off_leaves_the_old_table(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    keys = lake.keys_for(OLD, seeded("turn"))
    with pytest.raises(OSError, match="full"):
        lake.turn(1, broken)
    assert lake.epoch == 0
    assert lake.known_keys(OLD) == keys
    lake.turn(1, turned)
    assert lake.epoch == 1


def test_a_lake_without_persons_has_nothing_to_turn(tmp_path: Path) -> None:
    assert Lake(tmp_path).turn(1, turned) == []
    assert Lake(tmp_path).persons() == 0
