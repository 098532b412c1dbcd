"""Checkpoints: C2SP signed notes, with the vectors of the specifications."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from sekisho.common.errors import TamperError, UserError
from sekisho.common.randomness import seeded
from sekisho.control.ledger.checkpoint import (
    TreeHead,
    cosign,
    read_checkpoint,
    read_vkey,
    sign_head,
    size_of,
    vkey,
)
from sekisho.control.ledger.request import Shown
from sekisho.control.ledger.tree import EMPTY, leaf_hash, root_of
from sekisho.control.ledger.witness import Witness
from sekisho.exchange import SigningKey

KEY, OTHER = SigningKey.generate(seeded("ledger")), SigningKey.generate(seeded("witness"))
HEAD = TreeHead("sekisho/alpha", 3, root_of([leaf_hash(b"x")] * 3))
NOTE = sign_head(HEAD, KEY)
AT = datetime(2026, 4, 1, tzinfo=UTC)


def test_it_is_spelled_as_the_specification_says() -> None:
    """tlog-checkpoint: origin, size, root; signed-note: key id over name, 0x01 and key."""
    text, _, line = NOTE.decode().partition("\n\n")
    assert text.split("\n")[:2] == ["sekisho/alpha", "3"]
    assert base64.b64decode(text.split("\n")[2]) == HEAD.root
    dash, name, blob = line.removesuffix("\n").split(" ")
    assert (dash, name) == ("—", "sekisho/alpha")
    signature = base64.b64decode(blob)
    assert signature[:4] == sha256(b"sekisho/alpha\n\x01" + KEY.public.raw).digest()[:4]
    assert KEY.public.verifies(signature[4:], text.encode() + b"\n")


def test_it_reads_back() -> None:
    assert read_checkpoint(NOTE, HEAD.origin, KEY.public).head == HEAD
    assert size_of(NOTE) == 3
    empty = TreeHead("sekisho/alpha", 0, EMPTY)
    assert read_checkpoint(sign_head(empty, KEY), "sekisho/alpha", KEY.public).head == empty


def test_a_co_signature_is_that_of_the_specification() -> None:
    """tlog-cosignature v1: type 0x04, a 64-bit time, and a signature over header, time, text."""
    line = cosign(NOTE, "sekisho/oversight", OTHER, AT)
    blob = base64.b64decode(line.decode().split(" ")[2])
    assert blob[:4] == sha256(b"sekisho/oversight\n\x04" + OTHER.public.raw).digest()[:4]
    seconds = int.from_bytes(blob[4:12], "big")
    assert seconds == int(AT.timestamp())
    message = f"cosignature/v1\ntime {seconds}\n{HEAD.text()}".encode()
    assert OTHER.public.verifies(blob[12:], message)
    witnesses = {"sekisho/oversight": OTHER.public}
    read = read_checkpoint(NOTE + line, HEAD.origin, KEY.public, witnesses)
    assert read.witnessed == {"sekisho/oversight": AT}


def test_every_flipped_bit_is_detected() -> None:
    witnesses = {"sekisho/oversight": OTHER.public}
    note = NOTE + cosign(NOTE, "sekisho/oversight", OTHER, AT)
    read_checkpoint(note, HEAD.origin, KEY.public, witnesses)
    for place in range(len(note)):
        for bit in range(8):
            flipped = note[:place] + bytes([note[place] ^ 1 << bit]) + note[place + 1 :]
            with pytest.raises(TamperError):
                read_checkpoint(flipped, HEAD.origin, KEY.public, witnesses)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE + NOTE.split(b"\n\n")[1],
        NOTE.split(b"\n\n")[0] + b"\n\n",
        NOTE.split(b"\n\n")[1],
        NOTE.replace(b"\n3\n", b"\n03\n"),
        NOTE.replace(b"\n\n", b"\nextension\n\n"),
        NOTE + cosign(NOTE, "sekisho/stranger", OTHER, AT),
        sign_head(HEAD, OTHER),
        sign_head(TreeHead("sekisho/beta", 3, HEAD.root), KEY),
        cosign(NOTE, "sekisho/alpha", KEY, AT).join([NOTE.split(b"\xe2")[0], b""]),
    ],
)
def test_any_other_note_is_refused(note: bytes) -> None:
    with pytest.raises(TamperError):
        read_checkpoint(note, HEAD.origin, KEY.public)


def heads(*leaves: bytes) -> TreeHead:
    return TreeHead("sekisho/alpha", len(leaves), root_of([leaf_hash(leaf) for leaf in leaves]))


def test_a_witness_signs_only_what_continues_what_it_saw() -> None:
    witness = Witness("sekisho/oversight", OTHER)
    first, grown, forked = heads(b"a"), heads(b"a", b"b"), heads(b"x", b"b")

    def judge(head: TreeHead, seen: TreeHead | None, proof: list[bytes], key=KEY):
        shown = Shown(seen.size if seen else 0, tuple(proof), sign_head(head, key))
        return witness.judge(shown, "sekisho/alpha", KEY.public, seen, AT)

    assert judge(first, None, []).finding == "first"
    judged = judge(grown, first, [leaf_hash(b"b")])
    assert (judged.finding, judged.head) == ("grown", grown)
    names = {"sekisho/oversight": OTHER.public}
    assert read_checkpoint(judged.cosigned, "sekisho/alpha", KEY.public, names).witnessed
    for head, seen, finding in (
        (forked, first, "fork"),
        (forked, grown, "fork"),
        (first, grown, "rollback"),
    ):
        judged = judge(head, seen, [leaf_hash(b"b")] if seen is first else [])
        assert (judged.finding, judged.cosigned) == (finding, None)
    with pytest.raises(TamperError):
        judge(grown, None, [], key=OTHER)
    answer_to_another_question = Shown(0, (), sign_head(grown, KEY))
    with pytest.raises(TamperError):
        witness.judge(answer_to_another_question, "sekisho/alpha", KEY.public, first, AT)


def test_what_is_shown_to_a_witness_is_spelled_as_the_specification_says() -> None:
    """tlog-witness, add-checkpoint: old size, proof, empty line, checkpoint."""
    shown = Shown(1, (leaf_hash(b"b"),), NOTE)
    old, proof, empty, *rest = shown.text().split("\n")
    assert (old, base64.b64decode(proof), empty) == ("old 1", leaf_hash(b"b"), "")
    assert "\n".join(rest).encode() == NOTE
    assert Shown.from_text(shown.text()) == shown
    assert Shown.from_text(Shown(0, (), NOTE).text()) == Shown(0, (), NOTE)
    spelled = shown.text()
    for text in (
        "",
        "old 01" + spelled[5:],
        spelled.replace("old", "new"),
        spelled.replace("\n\n", "\nAAAA\n\n"),
        "old 1\n" + "\n".join([proof] * 64) + "\n\n" + NOTE.decode(),
    ):
        with pytest.raises(TamperError):
            Shown.from_text(text)


def test_an_empty_tree_has_one_root() -> None:
    with pytest.raises(TamperError):
        read_checkpoint(
            sign_head(TreeHead("sekisho/alpha", 0, HEAD.root), KEY), "sekisho/alpha", KEY.public
        )


def test_a_ledgers_key_is_spelled_as_other_tools_take_it() -> None:
    """signed-note, vkey: name, key id in hex, and the algorithm byte before the key."""
    name, ident, material = vkey("sekisho/alpha", KEY.public).split("+", 2)
    assert base64.b64decode(material) == b"\x01" + KEY.public.raw
    assert bytes.fromhex(ident) == base64.b64decode(NOTE.split(b" ")[-1])[:4]
    assert read_vkey(vkey("sekisho/alpha", KEY.public)) == (name, KEY.public)
    for other in ("", "a+b", vkey("sekisho/beta", KEY.public).replace("beta", "alpha")):
        with pytest.raises(UserError):
            read_vkey(other)
