"""Many records at once, in columns: what a reader gives where each unit of them is plain.

A batch says what its records would say one by one; it never holds a record that is refused.
Records that had to be read one by one stand in it at their place between the units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.provider.records import Identity, Record


@dataclass(frozen=True)
class BatchRows:
    """Rows of one table.

    Args:
        table: its name; a batch may hold several of one name.
        record: int32, the place in the batch of the record that each row is of.
        visit: int32, the place of its visit in the batch; null where it has none.
        values: column → its values, or one for all rows; columns that are not named are as
            `records.absent` says.
    """

    table: str
    record: pa.Array
    visit: pa.Array
    values: Mapping[str, pa.Array | str | int]

    def filter(self, kept: pa.Array) -> BatchRows:
        """Return the rows where ``kept`` is true."""
        if pc.all(kept).as_py() is not False:
            return self
        values = {
            name: column.filter(kept) if isinstance(column, pa.Array) else column
            for name, column in self.values.items()
        }
        return BatchRows(self.table, self.record.filter(kept), self.visit.filter(kept), values)

    def numbered(self, kept: pa.Array, numbers: pa.Array) -> BatchRows:
        """Return the rows of the records that are kept, these under their new numbers."""
        rows = self.filter(kept.take(self.record))
        return replace(rows, record=numbers.take(rows.record))


Ask = Callable[[pa.Table, bool], Sequence[Identity]]
"""(rows about units, whether a key by name is asked for too) → the person of each."""


@dataclass(frozen=True)
class Who:
    """Says whose the units of a batch are: a row about each, and what makes persons of rows."""

    rows: pa.Table = field(repr=False)
    ask: Ask


@dataclass(frozen=True)
class Batch:
    """Records of whole units, each record sent or set aside, each unit of one person.

    Args:
        types: record type of each record, as a dictionary.
        lines: uint32, where each record stands in the file.
        codes: why each record is set aside, as a dictionary; empty: it is sent.
        units: the units' local names, in order; each is the local name of its person too.
        starts: the first record of each unit.
        unit: int32, the unit of each record.
        who: says whose the units are; each is known by a key without problem or doubt.
        visits: local names of visits.
        rows: of sent records.
        between: (units that stand before them, records that were read one by one), in order.
    """

    types: pa.DictionaryArray
    lines: pa.Array
    codes: pa.DictionaryArray
    units: Sequence[str]
    starts: Sequence[int]
    unit: pa.Array
    who: Who
    visits: Sequence[str]
    rows: Sequence[BatchRows]
    between: Sequence[tuple[int, Sequence[Record]]] = ()

    def __len__(self) -> int:
        return len(self.lines) + sum(len(records) for _, records in self.between)

    def begin(self, unit: int) -> int:
        """Return the first record of a unit; of the one after the last, how many there are."""
        return self.starts[unit] if unit < len(self.starts) else len(self.lines)

    def record_types(self) -> list[str]:
        """Return the record types that there are."""
        found: list[str] = self.types.dictionary.take(pc.unique(self.types.indices)).to_pylist()
        return found

    def places(self) -> pa.Array:
        """Return the place of each record where those between the units are counted."""
        own = pa.arange(0, len(self.lines))
        if not self.between:
            return own
        ahead, shift, left = 0, list[int](), iter(self.between)
        until, records = next(left)
        for unit in range(len(self.units)):
            while until <= unit:
                ahead += len(records)
                until, records = next(left, (len(self.units), ()))
            shift.append(ahead)
        return pc.add(own, pa.array(shift, pa.int64()).take(self.unit))
