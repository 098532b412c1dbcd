"""FHIR OperationOutcome: what a FHIR client is answered, in Japanese and English."""

from __future__ import annotations

from typing import Any, Final

from sekisho.common.errors import SekishoError
from sekisho.provider.gateway.clins import Refused

MEDIA_TYPE: Final = "application/fhir+json"
_PROBLEMS: Final = "urn:sekisho:problem"
_TRANSLATION: Final = "http://hl7.org/fhir/StructureDefinition/translation"
_TAKEN_JA: Final = "受け取りました。"
_TAKEN_EN: Final = "It was taken."


def refused(error: SekishoError) -> dict[str, Any]:
    """Return a refusal as a resource: rule and next step in ``diagnostics``."""
    known = error if isinstance(error, Refused) else None
    ja, en = (known.texts.ja, known.texts.en) if known else ("", error.message)
    more = [text for text in (error.rule, error.next_step) if text]
    issue = {
        "severity": "error",
        "code": known.issue if known else "processing",
        "details": {
            "coding": [{"system": _PROBLEMS, "code": error.code}],
            **_both(ja or en, en),
        },
        **({"diagnostics": ". ".join(more)} if more else {}),
    }
    if known:
        issue["expression"] = [known.place]
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def taken(job: str) -> dict[str, Any]:
    """Return what says that a Bundle was taken, with the id of its job."""
    issue = {
        "severity": "information",
        "code": "informational",
        "details": _both(_TAKEN_JA, _TAKEN_EN),
        "diagnostics": f"job {job}",
    }
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _both(ja: str, en: str) -> dict[str, Any]:
    """Return a text in Japanese with its translation as FHIR spells one."""
    translation = {
        "url": _TRANSLATION,
        "extension": [
            {"url": "lang", "valueCode": "en"},
            {"url": "content", "valueString": en},
        ],
    }
    return {"text": ja, "_text": {"extension": [translation]}}
