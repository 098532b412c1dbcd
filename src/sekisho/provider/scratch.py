"""A private folder for what is too large for memory; gone with its owner, also after an error."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class Scratch:
    """Makes its folder (mode 0700) when the first file is asked for.

    Args:
        home: the folder in which it lies; None: the system's for temporary files.
    """

    def __init__(self, home: Path | None = None) -> None:
        self._home = home
        self._folder: Path | None = None
        self._made = 0

    def file(self) -> Path:
        """Return the path of a new file."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sekisho-", dir=self._home))
            # Its owner may be forgotten without a word, or the program end by an exception.
            self._end = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._made += 1
        return self._folder / f"{self._made}"

    def another(self) -> Scratch:
        """Return one with a folder of its own beside this one's."""
        return Scratch(self._home)

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        if self._folder is not None:
            self._end()
            self._folder = None
