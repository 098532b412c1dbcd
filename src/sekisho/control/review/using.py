"""What a permit lets happen: asked by holders, gates and environments."""

from __future__ import annotations

from datetime import date

from sekisho.cdm import Role, table
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
