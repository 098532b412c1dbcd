"""What a permit lets happen: asked by holders, converters, gates and environments."""

from __future__ import annotations

from datetime import date

from sekisho.cdm import Role, table
from sekisho.common.ids import Domain, registry_domain
from sekisho.control.review.permit import Permit


def is_active(permit: Permit, day: date) -> bool:
    """Return whether ``day`` is one of the permit's; revocation would be an event, not here."""
    return permit.starts <= day <= permit.expires


def allows(permit: Permit, holder: str, table_name: str, column: str, on_day: date) -> bool:
    """Return whether ``holder`` may provide a column on a day.

    Row key, person and visit come with every permitted table, issued anew.
    """
    if not is_active(permit, on_day) or holder not in {part.holder for part in permit.parts}:
        return False
    for chosen in permit.tables:
        if chosen.table == table_name:
            anew = {
                c.name
                for c in table(table_name).columns
                if c.role in (Role.KEY, Role.PERSON, Role.VISIT)
            }
            return column in chosen.columns or column in anew
    return False


def part_conversions(permit: Permit) -> dict[tuple[Domain, Domain], int]:
    """Return the conversions of persons whose data move, with how many persons each may have."""
    found: dict[tuple[Domain, Domain], int] = {}
    for part in permit.parts:
        for ends in zip(part.domains, part.domains[1:], strict=False):
            pair = (Domain(ends[0]), Domain(ends[1]))
            found[pair] = found.get(pair, 0) + part.max_rows
    return found


def conversion_ends(permit: Permit) -> set[tuple[Domain, Domain]]:
    """Return every conversion for which the permit is the reason: those of persons whose data
    move, and those of the opt-out lists to the project, for the gate."""
    projects = {Domain(part.domains[-1]) for part in permit.parts}
    lists = {(registry_domain(each.registry), p) for each in permit.opt_out for p in projects}
    return set(part_conversions(permit)) | lists
