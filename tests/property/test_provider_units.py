"""Which units came again is found whatever they are called and however many there are."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sekisho.provider.units import Units


def no_file() -> Path:
    raise AssertionError("so few are not laid on disk")


names = st.text(max_size=3) | st.integers(0, 5).map(lambda n: "x" * 1_500 + str(n))


@given(st.lists(st.tuples(names, st.integers(1, 400)), max_size=12))
def test_every_unit_but_the_last_of_its_name_is_replaced(runs: list[tuple[str, int]]) -> None:
    units, seen = Units(no_file), dict[str, list[int]]()
    called = [f"{name}{n}" if n % 2 else name for name, times in runs for n in range(times)]
    for number, name in enumerate(called):
        units.extend([name], [number])
        seen.setdefault(name, []).append(number)
    replaced = [number for numbers in seen.values() for number in numbers[:-1]]
    assert sorted(units.replaced()) == sorted(replaced)
