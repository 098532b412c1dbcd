"""Release: from what a job left to the exact bytes that leave.

Collector → trusted table builder → checks by the data's rule sets → audit against earlier
releases → two reviewers outside the team → exactly the reviewed bytes.

Rules it keeps:
- nothing that hostile code counted is believed: persons are counted here;
- no released table shows a cell of 1 to 9 persons, nor lets one be computed from others;
- the rules belong to the data, are files with sources, and the strictest of several decides;
- what was checked, by hash, is what leaves.

What it does not do: it runs no code of a study (`sekisho.data.analysis`), keeps no state of its
own (flows store events and kept tables), and does not look at other projects' releases.
"""

from sekisho.data.release.airlock import (
    TRANSITIONS,
    Event,
    File,
    Request,
    State,
    fold,
    release,
    review,
    submit,
    visible_reviews,
    withdraw,
)
from sekisho.data.release.builder import build
from sekisho.data.release.checks import Outcome, Verdict, check
from sekisho.data.release.collector import Caps, Collected, collect
from sekisho.data.release.counting import count_outputs, project_persons
from sekisho.data.release.findings import Finding
from sekisho.data.release.kept import Kept, everyone
from sekisho.data.release.profile import Member, profile
from sekisho.data.release.rules import RuleSet, choose, read_rule_sets, read_rules, schema
from sekisho.data.release.table import MASK, MISSING, SMALL, Cell, TableOutput

__all__ = [
    "MASK",
    "MISSING",
    "SMALL",
    "TRANSITIONS",
    "Caps",
    "Cell",
    "Collected",
    "Event",
    "File",
    "Finding",
    "Kept",
    "Member",
    "Outcome",
    "Request",
    "RuleSet",
    "State",
    "TableOutput",
    "Verdict",
    "build",
    "check",
    "choose",
    "collect",
    "count_outputs",
    "everyone",
    "fold",
    "profile",
    "project_persons",
    "read_rule_sets",
    "read_rules",
    "release",
    "review",
    "schema",
    "submit",
    "visible_reviews",
    "withdraw",
]
