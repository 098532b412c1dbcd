"""Names of source records are HMAC-SHA256, whatever key and text there are."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st

from sekisho.provider.names import Keyed, Name


@given(st.binary(max_size=200), st.binary(max_size=100), st.lists(st.text(max_size=100)))
def test_many_texts_under_one_key_are_hashed_as_the_library_does(
    key: bytes, beginning: bytes, texts: list[str]
) -> None:
    read = [beginning + text.encode("utf-8", "surrogatepass") for text in texts]
    assert Keyed(key, beginning)(texts) == [hmac.digest(key, one, "sha256").hex() for one in read]


@given(st.binary(min_size=32, max_size=32), st.text(), st.text())
def test_a_name_hangs_on_key_class_family_and_what_it_names(
    key: bytes, family: str, local: str
) -> None:
    own = hmac.digest(key, b"class:basic", "sha256")
    text = f"{family}\0visit\0{local}".encode("utf-8", "surrogatepass")
    name = Name.of(key, family, "basic")
    assert name.visit(local) == hmac.digest(own, text, "sha256")[:16].hex()
    assert name("visit", local) == name.visit(local) == name.visit(local)
    assert name("unit", local) != name("visit", local)
    assert name.all("visit", (local, family)) == [name("visit", one) for one in (local, family)]
