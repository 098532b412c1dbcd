"""Framework files: found by id or by path, read, and proved before anyone sees them."""

from __future__ import annotations

import re
from pathlib import Path

from sekisho.common.errors import UserError
from sekisho.common.toml import locate, read_toml, wrong_at
from sekisho.framework.asking import ProviderFunctions, load_provider_functions
from sekisho.framework.kinds import DataKinds, load_kinds
from sekisho.framework.model import ID, Framework
from sekisho.framework.proof import problems
from sekisho.shipped import shipped

FOLDER = "frameworks"
BASELINES = "baseline"


def load(path: Path, root: Path | None = None) -> Framework:
    """Read and prove the framework in ``path``.

    The rule files that it names are looked for beside it, then in the folders above it, then in
    ``root`` (default: what is shipped with the program).

    Raises:
        UserError: with file, line and what is missing; all gaps at once.
    """
    fw = read_toml(path, Framework)
    kinds = kinds_of(fw, path, root)
    provider_functions_of(fw, path, root)
    gaps = problems(fw, kinds)
    if gaps:
        text = path.read_text("utf-8")
        lines = [f"{path}:{locate(text, list(gap.keys))}: {gap.what}" for gap in gaps]
        raise UserError(
            "framework.incomplete",
            "\n".join(lines),
            rule="a framework leaves no function, data class, route or remedy open unsaid",
            next_step="mend the lines named; frameworks/ holds files that are complete",
        )
    return fw


def kinds_of(fw: Framework, path: Path, root: Path | None = None) -> DataKinds:
    """Return the kinds of data that the framework in ``path`` names (``open.kinds``)."""
    return load_kinds(_rule_file(fw, "kinds", path, root))


def provider_functions_of(fw: Framework, path: Path, root: Path | None = None) -> ProviderFunctions:
    """Return what is asked of providers by the file that the framework names."""
    return load_provider_functions(_rule_file(fw, "by_function", path, root))


def find(name_or_path: str, root: Path) -> Path:
    """Return the file of a framework: an id in ``root``/frameworks, or any path.

    Raises:
        UserError: there is no such file; the ids that exist are named.
    """
    folder = root / FOLDER
    for candidate in (folder / f"{name_or_path}.toml", folder / BASELINES / f"{name_or_path}.toml"):
        if re.match(ID, name_or_path) and candidate.is_file():
            return candidate
    given = Path(name_or_path)
    if given.is_file():
        return given
    known = ", ".join(path.stem for path in framework_files(root))
    raise UserError(
        "framework.not-found",
        f"There is no framework {name_or_path!r}, neither as an id nor as a file.",
        next_step=f"ids: {known}; or the path of a TOML file",
    )


def framework_files(root: Path) -> tuple[Path, ...]:
    """Return the files of all frameworks in ``root``/frameworks, by name; no baselines."""
    # claims.toml and other tables lie in the same folder: a framework says which bodies it has.
    return tuple(
        path
        for path in sorted((root / FOLDER).glob("*.toml"))
        if "[[body]]" in path.read_text("utf-8")
    )


def all_frameworks(root: Path) -> tuple[Framework, ...]:
    """Read and prove every framework in ``root``/frameworks."""
    return tuple(load(path, root) for path in framework_files(root))


def baselines(root: Path) -> tuple[Framework, ...]:
    """Read and prove the records of what exists today (``root``/frameworks/baseline)."""
    folder = root / FOLDER / BASELINES
    return tuple(load(path, root) for path in sorted(folder.glob("*.toml")))


def _rule_file(fw: Framework, key: str, path: Path, root: Path | None) -> Path:
    named = Path(getattr(fw.open, key))
    here = path.resolve().parent
    places = [here, *here.parents, root or shipped()]
    for place in places:
        if (place / named).is_file():
            return place / named
    raise wrong_at(
        path,
        ["open", key],
        "framework.rule-file",
        f"open.{key} names {str(named)!r}, which is not there",
        "a path is taken from the framework file's folder, from those above it, "
        "then from what is shipped",
    )


def check_can_run(fw: Framework) -> None:
    """Refuse a framework that only records what exists (``runs = false``).

    Raises:
        UserError: bodies cannot be started from it.
    """
    if not fw.runs:
        raise UserError(
            "framework.does-not-run",
            f"The framework {fw.id!r} records what exists; no bodies can be started from it.",
            rule="frameworks: runs = false",
            next_step="run another framework and compare it with this one (frameworks diff)",
        )
