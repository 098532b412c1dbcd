"""One body's append-only record: what is not in it did not happen.

Rules it keeps:
- an entry is staged in the transaction of what it records, and taken into the files afterwards;
  a crash at any point neither loses nor doubles it;
- only declared kinds of entries with declared fields stand in it (`entries.toml`), none of which
  names a person;
- files are in the C2SP tlog-tiles layout under a signed checkpoint (RFC 9162 tree, SHA-256), so
  that anyone with a checkpoint detects an edited, lost or reordered entry;
- nothing is signed over files that are not those signed before;
- a witness co-signs only what continues what it saw, so that nobody shows two histories unseen.

It does not know what an entry leads to, and does not open a door.
"""

from sekisho.control.ledger.book import Ledger
from sekisho.control.ledger.checkpoint import (
    Checkpoint,
    TreeHead,
    origin_of,
    read_checkpoint,
    read_vkey,
    vkey,
)
from sekisho.control.ledger.compare import Finding, compare
from sekisho.control.ledger.entry import Entry
from sekisho.control.ledger.export import export_ledger
from sekisho.control.ledger.kinds import kinds
from sekisho.control.ledger.monitor import Watched, watch
from sekisho.control.ledger.payload import Payload
from sekisho.control.ledger.pending import MemoryPending, PendingStore
from sekisho.control.ledger.proof import Proof, prove_consistency, prove_inclusion
from sekisho.control.ledger.reading import Files, FolderFiles, TileReader
from sekisho.control.ledger.remote import HttpFiles
from sekisho.control.ledger.request import Shown
from sekisho.control.ledger.serving import served
from sekisho.control.ledger.tiles import TileLog
from sekisho.control.ledger.tree import continues, includes, leaf_hash
from sekisho.control.ledger.verify import Held, Problem, read_cosigned, verify_ledger
from sekisho.control.ledger.witness import Judgement, Witness

__all__ = [
    "Checkpoint",
    "Entry",
    "Files",
    "Finding",
    "FolderFiles",
    "Held",
    "HttpFiles",
    "Judgement",
    "Ledger",
    "MemoryPending",
    "Payload",
    "PendingStore",
    "Problem",
    "Proof",
    "Shown",
    "TileLog",
    "TileReader",
    "TreeHead",
    "Watched",
    "Witness",
    "compare",
    "continues",
    "export_ledger",
    "includes",
    "kinds",
    "leaf_hash",
    "origin_of",
    "prove_consistency",
    "prove_inclusion",
    "read_checkpoint",
    "read_cosigned",
    "read_vkey",
    "served",
    "verify_ledger",
    "vkey",
    "watch",
]
