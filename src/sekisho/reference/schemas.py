"""JSON Schemas of every file that a person writes, and of the report that a run writes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from sekisho import cdm, framework, quality
from sekisho.body.config import BodyConfig
from sekisho.control import catalogue, optout, review, uses
from sekisho.data import linkage, processing, release
from sekisho.data.analysis import study
from sekisho.data.collection import pull_schema
from sekisho.exchange import overdue
from sekisho.provider import layout_schema
from sekisho.provider.gateway import GatewayConfig
from sekisho.provider.home import ProviderConfig
from sekisho.provider.pull.config import sources_schema
from sekisho.reference.report import Report
from sekisho.rehearsal import scenario

Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def all_schemas() -> dict[str, Json]:
    """Return every schema by the name of what it describes."""
    found: dict[str, tuple[str, Json]] = {
        "framework": ("frameworks/*.toml: who performs which function", framework.schema()),
        "scenario": ("scenarios/*.toml: a rehearsal", scenario.schema()),
        "study": ("study.toml: an analysis and the tables it declares", study.schema()),
        "report": ("report.json: what a run did", msgspec.json.schema(Report)),
        "body": ("body.toml: what one body is told at its start", _of(BodyConfig)),
        "catalogue": ("rules/catalogue.toml: data sets and terms of use", catalogue.schema()),
        "rules-code-systems": ("rules/code-systems.toml: names and standing", _of(_SYSTEMS)),
        "rules-same-fact": ("rules/same-fact.toml: one fact by several routes", _of(_SAME)),
        "rules-collection": ("rules/collection.toml: checks at landing", _of(_COLLECTION)),
        "rules-enclave": ("rules/linkage/enclave.toml", linkage.enclave_rule_schema()),
        "rules-linkage": ("rules/linkage/*.toml: matching", linkage.linkage_rule_schema()),
        "rules-opt-out": ("rules/opt-out.toml: how old a list may be", optout.schema()),
        "rules-opt-out-desk": (
            "rules/opt-out-desk.toml: asking again, complaints",
            optout.desk_schema(),
        ),
        "rules-processing": ("rules/processing/*.toml: a form of processing", _of(_PROCESSING)),
        "rules-publication": ("rules/publication/*.toml: what may be published", release.schema()),
        "rules-review-application": ("rules/review/application.toml", review.form_schema()),
        "rules-review-ballot": ("rules/review/ballot.toml", review.ballot_schema()),
        "rules-review-clocks": ("rules/review/clocks.toml", review.clock_schema()),
        "rules-review-joining": ("rules/review/joining.toml", review.joining_schema()),
        "rules-review-permit": ("rules/review/permit.toml", review.permit_schema()),
        "rules-pull": ("rules/pull.toml: how often providers pull", pull_schema()),
        "provider": ("provider.toml: one provider", _of(ProviderConfig)),
        "gateway": ("gateway.toml: a provider's gateway", _of(GatewayConfig)),
        "pull": ("pull.toml: the servers that a provider pulls from", sources_schema()),
        "rules-exchange": ("rules/exchange.toml: how messages may wait", overdue.schema()),
        "rules-uses": ("rules/uses.toml: when an index of uses is missing", uses.schema()),
        "layout": ("a layout of a provider's own table", layout_schema()),
        "committee": ("committee.toml: who sits on a body's committee", review.committee_schema()),
    }
    titles = {
        "claims": "frameworks/claims.toml: the memo's merits and problems",
        "data-kinds": "rules/data-kinds.toml: kinds of data and their classes",
        "providers": "rules/providers.toml: providers by function",
    }
    found |= {name: (title, framework.schemas()[name]) for name, title in titles.items()}
    return {
        name: {**_tidied(made), "$schema": DIALECT, "title": title}
        for name, (title, made) in sorted(found.items())
    }


_COLLECTION: Any = quality.CollectionRules
_PROCESSING: Any = processing.Rules
_SAME: Any = processing.SameFact
_SYSTEMS: Any = cdm.CodeSystems


def _of(kind: Any) -> Json:
    return msgspec.json.schema(kind)


def _tidied(value: Any) -> Any:
    """Return a schema whose descriptions, taken from docstrings, have no indentation."""
    if isinstance(value, dict):
        return {
            key: inspect.cleandoc(item).replace("``", "`")
            if key == "description" and isinstance(item, str)
            else _tidied(item)
            for key, item in value.items()
        }
    return [_tidied(item) for item in value] if isinstance(value, list) else value


def pages() -> Iterator[tuple[str, str]]:
    """Yield each schema as a file, its keys in one order."""
    for name, made in all_schemas().items():
        text = json.dumps(made, ensure_ascii=False, indent=2, sort_keys=True)
        yield f"schemas/{name}.schema.json", text + "\n"
