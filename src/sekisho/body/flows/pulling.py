"""What a collecting body tells a provider of pulling: whether, and how often.

Nothing connects to a provider: its own program asks, and pulls from the hospital's server.
"""

from __future__ import annotations

from collections.abc import Mapping

from sekisho.body.context import Body
from sekisho.body.ports import Json
from sekisho.data.collection import read_pull_rule


def schedule(body: Body, sender: str, params: Mapping[str, str], data: bytes) -> Json:
    """Tell a provider the body's schedule for it; none where the framework collects by push."""
    if body.framework.open.mode != "pull":
        return {"every_hours": None}
    return {"every_hours": read_pull_rule(body.rules).hours(sender)}
