"""The gate in front of the environment: what every row passes, whichever body sent it.

Opted-out persons are dropped here a second time, on a path that does not trust the holder's. What
the holder should have dropped is an incident. The cohort is found over the united data, the rest
is dropped before anyone can see it, and nothing of a source (ids, order, keys, holder, class)
survives: the same rows give the same tables whatever route they took.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa

from sekisho.common.errors import PeerError, Refusal
from sekisho.data.lake import DuckEngine, Engine, Session
from sekisho.data.lake.sql import Sql, fill, name
from sekisho.data.linkage import (
    DECIDED,
    WEIGHT_TABLE,
    Matched,
    add_tags,
    define_one_row,
    define_person_ids,
    overlap,
)
from sekisho.data.processing.cohort import define_chosen
from sekisho.data.processing.extract import sent_schema
from sekisho.data.processing.issue import issue_tables
from sekisho.data.processing.plan import Plan

S = TypeVar("S")
Drops = Callable[[Collection[S], str, str, str], bool]
"""(a person's scopes, data class, holder, purpose) → stays out; the one rule, handed in."""


@dataclass(frozen=True)
class Part:
    """What one holder sent of one class.

    Args:
        tables: CDM table → rows under tags, processed, with the plan's columns and no others.
        pseudonyms: tag → the person's pseudonym in the project's domain, 32 bytes.
    """

    holder: str
    data_class: str
    tables: Mapping[str, pa.Table]
    pseudonyms: Mapping[str, bytes]


@dataclass(frozen=True)
class OptOuts(Generic[S]):
    """One registry's list in the project's domain: pseudonym → scopes in force."""

    registry: str
    choices: Mapping[bytes, Collection[S]]


@dataclass(frozen=True)
class Incident:
    """Rows that a holder let through although a choice keeps them out: how many, never whose."""

    holder: str
    data_class: str
    rows: int
    persons: int


@dataclass(frozen=True)
class GateCounts:
    """Distinct persons by what became of them, and rows per table; for receipt and report.

    received = opted_out + outside_cohort + included. ``opted_out`` counts those of whom nothing
    was left; who lost one class only is counted in the incidents. ``linked``: included persons of
    whom several holders sent records. ``repeated``: rows of a record that several holders sent.
    ``collapsed``: rows of a fact that came by a better route as well, and of periods that touch.
    """

    received: int
    opted_out: int
    outside_cohort: int
    included: int
    linked: int
    without_person_row: int
    rows: Mapping[str, int]
    repeated: Mapping[str, int]
    collapsed: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        return {
            "received": self.received,
            "opted_out": self.opted_out,
            "outside_cohort": self.outside_cohort,
            "included": self.included,
            "linked": self.linked,
            "without_person_row": self.without_person_row,
            "rows": dict(self.rows),
            "repeated": dict(self.repeated),
            "collapsed": dict(self.collapsed),
        }


@dataclass(frozen=True)
class GateResult:
    """``tables``: what the environment may see. A non-empty ``incidents`` must raise an alarm.
    ``included``: the project's pseudonym of exactly the persons of ``counts.included``, with the
    parts (holder, class) of which the gate let records of that person in.
    ``by_link``: persons whose records were dropped because they opted out under another number,
    which a link alone tells: no holder could know.
    """

    tables: Mapping[str, pa.Table]
    counts: GateCounts
    incidents: tuple[Incident, ...]
    included: Mapping[bytes, frozenset[tuple[str, str]]]
    by_link: int = 0


def gate(
    parts: Sequence[Part],
    plan: Plan,
    opt_outs: Sequence[OptOuts[S]],
    drops: Drops[S],
    engine: Engine | None = None,
    matched: Matched | None = None,
) -> GateResult:
    """Let the rows of ``parts`` pass that may; unite persons, find the cohort, issue new keys.

    ``matched``: which pseudonyms an enclave found to be one person; the result then has a table
    that says of each such person how sure that is.

    Raises:
        Refusal: a part carries a table or column that the plan does not name.
        PeerError: a tag came without its pseudonym.
    """
    engine = engine or DuckEngine()
    with _entered(parts, plan, opt_outs, drops, engine, matched) as session:
        define_person_ids(session, "ids", "chosen")
        received, kept = (_persons(session, it) for it in ("received", "kept_tags"))
        linked = overlap(session, "chosen")
        issued = issue_tables(session, engine, plan.tables, several=_classes_meet(parts))
        counts = GateCounts(
            received=received,
            opted_out=received - kept,
            outside_cohort=kept - linked.persons,
            included=linked.persons,
            linked=linked.at_several_holders,
            without_person_row=_without_row(session, plan),
            rows={table: rows.num_rows for table, rows in issued.tables.items()},
            repeated=issued.repeated,
            collapsed=issued.collapsed,
        )
        incidents = _incidents(session, plan)
        by_link = int(session.fetch(Sql(_BY_LINK)).to_pylist()[0]["n"])
        sure = {} if matched is None else {WEIGHT_TABLE: _certainty(session, matched)}
        included = _included(session)
    return GateResult({**issued.tables, **sure}, counts, incidents, included, by_link)


def find_members(
    parts: Sequence[Part],
    plan: Plan,
    opt_outs: Sequence[OptOuts[S]],
    drops: Drops[S],
    engine: Engine | None = None,
) -> frozenset[bytes]:
    """Return the project pseudonyms of the cohort, from criterion facts alone (``returned``)."""
    with _entered(parts, plan, opt_outs, drops, engine or DuckEngine()) as session:
        return _chosen(session)


def _chosen(session: Session) -> frozenset[bytes]:
    found = session.fetch(Sql("SELECT pseudonym FROM chosen")).column(0).to_pylist()
    return frozenset(bytes.fromhex(it) for it in found)


def _included(session: Session) -> dict[bytes, frozenset[tuple[str, str]]]:
    """Return each person of the cohort with the parts of which records are left."""
    found: dict[str, set[tuple[str, str]]] = {}
    for row in session.fetch(Sql(_INCLUDED)).to_pylist():
        found.setdefault(row["pseudonym"], set()).add((row["holder"], row["data_class"]))
    return {bytes.fromhex(person): frozenset(parts) for person, parts in found.items()}


@contextmanager
def _entered(
    parts: Sequence[Part],
    plan: Plan,
    opt_outs: Sequence[OptOuts[S]],
    drops: Drops[S],
    engine: Engine,
    matched: Matched | None = None,
) -> Iterator[Session]:
    """Open a session in which opted-out persons are gone and ``chosen`` is the cohort."""
    matched = matched or Matched({}, {})
    with engine.session() as session:
        _add_parts(session, parts, plan, matched)
        _add_opted_out(session, parts, opt_outs, drops, plan.order.purpose, matched)
        distinct = fill("SELECT DISTINCT * FROM ({rows}) r", rows=_all_rows(plan))
        session.define("received_tags", distinct, keep=True)
        session.define("received", Sql(_RECEIVED), keep=True)
        _require_all_converted(session)
        session.define("kept_tags", Sql(_KEPT), keep=True)
        person = next((p for p in plan.tables if p.name == "person"), None)
        if person is not None:
            columns = [column.name for column in person.sent]
            define_one_row(session, "person_row", "in_person", columns)
        define_chosen(session, "chosen", plan.order.cohort)
        yield session


def _add_parts(session: Session, parts: Sequence[Part], plan: Plan, matched: Matched) -> None:
    """Define ``tags``, ``parts`` and, per table, ``in_TABLE``: all parts' rows with their part."""
    planned = {it.name: it for it in plan.tables}
    for part in parts:
        extra = sorted(set(part.tables) - set(planned))
        if extra:
            raise _unpermitted(part, extra[0])
    add_tags(
        session,
        [{tag: matched.of(one) for tag, one in part.pseudonyms.items()} for part in parts],
    )
    session.add(
        "parts",
        pa.table(
            {
                "part": pa.array(range(len(parts)), pa.int32()),
                "holder": pa.array([part.holder for part in parts], pa.string()),
                "data_class": pa.array([part.data_class for part in parts], pa.string()),
            }
        ),
    )
    for table, it in planned.items():
        schema = sent_schema(it, "tag")
        pieces = []
        for number, part in enumerate(parts):
            rows = part.tables.get(table, schema.empty_table())
            if set(rows.column_names) != set(schema.names):
                raise _unpermitted(part, table)
            origin = pa.repeat(pa.scalar(number, pa.int32()), rows.num_rows)
            pieces.append(rows.select(schema.names).cast(schema).add_column(0, "part", origin))
        empty = schema.empty_table().add_column(0, "part", pa.array([], pa.int32()))
        session.add(f"in_{table}", pa.concat_tables([empty, *pieces]))


def _unpermitted(part: Part, table: str) -> Refusal:
    return Refusal(
        "gate.unpermitted",
        f"What {part.holder} sent of {part.data_class} in {table} is not what the plan names.",
        rule="columns are those of the permit, no more and no fewer",
        next_step="make the extract again from the plan with this request hash",
    )


def _add_opted_out(
    session: Session,
    parts: Sequence[Part],
    opt_outs: Sequence[OptOuts[S]],
    drops: Drops[S],
    purpose: str,
    matched: Matched,
) -> None:
    """Define ``opted_out`` (part, pseudonym, direct): whose records of which part stay out.

    A choice counts for every pseudonym of its person. It is ``direct`` where it was made under a
    pseudonym that the part itself has, so that its holder should have dropped the records.
    """
    out: dict[tuple[int, str], bool] = {}
    for registry in opt_outs:
        by_person: dict[bytes, list[S]] = {}
        for pseudonym, scopes in registry.choices.items():
            by_person.setdefault(matched.of(pseudonym), []).extend(scopes)
        for number, part in enumerate(parts):

            def stay_out(scopes: Collection[S] | None, part: Part = part) -> bool:
                return bool(scopes) and drops(scopes or (), part.data_class, part.holder, purpose)

            for pseudonym in set(part.pseudonyms.values()):
                person = matched.of(pseudonym)
                if stay_out(by_person.get(person)):
                    direct = stay_out(registry.choices.get(pseudonym))
                    key = (number, person.hex())
                    out[key] = out.get(key, False) or direct
    columns = {
        "part": pa.array([number for number, _ in out], pa.int32()),
        "pseudonym": pa.array([pseudonym for _, pseudonym in out], pa.string()),
        "direct": pa.array(list(out.values()), pa.bool_()),
    }
    session.add("opted_out", pa.table(columns))


def _certainty(session: Session, matched: Matched) -> pa.Table:
    """Return how sure it is of each united person in the project that they are one."""
    known = sorted(matched.certainty.items())
    session.add(
        "certainty",
        pa.table(
            {
                "pseudonym": pa.array([pseudonym.hex() for pseudonym, _ in known], pa.string()),
                "identities": pa.array([one.identities for _, one in known], pa.int64()),
                "match_weight": pa.array([one.weight for _, one in known], pa.float64()),
                "match_probability": pa.array([one.probability for _, one in known], pa.float64()),
                "decided_by": pa.array([DECIDED[one.verdict] for _, one in known], pa.string()),
            }
        ),
    )
    return session.fetch(Sql(_CERTAINTY))


def _require_all_converted(session: Session) -> None:
    lost = session.fetch(Sql(_LOST)).to_pylist()[0]["lost"]
    if lost:
        raise PeerError(
            "gate.unconverted-person",
            f"{lost} persons came without a pseudonym of the project.",
            next_step="wait for the converters' batch, or ask the holder to send the extract again",
        )


def _incidents(session: Session, plan: Plan) -> tuple[Incident, ...]:
    if not session.fetch(Sql("SELECT 1 FROM opted_out LIMIT 1")).num_rows:
        return ()
    found = session.fetch(fill(_INCIDENTS, rows=_all_rows(plan))).to_pylist()
    return tuple(Incident(**row) for row in found)


def _all_rows(plan: Plan) -> Sql:
    scans = [fill(_TAGS, table=name(f"in_{planned.name}")) for planned in plan.tables]
    return Sql("\nUNION ALL\n".join([_NO_TAGS, *scans]))


def _persons(session: Session, table: str) -> int:
    query = fill("SELECT count(DISTINCT pseudonym) AS n FROM {it}", it=name(table))
    return int(session.fetch(query).to_pylist()[0]["n"])


def _without_row(session: Session, plan: Plan) -> int:
    """Return how many included persons have no row in person; 0 where it was not asked for."""
    if not any(planned.name == "person" and planned.asked for planned in plan.tables):
        return 0
    return int(session.fetch(Sql(_WITHOUT_ROW)).to_pylist()[0]["n"])


def _classes_meet(parts: Sequence[Part]) -> bool:
    """Tell whether several parts carry one class, so that a record may come twice."""
    classes = [part.data_class for part in parts]
    return len(set(classes)) < len(classes)


_TAGS = "SELECT part, tag FROM {table}"
_NO_TAGS = "SELECT part, tag FROM tags WHERE false"
_RECEIVED = """
SELECT r.part, r.tag, t.pseudonym FROM received_tags r
LEFT JOIN tags t ON t.part = r.part AND t.tag = r.tag
"""
_LOST = "SELECT count(*) AS lost FROM received WHERE pseudonym IS NULL"
_KEPT = """
SELECT r.part, r.tag, r.pseudonym FROM received r WHERE NOT EXISTS (
  SELECT 1 FROM opted_out o WHERE o.part = r.part AND o.pseudonym = r.pseudonym)
"""
_INCIDENTS = """
SELECT p.holder, p.data_class, count(*) AS rows, count(DISTINCT r.pseudonym) AS persons
FROM ({rows}) i
JOIN received r ON r.part = i.part AND r.tag = i.tag
JOIN opted_out o ON o.part = r.part AND o.pseudonym = r.pseudonym AND o.direct
JOIN parts p ON p.part = r.part
GROUP BY p.holder, p.data_class ORDER BY p.holder, p.data_class
"""
_INCLUDED = """
SELECT DISTINCT c.pseudonym, p.holder, p.data_class FROM chosen c
JOIN kept_tags k ON k.pseudonym = c.pseudonym JOIN parts p ON p.part = k.part
"""
_WITHOUT_ROW = """
SELECT count(*) AS n FROM chosen c WHERE NOT EXISTS (
  SELECT 1 FROM person_row p WHERE p.pseudonym = c.pseudonym)
"""
_BY_LINK = """
SELECT count(*) AS n FROM (
  SELECT pseudonym FROM opted_out GROUP BY pseudonym HAVING NOT bool_or(direct)) linked
"""
_CERTAINTY = """
SELECT i.person_id, c.identities, c.match_weight, c.match_probability, c.decided_by
FROM certainty c JOIN ids i ON i.pseudonym = c.pseudonym ORDER BY i.person_id
"""
