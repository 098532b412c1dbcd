"""The lake: one body's tables, their snapshots, and the engine that reads them.

Keeps these rules:
- A submission of many tables becomes visible all at once or not at all, and once (promise 7):
  readers name a snapshot, which names every table's version and hides what is half landed.
- A record that is sent again replaces the earlier one at read time; nothing is overwritten.
- The analytic tables carry random person keys; wrapped pseudonyms lie apart.
- Who is erased is gone from every version of every table; older snapshots keep their names, read
  without those rows, and the lake says so.
- The log keeps no statistics of columns, an engine's error never leaves with its text (it may
  quote a value), and reading touches no network and no file outside the lake.

It does not decide who may read, nor does it number snapshots: a flow records them in the ledger.
"""

from sekisho.data.lake.duck import DuckEngine
from sekisho.data.lake.engine import Engine, Session
from sekisho.data.lake.erasure import Erasure, Targets
from sekisho.data.lake.lake import Lake
from sekisho.data.lake.layout import HELD, held_schema, hold, replace_ids
from sekisho.data.lake.objects import Objects, Record, Stored
from sekisho.data.lake.snapshot import Count, Snapshot, Versions

__all__ = [
    "HELD",
    "Count",
    "DuckEngine",
    "Engine",
    "Erasure",
    "Lake",
    "Objects",
    "Record",
    "Session",
    "Snapshot",
    "Stored",
    "Targets",
    "Versions",
    "held_schema",
    "hold",
    "replace_ids",
]
