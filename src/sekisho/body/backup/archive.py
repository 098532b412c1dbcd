"""The file itself: a tar whose first member is the signed manifest; read whole or refused."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from sekisho.body.backup.manifest import BACKUP, KEYS, MANIFEST, Manifest, Member
from sekisho.common.atomicfile import sync_folder
from sekisho.common.canonical import file_digest
from sekisho.common.errors import TamperError, UserError
from sekisho.common.secretfile import read_secret, write_secret
from sekisho.exchange import jws, seal
from sekisho.exchange.jws import Resolve
from sekisho.exchange.keys import SealKey, SigningKey

_MODE = 0o600


def seal_keys(folder: Path, target: Path, recipient: str) -> None:
    """Seal a key folder to ``recipient``; the files never lie anywhere as they are."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for file in sorted(folder.iterdir()):
            if file.is_file() and not file.name.endswith(".new"):
                _add(tar, file.name, read_secret(file))
    target.write_bytes(seal.seal(packed.getvalue(), recipient))


def write_backup(
    staged: Path, target: Path, manifest: Callable[[tuple[Member, ...]], Manifest], key: SigningKey
) -> Manifest:
    """Write everything below ``staged`` into ``target``, which appears whole or not at all."""
    made = manifest(tuple(_members(staged)))
    token = jws.sign(made.payload(), key, made.body, BACKUP)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w|") as tar:
            _add(tar, MANIFEST, token.encode())
            for member in made.files:
                with (staged / member.name).open("rb") as source:
                    tar.addfile(_info(member.name, member.size), source)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(target.parent)
    return made


def verify_backup(file: Path, resolve: Resolve) -> Manifest:
    """Return the manifest of a backup all of whose bytes are as the body signed them.

    Raises:
        TamperError: a file is missing, too many, or not what the manifest says.
    """
    return _read(file, resolve, None)


def read_backup(file: Path, target: Path, resolve: Resolve, identity: SealKey) -> Manifest:
    """Unpack a backup into the new folder ``target``, which appears whole or not at all."""
    if target.exists() and any(target.iterdir()):
        raise UserError(
            "restore.not-empty",
            f"{target}: the folder is not empty.",
            next_step="name a new folder; a body is never restored over another",
        )
    temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
    temporary.mkdir(mode=0o700, parents=True)
    try:
        made = _read(file, resolve, temporary)
        _open_keys(temporary, identity)
        if target.exists():
            target.rmdir()
        temporary.replace(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(target.parent)
    return made


def unpack_members(file: Path, target: Path) -> None:
    """Unpack a backup as a thief would: unverified, its keys sealed."""
    with tarfile.open(file, mode="r:") as tar:
        tar.extractall(target, filter="data")


def _open_keys(folder: Path, identity: SealKey) -> None:
    sealed = folder / KEYS
    packed = io.BytesIO(seal.open_sealed(sealed.read_bytes(), identity))
    with tarfile.open(fileobj=packed, mode="r") as tar:
        for info in tar:
            content = tar.extractfile(info)
            if content is None or "/" in info.name:
                raise _broken("the sealed keys are no key folder")
            write_secret(folder / "keys" / info.name, content.read())
    sealed.unlink()


def _read(file: Path, resolve: Resolve, target: Path | None) -> Manifest:
    try:
        with tarfile.open(file, mode="r:") as tar:
            return _read_all(tar, resolve, target)
    except (OSError, tarfile.TarError) as error:
        raise _broken(f"it cannot be read as a backup ({type(error).__name__})") from error


def _read_all(tar: tarfile.TarFile, resolve: Resolve, target: Path | None) -> Manifest:
    first = tar.next()
    content = tar.extractfile(first) if first is not None else None
    if first is None or first.name != MANIFEST or content is None:
        raise _broken("it does not begin with its manifest")
    signed = jws.verify(content.read(), resolve, BACKUP)
    made = Manifest.from_payload(signed.payload)
    if signed.signer != made.body:
        raise _broken("it is signed by another body than the one it is of")
    wanted = {member.name: member for member in made.files}
    while (info := tar.next()) is not None:
        member = wanted.pop(info.name, None)
        if member is None or not info.isreg() or info.size != member.size:
            raise _broken("it holds a file that its manifest does not name")
        _take(tar, info, member, target)
    if wanted:
        raise _broken(f"{len(wanted)} files are missing")
    return made


def _take(tar: tarfile.TarFile, info: tarfile.TarInfo, member: Member, target: Path | None) -> None:
    content = tar.extractfile(info)
    assert content is not None  # a regular file
    seen = hashlib.sha256()
    place = None if target is None else target / member.name
    if place is not None:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.devnull if place is None else place, "wb") as out:
        while block := content.read(1 << 20):
            seen.update(block)
            out.write(block)
    if seen.hexdigest() != member.sha256:
        raise _broken(f"{member.name} is not what was saved")


def _members(staged: Path) -> Iterator[Member]:
    for file in sorted(staged.rglob("*")):
        if file.is_file():
            name = file.relative_to(staged).as_posix()
            yield Member(name, file.stat().st_size, file_digest(file))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    tar.addfile(_info(name, len(data)), io.BytesIO(data))


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, _MODE
    return info


def _broken(what: str) -> TamperError:
    return TamperError(
        "backup.broken",
        f"The backup does not hold: {what}.",
        rule="every byte of a backup is named by its signed manifest",
        next_step="take another copy of the backup; nothing was restored",
    )
