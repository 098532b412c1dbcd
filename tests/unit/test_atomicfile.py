"""Files are whole or not there."""

from __future__ import annotations

from pathlib import Path

from sekisho.common.atomicfile import remove_unfinished, write_atomically


def test_what_a_crash_left_half_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    write_atomically(tmp_path / "lists" / "1.jws", b"whole")
    begun = tmp_path / "lists" / ".2.jws.4711.new"
    begun.write_bytes(b"ha")
    others = [tmp_path / ".hidden", tmp_path / "lists" / "3.new", tmp_path / "lists" / ".x.new"]
    for other in others:
        other.write_bytes(b"not ours")
    remove_unfinished(tmp_path)
    assert not begun.exists()
    assert (tmp_path / "lists" / "1.jws").read_bytes() == b"whole"
    assert all(other.exists() for other in others)
