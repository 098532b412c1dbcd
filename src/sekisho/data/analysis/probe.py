"""The attack that the self-test runs inside the sandbox: each attempt says whether it was held.

Copied to ``/code`` of a probe job and run there with the standard library alone; never imported
by the platform. ``/code/targets.json`` says what to aim at: canaries of our own, nobody else's.
Answers go to ``/out/probe.json`` as ``{control: held}``. An attempt that fails in an unexpected
way counts as not held.
"""

# ruff: noqa: S103, S108  # an attack does what code must not do
import ctypes
import errno
import json
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

Targets = dict[str, Any]
Answers = Iterator[tuple[str, bool]]

REFUSED = {errno.EPERM, errno.ENOSYS}
PTRACE_TRACEME = 0
CLONE_NEWUSER = 0x10000000
SIGCHLD = 17


def refused(call: Callable[[], object], *errors: int) -> bool:
    """Does ``call`` fail with one of ``errors`` (any error, when none is given)?"""
    try:
        call()
    except OSError as error:
        return not errors or error.errno in errors
    return False


def raw(targets: Targets, name: str, *arguments: int) -> None:
    """Make a system call by number, around libc, and raise what it answers."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = targets["syscalls"].get(name)
    if number is None:
        raise OSError(errno.ENOSYS, name)
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), name)


def status() -> dict[str, str]:
    """Return /proc/self/status as a dict."""
    with open("/proc/self/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def network(targets: Targets) -> Answers:
    """No interface but loopback, no socket but local ones, no way to a listener of the host."""
    with open("/proc/self/net/dev") as file:
        names = {line.split(":")[0].strip() for line in file.readlines()[2:]}
    yield "network.interfaces", names <= {"lo"}

    def connect(family: int, address: Any) -> None:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            client.connect(address)

    inet = ("127.0.0.1", targets["tcp_port"])
    yield "network.loopback", refused(lambda: connect(socket.AF_INET, inet))
    abstract = "\0" + targets["abstract_socket"]
    yield "network.abstract-socket", refused(lambda: connect(socket.AF_UNIX, abstract))
    path = targets["path_socket"]
    yield "network.path-socket", refused(lambda: connect(socket.AF_UNIX, path))
    families = {"inet": 2, "inet6": 10, "netlink": 16, "packet": 17, "alg": 38, "vsock": 40}
    for name, family in families.items():
        yield (
            f"socket.{name}",
            refused(partial(socket.socket, family, socket.SOCK_DGRAM), *REFUSED),
        )


def files(targets: Targets) -> Answers:
    """Nothing of the host can be read or written; only plain files can be made."""
    canary = targets["canary"]
    yield "files.canary", refused(lambda: open(canary).close())
    yield "files.canary-by-root-link", refused(lambda: open(f"/proc/1/root{canary}").close())
    for path in ("/data", "/code", "/env", "/usr", "/dev", "/etc", "/proc/sys/kernel", ""):
        made = f"{path}/sekisho-probe"
        yield f"write.{path or '/'}", refused(partial(open, made, "w"))
    pattern = "/proc/sys/kernel/core_pattern"
    yield "write.core-pattern", refused(lambda: os.close(os.open(pattern, os.O_WRONLY)))
    yield "files.symlink", refused(lambda: os.symlink("/data", "/out/link"), *REFUSED)
    yield "files.hard-link", refused(lambda: os.link("/code/probe.py", "/out/hard"), *REFUSED)
    yield "files.fifo", refused(lambda: os.mkfifo("/out/fifo"), *REFUSED)
    with open("/out/plain", "w"):
        pass
    yield "files.set-user-id", refused(lambda: os.chmod("/out/plain", 0o4755), *REFUSED)
    shown = {"bin", "lib", "lib64", "usr", "dev", "proc", "tmp", "env", "code", "data", "out"}
    yield "files.root", set(os.listdir("/")) <= shown
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split() for line in file]
    binds = {m[3] for m in mounts if m[m.index("-") + 1] not in targets["virtual"]}
    binds -= {m[3] for m in mounts if m[4].startswith("/dev/")}
    yield "files.host-paths", all(b.startswith(tuple(targets["neutral"])) for b in binds)
    open_ones = {"/out", "/tmp", "/dev/shm", "/proc"}
    writable = {m[4] for m in mounts if "rw" in m[5].split(",")}
    yield "files.read-only", all(w in open_ones or w.startswith("/dev/") for w in writable)


def processes(targets: Targets) -> Answers:
    """Only the job itself is there: nobody to see, to signal, or to trace."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    yield "processes.alone", len(pids) <= 4
    yield "processes.signal", refused(lambda: os.kill(targets["host_pid"], 0), errno.ESRCH)
    yield "processes.session", os.getsid(0) != 0
    for name, inode in targets["namespaces"].items():
        yield f"namespace.{name}", os.readlink(f"/proc/self/ns/{name}") != inode
    with open("/proc/1/environ", "rb") as file:
        first = {part.split(b"=")[0].decode() for part in file.read().split(b"\0") if part}
    yield "environment.first-process", first <= {"PATH"}
    yield "environment.job", set(os.environ) <= set(targets["variables"]) | {"PWD", "LC_CTYPE"}
    inherited = []
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and not refused(partial(os.fstat, int(name))):
            inherited.append(name)
    yield "descriptors", not inherited
    yield "hostname", os.uname().nodename == "job"


def privileges(targets: Targets) -> Answers:
    """No capability, no way to get one, and the filter answers for what it must."""
    now = status()
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        yield f"privileges.{name}", int(now[name], 16) == 0
    yield "privileges.no-new", now["NoNewPrivs"] == "1"
    yield "filter.on", now["Seccomp"] == "2"
    yield "privileges.setuid", refused(lambda: os.setuid(0))
    yield "privileges.groups", refused(lambda: os.setgroups([0]))
    calls = {
        "unshare": (CLONE_NEWUSER,),
        "ptrace": (PTRACE_TRACEME, 0, 0, 0),
        "io_uring_setup": (0, 0),
        "keyctl": (0, 0, 0),
        "add_key": (0, 0, 0, 0, 0),
        "userfaultfd": (0,),
        "bpf": (0, 0, 0),
        "perf_event_open": (0, 0, 0, 0, 0),
        "memfd_create": (0, 0),
        "shmget": (0, 4096, 0o600),
        "mount": (0, 0, 0, 0, 0),
        "open_by_handle_at": (-1, 0, 0),
        "process_vm_readv": (1, 0, 0, 0, 0, 0),
        "clone": (CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0),
        "clone3": (0, 0),
    }
    for name, arguments in calls.items():
        held = refused(partial(in_child, targets, name, *arguments), *REFUSED)
        yield f"filter.{name}", held


def in_child(targets: Targets, name: str, *arguments: int) -> None:
    """Make a system call in a child of our own and raise what it answers there."""
    child = os.fork()
    if child == 0:
        try:
            raw(targets, name, *arguments)
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, name)


def limits(targets: Targets) -> Answers:
    """Every limit is what was asked for, hard and soft, and bites."""
    for name, value in targets["limits"].items():
        got = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
        yield f"limit.{name.lower()}", got == (value, value)
    size = targets["limits"]["FSIZE"]
    with open("/tmp/large", "wb") as file:
        yield "limit.file-bites", refused(lambda: os.truncate(file.fileno(), size + 1), errno.EFBIG)
    for path, cap in (("/tmp", targets["tmp_bytes"]), ("/dev/shm", targets["shm_bytes"])):
        found = os.statvfs(path)
        yield f"limit.{path}", found.f_blocks * found.f_frsize <= cap


def leave_a_daemon() -> None:
    """Stay behind in a session of its own and write after the job has ended."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(0.3)
            with open("/out/late", "w"):
                pass
        os._exit(0)


def main() -> None:
    with open("/code/targets.json") as file:
        targets = json.load(file)
    answers: dict[str, bool] = {}
    for group in (network, files, processes, privileges, limits):
        try:
            answers.update(group(targets))
        except Exception:
            answers[f"{group.__name__}.unexpected"] = False
    leave_a_daemon()
    with open("/out/probe.json", "w") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main()
