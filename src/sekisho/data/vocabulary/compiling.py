"""Masters, concepts and own maps → one table: what each code is called and where it belongs.

A code is compared by its *canonical* name: its standard concept where there is one, else the wider
code that a master gives (ICD-10, YJ), else itself. An own map goes before a concept's relationship;
its ``source_vocabulary_id`` is a system's id or, for codes that one institution made for itself,
the very name under which they come (empty where they come without one).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from sekisho.cdm import CodeSystems
from sekisho.common.errors import UserError
from sekisho.data.lake.coding import MAP_SCHEMA
from sekisho.data.lake.sql import Sql, fill, literal
from sekisho.data.vocabulary.sources import Master, Source, read_master

if TYPE_CHECKING:
    import duckdb

_TERM = pa.schema([(column, pa.string()) for column in ("vocabulary", "code", "via", "via_code")])


def compile_map(sources: Sequence[Source], systems: CodeSystems, version: str) -> pa.Table:
    """Return the map of ``sources`` (`MAP_SCHEMA`), ordered by vocabulary and code.

    Raises:
        UserError: a file is not in its layout, or there are relationships without concepts.
    """
    import duckdb

    concepts = [one for one in sources if one.kind == "concept"]
    if not concepts and any(one.kind == "relationship" for one in sources):
        raise UserError(
            "vocabulary.no-concepts",
            "There are relationships of concepts, but no concepts.",
            next_step="import CONCEPT.csv with CONCEPT_RELATIONSHIP.csv",
        )
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False})
    try:
        masters = [one for one in sources if one.kind == "master"]
        terms = _terms((line for one in masters for line in read_master(one)), systems)
        connection.register("given_terms", terms)
        connection.register("systems", _spellings(systems))
        _view(connection, "concept", concepts, _CONCEPT)
        relationships = [one for one in sources if one.kind == "relationship"]
        _view(connection, "relationship", relationships, _RELATIONSHIP)
        _view(connection, "own", [one for one in sources if one.kind == "own-map"], _OWN)
        spelt = {
            "concept_code": Sql(_SPELT.format(code="c.concept_code")),
            "source_code": Sql(_SPELT.format(code="o.source_code")),
        }
        for name, query in _STEPS.items():
            connection.execute(f"CREATE TEMP TABLE {name} AS {fill(query, **spelt)}")
        return (
            connection.sql(fill(_MAP, version=literal(version))).to_arrow_table().cast(MAP_SCHEMA)
        )
    except duckdb.Error as error:
        raise _layout(error) from None
    finally:
        connection.close()


def write_ancestors(sources: Sequence[Source], file: Path) -> None:
    """Write which concepts lie below which (`ANCESTORS_SCHEMA`); none where no file says so.

    Raises:
        UserError: a file is not in its layout.
    """
    import duckdb

    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": False}) as connection:
        try:
            given = [one for one in sources if one.kind == "ancestor"]
            _view(connection, "given", given, _ANCESTOR, kept=False)
            connection.execute(fill(_ANCESTORS, file=literal(str(file))))
        except duckdb.Error as error:
            raise _layout(error) from None


def _layout(error: Exception) -> UserError:
    return UserError(
        "vocabulary.layout",
        f"The files of concepts could not be read ({type(error).__name__}).",
        next_step="take the files as Athena gives them; a map of your own needs every column",
    )


def _terms(lines: Iterable[Master], systems: CodeSystems) -> pa.Table:
    """Return each code of the masters with the wider code that it means, else with itself."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for line in lines:
        if line.code in systems.by_id[line.system].uncoded:
            continue  # says that there is no code: it is the same as nothing
        own = (line.system, line.code)
        wider, code = line.means or own
        means = (wider, systems.by_id[wider].spelt(code))
        for one in (own, *line.same):
            found.setdefault(one, means)
    rows = [(*code, *means) for code, means in sorted(found.items())]
    arrays = [pa.array([row[n] for row in rows], pa.string()) for n in range(len(_TERM))]
    return pa.table(arrays, schema=_TERM)


def _spellings(systems: CodeSystems) -> pa.Table:
    return pa.table(
        {
            "vocabulary": pa.array([one.id for one in systems.system], pa.string()),
            "icd": pa.array([one.spelling == "icd" for one in systems.system], pa.bool_()),
        }
    )


def _view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    sources: Sequence[Source],
    empty: str,
    *,
    kept: bool = True,
) -> None:
    """Create a table of all files of one kind, or an empty one of its columns.

    ``kept``: False for one that is read once and may be larger than memory.
    """
    columns = Sql(", ".join(empty.split()))
    nulls = Sql(", ".join(f"CAST(NULL AS VARCHAR) AS {it}" for it in empty.split()))
    reads = [fill("SELECT {nulls} WHERE false", nulls=nulls)]
    reads += [
        fill(
            "SELECT {columns} FROM read_csv({path}, header = true, all_varchar = true,"
            " delim = {delim}, quote = {quote}, escape = {quote})",
            columns=columns,
            path=literal(str(one.path)),
            delim=literal(one.delimiter),
            quote=literal(one.quote),
        )
        for one in sources
    ]
    kind = "TABLE" if kept else "VIEW"
    connection.execute(f"CREATE TEMP {kind} {name} AS {' UNION ALL '.join(reads)}")


_CONCEPT = "concept_id domain_id vocabulary_id concept_code standard_concept"
_RELATIONSHIP = "concept_id_1 concept_id_2 relationship_id invalid_reason"
_OWN = "source_code source_vocabulary_id target_concept_id invalid_reason"
_ANCESTOR = "ancestor_concept_id descendant_concept_id"
_ANCESTORS = """
COPY (SELECT CAST(ancestor_concept_id AS BIGINT) AS ancestor,
  CAST(descendant_concept_id AS BIGINT) AS descendant FROM given) TO {file} (FORMAT parquet)
"""
_SPELT: Final = (
    "CASE WHEN s.icd THEN upper(replace(replace({code}, '.', ''), '-', '')) ELSE {code} END"
)
_STEPS: Final = {
    "concepts": """
SELECT CAST(c.concept_id AS BIGINT) AS concept_id, c.domain_id, s.vocabulary,
  {concept_code} AS code, c.standard_concept = 'S' AS standard
FROM concept c JOIN systems s ON s.vocabulary = c.vocabulary_id""",
    # Of several standard concepts that a code maps to, the least number is taken: any fixed
    # choice does, as long as it is the same at every body.
    "mapped": """
SELECT c.vocabulary, c.code, min(c.concept_id) AS source_concept_id,
  coalesce(
    min(CASE WHEN t.standard_concept = 'S' AND r.relationship_id = 'Maps to'
      THEN CAST(t.concept_id AS BIGINT) END),
    min(CASE WHEN c.standard THEN c.concept_id END), 0) AS concept_id,
  coalesce(min(CASE WHEN t.standard_concept = 'S' AND r.relationship_id = 'Maps to value'
    THEN CAST(t.concept_id AS BIGINT) END), 0) AS value_concept_id
FROM concepts c
LEFT JOIN relationship r ON CAST(r.concept_id_1 AS BIGINT) = c.concept_id
  AND r.relationship_id IN ('Maps to', 'Maps to value') AND coalesce(r.invalid_reason, '') = ''
LEFT JOIN concept t ON t.concept_id = r.concept_id_2
GROUP BY c.vocabulary, c.code""",
    "owned": """
SELECT coalesce(o.source_vocabulary_id, '') AS vocabulary, {source_code} AS code,
  min(CAST(o.target_concept_id AS BIGINT)) AS concept_id
FROM own o LEFT JOIN systems s ON s.vocabulary = o.source_vocabulary_id
WHERE coalesce(o.invalid_reason, '') = '' AND CAST(o.target_concept_id AS BIGINT) > 0
GROUP BY coalesce(o.source_vocabulary_id, ''), {source_code}""",
    "terms": """
SELECT vocabulary, code, via, via_code FROM given_terms
UNION
SELECT vocabulary, code, vocabulary, code FROM (
  SELECT vocabulary, code FROM mapped UNION SELECT vocabulary, code FROM owned
  UNION SELECT via, via_code FROM given_terms) other
WHERE NOT EXISTS (SELECT 1 FROM given_terms g
  WHERE g.vocabulary = other.vocabulary AND g.code = other.code)""",
}
_MAP = """
SELECT {version} AS version, m.vocabulary, m.code,
  CASE WHEN m.concept_id > 0 THEN 'concept|' || m.concept_id
    ELSE m.via || '|' || m.via_code END AS canonical,
  m.source_concept_id, m.concept_id, d.domain_id, m.value_concept_id
FROM (
  SELECT t.vocabulary, t.code, t.via, t.via_code,
    coalesce(own.source_concept_id, wide.source_concept_id, 0) AS source_concept_id,
    coalesce(mine.concept_id, wider.concept_id, nullif(own.concept_id, 0), wide.concept_id, 0)
      AS concept_id,
    CASE WHEN mine.concept_id IS NOT NULL OR wider.concept_id IS NOT NULL THEN 0
      WHEN own.concept_id > 0 THEN own.value_concept_id
      ELSE coalesce(wide.value_concept_id, 0) END AS value_concept_id
  FROM terms t
  LEFT JOIN owned mine ON mine.vocabulary = t.vocabulary AND mine.code = t.code
  LEFT JOIN owned wider ON wider.vocabulary = t.via AND wider.code = t.via_code
  LEFT JOIN mapped own ON own.vocabulary = t.vocabulary AND own.code = t.code
  LEFT JOIN mapped wide ON wide.vocabulary = t.via AND wide.code = t.via_code) m
LEFT JOIN (SELECT DISTINCT CAST(concept_id AS BIGINT) AS concept_id, domain_id FROM concept) d
  ON d.concept_id = m.concept_id
ORDER BY m.vocabulary, m.code
"""
