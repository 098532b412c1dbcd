"""How far a leaving body is, for its operator: read from the body's own database and ledger."""

from __future__ import annotations

from pathlib import Path

from sekisho.body.config import read_config
from sekisho.body.flows import ending, witness
from sekisho.body.ports import Json
from sekisho.web.runtime import current
from sekisho.web.serve import close_connections, configure_django, install_body


def exit_of(config_file: Path) -> Json:
    """Return a body's withdrawal, step and receipts, and whether all its ledger is co-signed."""
    config, folders = read_config(config_file)
    configure_django(config, folders)
    install_body(config, folders)
    body = current().body
    by = witness.witness_for(body.framework, body.id)
    cosigned = body.ledger.cosigned_size(by) == body.ledger.head().size
    shown = {"body": body.id, **ending.shown(body), "cosigned": cosigned}
    close_connections()
    return shown
