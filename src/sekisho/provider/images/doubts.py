"""What a header cannot settle about its pixels: codes that make later processing look at them."""

from __future__ import annotations

from typing import Final

from sekisho.provider.images.file import Head

_SECONDARY: Final = "1.2.840.10008.5.1.4.1.1.7"
_HEADS: Final = ("HEAD", "BRAIN", "FACE", "SKULL", "HEADNECK", "ORBIT", "JAW")


def doubts_of(head: Head) -> tuple[str, ...]:
    """Return the codes, in order of their names.

    ``burned-in``: the header says so; ``burned-in-unknown``: it does not say that there is nothing
    (headers are no proof: pydicom issue 375). ``overlay``: a plane that may be drawn into the
    pixels. ``secondary-capture``: a screen or a scan. ``compressed``: a stream with room for
    comments. ``face``: the body part is a head, which can be drawn from slices.
    """
    data = head.data
    found = set()
    burned = str(data.get("BurnedInAnnotation", "") or "")
    if burned != "NO":
        found.add("burned-in" if burned == "YES" else "burned-in-unknown")
    if any(0x6000 <= tag.group <= 0x60FF for tag in data.keys()):  # noqa: SIM118
        found.add("overlay")
    captured = str(data.get("SOPClassUID", "") or "").startswith(_SECONDARY)
    if captured or data.get("ConversionType"):
        found.add("secondary-capture")
    if head.encapsulated:
        found.add("compressed")
    if str(data.get("BodyPartExamined", "") or "").upper().replace(" ", "") in _HEADS:
        found.add("face")
    return tuple(sorted(found))
