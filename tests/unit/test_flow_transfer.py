"""A transfer arrives as its sender signed it, or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from memory_town import ROOT, MemoryTown
from sekisho.body.flows import transfer
from sekisho.common.canonical import digest
from sekisho.common.errors import TamperError
from sekisho.common.ids import body_domain, new_tag, registry_domain
from sekisho.common.randomness import system_random
from sekisho.exchange.transfer import Reason, Transfer, encrypt_persons, make_transfer
from sekisho.pseudonym.group import random_element

SENDER, RECEIVER = "national", "alpha"


@pytest.fixture
def town(tmp_path: Path) -> MemoryTown:
    return MemoryTown(ROOT / "frameworks" / "2-1.toml", tmp_path)


def made(town: MemoryTown, said: str) -> Transfer:
    """Return a transfer with one value in its payload."""
    sender, receiver = town.body(SENDER), town.body(RECEIVER)
    persons = [(new_tag(system_random), random_element(system_random))]
    reason = Reason(
        id="one",
        kind="opt_out_list",
        from_domain=registry_domain(SENDER),
        to_domain=body_domain(RECEIVER),
        receiver=RECEIVER,
        room="collection",
        max_rows=1,
        expires="2099-01-01",
    )
    return make_transfer(
        reason,
        signer=SENDER,
        key=sender.keys.signing,
        persons=encrypt_persons(persons, sender.global_key, system_random),
        payload={"said": pa.table({"said": [said]})},
        recipient=receiver.keys.seal.recipient,
        global_key=sender.global_key,
        sealed=town.folder / digest(said.encode()),
    )


def test_a_payload_that_another_put_in_its_place_is_refused(town: MemoryTown) -> None:
    """Anybody can seal to a receiver, and who relays a transfer has its token."""
    honest, other = made(town, "what was signed"), made(town, "what was not")
    with pytest.raises(TamperError) as refused:
        transfer.keep_payload(town.body(RECEIVER), honest.token, other.sealed)
    assert refused.value.code == "transfer.other-payload"
    kept = transfer.keep_payload(town.body(RECEIVER), honest.token, honest.sealed)
    assert [kind for kind, _, _ in kept.put] == ["transfer"]
