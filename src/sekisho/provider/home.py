"""A provider's own folder: configuration, keys, the bodies' directory, what it sent and got back.

Nothing in it leaves but what a submission sends; the keys are their owner's alone.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import msgspec
import tomli_w
from msgspec import Meta, Struct

from sekisho.cdm import CodeSystems, read_code_systems
from sekisho.common.atomicfile import write_atomically
from sekisho.common.clock import Clock
from sekisho.common.errors import UserError
from sekisho.common.randomness import RandomBytes
from sekisho.common.secretfile import read_secret, write_secret
from sekisho.common.toml import read_toml
from sekisho.exchange.client import Client
from sekisho.exchange.directory import Directory, Peer
from sekisho.exchange.keys import SigningKey
from sekisho.framework import DataKinds, Framework, kinds_of, load, provider_functions_of
from sekisho.provider.handover import Sender, agreed
from sekisho.provider.notice import Everyone, NoticeBook, Notices
from sekisho.provider.outbox import Outbox
from sekisho.provider.profile import Profile, read_mapping
from sekisho.provider.sending import Submitter
from sekisho.quality import CollectionRules, load_rules

CONFIG: Final = "provider.toml"
KEY_BYTES: Final = 32


class ProviderConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``provider.toml``. Paths are relative to it.

    Attributes:
        code: institution code, 10 digits.
        operator: the certified operator with which there is a contract.
        function: what it is (急性期, 診療所, 薬局 …), as the framework's file of functions has it.
        mapping: CSV of the institution's own numbers (`read_mapping`).
        twelve_digits: its own numbers have twelve digits.
        told_everyone_on: the day on which all its persons were given notice; without it the
            register of notices says who was told.
    """

    code: Annotated[str, Meta(pattern=r"^[0-9]{10}$")]
    framework: str = "framework.toml"
    directory: str = "directory.json"
    rules: str = "rules"
    operator: str | None = None
    function: str | None = None
    mapping: str | None = None
    twelve_digits: bool = False
    told_everyone_on: date | None = None


@dataclass(frozen=True)
class Home:
    """One provider as its folder says it is."""

    folder: Path
    config: ProviderConfig
    framework: Framework

    @classmethod
    def open(cls, folder: Path) -> Home:
        """Read a provider's folder.

        Raises:
            UserError: there is no configuration, or it is wrong.
        """
        file = folder / CONFIG
        if not file.is_file():
            raise UserError(
                "provider.no-home",
                f"{folder}: there is no {CONFIG}.",
                next_step="make the folder with `sekisho provider init`",
            )
        config = read_toml(file, ProviderConfig)
        framework = load(folder / config.framework, folder)
        asked = provider_functions_of(framework, folder / config.framework, folder)
        if config.function and config.function not in {one.id for one in asked.function}:
            raise UserError(
                "provider.no-function",
                f"{CONFIG}: there is no function {config.function!r}.",
                next_step=f"functions: {', '.join(one.id for one in asked.function)}",
            )
        if config.operator and config.operator not in {one.id for one in framework.body}:
            raise UserError(
                "provider.no-operator",
                f"{CONFIG}: the framework has no body {config.operator!r}.",
                next_step=f"bodies: {', '.join(one.id for one in framework.body)}",
            )
        return cls(folder, config, framework)

    @property
    def kinds(self) -> DataKinds:
        return kinds_of(self.framework, self.folder / self.config.framework, self.folder)

    @property
    def rules(self) -> CollectionRules:
        """The checks that a body makes when a submission lands."""
        return load_rules(self.folder / self.config.rules / "collection.toml")

    @property
    def code_systems(self) -> CodeSystems:
        """Which codes are standard ones."""
        return read_code_systems(self.folder / self.config.rules / "code-systems.toml")

    @property
    def directory(self) -> Directory:
        return Directory.read(self.folder / self.config.directory)

    @property
    def signing(self) -> SigningKey:
        return SigningKey.read(self.folder / "keys" / "signing")

    @property
    def provider_key(self) -> bytes:
        """The secret under which records, files and persons are named."""
        return read_secret(self.folder / "keys" / "records")

    @property
    def outbox(self) -> Outbox:
        return Outbox(self.folder / "outbox")

    @property
    def book(self) -> NoticeBook:
        return NoticeBook(self.folder / "notice" / "notice.db", self.provider_key)

    @property
    def notices(self) -> Notices:
        """Who was told: everyone on one day where the configuration says so, else the register."""
        told = self.config.told_everyone_on
        return self.book if told is None else Everyone(told)

    @property
    def profile(self) -> Profile:
        mapping = self.config.mapping
        return Profile(
            identifier=self.framework.open.identifier,
            mapping=read_mapping(self.folder / mapping) if mapping else {},
            twelve_digits=self.config.twelve_digits,
        )

    def submitter(self) -> Submitter:
        return Submitter(
            self.framework,
            self.kinds,
            self.config.operator,
            self.provider_key,
            self.profile,
            self.notices,
        )

    def sender(self, clock: Clock, random: RandomBytes, today: date) -> Sender:
        """Return the provider as the exchange knows it; asks the converter for the epoch.

        ``clock`` is the machine's: peers refuse messages of another time.
        """
        client = Client(self.config.code, self.signing, clock=clock, random=random)
        directory, converter = self.directory, self.framework.with_role("converter")[0]
        found = agreed(client, directory, converter)
        return Sender(
            code=self.config.code,
            key=self.signing,
            provider_key=self.provider_key,
            client=client,
            directory=directory,
            converter=converter,
            global_key=found.global_key,
            epoch=found.epoch,
            random=random,
            today=today,
        )


def make_home(
    folder: Path, config: ProviderConfig, framework_file: Path, rules: Path, random: RandomBytes
) -> Peer:
    """Lay out a provider's folder and draw its keys; return its entry for the bodies' directory.

    Args:
        rules: the folder with the rule files that the framework names, and those of the checks.

    Raises:
        UserError: the folder is not empty: keys are never written over.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UserError(
            "provider.home-not-empty",
            f"{folder}: the folder is not empty.",
            next_step="name a new folder: keys are never written over",
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.copyfile(framework_file, folder / config.framework)
    for name in ("data-kinds.toml", "providers.toml", "collection.toml", "code-systems.toml"):
        (folder / config.rules).mkdir(exist_ok=True)
        shutil.copyfile(rules / name, folder / config.rules / name)
    load(folder / config.framework, folder)
    key = SigningKey.generate(random)
    key.write(folder / "keys" / "signing")
    write_secret(folder / "keys" / "records", random(KEY_BYTES))
    raw = {name: value for name, value in msgspec.to_builtins(config).items() if value is not None}
    write_atomically(folder / CONFIG, tomli_w.dumps(raw).encode())
    return Peer(
        config.code,
        "provider",
        key.public.text,
        function=config.function,
        operator=config.operator,
    )
