"""The header of an image without who it shows, by the rule set; a new data set is built from what
may stay, so that nothing stays by being overlooked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from sekisho.provider.images.profile import Profile

Naming = Callable[[str, str], str]
"""(what, local name) → the keyed name, 32 hexadecimal digits."""

_REGISTERED: Final = "1.2.840.10008."
"""Root of the standard's own UIDs (PS3.5 section 9): classes and syntaxes, never instances."""
_CODE: Final = re.compile(r"[A-Z0-9_ ]{0,16}")
_PATIENT: Final = 0x0010
_PART: Final = 5
"""Shortest text whose presence afterwards is taken for a leftover, as in the search on disks."""


class Residue(Exception):
    """Something that the rule set takes out still stands in the header."""


def deidentified(data: Dataset, profile: Profile, name: Naming) -> Dataset:
    """Return a data set with only what may stay; it says so itself (PS3.15 E.1.1).

    Raises:
        Residue: a value that was taken out stands elsewhere in the result.
    """
    rules = _Rules(profile, name)
    made = rules.clean(data)
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = "PS3.15 Annex E Basic Profile; pixels not inspected"
    _check(made, rules.gone)
    return made


class _Rules:
    def __init__(self, profile: Profile, name: Naming) -> None:
        self._profile, self._name = profile, name
        self._actions, self._patterns = profile.by_tag(), profile.patterns()
        self.gone: set[str] = set()

    def clean(self, data: Dataset) -> Dataset:
        made = Dataset()
        for tag in data.keys():  # noqa: SIM118  # a data set iterates over elements, decoding all
            try:
                element = data[tag]
                kept = self._element(element)
            except RecursionError:
                raise
            except Exception:  # a value that cannot be decoded is a value that cannot stay
                kept = None
            if kept is not None:
                made.add(kept)
        return made

    def _element(self, element: DataElement) -> DataElement | None:
        action = self._action(element.tag)
        if action in ("X", "Z", "D"):
            self.gone.update(_texts(element))
        if action == "X":
            return None
        if element.VR == "SQ":
            items = [] if action == "Z" else [self.clean(item) for item in element.value]
            return DataElement(element.tag, "SQ", items)
        if action == "Z":
            return DataElement(element.tag, element.VR, None)
        if action == "D":
            dummy = self._profile.dummy.get(element.VR)
            return None if dummy is None else DataElement(element.tag, element.VR, dummy)
        if element.VR == "UI":
            return DataElement(element.tag, "UI", self._uids(element, all_of_them=action == "U"))
        kept = _hex(element.tag) in self._profile.kept or element.VR in self._profile.kept_vr
        if not kept or (element.VR == "CS" and not _are_codes(element)):
            self.gone.update(_texts(element))
            return None
        return element

    def _action(self, tag: BaseTag) -> str:
        if tag.is_private:
            return self._profile.private
        spelled = _hex(tag)
        found = self._actions.get(spelled)
        if found is not None:
            return found
        return next((act for pattern, act in self._patterns if pattern.fullmatch(spelled)), "")

    def _uids(self, element: DataElement, *, all_of_them: bool) -> list[str]:
        made = []
        for uid in _values(element):
            if uid.startswith(_REGISTERED) and not all_of_them:
                made.append(uid)
            elif uid:
                self.gone.add(uid)
                made.append(f"2.25.{int(self._name('uid', uid), 16)}")
        return made


def _values(element: DataElement) -> Iterator[str]:
    value = element.value
    if value is None or isinstance(value, bytes):
        return
    for one in value if isinstance(value, MultiValue | list) else [value]:
        yield str(one)


def _texts(element: DataElement) -> Iterator[str]:
    """Yield texts that name someone: names, UIDs, what is said of the patient.

    Other texts (a description of a study) may stand as a code elsewhere, which says no more.
    """
    of_patient = element.tag.group == _PATIENT and element.VR in ("LO", "LT", "SH", "ST", "UT")
    if of_patient or element.VR in ("PN", "UI"):
        for text in _values(element):
            if len(text.strip()) >= _PART:
                yield text.strip()


def _are_codes(element: DataElement) -> bool:
    return all(_CODE.fullmatch(text) for text in _values(element))


def _check(made: Dataset, gone: set[str]) -> None:
    for element in made.iterall():
        if element.VR in ("SQ", "OW", "OB"):
            continue
        if any(left in text for text in _values(element) for left in gone):
            raise Residue


def _hex(tag: BaseTag) -> str:
    return f"{int(tag):08X}"
