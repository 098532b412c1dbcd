"""Which servers a provider pulls from, and how often: ``pull.toml`` in its folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from sekisho.common.errors import UserError
from sekisho.common.toml import read_toml

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class SignIn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """SMART Backend Services: who we are at the server, and the key that proves it.

    Attributes:
        key: JWK file with the private key (RSA for RS384, P-384 for ES384), mode 0600.
        key_id: ``kid`` under which the server knows the public half.
        token_url: the token endpoint; without it the server is asked for it.
    """

    client_id: str
    key: str
    key_id: str
    algorithm: Literal["RS384", "ES384"] = "ES384"
    scope: str = "system/*.read"
    token_url: str | None = None


class Source(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One server.

    Attributes:
        base: its FHIR base, https but on the machine itself.
        level: whose data: the whole system's, all patients', or those of one ``group``.
        types, type_filter: ``_type`` and ``_typeFilter`` of the export.
        hosts: further hosts from which files are fetched (``requiresAccessToken`` and all).
        every_hours: least time between two exports.
        patience_hours: an export that is not ready after so long is given up.
        attempts: tries of one request that the server puts off or breaks.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
    base: str
    level: Literal["system", "patient", "group"] = "patient"
    group: str | None = None
    types: tuple[str, ...] = ()
    type_filter: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    every_hours: Annotated[int, Meta(ge=1)] = 24
    patience_hours: Annotated[int, Meta(ge=1)] = 24
    attempts: Annotated[int, Meta(ge=1, le=20)] = 6
    sign_in: SignIn | None = None

    def __post_init__(self) -> None:
        if not safe(self.base) or self.base.endswith("/"):
            raise ValueError("base is an https address without a slash at its end")
        if (self.level == "group") != bool(self.group):
            raise ValueError("a group is named where the level is group, and only there")
        if self.sign_in and self.sign_in.token_url and not safe(self.sign_in.token_url):
            raise ValueError("token_url is an https address")
        if self.group and not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", self.group):
            raise ValueError("a group is named by its id")

    @property
    def kick_off(self) -> str:
        """Where an export is asked for."""
        where = {"system": "", "patient": "/Patient", "group": f"/Group/{self.group}"}
        return f"{self.base}{where[self.level]}/$export"

    def trusts(self, url: str) -> bool:
        """Whether a file, or a token, may go between us and this address."""
        named = {urlsplit(self.base).netloc, *self.hosts}
        return safe(url) and urlsplit(url).netloc in named


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    source: tuple[Source, ...] = ()


def read_sources(folder: Path) -> tuple[Source, ...]:
    """Return the servers that a provider's folder names; none where it has no such file.

    Raises:
        UserError: the file is wrong, or two servers have one name.
    """
    file = folder / "pull.toml"
    if not file.is_file():
        return ()
    found = read_toml(file, _File).source
    if len({one.name for one in found}) != len(found):
        raise UserError("pull.name", f"{file}: two sources have one name.")
    return found


def sources_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``pull.toml``."""
    return msgspec.json.schema(_File)


def safe(url: str) -> bool:
    """Whether what is said there can be read by nobody on the way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
