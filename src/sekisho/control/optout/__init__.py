"""Opt-out: what persons chose, what of it is in force, and the lists that carry it to holders.

Rules it keeps:
- a choice needs no reason and is undone as easily as it is made (same form, same desk);
- what was in force on a day is a function of the choices and of what was known at a day: any past
  list can be made again, byte for byte;
- lists are numbered and chained; a gap, a change or a list of another registry is refused;
- holder and gate call one rule (`drops`) on paths of their own; a doubt drops the person;
- a proxy speaks with a checked authority only; a guardian's choice is asked again at an age;
- a scope that would stop nothing in the framework is refused;
- entries are pseudonyms of the registry; no message ever names one.

It does not know who a person is, does not convert pseudonyms, and does not read a record.
"""

from sekisho.control.optout.apply import drops
from sekisho.control.optout.choice import ALL, Choice, Scope, effective
from sekisho.control.optout.complaint import Complaint, file_complaint
from sekisho.control.optout.freshness import (
    OptOutRule,
    check_fresh_enough,
    fresh_enough,
    is_old,
    read_rule,
    schema,
)
from sekisho.control.optout.histories import of_persons
from sekisho.control.optout.past import Learned, in_force, list_as_of, read_learned
from sekisho.control.optout.proxy import (
    AskAgain,
    DeskRule,
    Proxy,
    ask_again_on,
    check_authority,
    check_month_only,
    desk_schema,
    read_desk_rule,
)
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
from sekisho.control.optout.scopes import check_scope, known_scopes
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
    "AskAgain",
    "Choice",
    "Complaint",
    "DeskRule",
    "Entry",
    "Gap",
    "Learned",
    "ListHeader",
    "ListRow",
    "OptOutList",
    "OptOutRule",
    "Proxy",
    "Scope",
    "Sent",
    "Statement",
    "acknowledge",
    "ask_again_on",
    "check_authority",
    "check_chain",
    "check_fresh_enough",
    "check_month_only",
    "check_received",
    "check_scope",
    "desk_schema",
    "drops",
    "effective",
    "file_complaint",
    "fresh_enough",
    "gaps",
    "in_force",
    "is_old",
    "is_repeat",
    "known_scopes",
    "list_as_of",
    "make_list",
    "make_statement",
    "of_persons",
    "place_of_statement",
    "read_desk_rule",
    "read_learned",
    "read_rule",
    "schema",
    "transfer_rows",
    "unaccounted",
]
