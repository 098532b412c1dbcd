"""The window of a choice is what the bodies recorded, however desks share their choices."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_town import ROOT, START, MemoryTown
from sekisho.body.flows.figures import figures
from sekisho.rehearsal.windows import windows_of

SEVERAL = ROOT / "frameworks" / "4-several.toml"


def played(sync: str, folder: Path) -> MemoryTown:
    file = folder / SEVERAL.name
    text = SEVERAL.read_text("utf-8").replace('sync = "replicated"', f'sync = "{sync}"')
    file.write_text(text, "utf-8")
    town = MemoryTown(file, folder / "town")
    town.begin(START)
    town.choose("alpha", 3)
    town.choose("alpha", 4)
    town.choose("beta", 5)
    town.begin()
    return town


@pytest.mark.parametrize(
    ("sync", "unreached", "hops"),
    [("none", 3, 8), ("lead", 0, 8), ("replicated", 0, 11), ("joint_registry", 0, 8)],
)
def test_a_choice_reaches_every_holder_a_day_after_it_was_made_or_never(
    sync: str, unreached: int, hops: int, tmp_path: Path
) -> None:
    town = played(sync, tmp_path)
    seen = {name: figures(town.body(name)) for name in town.services}
    assert windows_of(town.framework, seen) == {
        "opt_out_window_days": 1,
        "opt_out_unreached": unreached,
        "opt_out_hops": hops,
    }


def test_a_batch_that_was_lost_makes_the_window_longer(tmp_path: Path) -> None:
    town = MemoryTown(ROOT / "frameworks" / "1.toml", tmp_path)
    town.plant("drop:history/identities:1@national")
    town.begin(START)
    town.choose("national", 3)
    for _ in range(3):
        town.begin()
    seen = {name: figures(town.body(name)) for name in town.services}
    assert windows_of(town.framework, seen)["opt_out_window_days"] == 2
    assert windows_of(town.framework, seen)["opt_out_unreached"] == 0
