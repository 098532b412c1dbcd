"""What is hidden stays hidden: an attacker with all released files of a project, at work.

The attacker here shares no code with the checks: it reads the released bytes, and looks for a
second population that gives the same bytes. Where there is none, a hidden number is known.
"""

from __future__ import annotations

import csv
import io
from functools import cache
from itertools import product
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sekisho.data.analysis.study import Output
from sekisho.data.release import Kept, Outcome, TableOutput, build, check, read_rule_sets

RULES = (read_rule_sets(Path(__file__).resolve().parents[2] / "rules" / "publication")["ndb"],)
DIMENSIONS = ("a", "b", "c")
LEVELS = ("0", "1")
ATOMS = tuple(product(LEVELS, repeat=3))
CUTS = tuple(
    tuple(d for d, on in zip(DIMENSIONS, mask, strict=True) if on)
    for mask in product((False, True), repeat=3)
)
SMALL = set(range(1, 10))

counts = st.lists(
    st.one_of(st.integers(0, 3), st.integers(4, 12), st.integers(10, 60)), min_size=8, max_size=8
)
Released = list[tuple[tuple[str, ...], dict[tuple[str, ...], int | None]]]


def count(atoms: list[int], cut: tuple[str, ...]) -> TableOutput:
    people = [atom for atom, n in zip(ATOMS, atoms, strict=True) for _ in range(n)]
    return count_people(people, list(range(len(people))), cut)


def count_people(
    people: list[tuple[str, ...]], ids: list[int], cut: tuple[str, ...]
) -> TableOutput:
    columns = {d: [p[i] for p in people] for i, d in enumerate(DIMENSIONS)}
    rows = pa.table(
        {
            "person_id": pa.array(ids, pa.int64()),
            **{d: pa.array(columns[d], pa.string()) for d in cut},
        }
    )
    output = Output(
        name="t",
        type="table",
        source="s",
        dimensions=cut,
        measure="persons",
        purpose="test",
        levels=dict.fromkeys(cut, LEVELS),
    )
    return build(output, rows, pa.array(range(1000), pa.int64()))


def read(content: bytes) -> dict[tuple[str, ...], int | None]:
    """The released file as anyone reads it; None is a masked cell."""
    rows = list(csv.reader(io.StringIO(content.decode())))
    return {tuple(r[:-1]): None if r[-1] == "-" else int(r[-1]) for r in rows[1:]}


def release_all(atoms: list[int], cuts: list[tuple[str, ...]]) -> Released:
    kept: list[Kept] = []
    released: Released = []
    for cut in cuts:
        verdict = check(count(atoms, cut), RULES, kept)
        if verdict.content is not None and verdict.kept is not None:
            kept.append(verdict.kept)
            released.append((cut, read(verdict.content)))
    return released


@cache
def margin(values: tuple[int, ...], cut: tuple[str, ...]) -> dict[tuple[str, ...], int]:
    sums: dict[tuple[str, ...], int] = dict.fromkeys(product(LEVELS, repeat=len(cut)), 0)
    at = [DIMENSIONS.index(d) for d in cut]
    for atom, value in zip(ATOMS, values, strict=True):
        sums[tuple(atom[i] for i in at)] += value
    return sums


MOVES = [move for move in product((-1, 0, 1), repeat=8) if any(move)]


def recoverable(atoms: list[int], released: Released) -> set[tuple[str, tuple[str, ...]]]:
    """Masked cells for which no other population gives the same files."""
    open_ones = {
        ("".join(cut), labels)
        for cut, cells in released
        for labels, shown in cells.items()
        if shown is None
    }
    for move in MOVES:
        if not open_ones:
            break
        if any(n + m < 0 for n, m in zip(atoms, move, strict=True)):
            continue
        moved: set[tuple[str, tuple[str, ...]]] = set()
        for cut, cells in released:
            change, true = margin(move, cut), margin(tuple(atoms), cut)
            if any(
                change[labels] and (shown is not None or true[labels] + change[labels] not in SMALL)
                for labels, shown in cells.items()
            ):
                break
            moved |= {("".join(cut), labels) for labels in cells if change[labels]}
        else:
            open_ones -= moved
    return open_ones


FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FEW
@given(counts, st.lists(st.sampled_from(CUTS), min_size=1, max_size=5))
def test_no_released_table_ever_shows_a_small_cell(
    atoms: list[int], cuts: list[tuple[str, ...]]
) -> None:
    for cut, cells in release_all(atoms, cuts):
        true = margin(tuple(atoms), cut)
        assert set(cells) == set(true)
        for labels, shown in cells.items():
            assert shown not in SMALL
            assert shown == true[labels] if shown is not None else true[labels] in SMALL


@FEW
@given(counts, st.lists(st.sampled_from(CUTS), min_size=2, max_size=5, unique=True))
def test_no_masked_cell_follows_from_the_other_released_tables(
    atoms: list[int], cuts: list[tuple[str, ...]]
) -> None:
    assert recoverable(atoms, release_all(atoms, cuts)) == set()


@FEW
@given(counts, st.sampled_from(CUTS), st.sets(st.integers(0, 400), min_size=1, max_size=9))
def test_no_two_released_tables_differ_by_a_few_persons(
    atoms: list[int], cut: tuple[str, ...], left_out: set[int]
) -> None:
    people = [atom for atom, n in zip(ATOMS, atoms, strict=True) for _ in range(n)]
    ids = list(range(len(people)))
    first = check(count_people(people, ids, cut), RULES)
    assert first.kept is not None
    stay = [i for i in ids if i not in left_out]
    second = check(count_people([people[i] for i in stay], stay, cut), RULES, (first.kept,))
    if second.outcome is Outcome.REFUSED:
        return
    assert first.content is not None
    assert second.content is not None
    before, after = read(first.content), read(second.content)
    for labels, shown in before.items():
        other = after[labels]
        assert shown is None or other is None or shown - other not in SMALL


def test_the_attacker_finds_what_is_there_to_find() -> None:
    """The attacker itself is tested on a release that no check has seen."""
    atoms = [3, 40, 30, 12, 20, 30, 40, 50]
    fine, coarse = margin(tuple(atoms), ("a", "b", "c")), margin(tuple(atoms), ("a", "b"))
    masked = {k: None if v in SMALL else v for k, v in fine.items()}
    assert recoverable(atoms, [(("a", "b", "c"), masked)]) == set()
    both: Released = [(("a", "b", "c"), masked), (("a", "b"), dict(coarse))]
    assert recoverable(atoms, both) == {("abc", ("0", "0", "0"))}
