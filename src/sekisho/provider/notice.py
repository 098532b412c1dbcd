"""Who was told, and who said no: the period after a notice runs for each person.

A certified operator collects of a person only some days after that person was given notice
(``collection.notice_days`` of the framework). The provider knows who was told; the book stays with
it, and names persons by HMACs under its key alone.
"""

from __future__ import annotations

import csv
import hmac
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from sekisho.common.errors import SekishoError, UserError
from sekisho.provider.profile import Profile
from sekisho.pseudonym.identifiers import JP_LOCAL, PersonKey, canonical, parse_spec

TOLD, OBJECTED = "told_on", "objected_on"
_PERSON = {"local", "insured", "system", "value", "birth", "sex"}


@dataclass(frozen=True)
class Notice:
    """When one person was given notice, and when they objected; None where neither happened."""

    told_on: date | None = None
    objected_on: date | None = None


class Notices(Protocol):
    """What a provider knows of notices."""

    def of(self, persons: Sequence[PersonKey]) -> list[Notice]:
        """Return what is known of each person, in order."""
        ...


@dataclass(frozen=True)
class Everyone:
    """All persons of a provider were told on one day (None: nobody was), and nobody objected."""

    told_on: date | None

    def of(self, persons: Sequence[PersonKey]) -> list[Notice]:
        return [Notice(self.told_on)] * len(persons)


@dataclass(frozen=True)
class NoticeBook:
    """The register of one provider: a file that only its owner can read."""

    path: Path
    provider_key: bytes

    def of(self, persons: Sequence[PersonKey]) -> list[Notice]:
        asked = "SELECT told_on, objected_on FROM notice WHERE person = ?"
        with self._open() as book:
            rows = [book.execute(asked, (self._name(one),)).fetchone() for one in persons]
        return [Notice(*map(_day, row)) if row else Notice() for row in rows]

    def record(self, entries: Iterable[tuple[PersonKey, Notice]]) -> int:
        """Write entries, all of them or none; return how many changed the book.

        The first notice counts: telling a person again does not begin the period anew. An
        objection stays until `withdraw`.
        """
        changed = 0
        with self._open() as book, book:
            for person, notice in entries:
                changed += book.execute(
                    "INSERT INTO notice VALUES (?, ?, ?) ON CONFLICT (person) DO UPDATE SET"
                    " told_on = coalesce(min(told_on, excluded.told_on), told_on,"
                    " excluded.told_on), objected_on = coalesce(objected_on, excluded.objected_on)"
                    " WHERE told_on IS NOT coalesce(min(told_on, excluded.told_on), told_on,"
                    " excluded.told_on) OR objected_on IS NOT coalesce(objected_on,"
                    " excluded.objected_on)",
                    (self._name(person), _text(notice.told_on), _text(notice.objected_on)),
                ).rowcount
        return changed

    def withdraw(self, persons: Iterable[PersonKey]) -> int:
        """Take objections back; return how many there were."""
        with self._open() as book, book:
            return sum(
                book.execute(
                    "UPDATE notice SET objected_on = NULL"
                    " WHERE person = ? AND objected_on IS NOT NULL",
                    (self._name(person),),
                ).rowcount
                for person in persons
            )

    def days(self) -> list[tuple[date, int]]:
        """Return each day of notice with the number of persons told on it who did not object."""
        with self._open() as book:
            rows = book.execute(
                "SELECT told_on, count(*) FROM notice WHERE told_on IS NOT NULL"
                " AND objected_on IS NULL GROUP BY told_on ORDER BY told_on"
            ).fetchall()
        return [(date.fromisoformat(day), number) for day, number in rows]

    def objections(self) -> int:
        """Return how many persons object."""
        with self._open() as book:
            found = book.execute("SELECT count(*) FROM notice WHERE objected_on IS NOT NULL")
            return int(found.fetchone()[0])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(0o600)
        with closing(sqlite3.connect(self.path, timeout=30)) as book:
            book.execute(
                "CREATE TABLE IF NOT EXISTS notice"
                " (person TEXT PRIMARY KEY, told_on TEXT, objected_on TEXT)"
            )
            yield book

    def _name(self, person: PersonKey) -> str:
        return hmac.digest(self.provider_key, b"notice\0" + canonical(person), "sha256").hex()


def read_notices(path: Path, profile: Profile) -> Iterator[tuple[PersonKey, Notice]]:
    """Read a hospital's list of who was told: CSV with a header.

    A person is ``local`` (the institution's own number), ``insured`` or ``system`` and ``value``,
    with ``birth`` and ``sex`` where the number alone does not identify; ``told_on`` and
    ``objected_on`` are days.

    Raises:
        UserError: a column is unknown, or a line is no person's or has no day; the line is named,
            what stands in it is not.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        columns = set(rows.fieldnames or ())
        if columns - _PERSON - {TOLD, OBJECTED} or not columns & {TOLD, OBJECTED}:
            raise _wrong(path, 1, "the columns are not those of a list of notices")
        for line, row in enumerate(rows, 2):
            given = {name: text.strip() for name, text in row.items() if text and text.strip()}
            try:
                notice = Notice(_day(given.pop(TOLD, None)), _day(given.pop(OBJECTED, None)))
                person = _person(given, profile)
            except (SekishoError, ValueError, TypeError):
                raise _wrong(path, line, "the person or the day cannot be read") from None
            if person is None or notice == Notice():
                raise _wrong(path, line, "it names no person, or no day")
            yield person, notice


def _person(given: dict[str, str], profile: Profile) -> PersonKey | None:
    if "local" in given:
        return profile.own(((given.get("system", JP_LOCAL), given["local"]),))
    spec: dict[str, object] = dict(given)
    if "birth" in given:
        spec["birth"] = date.fromisoformat(given["birth"])
    return parse_spec(spec)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _wrong(path: Path, line: int, what: str) -> UserError:
    return UserError(
        "provider.notices",
        f"{path.name}, line {line}: {what}.",
        next_step="columns: local or insured or system,value; birth,sex; told_on,objected_on",
    )
