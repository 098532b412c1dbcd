"""A body's backup: one file that says what it holds, whole or refused.

Rules it keeps:

- files and database are of one moment, also when the body runs meanwhile;
- keys are sealed to a recovery recipient (age) and never in the file as they are;
- every byte is named by a manifest that the body signed;
- what comes out of a backup begins closed: it says so itself (`MARKER`), and its ledger goes on
  in a new generation, because others may have seen a longer one.
"""

from sekisho.body.backup.archive import read_backup, verify_backup, write_backup
from sekisho.body.backup.manifest import MARKER, Manifest, Marker, Member
from sekisho.body.backup.staging import alone, stage

__all__ = [
    "MARKER",
    "Manifest",
    "Marker",
    "Member",
    "alone",
    "read_backup",
    "stage",
    "verify_backup",
    "write_backup",
]
