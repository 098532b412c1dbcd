"""Linkage: who is the same person in a project, and how well that is known.

Keeps these rules:
- Persons are united by the project's pseudonym alone, in the environment that the permit names.
- One person row per pseudonym, chosen by its content: the route a record took does not show.
- A history of numbers unites records of one person at a holder, unless sex or birth month differ.
- Figures count persons; they name none.
- Records without a reliable number are matched on identity fields alone, in an enclave, and a pair
  near the threshold is a person's to decide.
"""

from sekisho.data.linkage.assignment import Judged, Verdict, judge
from sekisho.data.linkage.identity import COLUMNS as IDENTITY_COLUMNS
from sekisho.data.linkage.identity import FIELDS as IDENTITY_FIELDS
from sekisho.data.linkage.identity import RELIABLE, check_identities, compared
from sekisho.data.linkage.identity import TABLE as IDENTITIES
from sekisho.data.linkage.matching import Pair, require_splink, score
from sekisho.data.linkage.persons import (
    PSEUDONYM_BYTES,
    Overlap,
    add_tags,
    define_one_row,
    define_person_ids,
    filled,
    overlap,
)
from sekisho.data.linkage.rule import LinkageRule, linkage_rule_schema, read_linkage_rule
from sekisho.data.linkage.scoring import Score, scored
from sekisho.data.linkage.spelling import Variants, read_variants
from sekisho.data.linkage.uniting import (
    METHODS,
    Conflict,
    Known,
    Quality,
    United,
    candidates,
    unite,
)

__all__ = [
    "IDENTITIES",
    "IDENTITY_COLUMNS",
    "IDENTITY_FIELDS",
    "METHODS",
    "PSEUDONYM_BYTES",
    "RELIABLE",
    "Conflict",
    "Judged",
    "Known",
    "LinkageRule",
    "Overlap",
    "Pair",
    "Quality",
    "Score",
    "United",
    "Variants",
    "Verdict",
    "add_tags",
    "candidates",
    "check_identities",
    "compared",
    "define_one_row",
    "define_person_ids",
    "filled",
    "judge",
    "linkage_rule_schema",
    "overlap",
    "read_linkage_rule",
    "read_variants",
    "require_splink",
    "score",
    "scored",
    "unite",
]
