"""One body's tables: land a submission once and whole, read them as of a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import TABLES
from sekisho.common.randomness import RandomBytes
from sekisho.data.lake import coding, delta, erasing, erasure, landing
from sekisho.data.lake.duck import DuckEngine
from sekisho.data.lake.engine import Engine
from sekisho.data.lake.erasure import Erasure, Notes, Targets
from sekisho.data.lake.folder import REPLACED, LakeFolder
from sekisho.data.lake.landing import Landing
from sekisho.data.lake.persons import Persons
from sekisho.data.lake.reading import Reading
from sekisho.data.lake.snapshot import Snapshot, Versions
from sekisho.data.lake.sql import Sql, fill, literal, name


class Lake(Reading):
    """The tables that one body holds, in ``folder``: what it reads, and what only writers do.

    Args:
        engine: what runs the reads; DuckDB unless another is handed in.
    """

    def __init__(self, folder: Path, engine: Engine | None = None) -> None:
        self.folder = folder.resolve()
        super().__init__(LakeFolder(self.folder), engine or DuckEngine())
        self._persons = Persons(self.folder, self.engine)

    # Persons

    def keys_for(
        self, wrapped: Sequence[str], random: RandomBytes, methods: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return wrapped pseudonym → person key, made where there is none yet.

        ``methods``: wrapped pseudonym → how the provider identified the person.
        """
        with self._folder.locked():
            return self._persons.get_or_create(wrapped, random, methods or {})

    def known_keys(self, wrapped: Collection[str]) -> dict[str, str]:
        """Return wrapped pseudonym → person key for the persons of whom records are held."""
        return self._persons.known(wrapped)

    def wrapped_for(self, person_keys: Collection[str]) -> dict[str, str]:
        """Return person key → wrapped pseudonym, for a conversion."""
        return self._persons.wrapped(person_keys)

    @property
    def epoch(self) -> int:
        """The epoch of the persons' pseudonyms."""
        return self._persons.epoch

    def turn(self, epoch: int, turned: Callable[[Sequence[str]], list[str]]) -> list[Path]:
        """Turn all persons' pseudonyms to a new epoch; return what holds those of the old one.

        Args:
            turned: wrapped pseudonyms of the old epoch → the same persons' in the new one.
        """
        with self._folder.locked():
            self._persons.turn(epoch, turned)
            folders = (self._persons.folder_of(old) for old in range(epoch))
            return [folder for folder in folders if folder.exists()]

    def persons(self) -> int:
        """Return of how many persons this body knows a pseudonym."""
        return self._persons.count()

    def all_wrapped(self) -> dict[str, str]:
        """Return person key → wrapped pseudonym of everyone of whom records are held."""
        return self._persons.all()

    def methods_of(self, person_keys: Collection[str]) -> dict[str, str]:
        """Return person key → how the person was identified."""
        return self._persons.methods(person_keys)

    # Landing

    def land(
        self,
        batch: int,
        submission_id: str,
        tables: Mapping[str, Landing],
        *,
        vocabulary: str | None = None,
        withdrawn: Sequence[tuple[str, str]] = (),
    ) -> Versions:
        """Append a submission's rows (held layout); return what a new snapshot must name.

        Landing the same submission again changes nothing and completes what broke off. Until it
        is complete its batch is hidden from every snapshot.

        Args:
            tables: each a table, or what gives its batches.
            vocabulary: the version that says what the batch's codes mean; None: codes stay codes.
            withdrawn: (provider, unit) of what counts no more, whichever earlier batch holds it.

        Raises:
            Defect: rows in another layout or batch than said, or the submission has landed under
                another batch number.
        """
        with self._folder.locked():
            landing.land(
                self._folder,
                self.engine,
                batch,
                submission_id,
                tables,
                vocabulary=vocabulary,
                withdrawn=withdrawn,
            )
            return self._folder.head()

    def recode(self, vocabulary: str, since: Snapshot) -> Versions:
        """Let another version of the vocabulary count for all batches from the next snapshot on.

        Doing it again changes nothing. No row is written anew: what a row came with stays.

        Args:
            since: the newest snapshot; it and all before it read as they did.
        """
        app, number = f"vocabulary:{vocabulary}", since.number + 1
        with self.reading(since) as session:
            in_force = self._folder.files(coding.IN_FORCE, since.versions)
            session.add_files("all_vocabulary", in_force, coding.IN_FORCE_SCHEMA)
            held = [fill(_BATCHES, table=name(table.name)) for table in TABLES]
            other = fill(coding.OTHERS, held=Sql(" UNION ".join(held)), version=literal(vocabulary))
            found = session.fetch(other)["batch"].to_pylist()
        with self._folder.locked():
            if found and delta.landed_as(self._folder.table(coding.IN_FORCE), app) != number:
                said = coding.in_force(sorted(found), vocabulary, number)
                delta.append(self._folder.table(coding.IN_FORCE), said, app=app, number=number)
            return self._folder.head()

    def head(self) -> Versions:
        """Return the newest versions of all tables; not yet a snapshot."""
        with self._folder.locked():
            return self._folder.head()

    # Erasing

    def erase(
        self,
        id: str,
        wrapped: Mapping[str, Collection[str]],
        snapshot: Snapshot,
        *,
        used: Collection[str] = (),
    ) -> Erasure | None:
        """Erase persons' rows physically from every version of every table, and prove it.

        Args:
            id: of this erasure; the same again changes nothing and tells the same.
            wrapped: wrapped pseudonym → the data classes that go.
            snapshot: the newest one; it and all before it then read without the rows.
            used: person keys that are needed elsewhere (quarantine) and so stay known.

        Returns:
            What went; None where nothing is held of them.

        Raises:
            Defect: afterwards something of theirs is left in a file.
        """
        notes = Notes(self.folder)
        with self._folder.locked():
            known = self._persons.known(wrapped)
            targets = Targets({key: tuple(wrapped[one]) for one, key in known.items()})
            tables = self._folder.held_tables()
            noted = notes.find(id)
            if noted is None:
                rows = erasure.count(tables, targets)
                gone = set(known.values()) - erasure.still_used(tables, known.values()) - set(used)
                if not rows and not gone:
                    return None
                noted = Erasure(id, snapshot.number, len(known), rows)
                notes.add(noted)
            lone = erasure.lone_units(tables, targets)
            if delta.exists(self._folder.table(REPLACED)):
                erasing.erase_rows(self._folder.table(REPLACED), lambda rows: _of_units(rows, lone))
            for folder in tables.values():
                erasing.erase_rows(folder, targets.mask)
            left = erasure.still_used(tables, known.values()) | set(used)
            gone = set(known.values()) - left
            self._persons.erase(gone)
            words = gone | {one for one, key in known.items() if key in gone}
            searched = erasure.prove(self.folder, tables, targets, lone, words)
            return replace(noted, searched=searched)

    def erased_since(self, snapshot: Snapshot) -> tuple[Erasure, ...]:
        """Return the erasures after ``snapshot``: it reads without what they took away."""
        return tuple(one for one in Notes(self.folder).all() if one.snapshot >= snapshot.number)


def _of_units(rows: pa.Table, gone: pa.Array) -> pa.ChunkedArray:
    return pc.is_in(
        pc.binary_join_element_wise(rows["provider"], rows["unit"], "|"), value_set=gone
    )


_BATCHES = "SELECT batch FROM {table}"
