"""Identity fields on their way to a linkage enclave: which ones there are, and no others."""

from __future__ import annotations

from typing import Final

CASE: Final = "sekisho-enclave-case"
"""What an enclave signs for providers: the application, and the key of this one case."""
TABLE: Final = "identities"
FIELDS: Final = (
    "family",
    "given",
    "family_kana",
    "given_kana",
    "birth_date",
    "sex",
    "postcode",
    "address",
    "phone",
)
"""What a hospital knows of who a person is; every one may be empty."""
RELIABLE: Final = "reliable"
COLUMNS: Final = ("tag", "cipher", RELIABLE, *FIELDS)
"""``tag``: the registration's random name. ``cipher``: its pseudonym's start, which only both
converters together turn into anything. ``reliable``: whether the hospital knows a number that
identifies the person anywhere."""
