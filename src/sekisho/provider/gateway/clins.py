"""The contract of a JP-CLINS push: a report's Bundle, taken as a whole or refused as a whole.

What a Bundle must be is what the reader asks of it (`readers.clins_rules`), so that nothing is
taken here that would be refused later. A push asks for more: a collection and no document, types
that the service takes and no others, a person who can be told by the insured number, and resources
that can be corrected one by one, by identifier system and value.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from sekisho.common.errors import UserError
from sekisho.provider.explained import Explanation
from sekisho.provider.findings import EXPLANATIONS
from sekisho.provider.readers.clins_rules import COLLECTION, REPORTED, Broken
from sekisho.provider.readers.jp_clins import broken_in
from sekisho.pseudonym.identifiers import JP_INSURED

_PUSH: Final = "JP-CLINS implementation guide v1: Bundle (collection)"
PUSHED: Final = {
    "clins.not-a-collection": Explanation(
        "type が collection の Bundle ではありません。",
        "This is not a Bundle of type collection.",
        _PUSH,
    ),
    "clins.no-insured-number": Explanation(
        "Patient に被保険者個人識別子がありません。",
        "The Patient has no insured person's identifier.",
        _PUSH,
    ),
    "clins.other-type": Explanation(
        "この窓口で受けない種類のリソースです。",
        "The resources are of a type that this contract does not take.",
        _PUSH,
    ),
    "clins.no-key": Explanation(
        "identifier（system と value）のないリソースがあります。",
        "A resource has no identifier with system and value.",
        _PUSH,
    ),
}
"""What only a push asks for; the reader's rules have their texts with its findings."""
_ISSUES: Final = {
    "clins.no-insured-number": "required",
    "clins.no-key": "required",
    "clins.identifier": "required",
    "clins.other-type": "not-supported",
    "clins.mixed": "value",
}
"""FHIR issue types, but for `structure`."""
_AT: Final = {
    "clins.type": "Bundle.type",
    "clins.not-a-collection": "Bundle.type",
    "clins.identifier": "Bundle.identifier",
}


class Refused(UserError):
    """A Bundle breaks a rule; nothing of it was taken."""

    def __init__(self, broken: Broken) -> None:
        self.texts = PUSHED.get(broken.code) or EXPLANATIONS[broken.code]
        super().__init__(
            broken.code,
            f"{self.texts.en} / {self.texts.ja}",
            rule=self.texts.rule,
            next_step="mend the Bundle and send the whole of it again",
        )
        self.issue = _ISSUES.get(broken.code, "structure")
        entry = "Bundle" if broken.entry is None else f"Bundle.entry[{broken.entry}].resource"
        self.place = _AT.get(broken.code, entry)
        """The element at fault, as a FHIRPath; never what stands in it."""


def check(data: bytes) -> None:
    """Check that ``data`` is a Bundle as the contract has it.

    Raises:
        Refused: it does not keep the contract.
    """
    broken = _unlike_a_push(data) or broken_in(data) or _beyond(data)
    if broken is not None:
        raise Refused(broken)


def _unlike_a_push(data: bytes) -> Broken | None:
    """Say what is no report at all; what cannot be read is the reader's to say."""
    bundle = _json(data)
    if bundle is None:
        return None
    kind = bundle.get("resourceType"), bundle.get("type")
    return None if kind == ("Bundle", COLLECTION) else Broken("clins.not-a-collection")


def _beyond(data: bytes) -> Broken | None:
    """Say what a push must have beyond the reader's rules, which ``data`` keeps.

    A Patient alone takes back what was sent under the Bundle's name. The guide's own example has
    one key twice; then the last counts, as in a correction.
    """
    resources = [one["resource"] for one in (_json(data) or {}).get("entry", [])]
    for number, one in enumerate(resources):
        systems = {identifier["system"] for identifier in _identifiers(one)}
        if number == 0:
            if JP_INSURED not in systems:
                return Broken("clins.no-insured-number", number)
        elif one["resourceType"] not in REPORTED:
            return Broken("clins.other-type", number)
        elif not systems:
            return Broken("clins.no-key", number)
    return None


def _identifiers(resource: dict[str, Any]) -> list[dict[str, Any]]:
    found = resource.get("identifier")
    return [
        one
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, dict) and one.get("system") and one.get("value")
    ]


def _json(data: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
