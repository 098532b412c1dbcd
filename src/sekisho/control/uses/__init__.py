"""The index of uses, as far as it is rules: what is known of a project, and what is missing.

Rules this room keeps:

- a project whose data move is due to say whom it included; after the rule's days it is missing;
- a missing index shows as missing, and never as "no use";
- what is told of a project is the permit's and the receipt's word: nothing of a person.

It stores nothing and looks nobody up (`sekisho.body.flows.uses` does both).
"""

from sekisho.control.uses.log import Standing, State, UseLog
from sekisho.control.uses.rule import UsesRule, read_rule, schema

__all__ = ["Standing", "State", "UseLog", "UsesRule", "read_rule", "schema"]
