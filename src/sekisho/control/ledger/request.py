"""A checkpoint shown to a witness, as the request of C2SP tlog-witness (add-checkpoint)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from sekisho.common.errors import TamperError
from sekisho.control.ledger.layout import HASH

MOST = 63
"""Lines of a consistency proof at most (C2SP tlog-witness)."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class Shown:
    """A checkpoint with the proof that it continues the tree of ``old`` entries."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def __post_init__(self) -> None:
        if len(self.proof) > MOST or any(len(one) != HASH for one in self.proof):
            raise _bad()

    def text(self) -> str:
        """Return the request's body."""
        lines = [f"old {self.old}", *(base64.b64encode(one).decode() for one in self.proof)]
        return "\n".join(lines) + "\n\n" + self.note.decode()

    @classmethod
    def from_text(cls, text: str) -> Shown:
        """Read a request's body.

        Raises:
            TamperError: it is none.
        """
        head, separator, note = text.partition("\n\n")
        old, *lines = head.split("\n")
        found = _OLD.fullmatch(old)
        if not separator or found is None:
            raise _bad()
        try:
            proof = tuple(base64.b64decode(line, validate=True) for line in lines)
        except binascii.Error as error:
            raise _bad() from error
        return cls(int(found[1]), proof, note.encode())


def _bad() -> TamperError:
    return TamperError("ledger.not-shown", "What a body showed is no checkpoint with its proof.")
