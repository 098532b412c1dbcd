"""What is installed with the program: frameworks, rules, scenarios and example studies.

In the repository these are links to the folders at its top, so that there is one copy of each.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["shipped"]


def shipped() -> Path:
    """Return the folder that holds ``frameworks/``, ``rules/``, ``scenarios/`` and ``studies/``."""
    return Path(__file__).parent
