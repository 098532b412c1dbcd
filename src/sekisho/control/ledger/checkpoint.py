"""Checkpoints: a tree's size and root as a C2SP signed note, and a witness's co-signature on it.

Formats: C2SP signed-note (Ed25519, type 0x01), tlog-checkpoint, tlog-cosignature (v1, type 0x04).
A checkpoint has no extension lines here, and reads back only in its one spelling.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from sekisho.common.errors import TamperError, UserError
from sekisho.control.ledger.tree import EMPTY
from sekisho.exchange.keys import SigningKey, VerifyKey

_NOTE = 0x01
_WITNESS = 0x04
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})\n")
_TEXT = re.compile(r"([^\s+]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")


def origin_of(body: str, generation: int = 1) -> str:
    """Return the name under which a body signs its ledger, and co-signs others'.

    A body that was restored goes on in another generation of its ledger, under another name.
    """
    return f"sekisho/{body}" if generation == 1 else f"sekisho/{body}/{generation}"


@dataclass(frozen=True)
class TreeHead:
    """A tree of ``size`` leaves with its root, of the ledger that ``origin`` names."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the note's text, which is what is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class Checkpoint:
    """A tree head whose ledger signed it; ``witnessed`` gives each known witness's time."""

    head: TreeHead
    witnessed: Mapping[str, datetime]


def sign_head(head: TreeHead, key: SigningKey) -> bytes:
    """Return the checkpoint, signed by the ledger under its origin."""
    text = head.text()
    line = _line(head.origin, _NOTE, key.public, key.sign(text.encode()))
    return f"{text}\n{line}".encode()


def cosign(note: bytes, name: str, key: SigningKey, at: datetime) -> bytes:
    """Return a witness's line for a checkpoint whose consistency it has checked."""
    text, _ = _parts(note)
    seconds = int(at.timestamp())
    signature = key.sign(_witnessed(text, seconds))
    return _line(name, _WITNESS, key.public, seconds.to_bytes(8, "big") + signature).encode()


def read_checkpoint(
    note: bytes, origin: str, key: VerifyKey, witnesses: Mapping[str, VerifyKey] | None = None
) -> Checkpoint:
    """Return the checkpoint in ``note``.

    Stricter than the note format, which has readers pass over signatures that they do not know:
    here every line must be the ledger's or a known witness's, and hold, so that no byte is free.

    Raises:
        TamperError: anything else.
    """
    text, lines = _parts(note)
    head = _head(text)
    if head.origin != origin:
        raise _bad("it is another ledger's")
    witnessed: dict[str, datetime] = {}
    signed = False
    for name, blob in lines:
        if name == origin and not signed:
            signed = _holds(name, _NOTE, key, blob[:4], blob[4:], text.encode())
            if not signed:
                raise _bad("the ledger's signature does not hold")
        elif witnesses and name in witnesses and name not in witnessed:
            witnessed[name] = _witness_time(name, witnesses[name], blob, text)
        else:
            raise _bad("it carries a signature that nobody known made")
    if not signed:
        raise _bad("the ledger did not sign it")
    return Checkpoint(head, witnessed)


def vkey(name: str, key: VerifyKey, kind: int = _NOTE) -> str:
    """Return a ledger's public key as outsiders' tools take it (C2SP signed-note, vkey)."""
    material = base64.b64encode(bytes([kind]) + key.raw).decode()
    return f"{name}+{_key_id(name, kind, key).hex()}+{material}"


def read_vkey(text: str) -> tuple[str, VerifyKey]:
    """Return the name and key of a ledger's vkey.

    Raises:
        UserError: it is none, or is spelled otherwise than by `vkey`.
    """
    name, _, rest = text.strip().partition("+")
    try:
        key = VerifyKey(base64.b64decode(rest.partition("+")[2], validate=True)[1:])
    except (binascii.Error, UserError):
        key = None
    if key is None or vkey(name, key) != text.strip():
        raise UserError(
            "ledger.vkey",
            "That is no public key of a ledger.",
            next_step="take it from the body's directory; it has the form NAME+ID+KEY",
        )
    return name, key


def size_of(note: bytes) -> int:
    """Return the size that a checkpoint claims, unverified: enough to find files, not to trust."""
    return _head(_parts(note)[0]).size


def _witness_time(name: str, key: VerifyKey, blob: bytes, text: str) -> datetime:
    seconds = int.from_bytes(blob[4:12], "big")
    if len(blob) != 76 or not _holds(
        name, _WITNESS, key, blob[:4], blob[12:], _witnessed(text, seconds)
    ):
        raise _bad("a witness's signature does not hold")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError) as error:
        raise _bad("a witness's time is no time") from error


def _witnessed(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _holds(
    name: str, kind: int, key: VerifyKey, key_id: bytes, signature: bytes, data: bytes
) -> bool:
    return key_id == _key_id(name, kind, key) and key.verifies(signature, data)


def _line(name: str, kind: int, key: VerifyKey, signature: bytes) -> str:
    blob = base64.b64encode(_key_id(name, kind, key) + signature).decode()
    return f"— {name} {blob}\n"


def _key_id(name: str, kind: int, key: VerifyKey) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + key.raw).digest()[:4]


def _parts(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Return the note's text and its signature lines, refusing any second spelling of them."""
    try:
        text, separator, rest = note.decode("utf-8").rpartition("\n\n")
        lines = [
            (found[1], base64.b64decode(found[2], validate=True)) for found in _LINE.finditer(rest)
        ]
    except (UnicodeDecodeError, binascii.Error) as error:
        raise _bad("it is no signed note") from error
    spelled = "".join(f"— {name} {base64.b64encode(blob).decode()}\n" for name, blob in lines)
    if not separator or not lines or spelled != rest:
        raise _bad("it is no signed note")
    return text + "\n", lines


def _head(text: str) -> TreeHead:
    found = _TEXT.fullmatch(text)
    if found is None:
        raise _bad("it is no checkpoint")
    head = TreeHead(found[1], int(found[2]), base64.b64decode(found[3]))
    if head.text() != text or (head.size == 0 and head.root != EMPTY):
        raise _bad("it is no checkpoint")
    return head


def _bad(reason: str) -> TamperError:
    return TamperError("ledger.checkpoint", f"The ledger's checkpoint does not hold: {reason}.")
