"""Bulk data sealed to one receiver with age (X25519, ChaCha20-Poly1305 in 64 KiB chunks).

Sealing says who may read, not who wrote: the message that carries the bytes is signed.
No error of this module carries a byte of the data.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import pyrage

from sekisho.common.errors import PeerError, UserError
from sekisho.exchange.keys import SealKey


def seal(data: bytes, recipient: str | None) -> bytes:
    """Encrypt ``data`` so that only ``recipient`` (``age1…``, as the directory has it) reads it."""
    return bytes(pyrage.encrypt(data, [_recipient(recipient)]))


def open_sealed(data: bytes, key: SealKey) -> bytes:
    """Decrypt what was sealed to ``key``.

    Raises:
        PeerError: not sealed to this key, cut short or changed on the way.
    """
    try:
        return bytes(pyrage.decrypt(data, [key.age_identity]))
    except pyrage.DecryptError as error:
        raise _unopened() from error


def seal_file(source: Path, target: Path, recipient: str | None) -> None:
    """Seal a file into ``target`` in bounded memory; ``target`` appears whole or not at all."""
    reader = _recipient(recipient)
    with _Target(target) as out, source.open("rb") as file:
        pyrage.encrypt_io(file, out, [reader])


def open_sealed_file(source: Path, target: Path, key: SealKey) -> None:
    """Open a sealed file into ``target`` in bounded memory.

    ``target`` appears only after the last chunk has proved genuine: age authenticates chunk by
    chunk, so a file that was cut short would otherwise leave its beginning behind.
    """
    with _Target(target) as out, source.open("rb") as file:
        try:
            pyrage.decrypt_io(file, out, [key.age_identity])
        except (pyrage.DecryptError, OSError) as error:
            raise _unopened() from error


class _Target:
    """A file of mode 0600 that is renamed into place when the block ends well."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}.new")

    def __enter__(self) -> BinaryIO:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self.file = os.fdopen(os.open(self.temporary, flags, 0o600), "wb")
        return self.file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.file.flush()
            os.fsync(self.file.fileno())
        self.file.close()
        if kind is None:
            self.temporary.replace(self.path)
        else:
            self.temporary.unlink(missing_ok=True)


def _recipient(text: str | None) -> pyrage.x25519.Recipient:
    if text is None:
        raise UserError("seal.recipient", "The receiver has no sealing key in the directory.")
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise UserError("seal.recipient", "The receiver's key is not an age recipient.") from error


def _unopened() -> PeerError:
    return PeerError(
        "seal.unopened",
        "The sealed data cannot be opened: sealed to another key, cut short or changed.",
        next_step="have the sender send again, sealed to the key in the directory",
    )
