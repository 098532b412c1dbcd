"""`sekisho incident`: from a leaked folder to the persons, through the providers."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import typer

from sekisho.body.incident import (
    assess,
    body_of,
    look,
    page,
    read_clocks,
    read_collusion,
    read_ledgers,
)
from sekisho.commands.output import ERR, OUT, progress, root, show_json, show_table
from sekisho.common.clock import SystemClock, today
from sekisho.common.errors import UserError
from sekisho.common.randomness import system_random
from sekisho.common.secretfile import read_secret, write_secret
from sekisho.exchange import jws
from sekisho.exchange.client import Client
from sekisho.exchange.directory import Directory
from sekisho.exchange.keys import SigningKey
from sekisho.provider.notified import find_patients
from sekisho.web.backup import post_to_itself

app = typer.Typer(help="A leak: whom it concerns, what can be done with it, who must be told.")
NOTICE, DOOR = "sekisho-incident-notice", "status/incident"
Language = Literal["ja", "en"]
Json = Annotated[bool, typer.Option("--json", help="print as JSON")]
DirectoryFile = Annotated[Path, typer.Option(help="directory.json with everybody's public keys")]


@app.command("assess")
def assess_(
    leak: Annotated[Path, typer.Argument(metavar="FOLDER", help="what leaked: a folder or file")],
    ledgers: Annotated[Path, typer.Option(help="a folder with the bodies' ledgers")],
    body: Annotated[str | None, typer.Option(help="whose it was, where it does not say")] = None,
    known_on: Annotated[str | None, typer.Option(help="when it became known (2026-04-01)")] = None,
    wrongful: Annotated[bool, typer.Option("--wrongful", help="done with wrongful intent")] = False,
    out: Annotated[Path | None, typer.Option(help="keep it for `open` (mode 0600)")] = None,
    json: Json = False,
) -> None:
    """Say what a leak means: data, persons, period, uses, who can join what, what to do by when."""
    if not leak.exists():
        raise UserError("incident.no-leak", f"{leak}: there is nothing.")
    rules = root() / "rules"
    with progress("reading"):
        made = assess(
            look(leak),
            read_ledgers(ledgers),
            body or body_of(leak),
            read_collusion(rules),
            read_clocks(rules),
            date.fromisoformat(known_on) if known_on else today(SystemClock()),
            wrongful=wrongful,
        )
    if out is not None:
        write_secret(out, orjson.dumps({"report": made.report, "sources": made.sources}))
    if json:
        show_json(made.report)
    else:
        _show(made.report)


def _show(report: dict[str, Any]) -> None:
    persons = report["persons"]
    people = (
        str(persons["at_most"])
        if persons["exact"]
        else f"{persons['at_least']}–{persons['at_most']} (台帳から / from the ledger)"
    )
    rows = [
        ("事案 / incident", report["incident"]),
        ("機関 / body", report["body"] or "?"),
        ("あったもの / found", ", ".join(report["parts"]) or "–"),
        ("人数 / persons", people),
        ("期間 / period", " – ".join(_period(report["period"])) or "?"),
        ("利用 / uses", ", ".join(one["application"] for one in report["uses"]) or "–"),
    ]
    show_table("漏えいの評価 / Assessment of a leak", ("項目 / item", ""), rows)
    data = [(d["data_class"], d["kind"], d["rows"], d["persons"]) for d in report["data"]]
    if data:
        show_table("データ / Data", ("class", "kind", "rows", "persons"), data)
    for one in report["reach"]:
        OUT.print(f"- {one['ja']}\n  {one['en']}")
    actions = [(one["action"], f"{one['ja']} / {one['en']}") for one in report["actions"]]
    show_table("いますること / Now", ("action", ""), actions)
    due = [
        (d["due"] or "速やかに / promptly", f"{d['ja']} / {d['en']}", d["source"])
        for d in report["deadlines"]
    ]
    show_table("期限 / Deadlines", ("by", "what", "source"), due)
    OUT.print(f"{report['duty']['ja']}\n{report['duty']['en']}")


def _period(period: dict[str, Any]) -> list[str]:
    if period["exact"]:
        return [period["from"], period["to"]]
    return list(period["landed"].values()) if period["landed"] else []


@app.command("report")
def report_(
    assessment: Annotated[Path, typer.Argument(metavar="CASE", help="what `assess --out` wrote")],
    out: Annotated[Path, typer.Option(help="the page to write (HTML, mode 0600)")],
    language: Annotated[Language, typer.Option(help="ja or en")] = "ja",
) -> None:
    """Write an assessment as a page that can be read, printed and passed on."""
    try:
        told = orjson.loads(read_secret(assessment))["report"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise UserError(
            "incident.report",
            f"{assessment}: this is no assessment of a leak.",
            next_step="write one with `sekisho incident assess --out`",
        ) from error
    write_secret(out, page(told, language).encode())
    ERR.print(f"written: {out}")


@app.command("open")
def open_(
    report: Annotated[Path, typer.Argument(help="what `assess --out` wrote")],
    body: Annotated[Path, typer.Option(help="the body's folder (with body.toml)")],
) -> None:
    """Record the leak at the body and make the notices that its providers pull."""
    message = post_to_itself(body / "body.toml", DOOR, read_secret(report))
    ERR.print(f"handed to the body as message {message}")


@app.command("pull")
def pull(
    provider: Annotated[str, typer.Option(help="institution code")],
    key: Annotated[Path, typer.Option(help="the provider's signing key")],
    directory: DirectoryFile,
    body: Annotated[str, typer.Option(help="the body to ask")],
    out: Annotated[Path, typer.Option(help="folder for the notices")],
    json: Json = False,
) -> None:
    """At a provider: fetch the notices that a body made for it; their signatures are checked."""
    known = Directory.read(directory)
    client = Client(provider, SigningKey.read(key), clock=SystemClock(), random=system_random)
    answer = client.get(known.find(body), "/exchange/collection/notices").json()
    client.close()
    names = []
    for token in answer["notices"]:
        notice = jws.verify(token, known.resolve, NOTICE).payload
        write_secret(out / f"{notice['incident']}.{body}.jws", token.encode())
        names.append(str(notice["incident"]))
    if json:
        show_json({"notices": names})
    else:
        OUT.print("\n".join(names) or "no notice")


@app.command("patients")
def patients(
    notice: Annotated[Path, typer.Argument(help="a notice that was pulled")],
    directory: DirectoryFile,
    records: Annotated[list[Path], typer.Option(help="the provider's own files, as sent")],
    format_id: Annotated[str, typer.Option("--format", help="their format")],
    provider_key: Annotated[Path, typer.Option(help="the key that named the records")],
    out: Annotated[Path, typer.Option(help="the list of patients (mode 0600)")],
    json: Json = False,
) -> None:
    """At a provider: turn a notice into the list of its own patients. The list stays here."""
    said = jws.verify(read_secret(notice), Directory.read(directory).resolve, NOTICE).payload
    sources = said["sources"]
    found, known = find_patients(records, format_id, read_secret(provider_key), sources)
    write_secret(out, orjson.dumps([{"patient": p.patient, "records": p.records} for p in found]))
    counts = {
        "patients": len(found),
        "names": sum(len(names) for names in sources.values()),
        "known": known,
    }
    if json:
        show_json(counts)
    else:
        show_table("Patients concerned", ("what", "number"), list(counts.items()))


@app.command("acknowledge")
def acknowledge(
    notice: Annotated[Path, typer.Argument(help="a notice that was pulled")],
    key: Annotated[Path, typer.Option(help="the provider's signing key")],
    directory: DirectoryFile,
    patients: Annotated[int, typer.Option(help="how many patients it concerns")],
) -> None:
    """At a provider: say that the notice came and how many patients it concerns."""
    known = Directory.read(directory)
    said = jws.verify(read_secret(notice), known.resolve, NOTICE).payload
    client = Client(
        said["provider"], SigningKey.read(key), clock=SystemClock(), random=system_random
    )
    word = orjson.dumps({"incident": said["incident"], "patients": patients})
    peer = known.find(said["body"])
    client.post(
        peer, "/exchange/collection/notice-acknowledged", word, content_type="application/json"
    )
    client.close()
