"""HL7 v2.5 messages as SS-MIX2 writes them: bytes → segments, one component at a time.

Rules kept (JAMI SS-MIX2 標準化ストレージ 仕様書 Ver.1.2): ISO-2022-JP where MSH-18 says ISO IR87,
segments end with CR, delimiters are the usual five. Splitting and escapes are the library's (hl7).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import hl7
from hl7.util import unescape

from sekisho.provider.readers.fhir_values import day, decimal_text
from sekisho.provider.records import Unreadable

_START = "MSH|^~\\&|"
_TIME = re.compile(r"(\d{4})(\d\d)?(\d\d)?(?:\d{2,6}(?:\.\d{1,4})?)?(?:[+-]\d{4})?", re.ASCII)
_CODE = re.compile(r"[^\s\x00-\x1f]{1,100}")
_ESCAPE = re.compile(r"\\[FSTRE]\\", re.ASCII)
_CHARSETS = {"", "ISOIR87", "ISOIR14", "ISOIR6", "ASCII"}
SYSTEMS = {
    "JC10": "http://medis.or.jp/CodeSystem/master-JLAC10-17digits",
    "JC11": "http://medis.or.jp/CodeSystem/master-JLAC11-17digits",
    "HOT9": "http://medis.or.jp/CodeSystem/master-HOT9",
    "YJ": "http://capstandard.jp/iyaku.info/CodeSystem/YJ-code",
    "MDCDX2": "http://medis.or.jp/CodeSystem/master-disease-keyNumber",
    "I10": "http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full",
}
"""Names of code systems in SS-MIX2 → what JP Core and JP-CLINS call the same system."""


@dataclass(frozen=True)
class Segment:
    """One segment; ``number`` is its 1-based place in the file."""

    number: int
    kind: str
    _fields: Any

    def get(self, field: int, component: int = 1, repeat: int = 1) -> str:
        """Return one component, unescaped and stripped; empty where it is absent.

        Raises:
            Unreadable: an escape sequence that is none.
        """
        text = self._raw(field, component, repeat)
        if "\\" not in text:
            return text.strip()
        if "\\" in _ESCAPE.sub("", text):
            raise Unreadable("hl7.malformed")
        return str(unescape(self._fields, text)).strip()

    def _raw(self, field: int, component: int, repeat: int) -> str:
        # not the library's `extract_field`: it logs the text where an escape is odd
        found: Any = self._fields
        for place in (field, repeat, component, 1):
            first_only = isinstance(found, str)
            if first_only and place != 1:
                return ""
            if not first_only:
                if place >= len(found) + (found is not self._fields):
                    return ""
                found = found(place)
        return str(found)

    def components(self, field: int) -> Iterator[str]:
        """Yield every first-level component of all repeats of a field."""
        if field >= len(self._fields):
            return
        for repeat in range(1, len(self._fields(field)) + 1):
            for component in range(1, 10):
                yield self.get(field, component, repeat)

    def day(self, field: int) -> int | None:
        """Return a time stamp as days since 1970-01-01, None where absent; of a month, its first.

        Raises:
            Unreadable: impossible.
        """
        text = self.get(field)
        if not text:
            return None
        match = _TIME.fullmatch(text)
        if not match:
            raise Unreadable("date.impossible")
        return day("-".join(part for part in match.groups() if part))

    def number_in(self, field: int) -> str | None:
        """Return a number in canonical spelling, None where absent.

        Raises:
            Unreadable: it is none.
        """
        text = self.get(field)
        if not text:
            return None
        try:
            return decimal_text(Decimal(text))
        except InvalidOperation:
            raise Unreadable("hl7.number") from None

    def coded(self, field: int) -> tuple[str, str | None] | None:
        """Return (code, system) of a coded element, the standard one of the two that it may hold.

        Displays are never looked at. None where there is no code.
        """
        found = []
        for first in (1, 4):
            code, system = self.get(field, first), self.get(field, first + 2)
            if _CODE.fullmatch(code):
                found.append((code, system))
        if not found:
            return None
        code, system = next((one for one in found if one[1] in SYSTEMS), found[0])
        return code, SYSTEMS.get(system, system[:40] or None)


def parse(data: bytes) -> tuple[Segment, ...]:
    """Return the segments of one message, MSH first.

    Raises:
        Unreadable: NUL, not ISO-2022-JP (half-width kana and 外字 are not allowed either), another
            character set named, or no HL7 message.
    """
    if b"\0" in data:
        raise Unreadable("line.nul")
    try:
        text = data.decode("iso2022_jp")
    except UnicodeDecodeError:
        raise Unreadable("line.encoding") from None
    text = text.replace("\r\n", "\r").replace("\n", "\r").strip()
    if not text.startswith(_START):
        raise Unreadable("hl7.header")
    lines = [(n, line) for n, line in enumerate(text.split("\r"), 1) if line.strip()]
    try:
        split = hl7.parse("\r".join(line for _, line in lines))
        made = tuple(
            Segment(number, line[:3], fields)
            for (number, line), fields in zip(lines, split, strict=True)
        )
    except (hl7.HL7Exception, IndexError, ValueError, RecursionError):
        raise Unreadable("hl7.malformed") from None
    named = {name.replace(" ", "") for name in made[0].components(18)}
    if not named <= _CHARSETS:
        raise Unreadable("hl7.charset")
    return made
