"""`sekisho vocab`: masters and concepts that the user supplies, as versions of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from sekisho.cdm import read_code_systems
from sekisho.commands.output import root, show_json, show_table
from sekisho.common.clock import SystemClock, today
from sekisho.data.vocabulary import Manifest, VocabularyStore

app = typer.Typer(help="Vocabularies: import masters of your own, show what is there.")

Store = Annotated[Path, typer.Option("--store", help="folder of the store; made where missing")]
AsJson = Annotated[bool, typer.Option("--json", help="print as JSON")]


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="支払基金 基本マスター, CONCEPT, CONCEPT_RELATIONSHIP and CONCEPT_ANCESTOR "
            "of Athena, maps of your own (SOURCE_TO_CONCEPT_MAP)"
        ),
    ],
    store: Store = Path("vocabulary"),
    json: AsJson = False,
) -> None:
    """Make a version of the vocabulary from these files; the same files give the same version."""
    systems = read_code_systems(root() / "rules" / "code-systems.toml")
    made = VocabularyStore(store).add(files, systems, today(SystemClock()))
    _show((made,), json)


@app.command()
def show(store: Store = Path("vocabulary"), json: AsJson = False) -> None:
    """Show the versions of a store, the newest last: their files, codes and standard concepts."""
    _show(VocabularyStore(store).versions(), json)


def _show(found: tuple[Manifest, ...], json: bool) -> None:
    if json:
        show_json({"versions": [_raw(one) for one in found]})
        return
    rows: list[tuple[Any, ...]] = [
        (one.version, one.made_on, vocabulary, codes, mapped)
        for one in found
        for vocabulary, (codes, mapped) in one.codes.items()
    ]
    columns = ("version", "made on", "vocabulary", "codes", "with a standard concept")
    show_table("Vocabularies", columns, rows)
    files = [
        (one.version, s.kind, s.file, s.sha256[:_LENGTH]) for one in found for s in one.sources
    ]
    show_table("Files", ("version", "kind", "file", "SHA-256"), files)


_LENGTH = 16
"""Hex digits of a digest in a table; JSON has them all."""


def _raw(one: Manifest) -> dict[str, Any]:
    raw: dict[str, Any] = msgspec.to_builtins(one)
    return raw
