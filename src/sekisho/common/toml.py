"""TOML files as validated values: one reader for frameworks, rules, scenarios and studies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sekisho.common.errors import UserError

T = TypeVar("T")


def read_toml(path: Path, kind: type[T]) -> T:
    """Read ``path`` into ``kind`` (a msgspec Struct that forbids unknown fields).

    Raises:
        UserError: with the file, the line as near as it can be told, and what is wrong.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "file.unreadable", f"{path}: cannot be read as UTF-8 text: {error}"
        ) from error
    return parse_toml(text, kind, str(path))


def parse_toml(text: str, kind: type[T], name: str) -> T:
    """Like `read_toml`, for a text; ``name`` stands for the file in messages."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError("toml.syntax", f"{name}: not valid TOML: {error}") from error
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        line = line_of(text, str(error), raw)
        raise UserError(
            "toml.invalid",
            f"{name}:{line}: {error}",
            next_step="the schemas in docs/reference list every key and its values",
        ) from error


def wrong_at(path: Path, keys: list[str | int], code: str, what: str, next_step: str) -> UserError:
    """Return the error for an item of a file that reads well and is wrong all the same."""
    line = locate(path.read_text("utf-8"), keys)
    return UserError(code, f"{path}:{line}: {what}", next_step=next_step)


def line_of(text: str, message: str, raw: dict[str, Any]) -> int:
    """Return the line that a validation message speaks of (1 where it cannot be told).

    msgspec names a path such as ``$.body[1].kind`` and, for an unknown field, its name.
    """
    del raw
    path = re.search(r"at `\$([^`]*)`", message)
    steps = re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", path.group(1)) if path else []
    unknown = re.search(r"unknown field `([^`]+)`", message)
    keys: list[str | int] = [name or int(index) for name, index in steps]
    if unknown:
        keys.append(unknown.group(1))
    return locate(text, keys)


def locate(text: str, keys: list[str | int]) -> int:
    """Return the 1-based line where the item at ``keys`` starts, or that of its nearest parent."""
    lines = text.splitlines()
    start, end, line = 0, len(lines), 1
    position = 0
    while position < len(keys):
        key = keys[position]
        if isinstance(key, str):
            table = re.compile(rf"^\s*\[\[?\s*(?:[\w\-]+\.)*\"?{re.escape(key)}\"?\s*\]\]?")
            index = keys[position + 1] if position + 1 < len(keys) else None
            headers = [n for n in range(start, end) if table.match(lines[n])]
            if headers:
                wanted = index if isinstance(index, int) else 0
                if isinstance(index, int):
                    position += 1
                start = headers[min(wanted, len(headers) - 1)]
                nested = [n for n in range(start + 1, end) if re.match(r"^\s*\[", lines[n])]
                end = nested[0] if nested and position + 1 >= len(keys) - 1 else end
                line = start + 1
            else:
                entry = re.compile(rf"(^|[\s{{,])\"?{re.escape(key)}\"?\s*=")
                found = [n for n in range(start, end) if entry.search(lines[n])]
                if not found:
                    return line
                start = found[0]
                line = start + 1
        position += 1
    return line
