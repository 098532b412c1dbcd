"""The record that a converter destroyed its secret of a former epoch, signed by itself."""

from __future__ import annotations

import msgspec

from sekisho.common.errors import TamperError
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory

KIND = "sekisho-key-destruction"


class Destruction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which secret, and when. ``record`` is the digest of the epoch's record of the global key."""

    epoch: int
    converter: str
    on: str
    record: str


def read_destruction(token: str, directory: Directory) -> Destruction:
    """Return what a record says; the converter that it names must have signed it.

    Raises:
        TamperError: the signature does not hold, or it is another's.
    """
    signed = jws.verify(token, directory.resolve, KIND)
    try:
        said = msgspec.convert(signed.payload, Destruction)
    except msgspec.ValidationError as error:
        raise TamperError("keys.record", f"The record of a destruction: {error}") from error
    if signed.signer != said.converter:
        raise TamperError("keys.record", "Another than the converter signed that it destroyed.")
    return said
