"""`sekisho keys`: which keys there are, a new epoch, a former secret's end, a body cut off, the
ceremonies' records."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from sekisho.body.flows.destruction import records as destroyed_records
from sekisho.commands.home import Home, homes, of_converter, ordered, tell, with_role
from sekisho.commands.output import OUT, show_json, show_table
from sekisho.common.canonical import digest
from sekisho.common.errors import PeerError, Refusal, SekishoError, TamperError
from sekisho.common.ids import Domain, body_domain, new_id, project_domain, registry_domain
from sekisho.common.randomness import system_random
from sekisho.common.secretfile import read_secret
from sekisho.exchange.destruction import Destruction, read_destruction
from sekisho.exchange.globalkey import GlobalKey, read_global_key
from sekisho.pseudonym.group import Scalar, multiply_base

app = typer.Typer(help="Keys of bodies: show, rotate, destroy, revoke, ceremony. Never a secret.")

Where = Annotated[Path, typer.Argument(metavar="DIR", help="a deployment's folder, or one body's")]
AsJson = Annotated[bool, typer.Option("--json", help="print as JSON")]
PAUSE = 0.2
"""Seconds between two questions."""
SHOWN = 16
"""Hex digits of a digest in a table; JSON has them all."""


@app.command()
def show(folder: Where, json: AsJson = False) -> None:
    """Show each body's epoch, domains and the digests of its public keys."""
    found = [_shown(home) for home in homes(folder)]
    if json:
        show_json({"bodies": found})
        return
    rows = [
        (one["body"], one["epoch"], key["of"], key["epoch"], key["digest"][:SHOWN])
        for one in found
        for key in one["keys"]
    ]
    show_table("Public keys", ("body", "in epoch", "key of", "epoch", "digest"), rows)


def _shown(home: Home) -> dict[str, Any]:
    peer = home.directory.find(home.config.body)
    keys: list[dict[str, Any]] = [
        {"of": "signing", "epoch": "", "digest": digest(peer.verify_key.encode())},
        {"of": "sealing", "epoch": "", "digest": digest((peer.seal_recipient or "").encode())},
    ]
    records = [read_global_key(file.read_bytes(), home.directory) for file in home.records()]
    keys += [{"of": "global", "epoch": r.epoch, "digest": digest(r.key)} for r in records]
    for domain in _domains(home):
        for file in home.keys.domain_files(domain):
            public = multiply_base(Scalar(read_secret(file)))
            epoch = int(file.suffixes[-2].lstrip("."))
            keys.append({"of": domain, "epoch": epoch, "digest": digest(public)})
    if home.keys.is_converter:
        own = home.keys.converter()
        for epoch in range(own.newest + 1):
            gone = epoch in own.destroyed
            step = "" if gone else digest(own.of(epoch).public_step(None))
            of = "converter's step (destroyed)" if gone else "converter's step"
            keys.append({"of": of, "epoch": epoch, "digest": step})
    newest = max((record.epoch for record in records), default=0)
    return {"body": home.config.body, "epoch": newest, "keys": keys}


def _domains(home: Home) -> list[Domain]:
    """Return the domains that a body can have: its own, and those of the projects it knows of."""
    body = home.config.body
    projects = sorted({file.stem for file in (home.folders.documents / "permits").glob("*.json")})
    own = [body_domain(body), registry_domain(body)]
    return own + [project_domain(project, body) for project in projects]


@app.command()
def rotate(
    folder: Where,
    deadline_days: Annotated[
        int, typer.Option(min=1, help="after so many days the old epoch ends in any case")
    ] = 14,
    json: AsJson = False,
) -> None:
    """Begin a new epoch: the first converter's operator tells its running body to."""
    home = with_role(folder, "converter")
    tell(home, "conversion/rotate", {"deadline_days": deadline_days})
    _said(json, {"told": home.config.body, "deadline_days": deadline_days})


@app.command()
def destroy(
    folder: Where,
    epoch: Annotated[int, typer.Argument(min=0, help="the former epoch")],
    converter: Annotated[str, typer.Option(help="the converter whose secret it is")],
    wait: Annotated[float, typer.Option(help="seconds to wait for the answer")] = 60.0,
    json: AsJson = False,
) -> None:
    """Destroy a converter's secret of a former epoch that nothing needs; its running body asks
    every other one, and tells what still needs it."""
    home = of_converter(folder, converter)
    order = {"epoch": epoch, "order": new_id(system_random)}
    tell(home, "conversion/destroy", order)
    until = time.monotonic() + wait
    while (said := ordered(home, epoch))["order"] != order["order"]:
        if time.monotonic() > until:
            raise PeerError(
                "keys.slow",
                f"{converter} has not answered yet.",
                next_step="see later: sekisho keys show",
            )
        time.sleep(PAUSE)
    if said["state"] != "destroyed":
        told = said["problem"]
        code = told["type"].rpartition(":")[2]
        raise Refusal(code, told["title"], rule=told["rule"], next_step=told["next"])
    _said(json, {"told": converter, "destroyed": epoch})


@app.command()
def revoke(
    folder: Where,
    body: Annotated[str, typer.Argument(help="the body that nobody may answer any longer")],
    code: Annotated[str, typer.Option(help="one word for the cause")] = "compromised",
    json: AsJson = False,
) -> None:
    """Cut a body off: the oversight body signs it, and all others refuse it from then on."""
    home = with_role(folder, "oversight")
    home.directory.find(body)
    tell(home, "oversight/revoke-body", {"body": body, "code": code})
    _said(json, {"told": home.config.body, "revoked": body, "code": code})


@app.command()
def ceremony(folder: Where, json: AsJson = False) -> None:
    """Verify the records of ceremonies: of global keys made, and of former secrets destroyed."""
    found, gone, problems = [], [], []
    for home in homes(folder):
        for file in home.records():
            try:
                record = read_global_key(file.read_bytes(), home.directory)
                _check_record(home, file, record)
                found.append({"body": home.config.body, **_record(record)})
            except SekishoError as error:
                problems.append({"body": home.config.body, "what": error.message})
        for file in destroyed_records(home.folders.documents):
            try:
                said = read_destruction(file.read_text(), home.directory)
                _check_destroyed(home, file, said)
                gone.append({"body": home.config.body, **msgspec.to_builtins(said)})
            except SekishoError as error:
                problems.append({"body": home.config.body, "what": error.message})
    texts = {(one["epoch"], one["digest"]) for one in found}
    if len(texts) != len({epoch for epoch, _ in texts}):
        problems.append({"body": "*", "what": "Two bodies have two keys of one epoch."})
    if json:
        records = {"records": found, "destroyed": gone}
        show_json({"holds": not problems, **records, "problems": problems})
    else:
        rows = [
            (one["body"], one["epoch"], one["on"], ", ".join(one["signers"]), one["digest"][:SHOWN])
            for one in found
        ]
        show_table("Ceremonies", ("kept at", "epoch", "on", "signed by", "global key"), rows)
        if gone:
            ended = [(one["body"], one["epoch"], one["on"], one["converter"]) for one in gone]
            show_table("Secrets destroyed", ("kept at", "epoch", "on", "of"), ended)
        for problem in problems:
            OUT.print(f"{problem['body']}: {problem['what']}")
    if problems or not found:
        raise typer.Exit(TamperError.exit_code)


def _check_record(home: Home, file: Path, record: GlobalKey) -> None:
    if file.stem != str(record.epoch):
        raise TamperError("keys.record", "A record lies under another epoch's name.")
    if len(set(record.steps)) != len(record.steps):
        raise TamperError("keys.record", "A converter's step changed nothing.")
    if record.epoch == 0 and home.keys.first_global_key != record.key:
        raise TamperError("keys.record", "The body encrypts under another key than the record's.")
    if home.keys.is_converter and record.epoch not in home.keys.converter().destroyed:
        keys = home.keys.converter()
        first = home.framework.with_role("converter")[0] == home.config.body
        own = keys.of(record.epoch).public_step(None if first else record.steps[0])
        if own != record.steps[0 if first else 1]:
            raise TamperError("keys.record", "The record's step is not of this converter's secret.")


def _check_destroyed(home: Home, file: Path, said: Destruction) -> None:
    made = home.folders.documents / "global-keys" / f"{said.epoch}.json"
    if made.exists() and digest(made.read_bytes()) != said.record:
        raise TamperError("keys.record", "A destruction names another global key's record.")
    if file.stem != f"{said.epoch}.{said.converter}":
        raise TamperError("keys.record", "A record lies under another destruction's name.")
    own = said.converter == home.config.body
    if own and said.epoch not in home.keys.converter().destroyed:
        raise TamperError("keys.record", "A secret that was destroyed by the record is still here.")


def _record(record: GlobalKey) -> dict[str, Any]:
    return {
        "epoch": record.epoch,
        "on": record.on or "",
        "signers": list(record.signers),
        "steps": [step.hex() for step in record.steps],
        "digest": digest(record.key),
    }


def _said(json: bool, said: dict[str, Any]) -> None:
    if json:
        show_json(said)
    else:
        OUT.print(", ".join(f"{name}: {value}" for name, value in said.items()))
