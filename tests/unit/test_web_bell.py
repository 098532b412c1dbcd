"""The bell of a worker: rung once or often, heard once; silence ends after a while."""

from __future__ import annotations

from sekisho.web.bell import Bell


def test_rings_before_the_wait_are_heard_once_and_then_there_is_silence() -> None:
    bell = Bell()
    for _ in range(100_000):  # more than a pipe holds: nobody waits for who rings
        bell.ring()
    assert bell.wait(0)
    while bell.wait(0):
        pass
    assert not bell.wait(0.01)
    bell.ring()
    assert bell.wait(0.01)
