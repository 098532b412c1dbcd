"""The tables of a submission, read again some persons at a time.

All that a check must see together is of one person: births and records, a record's rows in several
tables, the same fact told twice. So large tables are laid on disk in slices by tag. Of all persons
only how full a column is can be asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa

from sekisho.cdm.sliced import SLICES, Sliced

TOGETHER_BYTES: Final = 32 << 20
"""Arrow's bytes of all tables that wait in memory, and that are read in one part, about."""


class ByPerson:
    """Takes tables in batches; afterwards gives them in parts, each person's rows in one.

    Within a person, rows keep the order in which they came.

    Args:
        new_file: names a file that is made where a table is too large for memory.
    """

    def __init__(self, new_file: Callable[[], Path]) -> None:
        self._new_file = new_file
        self._sliced: dict[str, Sliced] = {}
        self._waiting = 0
        self._rows: Counter[str] = Counter()
        self._there: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, rows: pa.Table) -> None:
        """Take rows of a table; none after the first part was read."""
        if name not in self._sliced:
            self._sliced[name] = Sliced(rows.schema, "tag", self._new_file, TOGETHER_BYTES)
        self._sliced[name].add(rows)
        self._waiting += rows.get_total_buffer_size()
        if self._waiting >= TOGETHER_BYTES:
            for one in self._sliced.values():
                one.to_disk()
            self._waiting = 0
        self._rows[name] += rows.num_rows
        for column in rows.column_names:
            there = rows.num_rows - rows.column(column).null_count
            self._there[name, column] += there

    @property
    def filled(self) -> Mapping[str, float]:
        """Return table.column → share of its rows with a value."""
        return {
            f"{name}.{column}": there / (self._rows[name] or 1)
            for (name, column), there in self._there.items()
        }

    @property
    def parts(self) -> int:
        """Return in how many parts the tables are read."""
        if not any(one.on_disk for one in self._sliced.values()):
            return 1
        return SLICES // self._width

    def __iter__(self) -> Iterator[dict[str, pa.Table]]:
        for number in range(self.parts):
            yield self.part(number)

    def part(self, number: int) -> dict[str, pa.Table]:
        """Return the rows of some persons; tables without any are left out."""
        found = {name: self.read(name, number) for name in self._sliced}
        return {name: rows for name, rows in found.items() if rows.num_rows}

    def read(self, name: str, number: int) -> pa.Table:
        """Return the rows of one table in a part."""
        if self.parts == 1:
            return pa.concat_tables(self._sliced[name].slices(self._sliced[name].on_disk))
        slices = range(number * self._width, (number + 1) * self._width)
        return pa.concat_tables([self._sliced[name].slice(one, cut=True) for one in slices])

    @property
    def _width(self) -> int:
        # Every part costs all checks once, however few its rows are.
        size = sum(one.nbytes for one in self._sliced.values())
        wide = TOGETHER_BYTES * SLICES // max(size, 1)
        return max(1, 1 << min(wide, SLICES).bit_length() >> 1)
