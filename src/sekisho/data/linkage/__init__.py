"""Linkage: who is the same person in a project, and how well that is known.

Keeps these rules:
- Persons are united by the project's pseudonym alone, in the environment that the permit names.
- One person row per pseudonym, chosen by its content: the route a record took does not show.
- Figures count persons; they name none.

Histories and aliases, conflicts and matching without an identifier come with their own issue.
"""

from sekisho.data.linkage.persons import (
    PSEUDONYM_BYTES,
    Overlap,
    add_tags,
    define_one_row,
    define_person_ids,
    filled,
    overlap,
)

__all__ = [
    "PSEUDONYM_BYTES",
    "Overlap",
    "add_tags",
    "define_one_row",
    "define_person_ids",
    "filled",
    "overlap",
]
