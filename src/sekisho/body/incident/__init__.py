"""A leak: what was in the folder, whom it concerns, what can be done with it, what to do.

Rules it keeps:

- it only reads; what cannot be read is bounded from the ledgers, and the report says so;
- what an attacker can join or identify is decided by a table of rules (`rules/collusion.toml`);
- it names no person: counts, kinds and days, and the keyed names by which a provider finds its own.
"""

from sekisho.body.incident.assessment import Assessment, assess, body_of, read_ledgers
from sekisho.body.incident.found import Found, look
from sekisho.body.incident.page import page
from sekisho.body.incident.rules import Clocks, Collusion, read_clocks, read_collusion

__all__ = [
    "Assessment",
    "Clocks",
    "Collusion",
    "Found",
    "assess",
    "body_of",
    "look",
    "page",
    "read_clocks",
    "read_collusion",
    "read_ledgers",
]
