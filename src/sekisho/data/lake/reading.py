"""What a lake holds at a snapshot: current rows, and the questions of collection about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from sekisho.cdm import CODED, TABLES
from sekisho.data.lake import coding, delta, replacing
from sekisho.data.lake.engine import Engine, Session
from sekisho.data.lake.folder import REPLACED, LakeFolder
from sekisho.data.lake.layout import held_schema
from sekisho.data.lake.snapshot import Count, Snapshot
from sekisho.data.lake.sql import Sql, fill, literal, literals, name


class Reading:
    """Reads the tables in a folder, as of a snapshot. It takes no lock."""

    def __init__(self, folder: LakeFolder, engine: Engine) -> None:
        self._folder = folder
        self.engine = engine

    @property
    def vocabularies(self) -> Path:
        """Where the versions lie that a batch may name; apart, since nothing there is a person's
        and no erasure needs to read it."""
        return self._folder.path.with_name("vocabulary")

    def vocabularies_of(self, snapshot: Snapshot) -> list[str]:
        """Return the versions that count for some batch at ``snapshot``."""
        files = self._folder.files(coding.IN_FORCE, snapshot.versions)
        with self.engine.session([str(self._folder.tables)]) as session:
            session.add_files("all_vocabulary", files, coding.IN_FORCE_SCHEMA)
            found = session.fetch(coding.VERSIONS)["version"].to_pylist()
        return [str(version) for version in found]

    @contextmanager
    def reading(
        self,
        snapshot: Snapshot,
        tables: Collection[str] | None = None,
        *,
        meant: bool = False,
        spill: Path | None = None,
        part: replacing.Slice = replacing.EVERYTHING,
    ) -> Iterator[Session]:
        """Open a session with a view of current rows for each table (all where None).

        Current: of a record sent again, only the rows of the latest batch.

        Args:
            meant: read codes by the vocabularies that count: concepts are filled in, a row stands
                in the table of its concept's domain, and coded tables have ``canonical``.
            spill: as for `Engine.session`.
            part: the records of these units only.
        """
        versions = snapshot.versions
        wanted = [t.name for t in TABLES if tables is None or t.name in tables]
        known = self.vocabularies_of(snapshot) if meant else []
        folders = [str(self._folder.tables), str(self.vocabularies)]
        with self.engine.session(folders, spill) as session:
            replaced = self._folder.files(REPLACED, versions)
            session.add_files("all_replaced", replaced, replacing.SCHEMA)
            hidden = literals(versions.hidden)
            visible = fill("batch NOT IN ({h})", h=hidden) if versions.hidden else Sql("true")
            noted = fill(replacing.VISIBLE, visible=visible, part=part.of("unit"))
            session.define("replaced", noted, keep=True)
            anything = bool(session.fetch(Sql("SELECT 1 FROM replaced LIMIT 1")).num_rows)
            for table in sorted({*wanted, *(CODED if known else ())}):
                landed = f"landed_{table}"
                session.add_files(landed, self._folder.files(table, versions), held_schema(table))
                query = replacing.CURRENT if anything else replacing.LANDED
                target = f"current_{table}" if meant and table in CODED else table
                here = part.of("source_id")
                session.define(target, fill(query, landed=name(landed), visible=visible, part=here))
            if meant:
                in_force = self._folder.files(coding.IN_FORCE, versions)
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
        noted = self._folder.table(REPLACED)
        if not delta.count(noted, "batch", batch):
            return {}
        found: Counter[str] = Counter()
        with self._folder.locked():
            for part in replacing.slices(delta.count(noted)):
                with (
                    self._folder.spill() as spill,
                    self.reading(before, spill=spill, part=part) as session,
                ):
                    session.add_files("newly_replaced", delta.files(noted), replacing.SCHEMA)
                    here = part.of("unit")
                    session.define("units", fill(_UNITS, batch=literal(batch), part=here))
                    held = [fill(_RECORDS_OF, table=name(table.name)) for table in TABLES]
                    query = fill(_PER_TYPE, held=Sql(" UNION ALL ".join(held)))
                    for row in session.fetch(query).to_pylist():
                        found[row["record_type"]] += row["records"]
        return dict(sorted(found.items()))

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
        with self._folder.locked():
            versions = self._folder.head()
        with self.engine.session([str(self._folder.tables)]) as session:
            parts = []
            for spec in TABLES:
                landed = f"landed_{spec.name}"
                session.add_files(
                    landed, self._folder.files(spec.name, versions), held_schema(spec.name)
                )
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


_UNITS = "SELECT provider, unit FROM newly_replaced WHERE batch = {batch} AND {part}"
_SOURCES = """
SELECT provider, record_type, source_id, max(batch) AS batch
FROM {table} GROUP BY provider, record_type, source_id ORDER BY provider, record_type, source_id
"""
_RECORDS_OF = """
SELECT record_type, source_id, provider, split_part(source_id, '.', 1) AS unit FROM {table}
"""
_PER_TYPE = """
SELECT record_type, count(*) AS records FROM (
  SELECT DISTINCT h.record_type, h.source_id, h.provider FROM ({held}) h
  WHERE EXISTS (SELECT 1 FROM units u WHERE u.unit = h.unit AND u.provider = h.provider)
) r GROUP BY record_type
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
