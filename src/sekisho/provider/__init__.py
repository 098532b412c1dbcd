"""The provider's side: files of its own systems in, tables under tags out.

Rules kept: identifiers are taken out here; free text never leaves; a line that cannot be read
stays here and only its number, reason and rule are told; every record is counted once, as sent,
refused, superseded, set aside or withheld; source ids and files leave as HMACs under the provider's
key, with another key for each data class; no file name leaves, since it may hold a name.

Reading and preparing know no framework and send nothing. Around them: `sending` (who gets what
today), `handover` and `outbox` (sealed, on its way), `home`, `desk` and `journal` (one provider's
folder, its work, what it remembers), `watching` (a folder).
"""

from sekisho.provider.balance import Line
from sekisho.provider.findings import EXPLANATIONS, Finding
from sekisho.provider.gathering import Classify
from sekisho.provider.notice import NoticeBook
from sekisho.provider.profile import Profile, read_mapping
from sekisho.provider.readers import FORMATS, Format, described_names, format_of
from sekisho.provider.readers.table_layout import layout_schema
from sekisho.provider.records import Identity, Note, Outcome, Record
from sekisho.provider.sources import Limits
from sekisho.provider.submission import Part, Prepared, Refused, Withheld, prepare, read, repeatable

__all__ = [
    "EXPLANATIONS",
    "FORMATS",
    "Classify",
    "Finding",
    "Format",
    "Identity",
    "Limits",
    "Line",
    "Note",
    "NoticeBook",
    "Outcome",
    "Part",
    "Prepared",
    "Profile",
    "Record",
    "Refused",
    "Withheld",
    "described_names",
    "format_of",
    "layout_schema",
    "prepare",
    "read",
    "read_mapping",
    "repeatable",
]
