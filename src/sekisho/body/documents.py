"""Signed documents of a body as files: receipts, permits, decisions, lists."""

from __future__ import annotations

from pathlib import Path

from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import Defect


class Documents:
    """A folder of signed texts. A document is written once; writing other bytes is a defect."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        if self.folder.resolve() not in file.resolve().parents:
            raise Defect("documents.outside", "A document's name leaves its folder.")
        write_atomically(file, text.encode())

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def exists(self, name: str) -> bool:
        return (self.folder / name).exists()
