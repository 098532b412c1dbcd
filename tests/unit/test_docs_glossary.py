"""Every word of the domain that the code makes public is in the glossary, once, with a source."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from sekisho.body.endpoints import ENDPOINTS, SELF
from sekisho.control.conversion import RULES
from sekisho.framework import CLASSES, FUNCTIONS
from sekisho.framework.model import BodyKind, Role

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "GLOSSARY.md").read_text("utf-8")

ROOMS = {
    "framework": "sekisho.framework",
    "exchange": "sekisho.exchange",
    "pseudonym": "sekisho.pseudonym",
    "provider": "sekisho.provider",
    "cdm": "sekisho.cdm",
    "common": "sekisho.common.ids",
    "rehearsal": "sekisho.rehearsal.model",
    "catalogue": "sekisho.control.catalogue",
    "conversion": "sekisho.control.conversion",
    "ledger": "sekisho.control.ledger",
    "optout": "sekisho.control.optout",
    "review": "sekisho.control.review",
    "uses": "sekisho.control.uses",
    "person": "sekisho.person",
    "collection": "sekisho.data.collection",
    "quality": "sekisho.quality",
    "lake": "sekisho.data.lake",
    "linkage": "sekisho.data.linkage",
    "processing": "sekisho.data.processing",
    "release": "sekisho.data.release",
    "vocabulary": "sekisho.data.vocabulary",
}

# Classes that are no words of the domain: parts, rows, counts and files of one that is, or of the
# machinery. A class that is neither here nor in the glossary fails the test: decide which it is.
PLUMBING = {
    "framework": (
        "Ask Claims DataKinds Flow Level Pay Period ProviderFunctions Recipient Step "
        "SubmissionRoute Text"
    ),
    "exchange": "Answer Client Peer SealKey SigningKey VerifyKey",
    "pseudonym": "ConverterKeys ConverterSecret",
    "provider": "Format Identity Limits Line Note Outcome Part Prepared Refused",
    "cdm": "ByPerson Column Sliced System Table",
    "catalogue": "TableColumns Title",
    "conversion": "Facts Place",
    "ledger": (
        "Files Finding FolderFiles Held HttpFiles Judgement MemoryPending PendingStore Problem "
        "Shown TileLog TileReader TreeHead"
    ),
    "optout": "AskAgain DeskRule Entry Learned ListHeader ListRow OptOutRule Sent",
    "review": (
        "BallotRule CallBallot CastVote CheckCompleteness ClockRule CloseBallot DeclareConflict "
        "Facts FormRule JoiningRule LaneState LedgerHead ListMinimum Motion Outcome Part Period "
        "PermitRule Recognise Running SealDecision Seat Submit Substitute Tally Vote Withdraw"
    ),
    "collection": "Codes Arrival Declared Line PullRule Survey",
    "quality": "Breach CollectionRules Fate Landed Measure Measures Problem Rule Text Where",
    "uses": "Standing UsesRule",
    "person": "Asked Project StandingChoice",
    "lake": "Count DuckEngine Engine Session Targets Versions",
    "linkage": "EnclaveRule Judged Known LinkageRule Matched Matcher Overlap Score United",
    "processing": (
        "ClassCounts ExtractOrder GateCounts GateResult OptOuts Part Period PlannedTable "
        "Processed Rules"
    ),
    "release": "Caps Collected Event File Kept Member Outcome State TableOutput",
    "vocabulary": "Manifest Master Source",
}


@dataclass(frozen=True)
class Row:
    ja: str
    en: str
    definition: str
    source: str
    code: tuple[str, ...]


def _rows() -> list[Row]:
    lines = [line for line in TEXT.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [
        Row(ja, en, said, source, tuple(re.findall(r"`([^`]+)`", code)))
        for ja, en, said, source, code in cells
    ]


ROWS = _rows()
NAMED = {name for row in ROWS for name in row.code}


def test_terms_are_sorted_and_stand_once() -> None:
    english = [row.en.casefold() for row in ROWS]
    assert english == sorted(set(english))
    japanese = [row.ja for row in ROWS]
    assert len(set(japanese)) == len(japanese)


def test_every_term_has_a_definition_of_one_sentence_and_a_source_that_is_listed() -> None:
    listed = set(re.findall(r"^- \*\*\[([a-z0-9-]+)\]\*\* \S", TEXT, re.MULTILINE))
    used: set[str] = set()
    for row in ROWS:
        assert row.ja, row
        assert row.en, row
        assert row.definition.endswith("."), row.en
        assert ". " not in row.definition, row.en
        found = set(re.findall(r"\[([a-z0-9-]+)\]", row.source))
        assert found, row.en
        used |= found
    assert used == listed


@pytest.mark.parametrize("name", sorted(name for name in NAMED if "." in name))
def test_a_name_in_the_glossary_is_in_the_code(name: str) -> None:
    room, _, what = name.partition(".")
    assert hasattr(importlib.import_module(ROOMS[room]), what)


@pytest.mark.parametrize("room", sorted(PLUMBING))
def test_every_public_class_of_a_room_is_a_word_of_the_glossary_or_said_to_be_none(
    room: str,
) -> None:
    module = importlib.import_module(ROOMS[room])
    classes = {name for name in module.__all__ if inspect.isclass(getattr(module, name))}
    plumbing = set(PLUMBING[room].split())
    words = {name.partition(".")[2] for name in NAMED if name.startswith(f"{room}.")}
    assert plumbing <= classes, "no longer there"
    assert not plumbing & words
    assert classes - plumbing <= words, "neither in GLOSSARY.md nor plumbing"


def test_every_function_class_kind_role_and_party_is_in_the_glossary() -> None:
    senders = {one for door in ENDPOINTS for one in door.senders if one != SELF}
    ids = {*FUNCTIONS, *CLASSES, *get_args(BodyKind), *get_args(Role), *senders, *RULES}
    assert sorted(ids - NAMED - {"body"}) == []  # a body is there under its class
