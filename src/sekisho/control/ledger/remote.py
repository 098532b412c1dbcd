"""A log that somebody serves at an address (C2SP tlog-tiles), as its readers ask for it.

One view for one reader: the checkpoint is fetched once, and only tiles that its size has are asked
for. Nothing that comes back is believed before it was held against a verified checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import requests

from sekisho.common.errors import PeerError
from sekisho.control.ledger.checkpoint import size_of
from sekisho.control.ledger.edge import WIDTH
from sekisho.control.ledger.layout import CHECKPOINT, ENTRIES, read_tile_path, tile_path

SECONDS = (5.0, 60.0)
"""To connect, and between two parts of an answer."""
KEPT = 64
"""Files kept in memory: a proof's, not a log's."""
LARGEST = 2**25
"""Bytes of one file at most: a full bundle of the longest entries is half of this."""


class HttpFiles:
    """The files of the log served below ``url``."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False
        self._get = lru_cache(maxsize=KEPT)(self._fetch)

    def read(self, name: str) -> bytes | None:
        tile = read_tile_path(name)
        if tile is not None and tile[2] < self._width(tile[0], tile[1]):
            return None
        return self._get(name)

    def wider(self, level: int | str, index: int, width: int) -> Iterator[str]:
        now = self._width(level, index)
        if width < now < WIDTH:
            yield tile_path(level, index, now)
        yield tile_path(level, index)

    def names(self) -> None:
        return None

    def _width(self, level: int | str, index: int) -> int:
        """Return how wide a tile is in the tree of the checkpoint."""
        note = self._get(CHECKPOINT)
        size = 0 if note is None else size_of(note)
        hashes = size if level == ENTRIES else size // WIDTH ** int(level)
        return max(0, min(WIDTH, hashes - index * WIDTH))

    def _fetch(self, name: str) -> bytes | None:
        try:
            with self._session.get(
                f"{self.url}/{name}", timeout=SECONDS, allow_redirects=False, stream=True
            ) as answer:
                if answer.status_code == requests.codes.not_found:
                    return None
                if answer.status_code != requests.codes.ok:
                    raise PeerError(
                        "ledger.not-served", f"The ledger's server answered {answer.status_code}."
                    )
                data = answer.raw.read(LARGEST + 1, decode_content=True)
        except requests.RequestException as error:
            raise PeerError(
                "ledger.unreachable",
                f"The ledger's server does not answer ({type(error).__name__}).",
                next_step="see whether the address is right and the body is up",
            ) from error
        if len(data) > LARGEST:
            raise PeerError("ledger.not-served", "The ledger's server sent too much.")
        return bytes(data)
