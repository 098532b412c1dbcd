"""Neutral folders: where jobs are staged, so that nothing of the host's paths shows inside.

``/proc/self/mountinfo`` of a job names the host's path of every bind. A job folder is therefore
``<base>/<random>/{code,data,out}`` below a base that says nothing, and data are copied into it.
On the host only root and the job's own user can enter it.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sekisho.common.canonical import file_digest
from sekisho.common.errors import Defect, Refusal, UserError
from sekisho.common.randomness import RandomBytes
from sekisho.data.analysis.limits import Limits
from sekisho.data.analysis.outbox import read_items

BASE = Path("/var/tmp")  # noqa: S108  # ownership and mode are checked below


@dataclass(frozen=True)
class JobFolder:
    """One staged job."""

    path: Path
    outer_uid: int | None

    @property
    def out(self) -> Path:
        return self.path / "out"

    def give(self) -> None:
        """Let the job's user read code and data and write out, and nobody else enter."""
        if self.outer_uid is None:
            return
        for root, _, files in os.walk(self.path):
            os.chown(root, 0, self.outer_uid)
            os.chmod(root, 0o750)  # noqa: S103  # group is the job's own
            for name in files:
                os.chown(Path(root, name), 0, self.outer_uid)
                os.chmod(Path(root, name), 0o640)
        os.chown(self.out, self.outer_uid, self.outer_uid)
        os.chmod(self.out, 0o700)


def private_base(name: str, base: Path = BASE) -> Path:
    """Return our own folder ``base/name-<uid>``, made if need be.

    Raises:
        Refusal: somebody else made it, or others can write to it.
    """
    folder = base / f"{name}-{os.geteuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o711)
    status = folder.lstat()
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid != os.geteuid()
        or stat.S_IMODE(status.st_mode) & 0o022
    ):
        raise Refusal(
            "sandbox.staging",
            f"{folder} is not a folder of our own that only we can write to.",
            rule="jobs are staged where nobody else can put files",
            next_step="find out who made it, and remove it",
        )
    return folder


@contextmanager
def job_folder(base: Path, outer_uid: int | None, random: RandomBytes) -> Iterator[JobFolder]:
    """Make an empty job folder, and remove it and all in it afterwards."""
    path = base / random(8).hex()
    path.mkdir(mode=0o700)
    try:
        for name in ("code", "data", "out"):
            (path / name).mkdir(mode=0o700)
        yield JobFolder(path, outer_uid)
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    # The job may have taken away its folders' permissions, or nested them deeper than a path
    # can be long; the system's tools cope with both, and follow no link.
    if os.geteuid() != 0:
        subprocess.run(["/bin/chmod", "-R", "u+rwX", str(path)], check=False, capture_output=True)
    subprocess.run(["/bin/rm", "-rf", "--one-file-system", str(path)], check=True)


def copy_inputs(source: Path, target: Path, tables: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Copy the declared tables and return the digest of each copy.

    Raises:
        UserError: the extract does not have a declared table.
    """
    digests = []
    for table in sorted(tables):
        file = source / f"{table}.parquet"
        if not file.is_file():
            raise UserError(
                "study.input-missing",
                f"The study declares the table {table!r}, which the data do not have.",
                next_step="ask for the table in the application, or drop it from the inputs",
            )
        copy = target / file.name
        shutil.copyfile(file, copy)
        digests.append((table, file_digest(copy)))
    return tuple(digests)


def hand_over(out: Path, target: Path, limits: Limits) -> tuple[tuple[str, ...], int]:
    """Copy plain files with plain names from the dead job to ``target``; count what stays behind.

    Returns:
        The names that were copied, and how many entries were not.
    """
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(target.iterdir()):
        # A table of an earlier run could be taken for one of this run.
        raise Defect("sandbox.out-not-empty", "The folder for what the job leaves is not empty.")
    copied, left = [], 0
    for item in read_items(out, limits.out_entries, limits.out_bytes):
        if item.name is None or item.content is None:
            left += 1
            continue
        path = target / item.name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(item.content)
        copied.append(item.name)
    return tuple(copied), left
