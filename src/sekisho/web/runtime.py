"""The one body that this process serves, and the bell of its worker. Set once by
`sekisho.web.serve`, read by views and tasks.

Django calls views and tasks by name, so they cannot be given the body as a parameter.
"""

from __future__ import annotations

from sekisho.body.service import Service
from sekisho.common.errors import Defect
from sekisho.web.bell import Bell

_installed: list[Service] = []
_bells: list[Bell] = []


def install(service: Service) -> None:
    """Make ``service`` the body of this process."""
    _installed[:] = [service]


def current() -> Service:
    """Return the body of this process."""
    if not _installed:
        raise Defect("web.no-body", "No body was installed in this process.")
    return _installed[0]


def hang(bell: Bell) -> None:
    """Ring ``bell`` from now on when this process has kept a message."""
    _bells[:] = [bell]


def ring() -> None:
    """Say that there is work; where no worker listens, nothing happens."""
    for bell in _bells:
        bell.ring()
