"""One body's append-only record: what is not in it did not happen.

Rules it keeps:
- an entry is staged in the transaction of what it records, and taken into the files afterwards;
  a crash at any point neither loses nor doubles it;
- only declared kinds of entries with declared fields stand in it (`entries.toml`), none of which
  names a person;
- files are in the C2SP tlog-tiles layout under a signed checkpoint (RFC 9162 tree, SHA-256), so
  that anyone with a checkpoint detects an edited, lost or reordered entry;
- nothing is signed over files that are not those signed before.

It does not know what an entry leads to, keeps no personal payload, and does not serve itself.
"""

from sekisho.control.ledger.book import Ledger
from sekisho.control.ledger.checkpoint import Checkpoint, TreeHead, read_checkpoint
from sekisho.control.ledger.entry import Entry
from sekisho.control.ledger.kinds import kinds
from sekisho.control.ledger.pending import MemoryPending, PendingStore
from sekisho.control.ledger.tiles import TileLog
from sekisho.control.ledger.tree import continues, includes, leaf_hash
from sekisho.control.ledger.verify import Problem, verify_ledger
from sekisho.control.ledger.witness import Witness

__all__ = [
    "Checkpoint",
    "Entry",
    "Ledger",
    "MemoryPending",
    "PendingStore",
    "Problem",
    "TileLog",
    "TreeHead",
    "Witness",
    "continues",
    "includes",
    "kinds",
    "leaf_hash",
    "read_checkpoint",
    "verify_ledger",
]
