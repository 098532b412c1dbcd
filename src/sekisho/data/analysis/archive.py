"""A package's archive: one tar for one set of files, and nothing else is accepted back.

An archive is read only if packing what was read gives the same bytes again. That rules out
links, devices, absolute or parent paths, extended headers, doubled names, owners, times and
bytes after the end in one stroke, rather than by a list of tricks.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path

from sekisho.common.errors import UserError

PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
MAX_FILES = 200
MAX_DEPTH = 6
MAX_FILE_BYTES = 2 * 1024 * 1024
MAX_BYTES = 8 * 1024 * 1024
LEFT_OUT = {"__pycache__"}


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the files below ``folder`` by relative path; hidden files and caches are left out.

    Raises:
        UserError: a link, a strange name, or more than the caps allow.
    """
    files: dict[str, bytes] = {}
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT and not f.startswith("."))
        for name in sorted(folders + names):
            path = Path(root, name)
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink():
                raise _wrong(f"{relative} is a link; a package holds plain files only")
        for name in sorted(names):
            if name.startswith(".") or name.endswith(".pyc"):
                continue
            relative = Path(root, name).relative_to(folder).as_posix()
            _check_path(relative)
            files[relative] = _read(Path(root, name), relative)
            _check_caps(files)
    return files


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """Return the one archive of ``files``: sorted, without owners, times or modes."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(files[name]))
    return target.getvalue()


def read_files(package: bytes) -> dict[str, bytes]:
    """Return the files of an archive of unknown origin.

    Raises:
        UserError: it is not byte for byte what `pack_files` would have written.
    """
    if len(package) > MAX_BYTES + (MAX_FILES + 40) * 1024:
        raise _wrong("the archive is larger than a package can be")
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(package), mode="r:") as archive:
            for member in archive:
                if not member.isreg() or member.issparse():
                    raise _wrong("it holds something other than plain files")
                _check_path(member.name)
                if member.size > MAX_FILE_BYTES:
                    raise _wrong(f"{member.name} is larger than {MAX_FILE_BYTES} bytes")
                content = archive.extractfile(member)
                files[member.name] = content.read() if content else b""
                _check_caps(files)
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise _wrong("it is not a tar archive") from error
    if pack_files(files) != package:
        raise _wrong("it is not in the one form that packing gives")
    return files


def unpack_files(package: bytes, folder: Path) -> None:
    """Write the files of an archive of unknown origin into the new folder ``folder``."""
    files = read_files(package)
    folder.mkdir(parents=True, mode=0o755)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)


def _read(path: Path, name: str) -> bytes:
    # O_NONBLOCK: opening a FIFO must not hang.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _wrong(f"{name} is not a plain file")
        if status.st_size > MAX_FILE_BYTES:
            raise _wrong(f"{name} is larger than {MAX_FILE_BYTES} bytes")
        return file.read(MAX_FILE_BYTES + 1)


def _check_path(name: str) -> None:
    parts = name.split("/")
    if len(parts) > MAX_DEPTH or len(name) > 100 or not all(PART.fullmatch(p) for p in parts):
        raise _wrong(
            f"the path {name[:100]!r} is not a plain relative path of ASCII letters, digits, . _ -"
        )


def _check_caps(files: Mapping[str, bytes]) -> None:
    if len(files) > MAX_FILES:
        raise _wrong(f"it holds more than {MAX_FILES} files")
    if sum(map(len, files.values())) > MAX_BYTES:
        raise _wrong(f"its files are larger than {MAX_BYTES} bytes together")


def _wrong(what: str) -> UserError:
    return UserError(
        "study.bad-package",
        f"This is not a study package: {what}.",
        next_step="put data elsewhere, keep code and study.toml only, and pack the folder again",
    )
