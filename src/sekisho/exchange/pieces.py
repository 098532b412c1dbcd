"""A large message in pieces: each is a signed request of its own, and says where it belongs.

A sender that was cut off asks, with an empty piece, how far the receiver is, and goes on there. The
message counts when the last piece has come and the whole has the digest that every piece named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from sekisho.common.errors import UserError

PIECE_BYTES: Final = 8 << 20
"""A message longer than this goes in pieces of this length."""
META: Final = "piece"
HAVE: Final = "have"
"""In the answer to a piece: how many bytes of the message the receiver has on its disk."""


class Piece(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a piece belongs: the whole's length and SHA-256, and the byte at which it starts."""

    start: Annotated[int, Meta(ge=0)]
    total: Annotated[int, Meta(ge=1)]
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


def described(meta: Mapping[str, Any] | None, piece: Piece) -> dict[str, Any]:
    """Return the metadata of a message with its piece's."""
    return {**(meta or {}), META: msgspec.to_builtins(piece)}


def piece_of(meta: Mapping[str, Any]) -> tuple[Piece | None, dict[str, Any]]:
    """Return the piece that a message's metadata name, and the metadata without it.

    Raises:
        UserError: what is there is no piece.
    """
    rest = {name: value for name, value in meta.items() if name != META}
    if META not in meta:
        return None, rest
    try:
        return msgspec.convert(meta[META], Piece), rest
    except msgspec.ValidationError as error:
        raise UserError("message.piece", "The piece does not say where it belongs.") from error
