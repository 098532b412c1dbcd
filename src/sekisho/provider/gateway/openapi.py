"""The gateway's OpenAPI 3.1 document, made from its table of doors."""

from __future__ import annotations

import re
from typing import Any

from sekisho.provider.gateway.doors import DOORS, Door

_SAID = {
    200: "done, or known already",
    201: "made",
    202: "taken; it is on the disk",
    204: "done",
    400: "the request is wrong: application/problem+json or OperationOutcome",
    401: "no key, or one that is not known",
    403: "the key may not use this door",
    404: "nothing of that name is this client's",
    409: "it contradicts what is known",
    413: "too large",
    415: "another content type is needed",
    460: "the checksum does not hold",
    507: "no room on the disk",
}


def document(version: str) -> dict[str, Any]:
    """Return the document."""
    paths: dict[str, dict[str, Any]] = {}
    for door in DOORS:
        paths.setdefault(door.path, {})[door.method.lower()] = _operation(door)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sekisho gateway",
            "version": version,
            "description": "The place at a provider to which hospital systems send.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(door: Door) -> dict[str, Any]:
    answers = (*door.answers, *((401, 403) if door.roles else ()))
    made: dict[str, Any] = {
        "operationId": door.name,
        "summary": door.about,
        "responses": {str(n): {"description": _SAID[n]} for n in sorted(set(answers))},
        "security": [{"key": []}] if door.roles else [],
    }
    if door.roles:
        made["description"] = f"Roles: {', '.join(sorted(door.roles))}."
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", door.path)
    ]
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in door.asks.items()
    ]
    if parameters:
        made["parameters"] = parameters
    if door.takes:
        made["requestBody"] = {"required": True, "content": {door.takes: {}}}
    return made
