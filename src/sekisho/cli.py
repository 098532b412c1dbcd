"""The command line: data on stdout, progress and errors on stderr, a code per error class."""

from __future__ import annotations

import gc
import os
import platform
import sys

from sekisho.common.errors import SekishoError


def arrow_pool() -> str:
    """Return where Arrow is to take its memory from.

    Its own choice, mimalloc, gives memory back in pages of 2 MB, which the kernel fills with zeros
    again; the C library's is left in pieces by what is read for minutes. Only builds for this
    machine are sure to have jemalloc.
    """
    usual = sys.platform == "linux" and platform.machine() == "x86_64"
    return "jemalloc" if usual else "system"


def settle_memory() -> None:
    """Say how this process keeps memory; before Arrow is loaded, for the pool to count."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", arrow_pool())
    # Rows are tuples by the million that soon go and are in no circle: to look through the young
    # ones every 700 costs a twentieth of the time that preparing a submission takes.
    gc.set_threshold(100_000, 20, 100)


def main() -> None:
    """Run `sekisho`."""
    settle_memory()
    from sekisho.commands import app, not_installed

    try:
        try:
            app()
        except ModuleNotFoundError as missing:
            raise not_installed(missing) from None
    except SekishoError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
