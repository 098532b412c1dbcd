"""The self-test: it finds the sandbox whole, and notices every control that is taken away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from analysis_world import environment, needs_bubblewrap, probe

from sekisho.common.errors import Refusal
from sekisho.data.analysis import watch
from sekisho.data.analysis.command import Plan, build_command
from sekisho.data.analysis.sandbox import check_controls
from sekisho.data.analysis.selftest import attack, self_test
from sekisho.data.analysis.tools import Tools

pytestmark = needs_bubblewrap
Edit = Callable[[list[str]], list[str]]


def without(*words: str) -> Edit:
    """Take a run of words out of the command."""

    def edit(command: list[str]) -> list[str]:
        for at in range(len(command)):
            if command[at : at + len(words)] == list(words):
                return command[:at] + command[at + len(words) :]
        raise AssertionError(f"{words} is not in the command")

    return edit


def instead(old: str, *new: str) -> Edit:
    """Put words in the place of one."""

    def edit(command: list[str]) -> list[str]:
        at = command.index(old)
        return [*command[:at], *new, *command[at + 1 :]]

    return edit


def before(*words: str) -> Edit:
    return lambda command: [*words, *command]


def without_filter(command: list[str]) -> list[str]:
    at = command.index("--seccomp")
    return command[:at] + command[at + 2 :]


def without_option(start: str) -> Edit:
    return lambda command: [word for word in command if not word.startswith(start)]


def bind_writable(target: str) -> Edit:
    def edit(command: list[str]) -> list[str]:
        at = command.index(target) - 2
        return [*command[:at], "--bind", *command[at + 1 :]]

    return edit


SOME = ("--unshare-user", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
FAULTS: dict[str, tuple[Edit, str]] = {
    "network": (instead("--unshare-all", *SOME, "--unshare-pid"), "without-filter.loopback"),
    "interfaces": (instead("--unshare-all", *SOME, "--unshare-pid"), "network.interfaces"),
    "abstract socket": (
        instead("--unshare-all", *SOME, "--unshare-pid"),
        "network.abstract-socket",
    ),
    "ipc": (
        instead(
            "--unshare-all", "--unshare-user", "--unshare-net", "--unshare-pid", "--unshare-uts"
        ),
        "namespace.ipc",
    ),
    "user namespaces": (without("--disable-userns"), "without-filter.unshare"),
    "filter": (without_filter, "filter.io_uring_setup"),
    "filter: links": (without_filter, "files.symlink"),
    "filter: sockets": (without_filter, "socket.vsock"),
    "session": (without("--new-session"), "processes.session"),
    "address space": (without_option("--as="), "limit.as"),
    "file size": (without_option("--fsize="), "limit.file-bites"),
    "processes": (without_option("--nproc="), "limit.nproc"),
    "read-only root": (without("--remount-ro", "/"), "write./"),
    "read-only dev": (without("--remount-ro", "/dev"), "write./dev"),
    "read-only code": (bind_writable("/code"), "files.read-only"),
    "host files": (
        instead("--chdir", "--ro-bind", "/etc", "/tmp/etc", "--chdir"),
        "files.host-paths",
    ),
    "secret in the starter's environment": (
        before("/usr/bin/env", "SECRET=hunter2"),
        "environment.first-process",
    ),
    "inherited descriptor": (
        before("/bin/sh", "-c", 'exec 9<"$0"; exec "$@"', "/etc/passwd"),
        "descriptors",
    ),
    "hostname": (instead("job", "host"), "hostname"),
    "no sandbox": (lambda command: ["/bin/true"], "probe.answers"),
}


def test_the_sandbox_holds_on_this_machine() -> None:
    assert probe().missing == ()
    assert len(probe().controls) > 80
    assert probe().seconds < 30


@pytest.mark.parametrize(("edit", "noticed"), FAULTS.values(), ids=FAULTS.keys())
def test_a_control_that_is_taken_away_is_noticed(edit: Edit, noticed: str) -> None:
    def build(tools: Tools, plan: Plan) -> list[str]:
        return edit(build_command(tools, plan))

    controls = attack(environment(), build=build)
    assert controls[noticed] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a job as root")
def test_a_job_that_would_be_root_outside_is_noticed() -> None:
    def build(tools: Tools, plan: Plan) -> list[str]:
        uid = str(plan.outer_uid)
        command = without("--reuid", uid, "--regid", uid, "--clear-groups")(
            build_command(tools, plan)
        )
        return without("--inh-caps=-all", "--bounding-set=-all")(command)

    controls = attack(environment(), build=build)
    assert controls["user.unprivileged"] is False
    assert controls["user.own"] is False


def test_bounds_that_do_not_bite_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(tools: Tools, plan: Plan) -> list[str]:
        return without("--die-with-parent")(build_command(tools, plan))

    monkeypatch.setattr(watch, "resident", lambda tree, limit: 0)
    monkeypatch.setattr(watch, "out_usage", lambda folder, tree, entries: (0, 0))
    report = self_test(environment(), build=build)
    assert set(report.missing) == {
        "bound.memory",
        "bound.disk",
        "processes.die-with-starter",
        "processes.no-daemon",
    }
    with pytest.raises(Refusal, match=r"bound\.disk"):
        check_controls(report)


SCRIPT = """
import sys
from pathlib import Path
from sekisho.data.analysis.environment import stage
from sekisho.data.analysis.sandbox import check_controls
from sekisho.data.analysis.selftest import self_test
report = self_test(stage(Path(sys.argv[1])))
print("missing:", *report.missing)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_it_holds_for_an_ordinary_user_as_well(tmp_path: Path) -> None:
    uid = "60990"
    start = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups"]
    import_it = [*start, sys.executable, "-c", "import sekisho.data.analysis.selftest"]
    if subprocess.run(import_it, capture_output=True, check=False).returncode:
        pytest.skip("an ordinary user cannot read this installation")
    base = Path("/var/tmp") / f"sekisho-test-{os.getpid()}"
    base.mkdir()
    os.chown(base, int(uid), int(uid))
    try:
        done = subprocess.run(
            [*start, sys.executable, "-c", SCRIPT, str(base)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        subprocess.run(["rm", "-rf", str(base), f"/var/tmp/sekisho-jobs-{uid}"], check=True)
    assert done.stdout == "missing:\n", done.stderr
