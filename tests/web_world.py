"""Bodies of any framework in one process, for tests of their doors and pages.

Django's settings are one to a process: it is set up once, on a database of its own, and then made
to serve one laid-out body after another. What a body is follows from its folder, as always.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sekisho.body.config import BodyConfig, Folders, RehearsalOptions, read_config
from sekisho.body.endpoints import ENDPOINTS, Endpoint
from sekisho.body.service import Service
from sekisho.body.setup import Actor, Deployment, set_up
from sekisho.common.clock import SystemClock
from sekisho.common.ids import new_id
from sekisho.common.randomness import system_random
from sekisho.exchange.keys import SigningKey
from sekisho.exchange.messages import sign_request
from sekisho.framework import Framework, framework_files, load
from sekisho.web.serve import configure_django, install_body, migrate

ROOT = Path(__file__).resolve().parent.parent
ACTORS: Mapping[str, tuple[Any, tuple[str, ...]]] = {
    "clinic": ("provider", ()),
    "user": ("applicant", ()),
    "member": ("reviewer", ()),
    "output-checker": ("reviewer", ("checker",)),
    "clerk": ("reviewer", ("clerk",)),
    "desk-client": ("desk", ()),
    "insurer": ("insurer", ()),
    "watcher": ("observer", ()),
}


@dataclass(frozen=True)
class Town:
    """The laid-out bodies of one framework and everyone's keys."""

    framework: Framework
    deployment: Deployment
    keys: Mapping[str, SigningKey]


def frameworks() -> list[tuple[str, Path]]:
    """Return id and file of every framework that bodies can run."""
    return [(load(file, ROOT).id, file) for file in framework_files(ROOT)]


@cache
def home() -> Path:
    """The folder of everything that these tests lay out; removed when the process ends."""
    keep.append(tempfile.TemporaryDirectory(prefix="sekisho-web-"))
    return Path(keep[0].name)


keep: list[tempfile.TemporaryDirectory[str]] = []


@cache
def town(file: Path, rehearsal: RehearsalOptions | None = None, synthetic: bool = False) -> Town:
    """Lay out the bodies of a framework, with a party of every kind and role beside them."""
    framework = load(file, ROOT)
    folder = Path(tempfile.mkdtemp(dir=home()))
    actors = [
        Actor(name, kind, folder / "actors" / name, roles) for name, (kind, roles) in ACTORS.items()
    ]
    ports = iter(range(20000, 30000))
    deployment = set_up(
        framework,
        file,
        folder,
        rules=ROOT / "rules",
        ports=lambda: next(ports),
        actors=actors,
        rehearsal=rehearsal,
        declared_synthetic=synthetic,
    )
    keys = {a.id: SigningKey.read(a.keys / "signing") for a in actors}
    for body in deployment.configs:
        keys[body] = SigningKey.read(folder / "bodies" / body / "keys" / "signing")
    return Town(framework, deployment, keys)


def become(place: Town, body: str) -> Service:
    """Make this process serve ``body``; return it."""
    from django.conf import settings
    from django.urls import clear_url_caches

    from sekisho.web.runtime import current

    config, folders = read_config(place.deployment.configs[body])
    if settings.configured:
        install_body(config, folders)
    else:
        _first(config, folders)
    urls = importlib.import_module("sekisho.web.urls")
    importlib.reload(urls)
    clear_url_caches()
    return current()


def _first(config: BodyConfig, folders: Folders) -> None:
    folders.log.mkdir(parents=True, exist_ok=True)
    configure_django(config, folders)
    install_body(config, folders)
    migrate()


def foreign_doors(service: Service) -> Iterator[Endpoint]:
    """Yield the doors that this body must not have."""
    return (e for e in ENDPOINTS if e.path not in service.endpoints)


def signed(
    place: Town,
    body: str,
    path: str,
    sender: str,
    *,
    method: str = "POST",
    data: bytes = b"{}",
    now: datetime | None = None,
    **changed: Any,
) -> dict[str, str]:
    """Return the headers of a request as ``sender`` signs it, with what is ``changed``."""
    said: dict[str, Any] = {
        "method": method,
        "url": f"{place.deployment.urls[body]}/exchange/{path}",
        "body": data,
        "sender": sender,
        "recipient": body,
        "key": place.keys.get(sender),
        "message_id": new_id(system_random),
        "nonce": new_id(system_random),
        "now": now or SystemClock().now(),
        "content_type": "application/json",
    }
    return sign_request(**{**said, **changed})


def call(
    place: Town,
    body: str,
    path: str,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    data: bytes = b"{}",
) -> Any:
    """Bring a request to the body that this process serves; return the response."""
    from django.test import Client

    host = urlsplit(place.deployment.urls[body])
    return Client(raise_request_exception=False).generic(
        method,
        f"/exchange/{path}",
        data,
        headers.get("Content-Type", ""),
        headers={name: value for name, value in headers.items() if name != "Content-Type"},
        CONTENT_TYPE=headers.get("Content-Type", ""),  # Django leaves it out with an empty body
        SERVER_NAME=host.hostname,
        SERVER_PORT=str(host.port),
    )


def visit(path: str, **headers: str) -> Any:
    """Open a page of the body that this process serves, as a browser would."""
    from django.test import Client

    return Client().get(path, headers={"Accept": "text/html", **headers}, SERVER_NAME="127.0.0.1")


def code_of(response: Any) -> str:
    """Return the code of a problem document; nothing for another answer."""
    if not response["Content-Type"].startswith("application/problem+json"):
        return ""
    return str(response.json()["type"]).removeprefix("urn:sekisho:problem:")
