"""A watched folder: whole files once, in done/ or failed/ with a report, also after a crash."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from sekisho.common.errors import PeerError, UserError
from sekisho.provider.watching import TAKEN, Watch

DAY = date(2026, 4, 1)


@dataclass
class Submissions:
    """Takes files and remembers their bytes; refuses or is away when it is told to."""

    taken: list[list[bytes]] = field(default_factory=list)
    away: bool = False

    def __call__(self, files: Sequence[Path]) -> dict[str, Any]:
        if self.away:
            raise PeerError("peer.unreachable", "Nobody answers.")
        data = [file.read_bytes() for file in files]
        if b"bad" in data:
            raise UserError("submission.nothing-readable", "Nothing can be sent.")
        self.taken.append(data)
        return {"files": len(files)}


def test_a_file_that_still_grows_is_left_alone(tmp_path: Path) -> None:
    got = Submissions()
    watch = Watch(tmp_path, got)
    growing = tmp_path / "a"
    for text in ("1", "12", "123"):
        growing.write_text(text)
        assert watch.look(DAY) == []
    assert [one.state for one in watch.look(DAY)] == ["done"]
    assert got.taken == [[b"123"]]
    [kept] = tmp_path.glob("done/*/a")
    assert json.loads((kept.parent / "report.json").read_text()) == {"files": 1}


def test_a_folder_is_one_submission_and_unfinished_names_wait(tmp_path: Path) -> None:
    got = Submissions()
    watch = Watch(tmp_path, got)
    (tmp_path / "day").mkdir()
    (tmp_path / "day" / "b").write_text("2")
    (tmp_path / "day" / "a").write_text("1")
    (tmp_path / "c.part").write_text("3")
    (tmp_path / ".hidden").write_text("4")
    watch.look(DAY)
    assert [one.name for one in watch.look(DAY)] == ["day"]
    assert got.taken == [[b"1", b"2"]]
    assert (tmp_path / "c.part").exists()


def test_what_is_refused_lies_in_failed_with_the_reason_and_hinders_nothing(tmp_path: Path) -> None:
    got = Submissions()
    watch = Watch(tmp_path, got)
    (tmp_path / "a").write_text("bad")
    (tmp_path / "b").write_text("good")
    watch.look(DAY)
    assert [(one.name, one.state) for one in watch.look(DAY)] == [("a", "failed"), ("b", "done")]
    [report] = tmp_path.glob("failed/*/report.json")
    assert json.loads(report.read_text())["type"].endswith("submission.nothing-readable")


def test_while_nobody_answers_it_waits_and_a_new_program_takes_it_up(tmp_path: Path) -> None:
    got = Submissions(away=True)
    watch = Watch(tmp_path, got)
    (tmp_path / "a").write_text("1")
    watch.look(DAY)
    assert [one.state for one in watch.look(DAY)] == ["waits"]
    assert (tmp_path / TAKEN / "a").exists()
    after = Submissions()
    assert [one.state for one in Watch(tmp_path, after).look(DAY)] == ["done"]
    assert after.taken == [[b"1"]]


def test_a_name_may_come_again_and_a_link_leads_nowhere(tmp_path: Path) -> None:
    got = Submissions()
    watch = Watch(tmp_path / "in", got)
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("s")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "secret")
    for text in ("1", "2"):
        (tmp_path / "in" / "a").write_text(text)
        watch.look(DAY)
        watch.look(DAY)
    assert got.taken == [[b"1"], [b"2"]]
    assert len(list((tmp_path / "in").glob("done/*/a"))) == 2
