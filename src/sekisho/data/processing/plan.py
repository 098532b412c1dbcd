"""The plan of an extract: everything that decides its bytes but the rows, frozen and hashed.

permit (as an order) + rules → plan, which reviewers see; at a holder it is tied to a snapshot.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sekisho.cdm import Column, Role, Table, table
from sekisho.common.canonical import digest_of
from sekisho.common.errors import Refusal
from sekisho.data.lake import Snapshot
from sekisho.data.processing.order import ExtractOrder
from sekisho.data.processing.rules import Rules
from sekisho.data.processing.same import SameFact
from sekisho.pseudonym.identifiers import NORMAL_FORM


@dataclass(frozen=True)
class PlannedTable:
    """What of one table travels and what of it is released.

    ``released``: content columns for the environment. ``criteria``: columns that travel for the
    gate alone (cohort, code systems). ``asked``: False where the table travels for its criteria
    only. ``visit``: whether rows carry their visit's new number.
    """

    name: str
    released: tuple[str, ...]
    criteria: tuple[str, ...]
    asked: bool
    visit: bool

    @property
    def table(self) -> Table:
        return table(self.name)

    @property
    def sent(self) -> tuple[Column, ...]:
        """Return the content columns that travel, in the table's order."""
        wanted = {*self.released, *self.criteria}
        return tuple(column for column in self.table.content if column.name in wanted)

    @property
    def day(self) -> str | None:
        """Return the column whose day places a row in a period; None: the row is timeless."""
        return next((c.name for c in self.table.content if c.type == "date"), None)


@dataclass(frozen=True)
class Plan:
    """See `make_plan`."""

    order: ExtractOrder
    rules: str
    rules_digest: str
    tables: tuple[PlannedTable, ...]
    snapshot: Snapshot | None = None
    identifier: str = "history"
    """What ties a person's records together, by the framework."""
    same: SameFact | None = None
    """Which rows are the same fact; None: every row is a fact of its own."""

    def at(self, snapshot: Snapshot) -> Plan:
        """Return the plan as it is carried out on one snapshot."""
        return replace(self, snapshot=snapshot)

    def to_dict(self) -> dict[str, Any]:
        tables = {
            planned.name: {
                "released": list(planned.released),
                "criteria": list(planned.criteria),
                "asked": planned.asked,
                "visit": planned.visit,
            }
            for planned in self.tables
        }
        return {
            "order": self.order.to_dict(),
            "rules": {"id": self.rules, "digest": self.rules_digest},
            "tables": tables,
            "snapshot": None if self.snapshot is None else self.snapshot.to_dict(),
            "same_fact": None if self.same is None else self.same.digest,
            "identifiers": {"by": self.identifier, "normal_form": NORMAL_FORM},
        }

    @property
    def plan_hash(self) -> str:
        """Return the digest that a receipt names."""
        return digest_of(self.to_dict())

    @property
    def request_hash(self) -> str:
        """Return the digest of what is the same at every holder and at the gate."""
        whole = self.to_dict()
        holder = {"operator", "classes"}
        order = {key: value for key, value in whole["order"].items() if key not in holder}
        return digest_of({**whole, "order": order, "snapshot": None})


def make_plan(
    order: ExtractOrder,
    rules: Rules,
    snapshot: Snapshot | None = None,
    *,
    identifier: str = "history",
    same: SameFact | None = None,
) -> Plan:
    """Make the plan of an order.

    Raises:
        Refusal: the rules are for another form, or a column is not classified.
        UserError: there is no such table.
    """
    if order.form != rules.form:
        raise Refusal(
            "plan.other-form",
            f"The rules {rules.id} make {rules.form} data; the permit says {order.form}.",
            next_step="use the rules of the form that was permitted",
        )
    asked = {name: _released(table(name), columns) for name, columns in order.tables.items()}
    visits = "visit_occurrence" in asked
    planned = []
    for name in sorted({*asked, *_criteria(order)}):
        released = asked.get(name, ())
        criteria = {*_criteria(order).get(name, ()), *_systems(table(name), released)}
        it = PlannedTable(
            name=name,
            released=released,
            criteria=tuple(sorted(criteria - set(released))),
            asked=name in asked,
            visit=visits and name in asked and _wants_visit(table(name), order.tables[name]),
        )
        for column in it.sent:
            rules.action(it.table, column)
        planned.append(it)
    named = f"{rules.id} {rules.version}"
    return Plan(order, named, rules.digest, tuple(planned), snapshot, identifier, same)


def _released(of: Table, asked: Collection[str]) -> tuple[str, ...]:
    """Return the content columns asked for, in the table's order; keys always come along."""
    unknown = sorted(set(asked) - set(of.names))
    if unknown:
        raise Refusal(
            "plan.unclassified-column",
            f"{of.name} has no column {unknown[0]!r} that is classified.",
            rule="every column of an extract has a role for disclosure control",
            next_step=f"columns of {of.name}: {', '.join(of.names)}",
        )
    content = [column.name for column in of.content]
    return tuple(name for name in content if not asked or name in asked)


def _wants_visit(of: Table, asked: Collection[str]) -> bool:
    visit = next((column.name for column in of.columns if column.role is Role.VISIT), None)
    return visit is not None and (not asked or visit in asked)


def _criteria(order: ExtractOrder) -> dict[str, tuple[str, ...]]:
    """Return the columns that the gate needs in order to find the cohort."""
    needed: dict[str, tuple[str, ...]] = {}
    if order.cohort.by_condition:
        needed["condition_occurrence"] = ("condition_start_date",)
    if order.cohort.codes:
        needed["condition_occurrence"] += ("condition_source_value", "condition_source_system")
    if order.cohort.by_age:
        needed["person"] = ("year_of_birth", "month_of_birth")
    return needed


def _systems(of: Table, released: Collection[str]) -> list[str]:
    """Return the code systems of released codes: processing must know what is a code."""
    systems = [f"{name.removesuffix('_source_value')}_source_system" for name in released]
    return [system for system in systems if system in of.names]
