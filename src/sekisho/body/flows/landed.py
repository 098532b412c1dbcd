"""The persons of a submission while it lands: some of them in memory, the rest on disk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from sekisho.body.context import Body
from sekisho.body.flows import transfer
from sekisho.common.ids import Tag
from sekisho.data.lake import Lake
from sekisho.data.linkage import METHODS as WORDS
from sekisho.exchange.tables import batched, in_batches
from sekisho.pseudonym.tagged import Tagged, Tagging

METHODS: Final = "methods"
"""How each tag's person was identified; beside the tables, as the manifest is."""
OTHER: Final = "other"
KEY_BYTES: Final = 16
"""Of a person key (`sekisho.data.lake.layout`)."""
AT_ONCE: Final = 65_536
"""Persons for whom keys are made together."""


class Persons:
    """The persons of a submission: so many are in memory at a time, however many they are.

    Of whom nothing is kept no key is made: a body then does not remember having met them.
    """

    def __init__(self, arrived: transfer.Arrived, folder: Path) -> None:
        self._arrived, self._folder = arrived, folder
        self._kept = Tagging[bytes](0, folder)

    def known(self, tags: Collection[str]) -> Collection[str]:
        """Return those of ``tags`` whose identity arrived."""
        return self._arrived.pseudonyms.take(map(Tag, tags))

    def keep(self, tags: Collection[str]) -> None:
        """Take note that records of these are kept; each tag is named once."""
        for tag in self.known(tags):
            self._kept.add(Tag(tag), b"")

    def keys(self, body: Body, lake: Lake) -> Tagged[bytes]:
        """Return tag → person key of all that are kept, made where there is none yet."""
        methods = _methods(self._arrived, self._folder)
        keys = Tagging[bytes](KEY_BYTES, self._folder)
        for tags in _chunks(self._kept.done()):
            here = self._arrived.pseudonyms.take(tags)
            wrapped = {tag: body.keys.wrap(element) for tag, element in here.items()}
            said = {} if methods is None else methods.take(tags)
            by_word = {wrapped[tag]: WORDS[one[0]] for tag, one in said.items()}
            made = lake.keys_for(sorted(set(wrapped.values())), body.random, by_word)
            for tag, one in wrapped.items():
                keys.add(tag, bytes.fromhex(made[one]))
        return keys.done()


def _chunks(tags: Iterable[Tag]) -> Iterator[list[Tag]]:
    each = iter(tags)
    while some := list(islice(each, AT_ONCE)):
        yield some


def keys_of(keys: Tagged[bytes], rows: pa.Table) -> dict[str, str]:
    """Return tag → person key for the persons of ``rows``."""
    found = keys.take(map(Tag, rows["tag"].unique().drop_null().to_pylist()))
    return {tag: key.hex() for tag, key in found.items()}


def with_key(keys: Tagged[bytes], rows: pa.Table) -> pa.Table:
    """Return those of ``rows`` whose person has a key."""
    return rows.filter(pc.is_in(rows["tag"], pa.array(keys_of(keys, rows), pa.string())))


def _methods(arrived: transfer.Arrived, folder: Path) -> Tagged[bytes] | None:
    """Return tag → place in `WORDS`, where the provider said how persons were identified."""
    sent = batched(arrived.tables).get(METHODS)
    if sent is None:
        return None
    made = Tagging[bytes](1, folder)
    for rows in in_batches(sent):
        for tag, method in zip(rows["tag"].to_pylist(), rows["method"].to_pylist(), strict=True):
            word = method if method in WORDS else OTHER
            made.add(Tag(tag or ""), bytes((WORDS.index(word),)))
    return made.done()
