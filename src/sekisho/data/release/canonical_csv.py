"""The one writer of released tables: UTF-8 without BOM, LF, RFC 4180 quotes only where needed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def write_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return the canonical bytes of a table of texts; the order of rows is the caller's."""
    target = io.StringIO(newline="")
    writer = csv.writer(target, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(header)
    writer.writerows(rows)
    return target.getvalue().encode("utf-8")
