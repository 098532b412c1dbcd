"""Row-level person keys, kept apart from the analytic tables (linkage.md section 4, at rest).

The analytic tables carry a random key; which pseudonym it stands for is in a table of its own,
where the pseudonym is wrapped (AES-SIV by the caller, so that equal pseudonyms look equal).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sekisho.common.atomicfile import sync_folder
from sekisho.common.errors import Defect
from sekisho.common.randomness import RandomBytes
from sekisho.data.lake import delta, erasing
from sekisho.data.lake.engine import Engine
from sekisho.data.lake.sql import Sql

_SCHEMA = pa.schema(
    [("person_key", pa.string()), ("wrapped", pa.string()), ("method", pa.string())]
)
_ROWS = 65_536
_KEYS = Sql("SELECT p.wrapped, p.person_key FROM persons p JOIN asked a ON p.wrapped = a.it")
_WRAPPED = Sql("SELECT p.person_key, p.wrapped FROM persons p JOIN asked a ON p.person_key = a.it")
_METHODS = Sql("SELECT p.person_key, p.method FROM persons p JOIN asked a ON p.person_key = a.it")


class Persons:
    """The table (person key ↔ wrapped pseudonym) of one body. Callers hold the lake's lock.

    ``method`` says how the provider identified the person: it is a part of what was hashed, so
    that a pseudonym has one for ever.
    """

    def __init__(self, home: Path, engine: Engine) -> None:
        self._home = home
        self._engine = engine

    @property
    def epoch(self) -> int:
        """The epoch of the pseudonyms: the newest whose table is whole."""
        found = [path.name.removeprefix("persons-") for path in self._home.glob("persons-*")]
        return max((int(name) for name in found if name.isdigit()), default=0)

    @property
    def _folder(self) -> Path:
        return self.folder_of(self.epoch)

    def folder_of(self, epoch: int) -> Path:
        """Return where the table of an epoch is."""
        return self._home / (f"persons-{epoch}" if epoch else "persons")

    def turn(self, epoch: int, turned: Callable[[Sequence[str]], list[str]]) -> int:
        """Make the table of a new epoch from that of the one before; return how many persons.

        The new table comes into being whole; making it again changes nothing. The caller removes
        the old one when everything else has turned.

        Args:
            turned: wrapped pseudonyms of the old epoch → the same persons' in the new one.
        """
        if self.epoch < epoch and delta.exists(self._folder):
            target = self.folder_of(epoch)
            unfinished = target.with_name(f"{target.name}.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            for rows in self._batches():
                new = pa.array(turned(rows["wrapped"].to_pylist()), pa.string())
                delta.append(unfinished, rows.set_column(1, "wrapped", new))
            if unfinished.exists():
                unfinished.rename(target)
                sync_folder(self._home)
        return self.count()

    def _batches(self) -> Iterator[pa.Table]:
        """Yield all rows, a bounded number at a time."""
        for file in delta.files(self._folder):
            for batch in pq.ParquetFile(file).iter_batches(_ROWS):
                yield pa.Table.from_batches([batch]).select(_SCHEMA.names).cast(_SCHEMA)

    def known(self, wrapped: Collection[str]) -> dict[str, str]:
        """Return wrapped → person key for those that have one."""
        return self._look_up(_KEYS, wrapped)

    def get_or_create(
        self, wrapped: Sequence[str], random: RandomBytes, methods: Mapping[str, str]
    ) -> dict[str, str]:
        """Return wrapped → person key for all; a person's key never changes."""
        asked = list(dict.fromkeys(wrapped))
        keys = self.known(asked)
        new = {it: random(16).hex() for it in asked if it not in keys}
        if new:
            rows = pa.table(
                [
                    pa.array(new.values(), pa.string()),
                    pa.array(new.keys(), pa.string()),
                    pa.array([methods.get(it, "other") for it in new], pa.string()),
                ],
                schema=_SCHEMA,
            )
            delta.append(self._folder, rows)
        return {**keys, **new}

    def wrapped(self, person_keys: Collection[str]) -> dict[str, str]:
        """Return person key → wrapped pseudonym.

        Raises:
            Defect: a key is unknown; the lake and its persons do not belong together.
        """
        found = self._look_up(_WRAPPED, person_keys)
        missing = len(set(person_keys)) - len(found)
        if missing:
            raise Defect("lake.unknown-person-key", f"{missing} person keys have no pseudonym.")
        return found

    def erase(self, person_keys: Collection[str]) -> None:
        """Forget persons physically: key and wrapped pseudonym."""
        if person_keys and delta.exists(self._folder):
            gone = pa.array(sorted(person_keys), pa.string())
            erasing.erase_rows(self._folder, lambda rows: pc.is_in(rows["person_key"], gone))

    def count(self) -> int:
        """Return how many persons there are."""
        if not delta.exists(self._folder):
            return 0
        with self._engine.session([str(self._folder)]) as session:
            session.add_files("persons", delta.files(self._folder), _SCHEMA)
            return int(session.fetch(Sql("SELECT count(*) AS n FROM persons"))["n"][0].as_py())

    def all(self) -> dict[str, str]:
        """Return person key → wrapped pseudonym of everyone."""
        if not delta.exists(self._folder):
            return {}
        with self._engine.session([str(self._folder)]) as session:
            session.add_files("persons", delta.files(self._folder), _SCHEMA)
            rows = session.fetch(Sql("SELECT person_key, wrapped FROM persons"))
        return dict(zip(rows["person_key"].to_pylist(), rows["wrapped"].to_pylist(), strict=True))

    def methods(self, person_keys: Collection[str]) -> dict[str, str]:
        """Return person key → how the person was identified."""
        return self._look_up(_METHODS, person_keys)

    def _look_up(self, query: Sql, asked: Collection[str]) -> dict[str, str]:
        if not asked or not delta.exists(self._folder):
            return {}
        with self._engine.session([str(self._folder)]) as session:
            session.add_files("persons", delta.files(self._folder), _SCHEMA)
            session.add("asked", pa.table({"it": pa.array(asked, pa.string())}))
            rows = session.fetch(query)
        left, right = (rows.column(n).to_pylist() for n in (0, 1))
        return dict(zip(left, right, strict=True))
