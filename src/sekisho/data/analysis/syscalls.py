"""The system call filter of a job: what a data analysis has no use for, and an attack has.

A deny-list on top of the namespaces (reference: analysis 2.1). Beyond that recipe it takes away
memory that belongs to no process (memfd, System V shared memory), which a watchdog on processes
would not see, and the set-user-id bits.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from typing import Any

from sekisho.data.analysis.tools import missing

DENIED_BY_REASON = {
    "other processes": "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd",
    "kernel surfaces with a history of escapes": "bpf perf_event_open io_uring_setup "
    "io_uring_enter io_uring_register userfaultfd add_key request_key keyctl",
    "mounts and namespaces": "mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick "
    "open_tree move_mount mount_setattr unshare setns open_by_handle_at name_to_handle_at",
    "the machine": "init_module finit_module delete_module kexec_load kexec_file_load reboot "
    "swapon swapoff settimeofday clock_settime clock_adjtime adjtimex acct syslog quotactl vhangup "
    "iopl ioperm",
    "names that are not plain files": "mknod mknodat symlink symlinkat link linkat",
    "memory outside every process": "memfd_create memfd_secret shmget shmat shmctl msgget semget "
    "mq_open",
}
DENIED = tuple(name for names in DENIED_BY_REASON.values() for name in names.split())

AF_UNIX = 1
CLONE_NEWUSER = 0x10000000
TIOCSTI = 0x5412
SET_ID_BITS = (0o4000, 0o2000)


def compile_filter() -> bytes:
    """Return the filter as a BPF program.

    Raises:
        Refusal: libseccomp is not installed.
    """
    seccomp = _library()
    refuse, absent = seccomp.ERRNO(errno.EPERM), seccomp.ERRNO(errno.ENOSYS)
    any_flag = seccomp.MASKED_EQ
    rules: list[tuple[Any, str, tuple[Any, ...]]] = [(refuse, name, ()) for name in DENIED]
    rules.append((refuse, "socket", (seccomp.Arg(0, seccomp.NE, AF_UNIX),)))
    new_user = seccomp.Arg(0, any_flag, CLONE_NEWUSER, CLONE_NEWUSER)
    rules.append((refuse, "clone", (new_user,)))
    # Its flags lie in memory, where a filter cannot look; libc falls back to clone.
    rules.append((absent, "clone3", ()))
    rules.append((refuse, "ioctl", (seccomp.Arg(1, any_flag, 0xFFFFFFFF, TIOCSTI),)))
    for bit in SET_ID_BITS:
        rules.append((refuse, "chmod", (seccomp.Arg(1, any_flag, bit, bit),)))
        rules.append((refuse, "fchmod", (seccomp.Arg(1, any_flag, bit, bit),)))
        rules.append((refuse, "fchmodat", (seccomp.Arg(2, any_flag, bit, bit),)))
    program = seccomp.SyscallFilter(seccomp.ALLOW)
    for action, name, arguments in rules:
        # A call that this architecture or libseccomp does not know cannot be filtered by name.
        if number(name) is not None:
            program.add_rule(action, name, *arguments)
    return _export(program)


def passing_filter() -> bytes:
    """Return a filter that refuses nothing: the self-test's, to see the other walls hold alone."""
    return _export(_library().SyscallFilter(_library().ALLOW))


def number(name: str) -> int | None:
    """Return the number of a system call on this machine, or None where it has none."""
    seccomp = _library()
    found = int(seccomp.resolve_syscall(seccomp.Arch.NATIVE, name))
    return found if found >= 0 else None


def as_descriptor(program: bytes) -> int:
    """Return an open descriptor from which bubblewrap reads the filter."""
    descriptor = os.memfd_create("filter", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(program)
    os.lseek(descriptor, 0, io.SEEK_SET)
    return descriptor


def _export(program: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        program.export_bpf(file)
        file.seek(0)
        return file.read()


def _library() -> Any:
    try:
        import pyseccomp  # it loads the system's libseccomp when imported
    except (ImportError, OSError, RuntimeError) as error:
        raise missing("libseccomp", "libseccomp2") from error
    return pyseccomp
