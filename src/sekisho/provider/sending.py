"""One submission of one provider, from files to receipts: prepare, hold back, route, hand over.

Everything that submits uses it: the command, the gateway, the watched folder, a rehearsal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sekisho.common.ids import BodyId
from sekisho.framework import (
    CLASSES,
    DataClass,
    DataKinds,
    Framework,
    recipients,
    submission_routes,
)
from sekisho.provider.handover import Ready
from sekisho.provider.holding import hold_back
from sekisho.provider.notice import Notices
from sekisho.provider.profile import Profile
from sekisho.provider.submission import Prepared, Progress, Withheld, prepare, repeatable


@dataclass(frozen=True)
class Submitter:
    """What a provider needs to make submissions; it sends nothing itself.

    Args:
        operator: the certified operator with which the provider has a contract.
        provider_key: the provider's own secret.
    """

    framework: Framework
    kinds: DataKinds
    operator: str | None
    provider_key: bytes
    profile: Profile
    notices: Notices

    def ready(
        self,
        files: Sequence[Path],
        format_id: str,
        today: date,
        progress: Progress | None = None,
    ) -> Ready:
        """Read ``files`` and return what would leave today, and by which doors.

        Raises:
            UserError: nothing at all can be read.
        """
        prepared = prepare(
            files,
            format_id,
            self.kinds.placed,
            self.provider_key,
            self.recipients(),
            repeatable(files, format_id, self.provider_key),
            progress,
            profile=self.profile,
        )
        left, held = hold_back(prepared, self.framework, self.notices, today, self.provider_key)
        routes = submission_routes(self.framework, _classes(left), self.operator)
        return Ready(format_id, left, held, routes)

    def recipients(self) -> Mapping[str, BodyId | Withheld]:
        """Return who gets each class of data, or why nobody does."""
        found = {c: recipients(self.framework, c, self.operator) for c in CLASSES}
        return {
            c: Withheld(to.cause or "") if to.body is None else to.body for c, to in found.items()
        }


def _classes(prepared: Prepared) -> list[DataClass]:
    found = {line.data_class for line in prepared.balance if line.sent}
    found |= {c for part in prepared.parts.values() for c in part.withdrawn}
    return [c for c in CLASSES if c in found]
