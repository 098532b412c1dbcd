"""The one body that this process serves. Set once by `sekisho.web.serve`, read by views and tasks.

Django calls views and tasks by name, so they cannot be given the body as a parameter.
"""

from __future__ import annotations

from sekisho.body.service import Service
from sekisho.common.errors import Defect

_installed: list[Service] = []


def install(service: Service) -> None:
    """Make ``service`` the body of this process."""
    _installed[:] = [service]


def current() -> Service:
    """Return the body of this process."""
    if not _installed:
        raise Defect("web.no-body", "No body was installed in this process.")
    return _installed[0]
