"""Where the range of texts that begin alike ends."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sekisho.web.store.prefixes import after

EDGES = st.sampled_from("a:\x00\ud7ff\ue000\uffff\U0010ffff")
TEXTS = st.text(EDGES | st.characters(exclude_categories=["Cs"]), max_size=5)


@given(TEXTS, TEXTS, st.booleans())
@example("\ud7ff", "\ue000", False)
def test_a_text_is_in_the_range_of_a_prefix_if_and_only_if_it_begins_so(
    prefix: str, text: str, joined: bool
) -> None:
    key = prefix + text if joined else text
    end = after(prefix)
    in_range = prefix <= key and (end is None or key < end)
    assert in_range == key.startswith(prefix)
    assert end is None or end[-1] < "\ud800" or end[-1] > "\udfff"
