"""Identity fields: the only columns that an enclave takes, and the form in which they are compared.

Allowed is what is named here. A diagnosis, an insured number or a date of a visit is not, and a
table that holds one more column is refused whole.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import TYPE_CHECKING

from sekisho.common.errors import Refusal
from sekisho.data.linkage.address import read_address
from sekisho.data.linkage.matching import ID
from sekisho.data.linkage.spelling import Variants, sound, spoken, written
from sekisho.exchange.identities import COLUMNS, FIELDS, RELIABLE, TABLE

if TYPE_CHECKING:
    import pyarrow as pa

_SEXES = {"male": "m", "female": "f", "1": "m", "2": "f", "m": "m", "f": "f", "男": "m", "女": "f"}


def check_identities(tables: dict[str, pa.Table]) -> pa.Table:
    """Return the one table of identity fields.

    Raises:
        Refusal: something else is there, a column too many or too few, or of another type.
    """
    import pyarrow as pa

    rows = tables.get(TABLE)
    if rows is None or len(tables) > 1 or tuple(rows.column_names) != COLUMNS:
        raise Refusal(
            "enclave.not-identity",
            "An enclave takes one table with the identity fields, and nothing else.",
            rule=f"its columns are {', '.join(COLUMNS)}",
            next_step="send no other column: the enclave must not see what a record says",
        )
    kinds = {"cipher": pa.binary(), RELIABLE: pa.bool_()}
    wrong = [c for c in COLUMNS if rows.schema.field(c).type != kinds.get(c, pa.string())]
    tags = rows["tag"].to_pylist()
    if wrong or None in tags or len(set(tags)) < len(tags) or rows["cipher"].null_count:
        raise Refusal(
            "enclave.malformed",
            "The identity fields are not texts, or a tag is missing or named twice.",
            next_step="send them as this version of the provider's side writes them",
        )
    return rows


def compared(rows: pa.Table, variants: Variants) -> pa.Table:
    """Return the records in the form in which they are compared; a field without sense is null."""
    import pyarrow as pa

    made: dict[str, list[str | None]] = {}
    for row in rows.select(["tag", *FIELDS]).to_pylist():
        for name, value in _compared(row, variants).items():
            made.setdefault(name, []).append(value)
    names = list(made) or list(_compared(dict.fromkeys(("tag", *FIELDS)), variants))
    columns = {name: pa.array(made.get(name, []), pa.string()) for name in names}
    return pa.table({**columns, RELIABLE: rows[RELIABLE].combine_chunks()})


def _compared(row: dict[str, str | None], variants: Variants) -> dict[str, str | None]:
    address = read_address(row["address"], variants)
    birth = _birth(row["birth_date"])
    return {
        ID: row["tag"],
        "family": written(row["family"], variants),
        "given": written(row["given"], variants),
        "family_kana": spoken(row["family_kana"]),
        "given_kana": spoken(row["given_kana"]),
        "family_sound": sound(row["family_kana"]),
        "given_sound": sound(row["given_kana"]),
        "birth_date": birth,
        "birth_year": birth[:4] if birth else None,
        "birth_day": birth[4:] if birth else None,
        "sex": _SEXES.get(unicodedata.normalize("NFKC", row["sex"] or "").strip().lower()),
        "postcode": _digits(row["postcode"], 7),
        "place": address.place,
        "number": address.number,
        "phone": _phone(row["phone"]),
    }


def _birth(text: str | None) -> str | None:
    try:
        return date.fromisoformat((text or "")[:10]).strftime("%Y%m%d")
    except ValueError:
        return None


def _digits(text: str | None, length: int) -> str | None:
    digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", text or ""))
    return digits if len(digits) == length else None


def _phone(text: str | None) -> str | None:
    digits = re.sub(r"\D", "", unicodedata.normalize("NFKC", text or ""))
    if digits.startswith("81") and len(digits) >= 11:
        digits = f"0{digits[2:]}"
    return digits if 9 <= len(digits) <= 11 else None
