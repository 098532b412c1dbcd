"""One body's tables: land a submission once and whole, read them as of a snapshot."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import CODED, TABLES
from sekisho.common.atomicfile import sync_folder, write_atomically
from sekisho.common.canonical import canonical_json, digest
from sekisho.common.errors import Defect, UserError
from sekisho.common.randomness import RandomBytes
from sekisho.data.lake import coding, delta, erasing, erasure, replacing
from sekisho.data.lake.duck import DuckEngine
from sekisho.data.lake.engine import Engine, Session
from sekisho.data.lake.erasure import Erasure, Notes, Targets
from sekisho.data.lake.layout import held_schema
from sekisho.data.lake.persons import Persons
from sekisho.data.lake.snapshot import Count, Snapshot, Versions
from sekisho.data.lake.sql import Sql, fill, literal, literals, name

REPLACED = "replaced"
Landing: TypeAlias = "pa.Table | Callable[[], Iterator[pa.Table]]"
"""A table's rows in the held layout, or what gives them in batches, as often as asked."""
# Patterns to the engine, or no part of a URI to Delta Lake, which would stop the process.
_UNUSABLE = re.compile(r"[*?\[\]|^\\\x00-\x1f]")


class Lake:
    """The tables that one body holds, in ``folder``.

    Writers take a lock on the folder; readers need none, since a snapshot names versions.

    Args:
        folder: ``tables/`` (Delta), ``persons/`` (Delta, apart), ``pending/``.
        engine: what runs the reads; DuckDB unless another is handed in.
    """

    def __init__(self, folder: Path, engine: Engine | None = None) -> None:
        self.folder = folder = folder.resolve()
        if _UNUSABLE.search(str(folder)):
            raise UserError(
                "lake.folder-name",
                f"Tables cannot be kept in {folder}: its name holds one of * ? [ ] | ^ \\.",
                next_step="choose a folder without these characters",
            )
        self.engine: Engine = engine or DuckEngine()
        self._persons = Persons(folder, self.engine)

    # Persons

    def keys_for(
        self, wrapped: Sequence[str], random: RandomBytes, methods: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Return wrapped pseudonym → person key, made where there is none yet.

        ``methods``: wrapped pseudonym → how the provider identified the person.
        """
        with self._locked():
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
        with self._locked():
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

    def said_of(
        self, snapshot: Snapshot, person_keys: Collection[str]
    ) -> list[tuple[str, int | None, int | None, int | None]]:
        """Return (person key, sex concept, year, month of birth) of these persons' rows."""
        if not person_keys:
            return []
        with self.reading(snapshot, ["person"]) as session:
            session.add("asked", pa.table({"it": pa.array(sorted(person_keys), pa.string())}))
            rows = session.fetch(Sql(_SAID)).to_pylist()
        return [
            (r["person_key"], r["gender_concept_id"], r["year_of_birth"], r["month_of_birth"])
            for r in rows
        ]

    def senders_of(
        self, snapshot: Snapshot, person_keys: Collection[str]
    ) -> dict[str, frozenset[str]]:
        """Return which providers sent the rows of these persons' own table, by person key."""
        found: dict[str, set[str]] = {key: set() for key in person_keys}
        if found:
            with self.reading(snapshot, ["person"]) as session:
                session.add("asked", pa.table({"it": pa.array(sorted(found), pa.string())}))
                for row in session.fetch(Sql(_SENDERS)).to_pylist():
                    found[row["person_key"]].add(row["provider"])
        return {key: frozenset(providers) for key, providers in found.items()}

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
            tables: each a table, or its batches; these may be called for more than once.
            vocabulary: the version that says what the batch's codes mean; None: codes stay codes.
            withdrawn: (provider, unit) of what counts no more, whichever earlier batch holds it.

        Raises:
            Defect: rows in another layout or batch than said, or the submission has landed under
                another batch number.
        """
        app = f"submission:{submission_id}"
        wanted = {t: rows for t, rows in sorted(tables.items()) if _first(t, rows, batch)}
        with self._locked():
            missing = [table for table in wanted if not self._has(table, app, batch)]
            # The list of replaced records goes last: where it is, all else is.
            if (wanted or withdrawn) and not self._has(REPLACED, app, batch):
                marker = self._announce(submission_id, batch)
                for table in missing:
                    rows = pa.RecordBatchReader.from_batches(
                        held_schema(table), _checked(table, wanted[table], batch)
                    )
                    delta.append(self._table(table), rows, app=app, number=batch)
                if vocabulary is not None and not self._has(coding.IN_FORCE, app, batch):
                    said = coding.in_force([batch], vocabulary, 0)
                    delta.append(self._table(coding.IN_FORCE), said, app=app, number=batch)
                replaced = pa.concat_tables(
                    [self._find_replaced(batch), replacing.noted(withdrawn, batch)]
                )
                delta.append(self._table(REPLACED), replaced, app=app, number=batch)
                marker.unlink()
                sync_folder(marker.parent)
            return self._head()

    def recode(self, vocabulary: str, since: Snapshot) -> Versions:
        """Let another version of the vocabulary count for all batches from the next snapshot on.

        Doing it again changes nothing. No row is written anew: what a row came with stays.

        Args:
            since: the newest snapshot; it and all before it read as they did.
        """
        app, number = f"vocabulary:{vocabulary}", since.number + 1
        with self.reading(since) as session:
            in_force = self._files(coding.IN_FORCE, since.versions)
            session.add_files("all_vocabulary", in_force, coding.IN_FORCE_SCHEMA)
            held = [fill(_BATCHES, table=name(table.name)) for table in TABLES]
            other = fill(coding.OTHERS, held=Sql(" UNION ".join(held)), version=literal(vocabulary))
            found = session.fetch(other)["batch"].to_pylist()
        with self._locked():
            if found and delta.landed_as(self._table(coding.IN_FORCE), app) != number:
                said = coding.in_force(sorted(found), vocabulary, number)
                delta.append(self._table(coding.IN_FORCE), said, app=app, number=number)
            return self._head()

    @property
    def vocabularies(self) -> Path:
        """Where the versions lie that a batch may name; apart, since nothing there is a person's
        and no erasure needs to read it."""
        return self.folder.with_name("vocabulary")

    def vocabularies_of(self, snapshot: Snapshot) -> list[str]:
        """Return the versions that count for some batch at ``snapshot``."""
        files = self._files(coding.IN_FORCE, snapshot.versions)
        with self.engine.session([str(self.folder / "tables")]) as session:
            session.add_files("all_vocabulary", files, coding.IN_FORCE_SCHEMA)
            found = session.fetch(coding.VERSIONS)["version"].to_pylist()
        return [str(version) for version in found]

    def head(self) -> Versions:
        """Return the newest versions of all tables; not yet a snapshot."""
        with self._locked():
            return self._head()

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
        with self._locked():
            known = self._persons.known(wrapped)
            targets = Targets({key: tuple(wrapped[one]) for one, key in known.items()})
            tables = self._held_tables()
            noted = notes.find(id)
            if noted is None:
                rows = erasure.count(tables, targets)
                gone = set(known.values()) - erasure.still_used(tables, known.values()) - set(used)
                if not rows and not gone:
                    return None
                noted = Erasure(id, snapshot.number, len(known), rows)
                notes.add(noted)
            lone = erasure.lone_units(tables, targets)
            if delta.exists(self._table(REPLACED)):
                erasing.erase_rows(self._table(REPLACED), lambda rows: _of_units(rows, lone))
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

    # Reading

    @contextmanager
    def reading(
        self, snapshot: Snapshot, tables: Collection[str] | None = None, *, meant: bool = False
    ) -> Iterator[Session]:
        """Open a session with a view of current rows for each table (all where None).

        Current: of a record sent again, only the rows of the latest batch.

        Args:
            meant: read codes by the vocabularies that count: concepts are filled in, a row stands
                in the table of its concept's domain, and coded tables have ``canonical``.
        """
        versions = snapshot.versions
        wanted = [t.name for t in TABLES if tables is None or t.name in tables]
        known = self.vocabularies_of(snapshot) if meant else []
        folders = [str(self.folder / "tables"), str(self.vocabularies)]
        with self.engine.session(folders) as session:
            replaced = self._files(REPLACED, versions)
            session.add_files("all_replaced", replaced, replacing.SCHEMA)
            hidden = literals(versions.hidden)
            visible = fill("batch NOT IN ({h})", h=hidden) if versions.hidden else Sql("true")
            session.define("replaced", fill(replacing.VISIBLE, visible=visible), keep=True)
            anything = bool(session.fetch(Sql("SELECT 1 FROM replaced LIMIT 1")).num_rows)
            for table in sorted({*wanted, *(CODED if known else ())}):
                landed = f"landed_{table}"
                session.add_files(landed, self._files(table, versions), held_schema(table))
                query = replacing.CURRENT if anything else replacing.LANDED
                target = f"current_{table}" if meant and table in CODED else table
                session.define(target, fill(query, landed=name(landed), visible=visible))
            if meant:
                in_force = self._files(coding.IN_FORCE, versions)
                session.add_files("all_vocabulary", in_force, coding.IN_FORCE_SCHEMA)
                files = [coding.VocabularyFiles(self.vocabularies / one) for one in known]
                coding.define_meant(session, wanted, files)
            yield session

    def everything(self, snapshot: Snapshot) -> dict[str, pa.Table]:
        """Return all current rows, table by table, in the held layout."""
        found = {}
        with self.reading(snapshot) as session:
            for table in TABLES:
                rows = session.fetch(fill("SELECT * FROM {table}", table=name(table.name)))
                if rows.num_rows:
                    schema = held_schema(table.name)
                    found[table.name] = rows.select(schema.names).cast(schema)
        return found

    def known_sources(self, snapshot: Snapshot, tables: Collection[str]) -> list[pa.Table]:
        """Return the records that each table holds: provider, record_type, source_id, batch."""
        with self.reading(snapshot, tables) as session:
            return [session.fetch(fill(_SOURCES, table=name(table))) for table in tables]

    def replaced_by(self, batch: int, before: Snapshot) -> dict[str, int]:
        """Return record type → records current at ``before`` in whose place ``batch`` came.

        A part of a unit that is missing from the new one is replaced by nothing, and counts.
        """
        noted = delta.where(self._table(REPLACED), "batch", batch)
        if noted is None or not noted.num_rows:
            return {}
        with self.reading(before) as session:
            session.add("units", noted.select(["provider", "unit"]))
            held = [fill(_REPLACED, table=name(table.name)) for table in TABLES]
            query = fill(_PER_TYPE, held=Sql(" UNION ".join(held)))
            rows = session.fetch(query).to_pylist()
        return {row["record_type"]: row["records"] for row in rows}

    def births(self, snapshot: Snapshot, data_class: str) -> pa.Table:
        """Return person_key, year and gender of everyone held of a class: one row a person."""
        with self.reading(snapshot, ["person"]) as session:
            return session.fetch(fill(_BIRTHS, data_class=literal(data_class)))

    def of_persons(
        self, snapshot: Snapshot, keys: Collection[str], tables: Collection[str]
    ) -> dict[str, pa.Table]:
        """Return the current rows of some persons in some tables, in the held layout."""
        asked = pa.table({"it": pa.array(sorted(keys), pa.string())})
        with self.reading(snapshot, tables) as session:
            session.add("asked", asked)
            return {one: session.fetch(fill(_OF_PERSONS, table=name(one))) for one in tables}

    def records_in(self, batch: int) -> int:
        """Return how many records lie in the tables from one batch, replaced ones too."""
        with self._locked():
            versions = self._head()
        with self.engine.session([str(self.folder / "tables")]) as session:
            parts = []
            for spec in TABLES:
                landed = f"landed_{spec.name}"
                session.add_files(landed, self._files(spec.name, versions), held_schema(spec.name))
                parts.append(fill(_RECORDS, landed=name(landed), batch=literal(batch)))
            query = fill("SELECT count(*) AS n FROM ({all})", all=Sql(" UNION ".join(parts)))
            return int(session.fetch(query)["n"][0].as_py())

    def counts(self, snapshot: Snapshot) -> tuple[Count, ...]:
        """Return current rows and persons per table, data class and provider."""
        counts = []
        with self.reading(snapshot) as session:
            for table in TABLES:
                rows = session.fetch(fill(_COUNTS, table=name(table.name))).to_pylist()
                counts += [Count(table=table.name, **row) for row in rows]
        return tuple(counts)

    def totals(self, snapshot: Snapshot) -> dict[str, tuple[int, int]]:
        """Return table → (current rows, distinct persons), for tables with rows."""
        totals = {}
        with self.reading(snapshot) as session:
            for table in TABLES:
                row = session.fetch(fill(_TOTALS, table=name(table.name))).to_pylist()[0]
                if row["rows"]:
                    totals[table.name] = (int(row["rows"]), int(row["persons"]))
        return totals

    # Inside

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _held_tables(self) -> dict[str, Path]:
        folders = {table.name: self._table(table.name) for table in TABLES}
        return {name: folder for name, folder in folders.items() if delta.exists(folder)}

    def _table(self, table: str) -> Path:
        return self.folder / "tables" / table

    def _files(self, table: str, versions: Versions) -> list[str]:
        at = versions.tables.get(table)
        return [] if at is None else delta.files(self._table(table), at)

    def _has(self, table: str, app: str, batch: int) -> bool:
        number = delta.landed_as(self._table(table), app)
        if number is not None and number != batch:
            raise Defect(
                "lake.other-batch", f"The submission has landed as batch {number}, not {batch}."
            )
        return number is not None

    def _announce(self, submission_id: str, batch: int) -> Path:
        """Note durably that ``batch`` is being landed, before its first row is."""
        marker = self.folder / "pending" / f"{digest(submission_id.encode())[:32]}.json"
        pending = self._pending()
        if batch in [number for path, number in pending.items() if path != marker]:
            raise Defect("lake.batch-taken", f"Another submission is half landed as batch {batch}.")
        if pending.get(marker, batch) != batch:
            raise Defect(
                "lake.other-batch",
                f"The submission is half landed as batch {pending[marker]}, not {batch}.",
            )
        write_atomically(marker, canonical_json({"batch": batch}))
        return marker

    def _pending(self) -> dict[Path, int]:
        found = sorted((self.folder / "pending").glob("*.json"))
        return {path: int(orjson.loads(path.read_bytes())["batch"]) for path in found}

    def _head(self) -> Versions:
        known = [REPLACED, coding.IN_FORCE, *(table.name for table in TABLES)]
        folders = {table: self._table(table) for table in known}
        return Versions(
            {t: delta.version(folder) for t, folder in folders.items() if delta.exists(folder)},
            tuple(sorted(set(self._pending().values()))),
        )

    def _find_replaced(self, batch: int) -> pa.Table:
        """Return the records of ``batch`` that other, complete batches hold as well."""
        others = tuple(number for number in self._pending().values() if number != batch)
        landed = {table: delta.files(folder) for table, folder in self._held_tables().items()}
        if not landed:
            return replacing.SCHEMA.empty_table()
        with self.engine.session([str(self.folder / "tables")]) as session:
            sent, held = [], []
            for table, files in landed.items():
                session.add_files(f"landed_{table}", files, held_schema(table))
                source = name(f"landed_{table}")
                sent.append(fill(replacing.SENT, landed=source, batch=literal(batch)))
                held.append(fill(replacing.HELD, landed=source))
            session.define("units", Sql(" UNION ".join(sent)), keep=True)
            found = session.fetch(replacing.found(held, batch, (batch, *others)))
        return found.cast(replacing.SCHEMA)


def _first(table: str, rows: Landing, batch: int) -> bool:
    """Tell whether a table has rows; its first ones are in the right layout then."""
    return next(_checked(table, rows, batch), None) is not None


def _checked(table: str, rows: Landing, batch: int) -> Iterator[pa.RecordBatch]:
    for one in [rows] if isinstance(rows, pa.Table) else rows():
        delta.require_held(table, one, held_schema(table), batch)
        yield from (made for made in one.to_batches() if made.num_rows)


def _of_units(rows: pa.Table, gone: pa.Array) -> pa.ChunkedArray:
    return pc.is_in(
        pc.binary_join_element_wise(rows["provider"], rows["unit"], "|"), value_set=gone
    )


_BATCHES = "SELECT batch FROM {table}"
_SOURCES = """
SELECT provider, record_type, source_id, max(batch) AS batch
FROM {table} GROUP BY provider, record_type, source_id ORDER BY provider, record_type, source_id
"""
_REPLACED = """
SELECT t.record_type, t.source_id, t.provider FROM {table} t JOIN units u
ON u.unit = split_part(t.source_id, '.', 1) AND u.provider = t.provider
"""
_PER_TYPE = """
SELECT record_type, count(*) AS records FROM ({held}) h GROUP BY record_type ORDER BY record_type
"""
_SAID = """
SELECT DISTINCT p.person_key, p.gender_concept_id, p.year_of_birth, p.month_of_birth
FROM person p JOIN asked a ON p.person_key = a.it
"""
_SENDERS = """
SELECT DISTINCT p.person_key, p.provider FROM person p JOIN asked a ON p.person_key = a.it
"""
_RECORDS = "SELECT record_type, data_class, source_id FROM {landed} WHERE batch = {batch}"
_OF_PERSONS = "SELECT t.* FROM {table} t JOIN asked a ON t.person_key = a.it"
_BIRTHS = """
SELECT person_key, min(year_of_birth) AS year, min(gender_concept_id) AS gender
FROM person WHERE data_class = {data_class} GROUP BY person_key ORDER BY person_key
"""
_COUNTS = """
SELECT data_class, provider, count(*) AS rows, count(DISTINCT person_key) AS persons
FROM {table} GROUP BY data_class, provider ORDER BY data_class, provider
"""
_TOTALS = "SELECT count(*) AS rows, count(DISTINCT person_key) AS persons FROM {table}"
