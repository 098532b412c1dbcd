"""Quality: the checks of what arrives, as data, and what a clerk is told of them.

Rules kept: the same checks run at the provider before anything leaves and at the body that lands
it; a record with a bad row is held whole; no message names a value.

It reads no source format, stores nothing and decides on nobody: columns in, masks and counts out.
"""

from sekisho.quality.checking import RULES_COLUMN, Breach, Landed, check, records_of
from sekisho.quality.rules import CollectionRules, Rule, load_rules

__all__ = [
    "RULES_COLUMN",
    "Breach",
    "CollectionRules",
    "Landed",
    "Rule",
    "check",
    "load_rules",
    "records_of",
]
