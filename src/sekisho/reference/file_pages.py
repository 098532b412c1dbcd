"""Pages that list the keys of the files that people write, and of the report."""

from __future__ import annotations

from collections.abc import Iterator

from sekisho.reference.markdown import keys, page
from sekisho.reference.schemas import all_schemas

FILES: dict[str, tuple[str, str]] = {
    "framework": (
        "Keys of a framework",
        "A framework is a TOML file that says which body performs which function. Some keys are "
        "read and proved but change nothing yet; `sekisho` lists them in every report under "
        "`not_measured_yet`.",
    ),
    "scenario": (
        "Keys of a scenario",
        "A scenario says who sends, opts out, asks and runs what. Paths are relative to the file; "
        "days are counted from `start`.",
    ),
    "study": (
        "Keys of a study",
        "A study is a folder with `study.toml` and code. It names no permit.",
    ),
    "report": (
        "Keys of report.json",
        "What `sekisho run` writes: counts of many, never a value of a person.",
    ),
    "body": (
        "Keys of a body's configuration",
        "What `sekisho serve` reads. A body without `rehearsal` has no scenario's clock, no keys "
        "that follow from a seed and no planted faults.",
    ),
}
"""Page → title and what the file is."""


def pages() -> Iterator[tuple[str, str]]:
    """Yield a page for each kind of file."""
    made = all_schemas()
    for name, (title, about) in FILES.items():
        link = f"The same as a JSON Schema: [{name}](schemas/{name}.schema.json)."
        yield f"{name}.md", page(title, about, link, keys(made[name]))
