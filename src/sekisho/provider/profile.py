"""How one provider's records are tied to persons: which identifier counts, what its own mean.

A profile is the provider's own: its mapping file never leaves it. What is settled here is a
person key; a body learns of it nothing but a pseudonym and the method.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec.structs import replace

from sekisho.common.errors import Refusal, SekishoError, UserError
from sekisho.framework.model import Identifier
from sekisho.provider.records import MY_NUMBER, NO_IDENTIFIER, SAMPLE, Identity
from sekisho.pseudonym.identifiers import JP_LOCAL, PersonKey, local, parse_spec
from sekisho.pseudonym.numbers import fold, is_my_number

_COLUMNS = {"local", "insured", "birth", "sex"}


@dataclass(frozen=True)
class Profile:
    """See `read_mapping` for ``mapping``: the institution's own number → the person's key.

    Args:
        identifier: what the framework ties records by.
        local_systems: beginnings of the systems whose numbers are this institution's own.
        institution: the code (10 digits) that completes JP Core's system of an institution's own
            numbers where a format does not say whose they are; without it they tie nothing.
        twelve_digits: its own numbers have twelve digits. Without this word for it such a number
            whose last digit fits is refused as an individual number, as one in ten does.
    """

    identifier: Identifier = "history"
    mapping: Mapping[str, PersonKey] = field(default_factory=dict, repr=False)
    local_systems: tuple[str, ...] = (JP_LOCAL,)
    twelve_digits: bool = False
    institution: str = ""

    @property
    def by_name(self) -> bool:
        """Whether a key by name counts."""
        return self.identifier == "kana_birth_sex"

    def settle(self, identity: Identity) -> Identity:
        """Return ``identity`` with the key that counts here, or why there is none."""
        if identity.problem == MY_NUMBER or self._holds_my_number(identity):
            return replace(identity, key=None, problem=MY_NUMBER)
        if self.by_name and identity.named is not None:
            return replace(identity, key=identity.named, problem="", doubts=())
        if identity.problem != NO_IDENTIFIER:
            return identity
        key = self.own(identity.others)
        return replace(identity, key=key, problem=NO_IDENTIFIER if key is None else "")

    def own(self, others: tuple[tuple[str, str], ...]) -> PersonKey | None:
        """Return the key of a person of whom only the institution's own numbers are known."""
        for system, value in others:
            if system == SAMPLE and fold(value) in self.mapping:
                return self.mapping[fold(value)]
            if system.startswith(self.local_systems):
                mapped = self.mapping.get(fold(value))
                whose = f"{JP_LOCAL}{self.institution}" if system == JP_LOCAL else system
                if mapped is not None or whose == JP_LOCAL:
                    return mapped
                return local(whose, value, twelve_digits=self.twelve_digits)
        return None

    def _holds_my_number(self, identity: Identity) -> bool:
        return any(
            is_my_number(value)
            and not (self.twelve_digits and system.startswith(self.local_systems))
            for system, value in identity.others
        )


def read_mapping(path: Path) -> dict[str, PersonKey]:
    """Read a hospital's file of its own numbers: CSV with ``local``, ``insured``.

    ``insured`` is 保険者番号:記号:番号:枝番; ``birth`` and ``sex`` complete a number without 枝番.

    Raises:
        UserError: a column is missing or unknown, a number stands twice, or a line is no person's;
            the line is named, what stands in it is not.
    """
    made: dict[str, PersonKey] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        columns = set(rows.fieldnames or ())
        if not {"local", "insured"} <= columns <= _COLUMNS:
            raise _wrong(path, 1, f"the columns are not {', '.join(sorted(_COLUMNS))}")
        for line, row in enumerate(rows, 2):
            own = fold(row.pop("local") or "")
            try:
                key = parse_spec({name: text for name, text in row.items() if text})
            except Refusal:
                raise
            except (SekishoError, TypeError):
                raise _wrong(path, line, "the insured number cannot be read") from None
            if not own or own in made:
                raise _wrong(path, line, "the local number is empty, or stands there twice")
            made[own] = key
    return made


def _wrong(path: Path, line: int, what: str) -> UserError:
    return UserError(
        "provider.mapping",
        f"{path.name}, line {line}: {what}.",
        next_step="one line for each of the institution's own numbers: local,insured,birth,sex",
    )
