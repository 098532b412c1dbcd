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
from sekisho.data.linkage.enclave import (
    EnclaveRule,
    Matcher,
    enclave_rule_schema,
    read_enclave_rule,
    read_matcher,
    settled,
)
from sekisho.data.linkage.identity import check_identities, compared
from sekisho.data.linkage.matched import (
    DECIDED,
    WEIGHT_TABLE,
    Certainty,
    Link,
    Matched,
    join_links,
)
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
    "DECIDED",
    "METHODS",
    "PSEUDONYM_BYTES",
    "WEIGHT_TABLE",
    "Certainty",
    "Conflict",
    "EnclaveRule",
    "Judged",
    "Known",
    "Link",
    "LinkageRule",
    "Matched",
    "Matcher",
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
    "enclave_rule_schema",
    "filled",
    "join_links",
    "judge",
    "linkage_rule_schema",
    "overlap",
    "read_enclave_rule",
    "read_linkage_rule",
    "read_matcher",
    "read_variants",
    "require_splink",
    "score",
    "scored",
    "settled",
    "unite",
]
