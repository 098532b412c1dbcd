"""The hand-written pages lead somewhere, name commands that exist, and keep their form."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from sekisho.commands import app
from sekisho.reference.command_pages import inner_commands

ROOT = Path(__file__).resolve().parents[2]
TOP = ("README.md", "README.ja.md", "GLOSSARY.md", "CHANGELOG.md")
PAGES = [ROOT / name for name in TOP] + sorted((ROOT / "docs").rglob("*.md"))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
SECTIONS = ["Context", "Drivers", "Options", "Outcome", "Consequences", "When to look again"]
FIGURES = re.compile(r"<!-- figures:begin[^>]*-->\n(.*?)\n<!-- figures:end -->", re.DOTALL)


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    for link in local:
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in _anchors(target.read_text("utf-8")), link


def _anchors(text: str) -> set[str]:
    """Return what can be linked to: headings as GitHub spells them, and named places."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    spelled = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
    return spelled | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    known = _commands("sekisho", typer.main.get_command(app))
    for line in re.findall(r"^\s*(?:\$ )?(?:\.venv/bin/)?(sekisho .*)$", _code(page), re.MULTILINE):
        words = line.split("#")[0].split()
        best = max((one for one in known if words[: len(one.split())] == one.split()), default="")
        assert best, line
        options = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert options <= known[best], line


def _code(page: Path) -> str:
    return "\n".join(re.findall(r"```\n(.*?)```", page.read_text("utf-8"), re.DOTALL))


def _commands(path: str, command: Any) -> dict[str, set[str]]:
    found = {path: {name for one in command.params for name in one.opts}}
    for name, inner in inner_commands(command).items():
        found |= _commands(f"{path} {name}", inner)
    return found


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE))
        assert named <= targets, page.name


@pytest.mark.parametrize("page", DECISIONS, ids=_name)
def test_a_decision_has_its_sections_and_fits_a_page(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith(f"# {page.name[:4]}. ")
    assert re.search(r"^Date: \d{4}-\d{2}-\d{2}\. Status: ", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert len(text.split()) < 500


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    assert all(f"({page.name})" in listed for page in DECISIONS)


def test_both_readmes_show_the_same_figures_and_picture() -> None:
    english, japanese = ((ROOT / name).read_text("utf-8") for name in TOP[:2])
    (figures,) = FIGURES.findall(english)
    assert FIGURES.findall(japanese) == [figures]
    for text in (english, japanese):
        assert "](docs/pictures/2-1.svg)" in text
        assert "make run" in text.partition("![")[0]
        assert "make test" in text.partition("![")[0]


@pytest.mark.parametrize("folder", ["tutorial", "how-to", "reference", "explanation", "decisions"])
def test_each_folder_of_the_documentation_has_pages(folder: str) -> None:
    assert list((ROOT / "docs" / folder).glob("*.md"))
