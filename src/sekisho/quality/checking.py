"""Landing: which records may be kept, and which go to quarantine with the rules they broke."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.cdm import TABLES, CodeSystems, transit_schema
from sekisho.cdm.scalars import text
from sekisho.common.errors import UserError
from sekisho.quality.checks import bad_rows
from sekisho.quality.facts import facts_of, known_with
from sekisho.quality.rules import CollectionRules

RULES_COLUMN = "rules"
"""Added to quarantined tables: the ids of the rules that the record broke, in order, by spaces."""


@dataclass(frozen=True, order=True)
class Breach:
    """How often one rule was broken: rows that break it, records that hold such a row."""

    rule: str
    table: str
    record_type: str
    rows: int
    records: int


@dataclass(frozen=True)
class Landed:
    """The outcome of the checks. Every row that came is in ``tables`` or in ``quarantined``.

    Args:
        held: table with quarantined rows → for each row that came the rules, null where it lands.
    """

    tables: dict[str, pa.Table]
    quarantined: dict[str, pa.Table]
    held: dict[str, pa.DictionaryArray]
    breaches: tuple[Breach, ...]
    rules_version: str


def check(
    tables: Mapping[str, pa.Table],
    rules: CollectionRules,
    *,
    day: date,
    tags: Collection[str] | None = None,
    systems: CodeSystems | None = None,
    context: Mapping[str, pa.Table] = MappingProxyType({}),
    filled: Mapping[str, float] | None = None,
    tell: Callable[[str, str, pa.ChunkedArray], None] | None = None,
) -> Landed:
    """Check a submission's tables in transit layout.

    A record (record type and source id) with one bad row in any table is quarantined whole; what a
    rule only notes lands, and stands among the breaches.

    Args:
        day: day of submission, in Japan.
        tags: the tags whose identity arrived through the converters; None leaves that out.
        systems: given where the framework refuses codes that are not standard ones.
        context: rows of person and death that are not checked but known of the same tags.
        filled: table.column → share of rows with a value, where ``tables`` hold some persons only.
        tell: called with the id of a rule, a table and the mask of its rows that break the rule.

    Raises:
        UserError: a table or column that is not in the layout: the sender's program is wrong, and
            nothing of the submission is kept.
    """
    checked = {name: laid_out(name, tables[name]) for name in sorted(tables)}
    facts = facts_of(known_with(checked, context), day, tags, systems, filled)
    broken: dict[str, dict[str, None]] = {}
    breaches: list[Breach] = []
    for rule in rules.rule:
        for table, mask in bad_rows(rule, checked, facts):
            bad = checked[table].filter(mask)
            if rule.verdict == "hold":
                for name in _record_names(bad).unique().to_pylist():
                    broken.setdefault(name, {})[rule.id] = None
            breaches += _breaches(rule.id, table, bad)
            if tell is not None:
                tell(rule.id, table, mask)
    held = _held(checked, broken)
    kept, quarantined = dict(checked), {}
    for table, why in held.items():
        rows = checked[table]
        kept[table] = rows.filter(why.is_null())
        quarantined[table] = with_rules(rows, why)
    return Landed(
        {table: rows for table, rows in kept.items() if rows.num_rows},
        quarantined,
        held,
        tuple(sorted(breaches)),
        rules.version,
    )


def with_rules(rows: pa.Table, held: pa.Array) -> pa.Table:
    """Return those of ``rows`` that are held, each with the rules that its record broke."""
    why = held.drop_null().dictionary_decode()
    return rows.filter(held.is_valid()).append_column(RULES_COLUMN, why)


def records_of(tables: Mapping[str, pa.Table]) -> Counter[tuple[str, str]]:
    """Return (record type, data class) → how many records the tables hold."""
    found: defaultdict[tuple[str, str], list[pa.ChunkedArray]] = defaultdict(list)
    for rows in tables.values():
        types, classes, ids = map(rows.column, ("record_type", "data_class", "source_id"))
        for record_type in pc.unique(types).to_pylist():
            of_type = pc.equal(types, text(record_type))
            for data_class in pc.unique(classes.filter(of_type)).to_pylist():
                here = pc.and_(of_type, pc.equal(classes, text(data_class)))
                found[record_type, data_class].append(ids.filter(here))
    # a record's rows may lie in several tables
    each = {
        key: pa.chunked_array([c for one in ids for c in one.chunks], pa.string())
        for key, ids in found.items()
    }
    return Counter({key: len(pc.unique(ids)) for key, ids in each.items()})


def laid_out(name: str, rows: pa.Table) -> pa.Table:
    """Return ``rows``; UserError where they are not in the layout of their table in transit."""
    if name not in {t.name for t in TABLES}:
        raise _structure(name, "there is no such table")
    wanted = transit_schema(name)
    if rows.schema.names != wanted.names:
        missing = sorted(set(wanted.names) - set(rows.schema.names))
        extra = sorted(set(rows.schema.names) - set(wanted.names))
        said = f"{len(missing)} columns are missing ({', '.join(missing)}), {len(extra)} are extra"
        raise _structure(name, said)
    for field in wanted:
        if rows.schema.field(field.name).type != field.type:
            raise _structure(name, f"{field.name} is not of type {field.type}")
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid:
        raise _structure(name, "its bytes are not valid Arrow data") from None
    return rows.cast(wanted)


def _record_names(rows: pa.Table) -> pa.ChunkedArray:
    """Return the name of each row's record: its type and source id."""
    nothing, space = text(""), text(" ")
    return pc.binary_join_element_wise(
        pc.fill_null(rows.column("record_type"), nothing),
        pc.fill_null(rows.column("source_id"), nothing),
        space,
    )


def _held(
    tables: Mapping[str, pa.Table], broken: Mapping[str, Collection[str]]
) -> dict[str, pa.DictionaryArray]:
    """Return for each table with rows of a broken record why each row is held, if it is."""
    if not broken:
        return {}
    names = pa.array(broken.keys(), pa.string())
    reasons = pa.array([" ".join(ids) for ids in broken.values()], pa.string()).dictionary_encode()
    found = {}
    for table, rows in tables.items():
        places = pc.index_in(_record_names(rows).combine_chunks(), value_set=names)
        if places.null_count < len(places):
            found[table] = reasons.take(places)
    return found


def _breaches(rule: str, table: str, bad: pa.Table) -> list[Breach]:
    grouped = bad.group_by("record_type").aggregate(
        [("source_id", "count_distinct"), ([], "count_all")]
    )
    return [
        Breach(
            rule, table, one["record_type"] or "", one["count_all"], one["source_id_count_distinct"]
        )
        for one in grouped.to_pylist()
    ]


def added_up(breaches: Iterable[Breach]) -> tuple[Breach, ...]:
    """Return the breaches of different persons' rows as those of all of them, in order."""
    rows, records = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for one in breaches:
        key = (one.rule, one.table, one.record_type)
        rows[key] += one.rows
        records[key] += one.records
    return tuple(Breach(*key, rows[key], records[key]) for key in sorted(rows))


def _structure(table: str, what: str) -> UserError:
    return UserError(
        "collection.structure",
        f"The table {table!r} of the submission does not have the agreed layout: {what}.",
        rule="transit layout: links, then the content columns of OMOP CDM 5.4",
        next_step="update the sending program; nothing of this submission was kept",
    )
