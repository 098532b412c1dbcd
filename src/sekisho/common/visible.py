"""Text from files that nobody here wrote, as it may be shown: on a page, in a terminal, in JSON."""

from __future__ import annotations

import unicodedata
from typing import Final

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, marks that turn the reading order, halves of pairs, ends of lines (Unicode TR36)."""
_CUT: Final = " … "


def visible(text: str, most: int | None = None) -> str:
    """Return ``text`` with everything spelled out that cannot be seen: ``[U+202E]``.

    A file's name that is no UTF-8 is read as CP932, as a Windows archive has it; where it is not
    that either, its bytes are told as ``[0x83]``.

    Args:
        most: about how many characters; of a longer text the middle is left out.
    """
    try:  # bytes of a name that Python could not read (PEP 383)
        text = text.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeDecodeError as error:
        text = _as_windows(error.object) or text
    except UnicodeEncodeError:
        pass
    if most is not None and len(text) > most:
        half = most // 2
        text = f"{text[:half]}{_CUT}{text[len(text) - half :]}"
    return "".join(map(_spelled, text))


def _as_windows(name: bytes) -> str | None:
    try:
        return name.decode("cp932")
    except UnicodeDecodeError:
        return None


def _spelled(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN:
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        return f"[0x{number - 0xDC00:02X}]"
    return f"[U+{number:04X}]"
