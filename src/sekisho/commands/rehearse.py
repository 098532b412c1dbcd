"""`sekisho run` and `sekisho compare`: rehearsals of scenarios against running bodies."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sekisho.commands.output import OUT, progress, root, show_json, show_table
from sekisho.common.errors import UserError
from sekisho.rehearsal.run import run as rehearse
from sekisho.rehearsal.scenario import Scenario, read_scenario

File = Annotated[Path, typer.Argument(help="a scenario: a TOML file, or a shipped one's name")]
Out = Annotated[Path, typer.Option(help="a new folder for everything that comes of it")]
Json = Annotated[bool, typer.Option("--json", help="print the report as JSON")]
Persons = Annotated[int | None, typer.Option(help="another number of people")]


def run(
    scenario: File,
    out: Out,
    framework: Annotated[
        str | None, typer.Option(help="a framework's id or file, instead of the scenario's")
    ] = None,
    persons: Persons = None,
    json: Json = False,
) -> None:
    """Rehearse a scenario end to end against real running bodies."""
    chosen = _scenario(scenario, framework, persons)
    with progress(f"{scenario.name} · {chosen.framework}") as tell:
        report = rehearse(chosen, out, root=root(), progress=tell)
    if json:
        show_json(report)
    else:
        show_report(report, out)
    if report["failed"]:
        print(f"{len(report['failed'])} messages could not be handled", file=sys.stderr)
        raise typer.Exit(5)


def compare(
    scenario: File,
    out: Out,
    persons: Persons = None,
    json: Json = False,
) -> None:
    """Run one scenario through all frameworks and lay them side by side, without a judgement."""
    from sekisho.comparison import compare as lay_side_by_side

    chosen = read_scenario(_file(scenario))
    if persons is not None:
        chosen = chosen.with_population(persons)
    with progress("compare") as tell:
        result = lay_side_by_side(chosen, out, root=root(), progress=tell)
    if json:
        show_json(result.as_json())
    else:
        for line in result.lines():
            OUT.print(line)
    if result.problems:
        print(f"{len(result.problems)} runs did not end as they should", file=sys.stderr)
        raise typer.Exit(5)


def _file(named: Path) -> Path:
    """Return the file of a scenario: a path, or a name in ``scenarios/``."""
    if named.exists():
        return named
    shipped = {file.stem: file for file in sorted((root() / "scenarios").glob("*.toml"))}
    if str(named) in shipped:
        return shipped[str(named)]
    raise UserError(
        "scenario.not-found",
        f"There is no scenario {str(named)!r}, neither as a name nor as a file.",
        next_step=f"names: {', '.join(shipped)}; or the path of a TOML file",
    )


def _scenario(file: Path, framework: str | None, persons: int | None) -> Scenario:
    scenario = read_scenario(_file(file))
    if framework is not None:
        scenario = scenario.with_framework(framework)
    return scenario if persons is None else scenario.with_population(persons)


def show_report(report: dict[str, Any], out: Path) -> None:
    """Print what happened as tables."""
    title = report["title"]
    OUT.print(f"\n[bold]{title['ja']} / {title['en']}[/bold]  →  {out}\n")
    show_table("出来事 / What happened", ("step", "seconds"), _step_rows(report))
    show_table("機関 / Bodies", _BODIES, _body_rows(report))
    show_table("提供 / Submissions", _SUBMISSIONS, _submission_rows(report))
    for name, project in report["projects"].items():
        where = f"{project['state']}, at {project['environment']}"
        show_table(f"利用 / Project {name}: {where}", ("", "count"), _project_rows(project))
    show_table("指標 / Figures", ("figure", "value"), _measure_rows(report))
    for application, names in report["released"].items():
        OUT.print(f"持ち出し / released for {application}: {', '.join(names) or 'nothing'}")
    for body, jobs in report["studies"].items():
        for job in jobs.values():
            for output in job.get("outputs", []):
                if output["verdict"] == "refused":
                    why = ", ".join(sorted(set(output["findings"])))
                    OUT.print(f"not released by {body}: {output['name']} ({why})")
    if report["alarms"]:
        show_table("警報 / Alarms", _ALARMS, _alarm_rows(report))
    for note in report["notes"]:
        OUT.print(f"note: {note}")
    OUT.print("seconds: " + ", ".join(f"{k} {v}" for k, v in report["seconds"].items()))


_BODIES = ("body", "functions and roles", "rows held", "sent", "kB sent", "ledger")
_SUBMISSIONS = ("provider", "format", "doors", "records", "withheld", "findings")
_ALARMS = ("body", "alarm", "code", "owner", "since", "days", "cleared")
_COUNTS = {
    "received": "persons received",
    "opted_out": "opted out, found by the gate",
    "outside_cohort": "outside the cohort",
    "included": "persons included",
    "linked": "of them with records at several holders",
}


def _step_rows(report: dict[str, Any]) -> list[tuple[object, ...]]:
    return [(one["step"], f"{one['seconds']:.2f}") for one in report["steps"]]


def _body_rows(report: dict[str, Any]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for body in report["bodies"]:
        name = body["body"]
        traffic = report["traffic"][name]["out"]
        held = sum(one["rows"] for one in report["held"].get(name, []))
        does = ", ".join((*body["functions"], *body["roles"]))
        ledger = report["ledgers"][name]["size"]
        rows.append((name, does, held, traffic["messages"], traffic["bytes"] // 1000, ledger))
    return rows


def _submission_rows(report: dict[str, Any]) -> list[tuple[object, ...]]:
    return [
        (
            one["provider"],
            one["format"],
            ", ".join(one.get("doors", [])) or one.get("error", ""),
            sum(one.get("read", {}).values()),
            ", ".join(f"{k} {v}" for k, v in one.get("withheld", {}).items()) or "–",
            one.get("findings", "–"),
        )
        for one in report["submissions"]
    ]


def _alarm_rows(report: dict[str, Any]) -> list[tuple[object, ...]]:
    return [
        (body, *(one[name] for name in _ALARMS[1:-1]), one["cleared"] or "–")
        for body, all_of_it in report["alarms"].items()
        for one in all_of_it
    ]


def _project_rows(project: dict[str, Any]) -> list[tuple[object, ...]]:
    if "counts" not in project:
        return [(project.get("problem", {}).get("title", "waits for data"), "–")]
    counts = project["counts"]
    dropped = [
        (f"opted out, dropped by {name.replace(':', ' of ')} data", part["dropped"])
        for name, part in sorted(project["parts"].items())
    ]
    rows = [(f"rows of {table}", number) for table, number in counts["rows"].items()]
    return [*dropped, *((text, counts[key]) for key, text in _COUNTS.items()), *rows]


def _measure_rows(report: dict[str, Any]) -> list[tuple[object, object]]:
    return [(name, _spelled(value)) for name, value in report["measures"].items()]


def _spelled(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return str(value)
