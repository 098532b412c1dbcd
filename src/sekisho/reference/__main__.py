"""``python -m sekisho.reference docs/reference`` writes the generated documentation anew."""

from __future__ import annotations

import sys
from pathlib import Path

from sekisho.commands.output import root
from sekisho.reference import write


def main() -> int:
    """Write to the folder named on the command line; 2 where none is named."""
    if len(sys.argv) != 2:
        print("usage: python -m sekisho.reference FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    print(f"{write(folder, root())} files below {folder.parent}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
