"""`sekisho ledger` on folders and on an address: what an outsider can find out, and how it ends."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sekisho.commands import app
from sekisho.common.errors import SekishoError, TamperError
from sekisho.common.randomness import seeded
from sekisho.control.ledger import (
    Entry,
    FolderFiles,
    HttpFiles,
    Ledger,
    MemoryPending,
    Proof,
    TileReader,
    prove_inclusion,
    served,
    verify_ledger,
    vkey,
)
from sekisho.exchange import SigningKey

KEY = SigningKey.generate(seeded("ledger"))
ORIGIN = "sekisho/alpha"
VKEY = vkey(ORIGIN, KEY.public)
AT = datetime(2026, 4, 1, tzinfo=UTC)


def entry(number: int | str) -> bytes:
    return Entry("message.refused", AT, {"path": f"p{number}", "by": "b", "code": "c"}).to_bytes()


def fast_write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def grow(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that adds entries to a ledger and returns its folder."""
    ledgers: dict[str, tuple[Ledger, MemoryPending]] = {}

    def more(count: int, name: str = "ledger", other: str = "") -> Path:
        if name not in ledgers:
            store = MemoryPending()
            made = Ledger(tmp_path / name, ORIGIN, KEY, store, write=fast_write)
            ledgers[name] = (made, store)
        ledger, store = ledgers[name]
        first = ledger.integrate().size
        for number in range(first, first + count):
            store.stage(entry(f"{other}{number}"))
        ledger.integrate()
        return tmp_path / name

    return more


def run(*words: object) -> tuple[int, Any]:
    """Run a command with --json; return its exit code (that of the error) and what it printed."""
    done = CliRunner().invoke(app, ["ledger", *map(str, words), "--json"])
    if isinstance(done.exception, SekishoError):
        return done.exception.exit_code, done.exception.code
    return done.exit_code, json.loads(done.stdout) if done.stdout else None


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a ledger as a body does; yield the address."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = served(TileReader(FolderFiles(folder)), self.path.lstrip("/"))
            self.send_response(404 if data is None else 200)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("size", [0, 1, 256, 600])
def test_a_ledger_verifies_from_its_folder_and_from_its_address(
    grow: Callable[..., Path], size: int
) -> None:
    folder = grow(size)
    with serving(folder) as address:
        for place in (folder, address):
            code, told = run("verify", place, "--vkey", VKEY)
            assert (code, told["holds"]) == (0, True)
            assert told["ledgers"][0]["entries"] == size


def test_a_changed_byte_ends_with_six_also_over_the_network(grow: Callable[..., Path]) -> None:
    folder = grow(600)
    tile = folder / "tile/entries/001"
    tile.write_bytes(tile.read_bytes().replace(b"p300", b"p999", 1))
    with serving(folder) as address:
        for place in (folder, address):
            code, told = run("verify", place, "--vkey", VKEY)
            assert (code, told["holds"]) == (6, False)
            assert told["ledgers"][0]["problems"][0]["file"] == "tile/entries/001"


def test_a_partial_tile_of_an_earlier_checkpoint_is_still_served(
    grow: Callable[..., Path],
) -> None:
    """C2SP tlog-tiles: partial tiles of every checkpoint; here cut from the wider one."""
    folder = grow(3)
    early = {name: (folder / name).read_bytes() for name in ("tile/0/000.p/3",)}
    early["tile/entries/000.p/3"] = (folder / "tile/entries/000.p/3").read_bytes()
    for more in (2, 300):
        grow(more)
        assert not (folder / "tile/0/000.p/3").exists()
        log = TileReader(FolderFiles(folder))
        for name, data in early.items():
            assert served(log, name) == data
        for name in ("tile/0/005", "tile/0/000.p/0", "../x", "tile/x/000", "checkpoint/", "tile/0"):
            assert served(log, name) is None


def test_what_is_not_signed_yet_is_not_served(grow: Callable[..., Path]) -> None:
    folder = grow(4)
    shutil.copyfile(folder / "tile/0/000.p/4", folder / "tile/0/000.p/9")
    assert served(TileReader(FolderFiles(folder)), "tile/0/000.p/9") is None


def test_an_entry_is_proved_to_whoever_has_the_key_and_nothing_else(
    grow: Callable[..., Path], tmp_path: Path
) -> None:
    folder = grow(600)
    with serving(folder) as address:
        for place in (folder, address):
            code, told = run("prove", "inclusion", place, 300, "--vkey", VKEY)
            assert code == 0
            assert told["entry"]["body"]["path"] == "p300"
    file = tmp_path / "proof"
    file.write_text(told["proof"], "utf-8")
    assert told["proof"].startswith("c2sp.org/tlog-proof@v1\nextra ")
    code, checked = run("prove", "check", file, "--vkey", VKEY)
    assert (code, checked["index"], checked["size"]) == (0, 300, 600)
    proof = Proof.from_text(told["proof"])
    other = SigningKey.generate(seeded("other"))
    assert run("prove", "check", file, "--vkey", vkey(ORIGIN, other.public))[0] == 6
    for forged in (
        Proof(entry(301), 300, proof.path, proof.note),
        Proof(proof.entry, 301, proof.path, proof.note),
        Proof(proof.entry, 300, proof.path[::-1], proof.note),
        Proof(proof.entry, 300, proof.path[1:], proof.note),
    ):
        file.write_text(forged.text(), "utf-8")
        assert run("prove", "check", file, "--vkey", VKEY)[0] == 6
    assert run("prove", "inclusion", folder, 600, "--vkey", VKEY) == (2, "ledger.no-entry")
    for text in ("", told["proof"].replace("extra", "spare"), told["proof"].replace("=", "-")):
        file.write_text(text, "utf-8")
        assert run("prove", "check", file, "--vkey", VKEY) == (6, "ledger.no-proof")


def test_a_proof_from_tiles_that_do_not_lead_to_the_root_is_not_handed_out(
    grow: Callable[..., Path],
) -> None:
    folder = grow(600)
    tile = folder / "tile/1/000.p/2"
    tile.write_bytes(tile.read_bytes()[:32] + bytes(32))
    with pytest.raises(TamperError):
        prove_inclusion(TileReader(FolderFiles(folder)), 5, ORIGIN, KEY.public)
    assert run("prove", "consistency", folder, 100, "--vkey", VKEY)[0] == 6


def test_a_monitor_tells_growth_from_rollback_and_fork(
    grow: Callable[..., Path], tmp_path: Path
) -> None:
    state, folder = tmp_path / "seen", grow(5)
    with serving(folder) as address:

        def look(*more: object) -> tuple[int, str, int]:
            code, told = run("monitor", address, "--state", state, "--vkey", VKEY, *more)
            return code, told["kept"]["finding"], told["entries"]

        assert look() == (0, "first", 5)
        assert look() == (0, "same", 5)
        grow(400)
        assert look() == (0, "grown", 405)
        kept = state.read_bytes()
        saved = tmp_path / "saved"
        folder.rename(saved)
        for name, count, other, finding in (
            ("shorter", 300, "", "rollback"),
            ("other", 405, "x", "fork"),
            ("longer", 500, "x", "fork"),
        ):
            shutil.copytree(grow(count, name, other), folder)
            assert look() == (6, finding, count)
            # What was kept stays, and both checkpoints lie beside it.
            assert state.read_bytes() == kept
            assert kept in (tmp_path / "seen.kept-evidence").read_bytes()
            shutil.rmtree(folder)
        saved.rename(folder)
        assert look() == (0, "same", 405)


def test_two_readers_who_were_shown_two_histories_find_out(
    grow: Callable[..., Path], tmp_path: Path
) -> None:
    """Each history verifies by itself; the readers' checkpoints side by side prove the fork."""
    one, other = grow(300), grow(310, "other", "x")
    states = {}
    for name, folder in (("one", one), ("other", other)):
        states[name] = tmp_path / f"{name}.seen"
        assert run("verify", folder, "--vkey", VKEY)[0] == 0
        assert run("monitor", folder, "--state", states[name], "--vkey", VKEY)[0] == 0
    for folder, mine, gossip, finding in (
        (one, "one", "other", "rollback"),
        (other, "other", "one", "fork"),
    ):
        words = ("--state", states[mine], "--against", states[gossip], "--vkey", VKEY)
        code, told = run("monitor", folder, *words)
        assert (code, told["kept"]["finding"]) == (6, "same")
        assert told["against"]["finding"] == finding
    # An earlier checkpoint of the same history is no cause for alarm.
    early = tmp_path / "early"
    early.write_bytes(states["one"].read_bytes())
    grow(5)
    words = ("--state", states["one"], "--against", early, "--vkey", VKEY)
    assert run("monitor", one, *words)[0] == 0


def test_an_export_verifies_by_itself_and_has_every_entry(
    grow: Callable[..., Path], tmp_path: Path
) -> None:
    folder, out = grow(300), tmp_path / "out"
    with serving(folder) as address:
        assert run("export", address, "--out", out, "--vkey", VKEY)[0] == 0
    assert (out / "vkey").read_text().strip() == VKEY
    assert verify_ledger(out / "ledger", ORIGIN, KEY.public) == []
    lines = [json.loads(line) for line in (out / "entries.jsonl").read_text().splitlines()]
    assert [line["entry"]["body"]["path"] for line in lines] == [f"p{n}" for n in range(300)]
    assert run("export", folder, "--out", out, "--vkey", VKEY) == (2, "ledger.out-not-empty")
    (folder / "tile/0/000").write_bytes(bytes(8192))
    broken = run("export", folder, "--out", tmp_path / "no", "--vkey", VKEY)
    assert broken == (6, "ledger.broken")
    assert not (tmp_path / "no").exists()


def test_whose_key_is_meant_must_be_said(grow: Callable[..., Path], tmp_path: Path) -> None:
    assert run("verify", grow(1)) == (2, "ledger.no-key")
    assert run("verify", tmp_path / "nowhere") == (2, "ledger.none")
    assert run("verify", grow(1), "--vkey", "sekisho/alpha+00+AA==") == (2, "ledger.vkey")


def test_an_address_at_which_nobody_answers_is_a_peers_error() -> None:
    with pytest.raises(SekishoError) as caught:
        HttpFiles("http://127.0.0.1:9").read("checkpoint")
    assert caught.value.code == "ledger.unreachable"
