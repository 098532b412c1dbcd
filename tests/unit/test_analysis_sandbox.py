"""A study in the sandbox: an honest one works, a hostile one reaches nothing and leaves nothing."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from analysis_world import (
    HONEST,
    SMALL,
    SYNTHETIC,
    environment,
    needs_bubblewrap,
    probe,
    run_code,
    staged_at,
    write_data,
    write_study,
)

from sekisho.common.errors import Defect, Refusal, UserError
from sekisho.data.analysis import tools
from sekisho.data.analysis.limits import MIB, Facts, Limits
from sekisho.data.analysis.memory import memory_control, usable
from sekisho.data.analysis.sandbox import run
from sekisho.data.analysis.selftest import self_test
from sekisho.data.analysis.tools import find_tools

pytestmark = needs_bubblewrap


def test_an_honest_study_reads_its_inputs_and_hands_over_its_table(tmp_path: Path) -> None:
    result = run_code(tmp_path, HONEST)
    assert (result.status, result.exit_code, result.error_class) == ("finished", 0, None)
    assert result.handed_over == ("people.parquet",)
    assert pq.read_table(tmp_path / "out" / "people.parquet").num_rows == 50
    assert dict(result.controls)["memory"] == "watchdog"
    assert [name for name, _ in result.data_digests] == ["person"]


def test_the_same_study_leaves_the_same_bytes_twice(tmp_path: Path) -> None:
    code = HONEST + "\nimport random, os\nrandom.seed(int(os.environ['STUDY_SEED']))\n"
    code += "open('/out/drawn.csv', 'w').write(str([random.random(), hash('x'), os.environ]))\n"
    for turn in ("one", "two"):
        run_code(tmp_path / turn, code)
    for name in ("people.parquet", "drawn.csv"):
        first, second = (tmp_path / turn / "out" / name for turn in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


def test_only_declared_inputs_are_there(tmp_path: Path) -> None:
    study = write_study(
        tmp_path / "study", "import os; assert os.listdir('/data') == ['person.parquet']"
    )
    data = write_data(tmp_path / "data", ("person", "measurement"))
    result = run(study, data, tmp_path / "out", environment(), SMALL, SYNTHETIC, probe())
    assert result.status == "finished"
    lacking = write_study(tmp_path / "other", HONEST, inputs='"person", "death"')
    with pytest.raises(UserError, match="death"):
        run(lacking, data, tmp_path / "out2", environment(), SMALL, SYNTHETIC, probe())


ESCAPES = f"""
import json, os, socket, subprocess
held = {{}}
def attempt(name, call):
    try:
        call()
        held[name] = False
    except Exception:
        held[name] = True
attempt("dns", lambda: socket.getaddrinfo("example.org", 80))
attempt("tcp", lambda: socket.create_connection(("127.0.0.1", PORT), timeout=1))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
for path in ("/data/person.parquet", "/code/main.py", "/usr/x", "/env/start.py", "/x", "/etc/x"):
    attempt("write " + path, lambda: open(path, "ab"))
attempt("remove input", lambda: os.remove("/data/person.parquet"))
attempt("home", lambda: os.listdir("/root"))
attempt("host", lambda: open("{Path(__file__).resolve()}"))
attempt("passwd", lambda: open("/etc/passwd"))
attempt("sudo", lambda: os.setuid(0))
attempt("kill parent", lambda: os.kill({os.getpid()}, 9))
bwrap = ["/usr/bin/bwrap", "--ro-bind", "/", "/", "true"]
attempt("nest", lambda: subprocess.run(bwrap, check=True))
attempt("unshare", lambda: subprocess.run(["/usr/bin/unshare", "-r", "true"], check=True))
held["pip"] = not __import__("importlib.util").util.find_spec("pip")
open("/out/people.csv", "w").write(json.dumps(held))
"""


def test_a_study_reaches_nothing_outside(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        code = ESCAPES.replace("PORT", str(server.getsockname()[1]))
        result = run_code(tmp_path, code)
        assert result.status == "finished"
        with pytest.raises(BlockingIOError):
            server.accept()
    held = json.loads((tmp_path / "out" / "people.csv").read_text())
    assert [name for name, ok in held.items() if not ok] == []


def test_what_is_no_plain_file_with_a_plain_name_stays_behind(tmp_path: Path) -> None:
    code = """
import os
for make in (
    lambda: os.symlink("/data/person.parquet", "/out/people.csv"),
    lambda: os.link("/data/person.parquet", "/out/hard.csv"),
    lambda: os.mkfifo("/out/fifo.csv"),
):
    try:
        make()
    except OSError:
        pass
os.mkdir("/out/folder.csv")
for name in ("a.txt", "a\\nb.csv", "<b>.csv", ".hidden.csv", "\\u202ecsv.exe", "A.csv"):
    open("/out/" + name, "w").write("x")
open("/out/good.csv", "w").write("x")
"""
    result = run_code(tmp_path, code)
    assert result.handed_over == ("good.csv",)
    assert result.left_behind == 7
    handed = list((tmp_path / "out").iterdir())
    assert [p.name for p in handed] == ["good.csv"]
    status = handed[0].lstat()
    assert stat.S_ISREG(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == os.geteuid()


def test_a_study_that_never_ends_is_stopped_with_all_its_children(tmp_path: Path) -> None:
    mark = f"600.{os.getpid()}{time.monotonic_ns()}"
    code = f"""
import os, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/usr/bin/sleep", ["sleep", "{mark}"])
        os._exit(0)
time.sleep(0.3)
seen = [p for p in os.listdir("/proc") if p.isdigit()]
open("/out/people.csv", "w").write(str(len(seen)))
while True:
    time.sleep(1)
"""
    result = run_code(tmp_path, code, replace(SMALL, wall_seconds=1.2))
    assert (result.status, result.exit_code) == ("timeout", None)
    assert result.seconds < 10
    assert int((tmp_path / "out" / "people.csv").read_text()) >= 5
    assert [p.pid for p in psutil.process_iter() if _is_marked(p, mark)] == []


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_a_fork_bomb_is_limited(tmp_path: Path) -> None:
    code = """
import os, time
count = 0
try:
    while count < 5000:
        if os.fork() == 0:
            time.sleep(30)
            os._exit(0)
        count += 1
except BlockingIOError:
    pass
open("/out/people.csv", "w").write(str(count))
os._exit(0)
"""
    result = run_code(tmp_path, code, replace(SMALL, processes=24))
    assert result.status == "finished"
    assert int((tmp_path / "out" / "people.csv").read_text()) < 24


def test_memory_is_bounded_for_one_process_and_for_all_together(tmp_path: Path) -> None:
    alone = run_code(
        tmp_path / "alone",
        "held = bytearray(3 * 1024**3)",
        replace(SMALL, address_bytes=1024 * MIB),
    )
    assert (alone.status, alone.error_class) == ("failed", "MemoryError")
    code = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        held = b"x" * (100 * 1024 * 1024)
        time.sleep(20)
time.sleep(20)
"""
    together = run_code(tmp_path / "together", code)
    assert together.status == "memory"
    assert together.seconds < 10


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.posix_fallocate(os.open('/out/people.csv', 65, 0o600), 0, 200 * 2**20)",
        "f = open('/out/people.csv', 'wb')\nf.truncate(2**40)",
        "f = open('/tmp/x', 'wb')\nwhile True: f.write(b'x' * 2**20)",
    ],
    ids=["large", "sparse", "temporary"],
)
def test_a_huge_file_is_refused_to_the_study(tmp_path: Path, code: str) -> None:
    result = run_code(tmp_path, code)
    assert (result.status, result.error_class) == ("failed", "OSError")


def test_many_files_and_deleted_ones_count_as_output(tmp_path: Path) -> None:
    limits = replace(SMALL, out_bytes=30 * MIB, out_entries=50, file_bytes=20 * MIB)
    hidden = """
import os, time
files = []
for n in range(5):
    files.append(open(f"/out/{n}", "wb"))
    os.unlink(f"/out/{n}")
    files[-1].write(b"x" * (19 * 1024 * 1024))
    files[-1].flush()
time.sleep(10)
"""
    many = "import time\nfor n in range(500): open(f'/out/{n}', 'w')\ntime.sleep(10)"
    deep = """
import os, time
os.chdir("/out")
for _ in range(3000):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
time.sleep(10)
"""
    for name, code in (("hidden", hidden), ("many", many), ("deep", deep)):
        assert run_code(tmp_path / name, code, limits).status == "output"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('person 12 has E11')", "ValueError"),
        ("class E11Person12(Exception): pass\nraise E11Person12('x')", "other"),
        ("import sys; sys.stderr.write('KeyError12345\\n'); sys.exit(77)", "other"),
        ("import os; os.kill(os.getpid(), 9)", "other"),
    ],
)
def test_a_failure_says_its_class_and_nothing_of_the_data(
    tmp_path: Path, code: str, said: str
) -> None:
    result = run_code(tmp_path, code)
    assert (result.status, result.exit_code, result.error_class) == ("failed", 1, said)
    assert result.log is None
    assert "12" not in repr((result.error_class, result.handed_over))


def test_a_flood_of_words_costs_nothing(tmp_path: Path) -> None:
    code = "import sys\nfor _ in range(2000): sys.stderr.write('x' * 10000)\nprint('y' * 10**7)"
    result = run_code(tmp_path, code, facts=Facts(declared_synthetic=True, dummy=True))
    assert result.status == "finished"
    assert result.log is not None
    assert len(result.log) <= 64 * 1024


def test_nothing_of_a_job_is_left_on_the_host(tmp_path: Path) -> None:
    code = "import os\nos.makedirs('/out/a/b')\nos.chmod('/out/a', 0)\nos.listdir('/code')"
    assert run_code(tmp_path, code).handed_over == ()
    assert staged_at(tmp_path).parent.is_dir()
    assert not staged_at(tmp_path).exists()


def test_a_table_of_an_earlier_run_is_never_taken_for_one_of_this_run(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "people.parquet").write_bytes(b"old")
    with pytest.raises(Defect):
        run_code(tmp_path, HONEST)


def test_real_data_without_a_bound_by_the_kernel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        run_code(tmp_path, HONEST, facts=Facts(declared_synthetic=False))
    assert caught.value.code == "sandbox.no-memory-bound"
    assert "cgroup" in (caught.value.next_step or "")


def test_a_cgroup_counts_only_when_it_is_delegated_and_empty(tmp_path: Path) -> None:
    def folder(name: str, control: str, procs: str) -> Path:
        made = tmp_path / name
        made.mkdir()
        (made / "cgroup.subtree_control").write_text(control)
        (made / "cgroup.procs").write_text(procs)
        return made

    good = folder("good", "cpu memory pids\n", "")
    assert usable(good)
    assert memory_control(Facts(declared_synthetic=False, cgroup=good)) == "cgroup-v2"
    for bad in (
        folder("no-memory", "cpu pids\n", ""),
        folder("occupied", "memory pids\n", "1\n"),
        tmp_path / "absent",
    ):
        assert not usable(bad)
        with pytest.raises(Refusal):
            memory_control(Facts(declared_synthetic=False, cgroup=bad))


def test_a_missing_bubblewrap_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        find_tools(str(tmp_path))
    assert caught.value.code == "sandbox.missing"
    assert "apt-get install bubblewrap" in (caught.value.next_step or "")


def test_a_missing_bubblewrap_refuses_the_self_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.shutil, "which", lambda name, path: None)
    with pytest.raises(Refusal, match="bwrap"):
        self_test(environment())


def test_limits_that_leave_no_room_cannot_be_made() -> None:
    with pytest.raises(ValueError):
        Limits(memory_bytes=64 * MIB)
    with pytest.raises(ValueError):
        Limits(wall_seconds=0)
