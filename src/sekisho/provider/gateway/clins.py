"""The contract of a JP-CLINS push: what a Bundle must be, taken as a whole or refused as a whole.

Source: JP-CLINS implementation guide (https://jpfhir.jp/fhir/clins/igv1/): a Bundle of type
collection begins with one Patient and has resources of one type; it is named by
``{institution}^{year}^{local}``; a resource is corrected by the triple of the person's identifier,
identifier system and identifier value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from sekisho.common.errors import UserError
from sekisho.provider.readers.jp_clins import REPORTED

BUNDLE_ID: Final = "http://jpfhir.jp/fhir/clins/bundle-identifier"
KIND_TAG: Final = "http://jpfhir.jp/fhir/clins/CodeSystem/BundleResourceType_CS"
INSURED: Final = "/JP_Insurance_memberID"
_NAME: Final = re.compile(r"[0-9]{10}\^[0-9]{4}\^.{1,36}")
_RULE: Final = "JP-CLINS implementation guide v1: Bundle (collection)"


class Fault(NamedTuple):
    """What a Bundle may be refused for: code of the problem, FHIR issue type, texts."""

    code: str
    issue: str
    ja: str
    en: str


FAULTS: Final = {
    one.code: one
    for one in (
        Fault(
            "clins.not-json", "structure", "JSONとして読めません。", "The body is not valid JSON."
        ),
        Fault(
            "clins.not-a-collection",
            "structure",
            "type が collection の Bundle ではありません。",
            "This is not a Bundle of type collection.",
        ),
        Fault(
            "clins.identifier",
            "required",
            "Bundle.identifier（医療機関番号10桁^年4桁^番号）がありません。",
            "Bundle.identifier ({institution}^{year}^{local}) is missing or malformed.",
        ),
        Fault(
            "clins.first-is-no-patient",
            "structure",
            "最初の entry が Patient ではありません。",
            "The first entry is not a Patient.",
        ),
        Fault(
            "clins.two-patients",
            "structure",
            "Patient が二つ以上あります。",
            "There is more than one Patient.",
        ),
        Fault(
            "clins.no-insured-number",
            "required",
            "Patient に被保険者個人識別子がありません。",
            "The Patient has no insured person's identifier.",
        ),
        Fault(
            "clins.two-types",
            "structure",
            "Bundle に種類の違うリソースが入っています。一種類ずつ送ってください。",
            "The Bundle holds resources of more than one type; send one type in each.",
        ),
        Fault(
            "clins.other-type",
            "not-supported",
            "この窓口で受けない種類のリソースです。",
            "The resources are of a type that this contract does not take.",
        ),
        Fault(
            "clins.tag",
            "value",
            "meta.tag の種類が中のリソースと違います。",
            "meta.tag names another type than that of the resources.",
        ),
        Fault(
            "clins.no-key",
            "required",
            "identifier（system と value）のないリソースがあります。",
            "A resource has no identifier with system and value.",
        ),
    )
}


class Broken(UserError):
    """A Bundle breaks the contract; nothing of it was taken."""

    def __init__(self, code: str, place: str) -> None:
        fault = FAULTS[code]
        super().__init__(
            code,
            f"{fault.en} / {fault.ja}",
            rule=_RULE,
            next_step="mend the Bundle and send the whole of it again",
        )
        self.place = place
        """The element at fault, as a FHIRPath; never what stands in it."""


def check(data: bytes) -> None:
    """Check that ``data`` is a Bundle as the contract has it.

    Raises:
        Broken: it does not keep the contract.
    """
    bundle = _bundle(data)
    _check_name(bundle)
    resources = [one.get("resource") if isinstance(one, dict) else None for one in _entries(bundle)]
    kinds = [one.get("resourceType") if isinstance(one, dict) else None for one in resources]
    if kinds[:1] != ["Patient"]:
        raise Broken("clins.first-is-no-patient", "Bundle.entry[0].resource")
    if "Patient" in kinds[1:]:
        raise Broken("clins.two-patients", f"Bundle.entry[{kinds.index('Patient', 1)}].resource")
    if not any(system.endswith(INSURED) for system, _ in _identifiers(resources[0])):
        raise Broken("clins.no-insured-number", "Bundle.entry[0].resource.identifier")
    if len(kinds) == 1:
        return  # a Patient alone takes back what was sent under the Bundle's name
    if len(set(kinds[1:])) > 1:
        raise Broken("clins.two-types", "Bundle.entry")
    if kinds[1] not in REPORTED:
        raise Broken("clins.other-type", "Bundle.entry[1].resource")
    if any(tag != kinds[1] for tag in _tags(bundle)):
        raise Broken("clins.tag", "Bundle.meta.tag")
    _check_keys(resources)


def _check_keys(resources: list[Any]) -> None:
    """Check that every resource can be corrected: one without its triple could not.

    The guide's own example has one key twice; then the last counts, as in a correction.
    """
    for number, one in enumerate(resources[1:], 1):
        if not list(_identifiers(one)):
            raise Broken("clins.no-key", f"Bundle.entry[{number}].resource.identifier")


def _bundle(data: bytes) -> dict[str, Any]:
    try:
        bundle = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Broken("clins.not-json", "Bundle") from None
    if not isinstance(bundle, dict) or (bundle.get("resourceType"), bundle.get("type")) != (
        "Bundle",
        "collection",
    ):
        raise Broken("clins.not-a-collection", "Bundle.type")
    return bundle


def _check_name(bundle: dict[str, Any]) -> None:
    said = bundle.get("identifier")
    value = said.get("value") if isinstance(said, dict) else None
    system = said.get("system") if isinstance(said, dict) else None
    if system != BUNDLE_ID or not isinstance(value, str) or not _NAME.fullmatch(value):
        raise Broken("clins.identifier", "Bundle.identifier")


def _entries(bundle: dict[str, Any]) -> list[Any]:
    entries = bundle.get("entry")
    return entries if isinstance(entries, list) else []


def _tags(bundle: dict[str, Any]) -> Iterator[str]:
    meta = bundle.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, dict) and tag.get("system") == KIND_TAG:
            yield str(tag.get("code"))


def _identifiers(resource: Any) -> Iterator[tuple[str, str]]:
    found = resource.get("identifier") if isinstance(resource, dict) else None
    for one in found if isinstance(found, list) else []:
        if isinstance(one, dict):
            system, value = one.get("system"), one.get("value")
            if isinstance(system, str) and isinstance(value, str) and system and value:
                yield system, value
