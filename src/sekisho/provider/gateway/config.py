"""How a provider's gateway listens, sends on and keeps uploads: ``gateway.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from sekisho.common.toml import read_toml


class GatewayConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Attributes:
    listen: address and port; TLS stands in front of any but the machine itself.
    at_once: what comes is sent on at once; else every ``send_seconds``.
    send_seconds: time between two looks at what waits (also after a body was away).
    upload_days: an unfinished upload is dropped after so many days.
    upload_bytes: largest file.
    request_bytes: largest body of one request; larger files come in pieces.
    job_days: what came of a job is told for so many days after it was sent.
    key_days: for so many days more the same key or content is the same job; then it is a new one.
    """

    listen: str = "127.0.0.1:8450"
    at_once: bool = True
    send_seconds: Annotated[int, Meta(ge=1)] = 300
    upload_days: Annotated[int, Meta(ge=1)] = 7
    upload_bytes: Annotated[int, Meta(ge=1)] = 16 << 30
    request_bytes: Annotated[int, Meta(ge=1)] = 64 << 20
    job_days: Annotated[int, Meta(ge=1)] = 90
    key_days: Annotated[int, Meta(ge=1)] = 365


def read_config(folder: Path) -> GatewayConfig:
    """Return the configuration in a provider's folder; without a file, what stands above."""
    file = folder / "gateway.toml"
    return read_toml(file, GatewayConfig) if file.is_file() else GatewayConfig()
