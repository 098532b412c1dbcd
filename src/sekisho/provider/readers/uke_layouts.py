"""Where the fields of a receipt's lines stand, one layout for each family of receipts.

Sources: 記録条件仕様 医科用 (formats A1, and a foreign file), and DPC用, 歯科用（令和8年6月版）,
調剤用 as programs of others have written them down. What we know from memory alone is marked
[unverified]: such a line is read only where its fields have the shape that they must have.
An index is 0-based; 0 itself holds the record type and means that the layout lacks the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Items:
    """A line of what was done, given or used on the days of a month."""

    code: int
    amount: int
    points: int
    days: int
    unit: int = 0


@dataclass(frozen=True)
class Diseases:
    """A line of a disease. ``start`` is 0 where the receipt's own start of care counts."""

    code: int
    modifiers: int
    start: int = 0
    outcome: int = 0
    main: int = 0
    icd: int = 0
    rank: int = 0


@dataclass(frozen=True)
class Layout:
    """One family of receipts.

    Args:
        chart, kana, search: places in RE of カルテ番号等, カタカナ氏名 and 検索番号.
        start, outcome: places in RE of 診療開始日 and 転帰, where RE has them.
        items, diseases: record type → where its fields stand.
        care: whether a receipt is a visit; what a pharmacy dispenses is none (formats A9).
    """

    id: str
    chart: int
    kana: int
    search: int
    items: Mapping[str, Items]
    diseases: Mapping[str, Diseases] = field(default_factory=dict)
    start: int = 0
    outcome: int = 0
    care: bool = True


_MEDICAL_ITEMS = {
    "SI": Items(3, 4, 5, 13),
    "IY": Items(3, 4, 5, 13),
    "TO": Items(3, 4, 5, 17, unit=7),
}
_SY = Diseases(code=1, start=2, outcome=3, modifiers=4, main=6)

MEDICAL = Layout("medical", 13, 36, 18, _MEDICAL_ITEMS, {"SY": _SY})
DPC = Layout(
    "dpc",
    13,
    36,
    18,
    _MEDICAL_ITEMS,
    # SB [unverified]
    {"SY": _SY, "SB": Diseases(code=1, modifiers=2, icd=4, rank=5)},
)
DENTAL = Layout(
    "dental",
    15,
    25,
    19,
    {
        "SS": Items(3, 4, 76, 78),
        "SI": Items(3, 4, 5, 7),
        "IY": Items(3, 4, 5, 8),
        "TO": Items(3, 4, 12, 14, unit=5),
    },
    {"HS": Diseases(code=4, start=1, outcome=2, modifiers=5, main=9)},
    start=9,
    outcome=10,
)
DISPENSING = Layout("dispensing", 35, 41, 37, {}, care=False)

DPC_ONLY = frozenset({"BU", "SB", "KK", "SK", "GA", "HH", "GT", "CD"})
"""Record types that no other family has: one of them makes a receipt a DPC receipt."""
RECEIPT_TYPES = DPC_ONLY | {
    "HO",
    "KO",
    "SN",
    "JD",
    "MF",
    "SY",
    "SI",
    "IY",
    "TO",
    "CO",
    "SJ",
    "HS",
    "SS",
    "SH",
    "CZ",
    "KI",
    "TK",
    "ST",
    "NI",
    "KH",
    "GR",
    "TI",
    "TR",
    "TS",
}
"""Record types that stand inside a receipt."""

_BY_TABLE = {"1": MEDICAL, "3": DENTAL, "4": DISPENSING}


def layout_of(table: str, kinds: frozenset[str]) -> Layout | None:
    """Return the layout of a receipt with these record types under a 点数表; None if unknown."""
    if table == "1" and kinds & DPC_ONLY:
        return DPC
    return _BY_TABLE.get(table)
