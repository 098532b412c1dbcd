"""Lays out the bodies of one framework on this machine: folders, keys, directory, configuration.

On one machine one administrator owns every key: nothing here protects against that person. What it
gives is the same protocol and the same files as on several hosts.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import tomli_w

from sekisho.body.config import BodyConfig, RehearsalOptions
from sekisho.body.documents import Documents
from sekisho.body.keyring import GLOBAL, converter_file, make_keys
from sekisho.common.atomicfile import write_atomically
from sekisho.common.randomness import RandomBytes, seeded, system_random
from sekisho.common.secretfile import write_secret
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory, Kind, Peer
from sekisho.exchange.globalkey import KIND as GLOBAL_KEY_RECORD
from sekisho.exchange.keys import SealKey, SigningKey
from sekisho.framework import Framework
from sekisho.framework.model import Role
from sekisho.pseudonym.keys import ConverterSecret

CONVERTERS: tuple[Role, ...] = ("converter", "oversight")


@dataclass(frozen=True)
class Actor:
    """A party that is no body: a provider, an applicant, a reviewer, a desk's client."""

    id: str
    kind: Kind
    keys: Path
    roles: tuple[str, ...] = ()
    function: str | None = None
    operator: str | None = None


@dataclass(frozen=True)
class Deployment:
    """What was laid out: each body's configuration file and address."""

    folder: Path
    configs: Mapping[str, Path]
    urls: Mapping[str, str]
    directory: Directory


def set_up(
    framework: Framework,
    framework_file: Path,
    folder: Path,
    *,
    rules: Path,
    ports: Callable[[], int],
    actors: Sequence[Actor] = (),
    rehearsal: RehearsalOptions | None = None,
    declared_synthetic: bool = False,
    on: date | None = None,
    vocabulary: Path | None = None,
) -> Deployment:
    """Lay out every body of ``framework`` below ``folder``.

    With ``rehearsal`` all keys follow from its seed, so that pseudonyms are the same in every
    framework; without, they are drawn from the machine's randomness. ``on`` is the day that the
    ceremony's record states (a rehearsal's is its first). ``vocabulary``: the store that all bodies
    read codes by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(framework_file, folder / "framework.toml")
    shutil.copytree(rules, folder / "rules", dirs_exist_ok=True)
    draw = _randomness(rehearsal)
    urls: dict[str, str] = {body.id: f"http://127.0.0.1:{ports()}" for body in framework.body}
    peers = [_body_peer(framework, folder, body.id, urls[body.id], draw) for body in framework.body]
    global_key = _ceremony(framework, folder, draw, rehearsal.start if rehearsal else on)
    peers += [_actor_peer(actor, draw) for actor in actors]
    directory = Directory(peers)
    directory.write(folder / "directory.json")
    configs: dict[str, Path] = {}
    for body in framework.body:
        home = folder / "bodies" / body.id
        write_secret(home / "keys" / GLOBAL, global_key)
        config = BodyConfig(
            body=body.id,
            framework="../../framework.toml",
            directory="../../directory.json",
            rules="../../rules",
            listen=urls[body.id].removeprefix("http://"),
            declared_synthetic=declared_synthetic,
            vocabulary=None if vocabulary is None else str(vocabulary.resolve()),
            rehearsal=rehearsal,
        )
        configs[body.id] = home / "body.toml"
        write_atomically(configs[body.id], to_toml(config))
    return Deployment(folder, configs, urls, directory)


def to_toml(config: BodyConfig) -> bytes:
    """Return a configuration as the file that `read_config` reads."""
    raw = {k: v for k, v in msgspec.to_builtins(config).items() if v is not None}
    return tomli_w.dumps(raw).encode()


def _randomness(rehearsal: RehearsalOptions | None) -> Callable[..., RandomBytes]:
    def draw(*purpose: str) -> RandomBytes:
        return system_random if rehearsal is None else seeded(rehearsal.seed, *purpose)

    return draw


def _ceremony(
    framework: Framework, folder: Path, draw: Callable[..., RandomBytes], on: date | None
) -> bytes:
    """Each converter draws its secret; together they make and sign the global public key."""
    steps = []
    previous = None
    for role in CONVERTERS:
        keys = folder / "bodies" / framework.with_role(role)[0] / "keys"
        secret = ConverterSecret.generate(draw("converter", role))
        write_secret(converter_file(keys, 0), secret.to_bytes())
        previous = secret.public_step(previous)
        steps.append(bytes(previous).hex())
    assert previous is not None
    payload = {"steps": steps, "group": "ristretto255", "epoch": 0}
    payload |= {"on": on.isoformat()} if on else {}
    signatures = []
    for role in CONVERTERS:
        body = framework.with_role(role)[0]
        key = SigningKey.read(folder / "bodies" / body / "keys" / "signing")
        signatures.append(jws.sign_shared(payload, key, body, GLOBAL_KEY_RECORD))
    record = jws.assemble(payload, signatures)
    write_atomically(folder / "global-key.json", record.encode())
    for one in framework.body:
        Documents(folder / "bodies" / one.id / "documents").write("global-keys/0.json", record)
    return bytes(previous)


def _body_peer(
    framework: Framework, folder: Path, body: str, url: str, draw: Callable[..., RandomBytes]
) -> Peer:
    keys = folder / "bodies" / body / "keys"
    make_keys(keys, lambda purpose: draw(purpose, body))
    roles = next(b.roles for b in framework.body if b.id == body)
    both = {*roles, "converter"} if "oversight" in roles else set(roles)
    return Peer(
        id=body,
        kind="body",
        verify_key=SigningKey.read(keys / "signing").public.text,
        url=url,
        seal_recipient=SealKey.read(keys / "seal").recipient,
        roles=tuple(sorted(both)),
    )


def _actor_peer(actor: Actor, draw: Callable[..., RandomBytes]) -> Peer:
    key = SigningKey.generate(draw("signing", actor.kind, actor.id))
    key.write(actor.keys / "signing")
    return Peer(
        actor.id,
        actor.kind,
        key.public.text,
        roles=actor.roles,
        function=actor.function,
        operator=actor.operator,
    )
