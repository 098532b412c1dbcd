"""Quality: the checks of what arrives, as data, and what a clerk is told of them.

Rules kept: the same checks run at the provider before anything leaves and at the body that lands
it; a record with a bad row is held whole; no message names a value.

It reads no source format, stores nothing and decides on nobody: columns in, masks and counts out.
"""

from sekisho.quality.checking import (
    RULES_COLUMN,
    Breach,
    Landed,
    added_up,
    check,
    laid_out,
    records_of,
    with_rules,
)
from sekisho.quality.content import content_digest, persons_content
from sekisho.quality.measures import Measure, Measures
from sekisho.quality.report import PARTS, Fate, Level, Problem, QualityReport, Where
from sekisho.quality.rules import CollectionRules, Language, Rule, Text, load_rules

__all__ = [
    "PARTS",
    "RULES_COLUMN",
    "Breach",
    "CollectionRules",
    "Fate",
    "Landed",
    "Language",
    "Level",
    "Measure",
    "Measures",
    "Problem",
    "QualityReport",
    "Rule",
    "Text",
    "Where",
    "added_up",
    "check",
    "content_digest",
    "laid_out",
    "load_rules",
    "persons_content",
    "records_of",
    "with_rules",
]
