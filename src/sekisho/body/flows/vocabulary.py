"""What codes mean at this body: which vocabulary counts, and what became of codes.

The framework's ``nonstandard`` rules: convert reads codes by the vocabulary and keeps the rest as
they came; refuse holds back what is not standard; accept takes every code as it comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from sekisho.body.context import Body
from sekisho.cdm import CodeSystems, read_code_systems
from sekisho.common.errors import Refusal
from sekisho.data import collection
from sekisho.data.lake import Lake
from sekisho.data.vocabulary import VocabularyStore


def systems_of(body: Body) -> CodeSystems:
    """Return the code systems by this body's rules."""
    return read_code_systems(body.rules / "code-systems.toml")


def refuses(body: Body) -> bool:
    """Whether codes that are not standard are held back."""
    return body.framework.open.nonstandard == "refuse"


def in_force(body: Body) -> str | None:
    """Return the version that counts for what lands now; None where codes stay codes.

    The body keeps a copy of a version that it uses: its snapshots need it as long as they live.
    """
    if body.framework.open.nonstandard == "accept" or body.config.vocabulary is None:
        return None
    given = VocabularyStore((body.folders.base / body.config.vocabulary).resolve())
    newest_given = given.newest()
    if newest_given is None:
        return None
    own(body).take_over(given, newest_given.version)
    return newest_given.version


def own(body: Body) -> VocabularyStore:
    """Return the body's own copies."""
    return VocabularyStore(Lake(body.folders.lake).vocabularies)


def require_concepts(body: Body, versions: Sequence[str]) -> None:
    """Refuse a question by concepts where no vocabulary tells any.

    Args:
        versions: those that count for what is held.
    """
    found = {one.version: one for one in own(body).versions()}
    if any(version in found and found[version].has_concepts for version in versions):
        return
    accepts = body.framework.open.nonstandard == "accept"
    raise Refusal(
        "extract.no-vocabulary",
        f"The cohort names concepts, and {body.id} reads no code by a vocabulary that has any.",
        rule="a concept is known by an imported vocabulary alone; nobody is guessed into a cohort",
        next_step="name codes instead: under nonstandard = accept no vocabulary is read"
        if accepts
        else "let the body import CONCEPT and CONCEPT_RELATIONSHIP (sekisho vocab import); a new "
        "version counts from the next day on",
    )


def counted(
    body: Body, systems: CodeSystems, tables: Mapping[str, pa.Table], version: str | None
) -> collection.Codes:
    """Return what became of the codes of a submission."""
    known: tuple[Path, Path] | None = None
    if version is not None:
        files = own(body).files(version)
        known = (files.map, files.names)
    rule = body.framework.open.nonstandard
    return collection.count_codes(tables, systems, rule, version, known)
