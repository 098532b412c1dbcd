"""`sekisho ledger`: verify, prove, monitor, export a body's record, from files or its address."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from sekisho.commands.ledger_target import Target, one, targets
from sekisho.commands.output import OUT, show_json, show_table
from sekisho.common.atomicfile import write_atomically
from sekisho.common.errors import TamperError, UserError
from sekisho.control.ledger import (
    Proof,
    export_ledger,
    prove_consistency,
    prove_inclusion,
    read_checkpoint,
    read_cosigned,
    read_vkey,
    verify_ledger,
    vkey,
    watch,
)

app = typer.Typer(
    help="A body's append-only record: verify it, prove what is in it, watch it, export it.",
    no_args_is_help=True,
)
Place = Annotated[
    str,
    typer.Argument(metavar="PLACE", help="a run's folder, a body's, a ledger's, or an address"),
]
Body = Annotated[str | None, typer.Option(help="the body whose ledger is meant")]
Directory = Annotated[Path | None, typer.Option(help="a directory.json with the bodies' keys")]
Key = Annotated[
    str | None, typer.Option("--vkey", help="the ledger's public key, NAME+ID+KEY (C2SP)")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command()
def verify(
    place: Place,
    body: Body = None,
    directory: Directory = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Verify every byte of a ledger and what its witness co-signed; exit 6 if it does not hold."""
    results = [_verified(target) for target in targets(place, body, directory, key)]
    if json:
        show_json({"holds": all(not r["problems"] for r in results), "ledgers": results})
    else:
        rows = [
            (
                result["origin"],
                result["entries"],
                result["cosigned"]["entries"] if result["cosigned"] else "–",
                "holds" if not result["problems"] else result["problems"][0]["what"],
            )
            for result in results
        ]
        show_table("台帳 / Ledgers", ("ledger", "entries", "co-signed", "finding"), rows)
    if any(result["problems"] for result in results):
        raise typer.Exit(TamperError.exit_code)


def _verified(target: Target) -> dict[str, Any]:
    found = verify_ledger(target.files, target.origin, target.key, witnesses=target.witnesses)
    told: dict[str, Any] = {
        "origin": target.origin,
        "vkey": vkey(target.origin, target.key),
        "entries": None,
        "cosigned": None,
        "problems": [{"file": problem.file, "what": problem.what} for problem in found],
    }
    if found:
        return told
    told["entries"] = target.log.size
    for witness, witness_key in target.witnesses.items():
        seen = read_cosigned(target.files, target.origin, target.key, witness, witness_key)
        if seen is not None:
            [at] = seen.witnessed.values()
            told["cosigned"] = {
                "witness": witness,
                "entries": seen.head.size,
                "at": at.isoformat(),
            }
    return told


prove = typer.Typer(help="Proofs that anyone can check without the ledger.", no_args_is_help=True)
app.add_typer(prove, name="prove")


@prove.command()
def inclusion(
    place: Place,
    index: Annotated[int, typer.Argument(min=0, help="the entry's place, from 0")],
    body: Body = None,
    directory: Directory = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Prove that an entry is in a ledger (C2SP tlog-proof, with the entry in its extra line)."""
    target = one(place, body, directory, key)
    try:
        proof = prove_inclusion(target.log, index, target.origin, target.key)
    except IndexError as error:
        raise UserError("ledger.no-entry", f"The ledger has no entry {index}.") from error
    if json:
        told = {"index": index, "entry": orjson.loads(proof.entry), "proof": proof.text()}
        show_json(told | {"vkey": vkey(target.origin, target.key)})
    else:
        print(proof.text(), end="")


@prove.command()
def consistency(
    place: Place,
    old: Annotated[int, typer.Argument(min=0, help="the earlier number of entries")],
    body: Body = None,
    directory: Directory = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Prove that a ledger continues its first OLD entries (as C2SP tlog-witness spells it)."""
    target = one(place, body, directory, key)
    if old > target.log.size:
        raise UserError("ledger.no-size", f"The ledger never had {old} entries.")
    shown = prove_consistency(target.log, old, target.origin, target.key)
    if json:
        hashes = [part.hex() for part in shown.proof]
        show_json({"old": old, "proof": hashes, "checkpoint": shown.note.decode()})
    else:
        print(shown.text(), end="")


@prove.command()
def check(
    file: Annotated[Path, typer.Argument(help="what `prove inclusion` printed")],
    key: Annotated[str, typer.Option("--vkey", help="the ledger's public key, NAME+ID+KEY")],
    json: Json = False,
) -> None:
    """Check a proof of an entry, without the ledger; exit 6 if it does not hold."""
    origin, public = read_vkey(key)
    try:
        proof = Proof.from_text(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("ledger.no-file", f"{file}: cannot be read.") from error
    head = proof.verify(origin, public)
    entry = orjson.loads(proof.entry)
    if json:
        show_json({"holds": True, "index": proof.index, "size": head.size, "entry": entry})
    else:
        OUT.print(f"Entry {proof.index} of {head.size} of {origin} holds:")
        OUT.print_json(data=entry)


@app.command()
def monitor(
    place: Place,
    state: Annotated[Path, typer.Option(help="the file that keeps the checkpoint seen last")],
    against: Annotated[
        Path | None, typer.Option(help="another reader's checkpoint, to find two histories")
    ] = None,
    body: Body = None,
    directory: Directory = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Look at a ledger again: it only grew, or exit 6 with both checkpoints as evidence."""
    target = one(place, body, directory, key)
    looks = [("kept", _kept(state))]
    if against is not None:
        looks.append(("against", _read(against)))
    told: dict[str, Any] = {"origin": target.origin, "holds": True}
    for name, kept in looks:
        seen = watch(target.log, kept, target.origin, target.key)
        told["entries"] = seen.shown.size
        told[name] = {
            "finding": seen.finding.value,
            "entries": seen.seen.size if seen.seen else None,
        }
        if not seen.finding.holds:
            told["holds"] = False
            evidence = state.with_name(f"{state.name}.{name}-evidence")
            write_atomically(evidence, (kept or b"") + b"\n" + seen.note)
            told[name]["evidence"] = str(evidence)
    if told["holds"]:
        write_atomically(state, seen.note)
    if json:
        show_json(told)
    else:
        rows = [(name, told[name]["entries"] or "–", told[name]["finding"]) for name, _ in looks]
        title = f"{target.origin}: {told['entries']} entries"
        show_table(title, ("checkpoint", "entries", "finding"), rows)
    if not told["holds"]:
        raise typer.Exit(TamperError.exit_code)


def _kept(state: Path) -> bytes | None:
    return state.read_bytes() if state.exists() else None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError("ledger.no-file", f"{file}: cannot be read.") from error


@app.command()
def erase(
    config: Annotated[Path, typer.Option(help="the body's configuration file, on its own machine")],
    application: Annotated[str, typer.Option(help="the application whose people are erased")],
    json: Json = False,
) -> None:
    """Erase who applied and people's words from an application that is over; the tree stays."""
    from sekisho.body.flows import payloads
    from sekisho.web.serve import operating

    with operating(config) as service:
        outcome = payloads.erase(service.body, application)
        service.operate(outcome)
    [said] = [fact.body for fact in outcome.facts]
    if json:
        show_json(said)
    else:
        files = len(said["payloads"]) + len(said["documents"])
        OUT.print(f"Erased: {files} files, names and words in {said['events']} events.")


@app.command()
def export(
    place: Place,
    out: Annotated[Path, typer.Option(help="a new folder")],
    body: Body = None,
    directory: Directory = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Verify a ledger and copy it: C2SP tiles and checkpoint, and every entry as a line of JSON."""
    target = one(place, body, directory, key)
    if out.exists() and any(out.iterdir()):
        raise UserError("ledger.out-not-empty", f"{out}: the folder is not empty.")
    result = _verified(target)
    if result["problems"]:
        raise TamperError(
            "ledger.broken",
            f"The ledger does not hold: {result['problems'][0]['what']}.",
            next_step="see `sekisho ledger verify`; nothing was exported",
        )
    head = read_checkpoint(target.files.read("checkpoint") or b"", target.origin, target.key).head
    export_ledger(target.log, head.size, out)
    write_atomically(out / "vkey", f"{result['vkey']}\n".encode())
    told = {"origin": target.origin, "entries": head.size, "out": str(out)}
    if json:
        show_json(told)
    else:
        OUT.print(f"{head.size} entries of {target.origin} are in {out}.")
