"""What a rehearsal left behind, as a comparison reads it: report, framework, released bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import orjson

from sekisho.common.errors import UserError
from sekisho.framework import Framework, Text, baselines, difference, find, load

Json = dict[str, Any]
Variant = Literal[
    "own", "shared", "sync-none", "sync-lead", "sync-replicated", "sync-joint_registry"
]

VARIANTS: tuple[Variant, ...] = get_args(Variant)

VARIED: dict[Variant, Text] = {
    "own": Text(ja="枠組みのとおりの窓口", en="doors as the framework has them"),
    "shared": Text(ja="共通の窓口", en="shared doors"),
    "sync-none": Text(ja="オプトアウトを共有しない", en="desks share no choices"),
    "sync-lead": Text(ja="オプトアウトは一機関が台帳を持つ", en="one desk keeps all choices"),
    "sync-replicated": Text(ja="オプトアウトを互いに伝える", en="desks tell each other choices"),
    "sync-joint_registry": Text(ja="オプトアウトの共同台帳", en="a joint registry of choices"),
}
"""``shared``: one submission and one application, split behind the door. ``sync-…``: another way in
which a choice stated at one desk comes to count for the data of other bodies (`opt_out.sync`)."""


@dataclass(frozen=True)
class Run:
    """One framework under one scenario.

    Args:
        definition: the framework as it was run.
        report: what `sekisho run` wrote as report.json.
        released: application → file → SHA-256 of its bytes.
        change: what the framework builds and moves against today (`framework.difference`); empty
            where no record of today is known.
    """

    variant: Variant
    definition: Framework
    report: Json
    released: Mapping[str, Mapping[str, str]]
    change: Json

    @property
    def framework(self) -> str:
        return self.definition.id

    @property
    def title(self) -> Text:
        return self.definition.title

    @property
    def auxiliary(self) -> frozenset[str]:
        """The bodies that Sekisho adds."""
        return frozenset(b["body"] for b in self.report["bodies"] if b["kind"] == "auxiliary")


def read_run(folder: Path, root: Path, variant: Variant | None = None) -> Run:
    """Read what a rehearsal left in ``folder``.

    The variant is told by the folder's name (``…-shared``, ``…-sync-none``) where it is not given.

    Raises:
        UserError: the folder has no report of a run, or one that cannot be read.
    """
    report = read_report(folder / "report.json")
    own = folder / "framework.toml"
    definition = load(own if own.is_file() else find(report["framework"], root), root)
    return Run(
        variant or _variant(folder.name),
        definition,
        report,
        {name: _digests(folder / "released" / name) for name in sorted(report["released"])},
        change_of(definition, root),
    )


def _variant(name: str) -> Variant:
    return next((one for one in VARIANTS if name.endswith(f"-{one}")), "own")


def read_report(file: Path) -> Json:
    """Read a report.json.

    Raises:
        UserError: it is not there, or not the report of a run.
    """
    try:
        found = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise UserError(
            "report.unreadable", f"{file}: cannot be read as a report: {error}"
        ) from error
    if not isinstance(found, dict) or not {"framework", "measures", "bodies"} <= set(found):
        raise UserError(
            "report.other-file",
            f"{file}: is not the report of a run.",
            next_step="name the report.json that `sekisho run` wrote",
        )
    return found


def change_of(definition: Framework, root: Path) -> Json:
    """Return what a framework builds and moves against today; empty where today is unknown."""
    today = [one for one in baselines(root) if one.id != definition.id]
    return difference(today[-1], definition) if today else {}


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
