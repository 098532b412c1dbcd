"""Tells a body's worker that there is work, so that it need not ask its database all the time."""

from __future__ import annotations

import os
import select

_AT_ONCE = 1 << 16


class Bell:
    """A pipe between the web process and the worker that it forks; make it before the fork."""

    def __init__(self) -> None:
        self._heard, self._rung = os.pipe()
        os.set_blocking(self._heard, False)
        os.set_blocking(self._rung, False)

    def ring(self) -> None:
        """Wake the worker; a bell that nobody has heard yet need not be rung louder."""
        try:
            os.write(self._rung, b"\0")
        except BlockingIOError:
            return

    def wait(self, seconds: float) -> bool:
        """Wait for a ring, or so long; return whether it rang. Rings before count once."""
        heard, _, _ = select.select([self._heard], [], [], seconds)
        if heard:
            os.read(self._heard, _AT_ONCE)
        return bool(heard)
