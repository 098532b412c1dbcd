"""Collection: what arrives from providers is checked, and lands, or waits in quarantine.

Rules kept: a record lands whole or not at all; sent = landed + quarantined + refused + superseded +
set aside, for every record type, always; the checks are data (``rules/collection.toml``); the same
files give the same receipt; no message or finding names a value.

It stores nothing (`sekisho.data.lake` does), signs nothing, and never sees an identifier.
"""

from sekisho.data.collection.arrival import Arrival
from sekisho.data.collection.balance import (
    Balance,
    Declared,
    Line,
    balance,
    read_declared,
    read_withdrawn,
)
from sekisho.data.collection.coding import Codes, all_codes, count_codes
from sekisho.data.collection.covered import months_by_kind
from sekisho.data.collection.held_back import HARD, recheck, units_of, waiting, without_units
from sekisho.data.collection.inheriting import held_as, part_known, rows_of, under_tags
from sekisho.data.collection.pulling import PullRule, pull_schema, read_pull_rule
from sekisho.data.collection.receipt import receipt_payload
from sekisho.data.collection.survey import (
    Survey,
    survey_of,
    together,
)

__all__ = [
    "HARD",
    "Arrival",
    "Balance",
    "Codes",
    "Declared",
    "Line",
    "PullRule",
    "Survey",
    "all_codes",
    "balance",
    "count_codes",
    "held_as",
    "months_by_kind",
    "part_known",
    "pull_schema",
    "read_declared",
    "read_pull_rule",
    "read_withdrawn",
    "receipt_payload",
    "recheck",
    "rows_of",
    "survey_of",
    "together",
    "under_tags",
    "units_of",
    "waiting",
    "without_units",
]
