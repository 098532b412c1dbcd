"""Bech32 text of key bytes (BIP 173), as age spells its keys. Encoding only."""

from __future__ import annotations

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def bech32(prefix: str, data: bytes) -> str:
    """Return ``data`` as lower-case bech32 under ``prefix`` (lower case)."""
    words = _in_fives(data)
    checksum = _checksum(prefix, words)
    return prefix + "1" + "".join(_ALPHABET[word] for word in words + checksum)


def _in_fives(data: bytes) -> list[int]:
    words, held, bits = [], 0, 0
    for byte in data:
        held, bits = (held << 8) | byte, bits + 8
        while bits >= 5:
            bits -= 5
            words.append((held >> bits) & 31)
        held &= (1 << bits) - 1
    if bits:
        words.append((held << (5 - bits)) & 31)
    return words


def _checksum(prefix: str, words: list[int]) -> list[int]:
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    rest = _polymod(expanded + words + [0] * 6) ^ 1
    return [(rest >> (5 * (5 - place))) & 31 for place in range(6)]


def _polymod(values: list[int]) -> int:
    state = 1
    for value in values:
        top = state >> 25
        state = ((state & 0x1FFFFFF) << 5) ^ value
        for place, generator in enumerate(_GENERATOR):
            if (top >> place) & 1:
                state ^= generator
    return state
