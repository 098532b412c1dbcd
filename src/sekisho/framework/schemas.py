"""JSON Schemas of every kind of file that this room reads."""

from __future__ import annotations

from typing import Any

import msgspec

from sekisho.framework.asking import ProviderFunctions
from sekisho.framework.claims import Claims
from sekisho.framework.kinds import DataKinds
from sekisho.framework.model import Framework

FILES = {
    "framework": Framework,
    "claims": Claims,
    "data-kinds": DataKinds,
    "providers": ProviderFunctions,
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a framework file."""
    return msgspec.json.schema(Framework)


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas of all files of this room, by the name of what they describe."""
    return {name: msgspec.json.schema(kind) for name, kind in FILES.items()}
