"""Images at the provider: what is told of them in a table, and what is taken out of them.

Rules kept: a header leaves only through the rule set (`basic-profile.toml`); what it does not name
is kept only where it cannot hold text; UIDs are replaced by keyed ones, the same everywhere in one
class of data; private attributes and the 128 bytes before the header go. Pixels are never changed
here: what may be written in them is told, so that later processing must look.
"""

from sekisho.provider.images.deidentify import Naming, Residue, deidentified
from sekisho.provider.images.doubts import doubts_of
from sekisho.provider.images.file import (
    Head,
    ImageProblem,
    header_of,
    open_head,
    quiet,
    write_object,
)
from sekisho.provider.images.profile import Profile, basic_profile

__all__ = [
    "Head",
    "ImageProblem",
    "Naming",
    "Profile",
    "Residue",
    "basic_profile",
    "deidentified",
    "doubts_of",
    "header_of",
    "open_head",
    "quiet",
    "write_object",
]
