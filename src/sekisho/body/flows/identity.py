"""The history service's part in a choice: open the forms, encrypt who they speak of.

It sees identifiers, and neither tags nor what was chosen; it returns ciphertexts in the order of
the forms, and the desk, which cannot read them, puts its own references to them.
"""

from __future__ import annotations

import orjson

from sekisho.body.context import Body
from sekisho.body.ports import Incoming, Outcome, Outgoing
from sekisho.common.errors import SekishoError
from sekisho.exchange import parcel, seal
from sekisho.pseudonym.elgamal import encrypt_many
from sekisho.pseudonym.group import Element
from sekisho.pseudonym.identifiers import element_of, parse_spec


def encrypt(body: Body, message: Incoming) -> Outcome:
    """Answer a desk's sealed forms with one ciphertext each; say which could not be read."""
    header, forms = parcel.unpack(message.read(), needs=("batch",))
    elements: list[Element] = []
    unreadable: list[int] = []
    for position, form in enumerate(forms):
        try:
            spec = orjson.loads(seal.open_sealed(form, body.keys.seal))
            elements.append(element_of(parse_spec(spec)))
        except (SekishoError, orjson.JSONDecodeError):
            unreadable.append(position)
    ciphers = encrypt_many(elements, body.global_key, body.random)
    outcome = Outcome()
    outcome.send.append(
        Outgoing(
            message.sender,
            "opt_out/encrypted",
            parcel.pack({"batch": header["batch"], "unreadable": unreadable}, ciphers),
            content_type=parcel.MEDIA_TYPE,
        )
    )
    outcome.fact(
        "optout.encrypted", desk=message.sender, count=len(elements), unreadable=len(unreadable)
    )
    return outcome
