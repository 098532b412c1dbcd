"""Tables of the reference: errors, doors, ledger entries, columns, stages, findings of readers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sekisho.body.endpoints import ENDPOINTS, EVERYWHERE, REHEARSAL, SELF
from sekisho.cdm import TABLES, Role, Table
from sekisho.common import errors
from sekisho.control.ledger import kinds
from sekisho.control.review import COMMAND_ROLES, STAGE_OWNERS, TERMINAL, Stage, stage_diagram
from sekisho.provider import EXPLANATIONS, FORMATS, described_names, format_of
from sekisho.reference.markdown import code, page, table


def pages() -> Iterator[tuple[str, str]]:
    """Yield every page of this module."""
    yield "errors.md", errors_page()
    yield "doors.md", doors_page()
    yield "ledger-entries.md", ledger_page()
    yield "tables.md", tables_page()
    yield "lane.md", lane_page()
    yield "formats.md", formats_page()


def errors_page() -> str:
    """Return the page of exit codes and HTTP statuses, one per class of error."""
    classes = sorted(errors.SekishoError.__subclasses__(), key=lambda one: one.exit_code)
    rows = [(0, "", "", "all was done")]
    rows += [
        (one.exit_code, code(one.__name__), str(one.http_status), _first_line(one))
        for one in classes
    ]
    rows.append((130, "", "", "ended with Ctrl-C"))
    about = (
        "Errors are classed by whose fault they are. Every error says what happened, which rule "
        "decided and what to do next, and has a stable code in brackets; over HTTP it is a problem "
        "document (RFC 9457) with the type `urn:sekisho:problem:CODE`. Wrong use of the command "
        "line itself ends with 2 as well."
    )
    return page("Exit codes", about, table(("exit code", "class", "HTTP status", "meaning"), rows))


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0].rstrip(".")


def doors_page() -> str:
    """Return the page of doors between bodies."""
    rows = [
        (
            code(f"/exchange/{one.path}"),
            ", ".join(sorted(one.senders)) if one.senders != {SELF} else "the body itself",
            one.mode,
            code(one.flow),
        )
        for one in ENDPOINTS
    ]
    about = (
        "A body has the doors of the rooms that its framework gives it, and no others: every other "
        f"path answers 404. The room `{EVERYWHERE}` is everywhere; the room `{REHEARSAL}` only in "
        "a body that was started for a rehearsal. Every request carries an HTTP message signature "
        "(RFC 9421). A *message* is kept, acknowledged and handled once by the worker; a *query* "
        "is answered at once and changes nothing."
    )
    return page("Doors of the exchange", about, table(("path", "open to", "kind", "flow"), rows))


def ledger_page() -> str:
    """Return the page of entries that a ledger may hold."""
    rows = [
        (
            code(name),
            kind.means,
            ", ".join(f"{code(field)} {what}" for field, what in kind.fields.items()),
        )
        for name, kind in sorted(kinds().items())
    ]
    about = (
        "What may stand in a body's ledger. A field whose type ends in `?` may be absent. No entry "
        "names or describes a person: counts and digests of many only."
    )
    return page("Ledger entries", about, table(("kind", "means", "fields"), rows))


ROLES: dict[Role, str] = {
    Role.KEY: "surrogate key of the row, issued anew for every extract",
    Role.PERSON: "whose row it is: a pseudonym of the holder or project, never an identifier",
    Role.VISIT: "the visit of the row; follows the visit's surrogate key",
    Role.QUASI: "quasi-identifier: can single out a person together with others",
    Role.SENSITIVE: "what a study is about: codes, values, amounts",
    Role.TECHNICAL: "says how a row came to be: types, systems, statuses",
}
"""What each disclosure role means; a test holds that none is missing."""


def tables_page() -> str:
    """Return the page of tables, columns and their roles."""
    about = (
        "Names and columns follow OMOP CDM 5.4 "
        "(<https://ohdsi.github.io/CommonDataModel/cdm54.html>), a subset of its columns. The "
        "source's code stands in `*_source_value`, its system in `*_source_system` (ours, not the "
        "CDM's)."
    )
    roles = table(("role", "meaning"), [(code(r.value), text) for r, text in ROLES.items()])
    return page("Tables and columns", about, "## Roles", roles, *(_table(one) for one in TABLES))


def _table(one: Table) -> str:
    rows = [(code(c.name), c.type, c.role.value) for c in one.columns]
    return f"## {one.name}\n\n" + table(("column", "type", "role"), rows)


def lane_page() -> str:
    """Return the page of a lane's stages and commands."""
    about = (
        "A lane is one body's review of an application. What is not drawn here is refused, and a "
        "refusal changes nothing."
    )
    stages = [
        (
            code(stage.value),
            STAGE_OWNERS[stage] or ("the end" if stage in TERMINAL else ""),
        )
        for stage in Stage
    ]
    commands = [(code(name), ", ".join(sorted(who))) for name, who in COMMAND_ROLES.items()]
    return page(
        "Stages of a lane",
        about,
        f"```mermaid\n{stage_diagram()}```",
        "## Whose days are counted",
        table(("stage", "whose clock"), stages),
        "## Who may ask what",
        "A deputy stands in for the chair.",
        table(("command", "open to"), commands),
    )


def formats_page() -> str:
    """Return the page of formats that are read, and of what a clerk may be told about a file."""
    groups: defaultdict[str, list[tuple[object, ...]]] = defaultdict(list)
    for name, said in sorted(EXPLANATIONS.items()):
        groups[name.partition(".")[0]].append((code(name), said.ja, said.en, said.rule))
    formats = table(
        ("format", "family", "not verified"),
        [
            (code(one.id), one.family, one.unverified)
            for one in (*FORMATS.values(), *map(format_of, described_names()))
        ],
    )
    about = (
        "Formats for which there is a reader. Records of one family supersede one another. "
        "What is not verified is read by a layout that no file or public text has confirmed: only "
        "lines whose fields have the shape that they must have are used, the others are refused."
    )
    columns = ("code", "日本語", "English", "rule and source")
    told = [f"### {name}\n\n{table(columns, rows)}" for name, rows in groups.items()]
    return page(
        "Formats, and what is said about a file",
        about,
        formats,
        "## Findings",
        "Told to the provider's clerk with file and line; the body learns number, reason and rule, "
        "never the line.",
        *told,
    )
