"""What crosses between bodies: signed messages, sealed bulk data, signed documents, the directory.

Rules it keeps:
- every request is signed, fresh, addressed and answered once (`messages`);
- bulk data are sealed to their one receiver (`seal`), as a set of tables (`tables`);
- a signed document has one spelling, so that no byte of its file can change unseen (`jws`);
- who is not in the directory is refused (`directory`).

It does not decide who may do what, knows no framework and no web framework, and stores nothing.
Its verbs are read with the module's name: ``jws.sign``, ``seal.open_sealed``, ``tables.pack``.
"""

from sekisho.exchange import jws, messages, seal, tables
from sekisho.exchange.client import Answer, Client
from sekisho.exchange.directory import Directory, Kind, Peer
from sekisho.exchange.keys import SealKey, SigningKey, VerifyKey

__all__ = [
    "Answer",
    "Client",
    "Directory",
    "Kind",
    "Peer",
    "SealKey",
    "SigningKey",
    "VerifyKey",
    "jws",
    "messages",
    "seal",
    "tables",
]
