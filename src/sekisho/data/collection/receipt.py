"""The landing receipt: counts and a digest of what landed. The body signs it; this only states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sekisho.data.collection.balance import Balance
from sekisho.data.collection.survey import Survey
from sekisho.quality import content_digest


def receipt_payload(
    survey: Survey,
    balance: Balance,
    *,
    provider: str,
    file_digests: Sequence[str],
    withdrawn: int = 0,
) -> dict[str, Any]:
    """Return what the receipt says; equal for equal files, although their tags are random.

    What an earlier submission's records were replaced by is not in it: that depends on what was
    held before, and belongs in the ledger. ``withdrawn`` is how many units were taken back.
    """
    return {
        "provider": provider,
        "files": sorted(file_digests),
        "rules": survey.rules_version,
        "balance": [asdict(line) for line in balance.lines],
        "totals": balance.totals,
        "rows": dict(balance.rows_landed),
        "rows_quarantined": dict(balance.rows_quarantined),
        "withdrawn": withdrawn,
        "breaches": [asdict(breach) for breach in survey.breaches],
        "content": content_digest(survey.content),
        "quarantined": content_digest(survey.quarantined),
    }
