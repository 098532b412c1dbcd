"""The command line: data on stdout, progress and errors on stderr, a code per error class."""

from __future__ import annotations

import os
import sys

from sekisho.common.errors import SekishoError


def main() -> None:
    """Run `sekisho`."""
    # Arrow's own allocator gives large memory back at once, and the kernel fills it with zeros anew
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
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
