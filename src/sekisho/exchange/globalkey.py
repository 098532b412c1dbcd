"""The record of a global key: made by both converters in two steps, signed by both.

Whoever encrypts under it must have checked both signatures: a key that one party made alone would
let that party read every identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sekisho.common.errors import Refusal, TamperError
from sekisho.exchange import jws
from sekisho.exchange.directory import Directory
from sekisho.pseudonym.group import Element, decode_element

KIND: Final = "sekisho-global-key"


@dataclass(frozen=True)
class GlobalKey:
    """What a record says; every step is a public value, and the last one is the key."""

    epoch: int
    steps: tuple[Element, ...]
    signers: tuple[str, ...]
    on: str | None

    @property
    def key(self) -> Element:
        return self.steps[-1]


def read_global_key(text: str | bytes, directory: Directory) -> GlobalKey:
    """Return what a record says.

    Raises:
        TamperError: a signature does not hold, or it is no such record.
        Refusal: a converter's signature is missing, or a step is no element.
    """
    signed = jws.verify_shared(text, directory.resolve, KIND)
    converters = {peer.id for peer in directory.with_role("converter")}
    if not converters or set(signed.signers) != converters:
        raise Refusal(
            "keys.unsigned",
            "A global key is signed by every converter and nobody else.",
            rule="the secret of the global key is in no place: no party may make it alone",
        )
    try:
        said = signed.payload
        steps = tuple(decode_element(bytes.fromhex(step)) for step in said["steps"])
        if len(steps) != len(converters) or said["group"] != "ristretto255":
            raise ValueError
        return GlobalKey(int(said["epoch"]), steps, signed.signers, said.get("on"))
    except (KeyError, TypeError, ValueError) as error:
        raise TamperError("keys.record", "This is no record of a global key.") from error
