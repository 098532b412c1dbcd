"""Opt-out: what persons chose, what of it is in force, and the lists that carry it to holders.

Rules it keeps:
- a choice needs no reason and is undone as easily as it is made (same form, same desk);
- what was in force on a day is a function of the choices and of what was known at a day: any past
  list can be made again, byte for byte;
- lists are numbered and chained; a gap, a change or a list of another registry is refused;
- holder and gate call one rule (`drops`) on paths of their own; a doubt drops the person;
- entries are pseudonyms of the registry; no message ever names one.

It does not know who a person is, does not convert pseudonyms, and does not read a record.
"""

from sekisho.control.optout.apply import drops
from sekisho.control.optout.choice import ALL, Choice, Scope, effective
from sekisho.control.optout.freshness import (
    OptOutRule,
    check_fresh_enough,
    fresh_enough,
    is_old,
    read_rule,
    schema,
)
from sekisho.control.optout.histories import of_persons
from sekisho.control.optout.reconcile import (
    Sent,
    Statement,
    make_statement,
    place_of_statement,
    unaccounted,
)
from sekisho.control.optout.registry import (
    GENESIS,
    Entry,
    ListHeader,
    OptOutList,
    check_chain,
    is_repeat,
    make_list,
)
from sekisho.control.optout.transfer import (
    Acknowledgement,
    Gap,
    ListRow,
    acknowledge,
    check_received,
    gaps,
    transfer_rows,
)

__all__ = [
    "ALL",
    "GENESIS",
    "Acknowledgement",
    "Choice",
    "Entry",
    "Gap",
    "ListHeader",
    "ListRow",
    "OptOutList",
    "OptOutRule",
    "Scope",
    "Sent",
    "Statement",
    "acknowledge",
    "check_chain",
    "check_fresh_enough",
    "check_received",
    "drops",
    "effective",
    "fresh_enough",
    "gaps",
    "is_old",
    "is_repeat",
    "make_list",
    "make_statement",
    "of_persons",
    "place_of_statement",
    "read_rule",
    "schema",
    "transfer_rows",
    "unaccounted",
]
