"""Promise 8: no framework's name in code. What a framework is stands in its file alone."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import pytest

from sekisho.framework import framework_files
from sekisho.framework.model import Role


def names(root: Path) -> frozenset[str]:
    """Return the ids of all frameworks and of their bodies.

    Auxiliary bodies may be called as their roles are, which code knows; ids of a single sign are
    too common to tell (see `compared`).
    """
    found = set[str]()
    for path in framework_files(root):
        raw = tomllib.loads(path.read_text("utf-8"))
        found |= {raw["id"], path.stem, *(body["id"] for body in raw["body"])}
    return frozenset(found - set(get_args(Role)))


def literals(source: str, wanted: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string constant that is one of ``wanted``, or its file."""
    short = {name for name in wanted if len(name) == 1}
    files = {f"{name}.toml" for name in wanted}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            leaf = node.value.rpartition("/")[2]
            if leaf in files or node.value in wanted - short:
                yield node.lineno, node.value
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            yield from compared(sides, sides, short)
        if isinstance(node, ast.Match):
            yield from compared([node.subject], [case.pattern for case in node.cases], short)


def compared(
    subjects: Sequence[ast.AST], values: Sequence[ast.AST], short: set[str]
) -> Iterator[tuple[int, str]]:
    """Yield short names that something called a framework is compared with."""
    inside = [node for one in subjects for node in ast.walk(one)]
    called = {node.id for node in inside if isinstance(node, ast.Name)}
    called |= {node.attr for node in inside if isinstance(node, ast.Attribute)}
    if not called & {"framework", "fw"}:
        return
    for node in (node for one in values for node in ast.walk(one)):
        if isinstance(node, ast.Constant) and node.value in short:
            yield node.lineno, str(node.value)


def found_in(root: Path, wanted: frozenset[str]) -> list[str]:
    return [
        f"{path.relative_to(root)}:{line}: {text!r}"
        for path in sorted((root / "src" / "sekisho").rglob("*.py"))
        for line, text in literals(path.read_text("utf-8"), wanted)
    ]


def test_the_names_are_those_of_the_files(root: Path) -> None:
    assert {"2-1", "4-several", "national", "alpha", "beta", "1", "3"} <= names(root)
    assert not {"history", "converter", "oversight"} & names(root)


def test_no_framework_and_no_body_is_named_in_code(root: Path) -> None:
    assert found_in(root, names(root)) == []


@pytest.mark.parametrize(
    "planted",
    [
        'if framework.id == "2-1":\n    pass\n',
        'holder = "national"\n',
        'match body:\n    case "alpha":\n        pass\n',
        'DESKS = {"4-several": 2}\n',
        'path = root / "frameworks/3.toml"\n',
        'if fw.id == "1":\n    pass\n',
        'special = framework in ("1", "3")\n',
        'match framework.id:\n    case "1" | "3":\n        pass\n',
    ],
)
def test_a_planted_name_is_found(root: Path, planted: str) -> None:
    assert list(literals(planted, names(root)))


@pytest.mark.parametrize(
    "innocent",
    ['SEXES = {"1": "male"}\n', 'if line[1] == "1":\n    pass\n', '"""About alpha and beta."""\n'],
)
def test_what_is_no_name_is_left_alone(root: Path, innocent: str) -> None:
    assert list(literals(innocent, names(root))) == []


def test_other_files_of_the_program_name_none_either(root: Path) -> None:
    """Tables, templates and texts of the package: whole words only, in quotes."""
    wanted = {name for name in names(root) if len(name) > 1}
    found = []
    for path in sorted((root / "src" / "sekisho").rglob("*")):
        if path.suffix in (".toml", ".html", ".css", ".js", ".json"):
            text = path.read_text("utf-8")
            found += [
                (path.name, name)
                for name in wanted
                if any(f"{mark}{name}{mark}" in text for mark in ('"', "'"))
            ]
    assert found == []
