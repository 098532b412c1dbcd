"""Who must learn that a person's number changed, where a framework goes by histories."""

from __future__ import annotations

from sekisho.common.ids import Domain, body_domain, registry_domain
from sekisho.framework.choices import registries
from sekisho.framework.model import CLASSES, Framework
from sekisho.framework.submission import holders


def alias_receivers(fw: Framework) -> dict[Domain, str]:
    """Return the domain of each holder of records and each registry → its room for transfers.

    Empty where ``open.identifier`` is another than ``history``: numbers are then not united.
    """
    if fw.open.identifier != "history":
        return {}
    held = {holder for one in CLASSES for holder in holders(fw, one)}
    made = {body_domain(body): "collection" for body in fw.function_bodies if body in held}
    return made | {registry_domain(registry): "opt_out" for registry in registries(fw)}
