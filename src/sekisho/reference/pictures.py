"""The drawings of the shipped frameworks, as files for the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sekisho.framework import all_frameworks, draw


def pages(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (file name, SVG) for every framework in ``root``/frameworks."""
    for framework in all_frameworks(root):
        yield f"{framework.id}.svg", draw(framework)
