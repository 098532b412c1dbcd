"""The programs and the library that the sandbox is made of, or what to install."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sekisho.common.errors import Refusal

RULE = "studies run only in the hardened sandbox (reference: analysis 2.1)"
INTERPRETER = Path("/usr/bin/python3")
SEARCH = "/usr/bin:/bin:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Tools:
    """Absolute paths of the programs, and bubblewrap's version."""

    bwrap: Path
    setpriv: Path
    prlimit: Path
    version: str


def find_tools(search: str = SEARCH) -> Tools:
    """Return the tools.

    Raises:
        Refusal: one is missing, with the package to install.
    """
    found = {}
    for name, package in (
        ("bwrap", "bubblewrap"),
        ("setpriv", "util-linux"),
        ("prlimit", "util-linux"),
    ):
        path = shutil.which(name, path=search)
        if path is None:
            raise missing(name, package)
        found[name] = Path(path)
    version = subprocess.run(
        [found["bwrap"], "--version"], capture_output=True, text=True, timeout=10, check=False
    ).stdout.strip()
    return Tools(found["bwrap"], found["setpriv"], found["prlimit"], version)


def check_interpreter() -> str:
    """Return the version of the job's interpreter, which lies outside every home folder.

    Raises:
        Refusal: it is missing, or cannot load this installation's compiled packages.
    """
    if not INTERPRETER.exists():
        raise missing(str(INTERPRETER), "python3")
    code = "import sys; print(sys.implementation.cache_tag, sys.version.split()[0])"
    answer = subprocess.run(
        [INTERPRETER, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout.split()
    if answer[0] != sys.implementation.cache_tag:
        raise Refusal(
            "sandbox.interpreter",
            f"{INTERPRETER} is {answer[0]}, this program runs on {sys.implementation.cache_tag}.",
            rule=RULE,
            next_step=f"create the virtual environment from {INTERPRETER}",
        )
    return answer[1]


def missing(name: str, package: str) -> Refusal:
    """Return the refusal for a missing part of the sandbox."""
    return Refusal(
        "sandbox.missing",
        f"The sandbox needs {name}, which is not installed.",
        rule=RULE,
        next_step=f"install it as root: apt-get install {package}",
    )
