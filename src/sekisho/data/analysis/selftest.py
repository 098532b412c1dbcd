"""The start-up self-test: attacks the sandbox from inside and tells which controls are missing.

Five short runs through the same command, starter and watch as a study: an attack on canaries of
our own (`probe.py`), a second one without the filter, a job that takes too much memory in several
processes, one that writes too much, one that never ends. A body runs it when its worker starts;
its report goes with each job.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from sekisho.common.canonical import digest_of
from sekisho.common.randomness import RandomBytes, system_random
from sekisho.data.analysis import syscalls
from sekisho.data.analysis.command import Builder, Plan, build_command, variables
from sekisho.data.analysis.environment import Environment
from sekisho.data.analysis.limits import MIB, Facts, Limits
from sekisho.data.analysis.memory import job_cgroup, memory_control
from sekisho.data.analysis.outer import outer_user
from sekisho.data.analysis.staging import job_folder, private_base
from sekisho.data.analysis.tools import Tools, find_tools
from sekisho.data.analysis.watch import Ended, execute

PROBE = Path(__file__).with_name("probe.py")
NAMESPACES = ("user", "pid", "net", "ipc", "uts", "cgroup", "mnt")
VIRTUAL = ("tmpfs", "proc", "devpts", "devtmpfs", "mqueue")
SECRET = b"canary"

HOG = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        held = bytearray(os.urandom(1)) * (48 * 1024 * 1024)
        time.sleep(3)
time.sleep(3)
"""
FLOOD = """
import os, time
for n in range(12):
    with open(f"/out/flood{n}", "wb") as file:
        file.write(os.urandom(1024 * 1024))
time.sleep(3)
"""
UNFILTERED = """
import ctypes, os, socket
libc = ctypes.CDLL(None, use_errno=True)
held = {"unshare": libc.unshare(0x10000000) != 0}
for name, address in (("loopback", ("127.0.0.1", %d)), ("route", ("192.0.2.1", 9))):
    try:
        socket.create_connection(address, timeout=1).close()
        held[name] = False
    except OSError:
        held[name] = True
import json
with open("/out/probe.json", "w") as file:
    json.dump({f"without-filter.{name}": answer for name, answer in held.items()}, file)
"""
SLEEPER = "import time\ntime.sleep(30)\n"


@dataclass(frozen=True)
class ProbeReport:
    """What held. ``missing`` is empty where the sandbox may be used.

    Args:
        controls: each control by name and whether it held.
        memory: what bounded the memory of the test: ``cgroup-v2`` or ``watchdog``.
        sandbox: bubblewrap's version.
        seconds: how long the test took.
    """

    controls: tuple[tuple[str, bool], ...]
    memory: str
    sandbox: str
    seconds: float

    @property
    def missing(self) -> tuple[str, ...]:
        """The controls that did not hold."""
        return tuple(name for name, held in self.controls if not held)

    @property
    def digest(self) -> str:
        """The report's identity, for the record of a job."""
        held = [[name, held] for name, held in self.controls]
        return digest_of({"controls": held, "memory": self.memory, "sandbox": self.sandbox})


def self_test(
    environment: Environment,
    facts: Facts | None = None,
    *,
    build: Builder = build_command,
    random: RandomBytes = system_random,
) -> ProbeReport:
    """Attack the sandbox, test its bounds, and return what held.

    Args:
        facts: where a cgroup is, as for a run; the test itself uses no data.
        build: the command under test.

    Raises:
        Refusal: a part of the sandbox is not installed.
    """
    started = time.monotonic()
    test = _prepare(environment, facts, build, random)
    controls = {**dict(test.attack()), **dict(test.bounds())}
    return ProbeReport(
        controls=tuple(sorted(controls.items())),
        memory=memory_control(test.facts),
        sandbox=test.tools.version,
        seconds=time.monotonic() - started,
    )


def attack(
    environment: Environment,
    *,
    build: Builder = build_command,
    random: RandomBytes = system_random,
) -> dict[str, bool]:
    """Return what held against the attack alone, without the tests of the bounds."""
    return dict(_prepare(environment, None, build, random).attack())


def _prepare(
    environment: Environment, facts: Facts | None, build: Builder, random: RandomBytes
) -> _Test:
    given = replace(facts or Facts(declared_synthetic=True), dummy=True)
    base = private_base("sekisho-jobs")
    return _Test(find_tools(), environment, given, build, base, random)


@dataclass(frozen=True)
class _Test:
    tools: Tools
    environment: Environment
    facts: Facts
    build: Builder
    base: Path
    random: RandomBytes

    def attack(self) -> Iterator[tuple[str, bool]]:
        """Run the probe on canaries and yield its answers and what was seen from outside."""
        with ExitStack() as stack:
            targets, connected = stack.enter_context(_canaries(self.base, self.random))
            limits = Limits(wall_seconds=20)
            files = {
                "probe.py": PROBE.read_bytes(),
                "targets.json": orjson.dumps({**targets, **self._expected(limits)}),
            }
            ended, left = self._run(files, limits)
            yield from _answers(left)
            yield "probe.ended", ended.status == "finished"
            yield "network.no-visitor", not connected()
            yield "processes.no-daemon", "late" not in left
            root = os.geteuid() == 0
            uids = ended.host_uids
            yield "user.unprivileged", bool(uids) and 0 not in uids
            yield "user.own", not root or os.geteuid() not in uids
            plain = {"probe.json", "plain", "late"}
            yield "files.only-plain", set(left) <= plain
            alone = {"probe.py": (UNFILTERED % targets["tcp_port"]).encode()}
            yield from _answers(self._run(alone, limits, syscalls.passing_filter())[1])
            yield "without-filter.no-visitor", not connected()

    def bounds(self) -> Iterator[tuple[str, bool]]:
        """Take too much of what is bounded for the whole job, and yield whether it was stopped."""
        small = Limits(
            wall_seconds=8, memory_bytes=144 * MIB, tmp_bytes=16 * MIB, out_bytes=8 * MIB
        )
        yield "bound.memory", self._code(HOG, small).status == "memory"
        yield "bound.disk", self._code(FLOOD, small).status == "output"
        ended = self._code(SLEEPER, replace(small, wall_seconds=0.3))
        yield "bound.time", ended.status == "timeout"
        yield "processes.die-with-starter", ended.died_with_parent

    def _code(self, code: str, limits: Limits) -> Ended:
        return self._run({"probe.py": code.encode()}, limits)[0]

    def _run(
        self, files: Mapping[str, bytes], limits: Limits, program: bytes | None = None
    ) -> tuple[Ended, dict[str, bytes]]:
        control = memory_control(self.facts)
        with (
            outer_user(self.base) as uid,
            job_folder(self.base, uid, self.random) as folder,
            job_cgroup(control, self.facts, limits, folder.path.name) as cgroup,
        ):
            for name, content in files.items():
                (folder.path / "code" / name).write_bytes(content)
            folder.give()
            descriptor = syscalls.as_descriptor(program or syscalls.compile_filter())
            try:
                plan = Plan(
                    folder=folder.path,
                    environment=self.environment.folder,
                    script=("/code/probe.py",),
                    outer_uid=uid,
                    variables=variables(0),
                    limits=limits,
                    filter_fd=descriptor,
                    cgroup=cgroup,
                )
                ended = execute(self.tools, plan, self.build)
            finally:
                os.close(descriptor)
            left = {
                entry.name: Path(entry.path).read_bytes() if _plain(entry) else b""
                for entry in os.scandir(folder.out)
            }
        return ended, left

    def _expected(self, limits: Limits) -> dict[str, Any]:
        """What the probe compares its surroundings with."""
        names = {*syscalls.DENIED, "clone", "clone3"}
        return {
            "syscalls": {n: found for n in names if (found := syscalls.number(n)) is not None},
            "namespaces": {n: os.readlink(f"/proc/self/ns/{n}") for n in NAMESPACES},
            "virtual": VIRTUAL,
            "neutral": ["/usr", str(self.base), str(self.environment.folder)],
            "variables": [name for name, _ in variables(0)],
            "tmp_bytes": limits.tmp_bytes,
            "shm_bytes": limits.SHM_BYTES,
            "limits": {
                "AS": limits.address_bytes,
                "FSIZE": limits.file_bytes,
                "CPU": limits.cpu_seconds,
                "NOFILE": limits.open_files,
                "NPROC": limits.processes,
                "CORE": 0,
            },
            "host_pid": os.getpid(),
        }


def _answers(left: Mapping[str, bytes]) -> Iterator[tuple[str, bool]]:
    try:
        found = orjson.loads(left.get("probe.json", b""))
    except orjson.JSONDecodeError:
        found = {}
    # No answer is the worst answer.
    yield from found.items() if found else [("probe.answers", False)]


def _plain(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)


@contextmanager
def _canaries(base: Path, random: RandomBytes) -> Iterator[tuple[dict[str, Any], Any]]:
    """Set up things of our own to aim at: listeners, a private file, an open descriptor to it."""
    name = random(8).hex()
    folder = base / f"canary-{name}"
    folder.mkdir(mode=0o700)
    canary, path_socket = folder / "secret", folder / "socket"
    canary.write_bytes(SECRET)
    canary.chmod(0o600)
    try:
        with ExitStack() as stack:
            tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listeners = [tcp]
            for address in (f"\0sekisho-{name}", str(path_socket)):
                listener = stack.enter_context(socket.socket(socket.AF_UNIX))
                listener.bind(address)
                listener.listen()
                listeners.append(listener)
            for listener in listeners:
                listener.setblocking(False)
            # Inheritable on purpose: closing it is the starter's work.
            descriptor = os.open(canary, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            os.set_inheritable(descriptor, True)
            targets = {
                "tcp_port": tcp.getsockname()[1],
                "abstract_socket": f"sekisho-{name}",
                "path_socket": str(path_socket),
                "canary": str(canary),
            }
            yield targets, lambda: any(_visited(each) for each in listeners)
    finally:
        path_socket.unlink(missing_ok=True)
        canary.unlink()
        folder.rmdir()


def _visited(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
