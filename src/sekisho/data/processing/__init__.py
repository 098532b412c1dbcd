"""Processing: from a permit's order to the tables of an analysis environment.

plan → extract (at each holder) → process → [converters] → gate → canonical files.

Keeps these rules:
- No record of an opted-out person passes: the holder drops first, the gate drops again and
  raises an incident for what it finds (promise 1).
- A column without a role, or a role without a rule, is refused.
- Values that tell who a person is are blanked and counted, wherever they stand.
- The cohort is found over the united data; who is outside is dropped unseen.
- Keys are issued anew and rows ordered by person and content: the same rows give the same bytes,
  whichever bodies sent them (promise 10), and no source id survives.

It does not read permits, lists or registries: a flow hands in what they say. Anonymised data,
images and genomes come with their own issue.
"""

from sekisho.data.processing.cohort import matches
from sekisho.data.processing.extract import ClassCounts, Extract, extract, retag, sent_schema
from sekisho.data.processing.gate import (
    Drops,
    GateCounts,
    GateResult,
    Incident,
    OptOuts,
    Part,
    find_members,
    gate,
)
from sekisho.data.processing.issue import released_schema
from sekisho.data.processing.order import Cohort, ExtractOrder, Period
from sekisho.data.processing.parquet import write_tables
from sekisho.data.processing.plan import Plan, PlannedTable, make_plan
from sekisho.data.processing.process import Processed, process
from sekisho.data.processing.rules import Rules, read_rules
from sekisho.data.processing.same import SameFact, read_same_fact

__all__ = [
    "ClassCounts",
    "Cohort",
    "Drops",
    "Extract",
    "ExtractOrder",
    "GateCounts",
    "GateResult",
    "Incident",
    "OptOuts",
    "Part",
    "Period",
    "Plan",
    "PlannedTable",
    "Processed",
    "Rules",
    "SameFact",
    "extract",
    "find_members",
    "gate",
    "make_plan",
    "matches",
    "process",
    "read_rules",
    "read_same_fact",
    "released_schema",
    "retag",
    "sent_schema",
    "write_tables",
]
