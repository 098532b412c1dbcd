"""The paper that a person takes home from a desk: what stops, from when, what does not.

One A4 in plain Japanese (short sentences, readings over hard words) or in English. It names no
person: the receipt's number is the key to everything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from html import escape
from typing import Literal

from sekisho.control.optout.choice import Choice
from sekisho.control.optout.statement_words import (
    AGAIN,
    ASK,
    BACK,
    COMPLAIN,
    ERASED_BACK,
    EXAMPLE,
    NEXT_DAY,
    NOTICE,
    PROXIES,
    PURPOSE_ONLY,
    REMEDY,
    RIGHTS,
    STAYS,
    STOPS,
    WORDS,
    Effect,
)
from sekisho.framework import Text

Language = Literal["ja", "en"]


@dataclass(frozen=True)
class Facts:
    """What a statement says; every name in it is a body's or a place's, none a person's.

    Args:
        what: the scope in words.
        desk: who took the choice, and is asked about it.
        holders: who holds data that the choice is about.
        procedure: where one turns against how the choice is handled; ``where`` is that body.
        notice_days: days between notice and collection, where a certified body collects.
        ask_again_on: the month in which a guardian's choice is put to the person.
        example: made with synthetic data, so that nobody takes it for a real paper.
    """

    choice: Choice
    what: Text
    effect: Effect
    desk: Text
    holders: Text
    procedure: Text
    where: Text | None = None
    notice_days: int | None = None
    ask_again_on: date | None = None
    printed_on: date | None = None
    example: bool = False


_READING = re.compile(r"\{([^{}|]+)\|([^{}|]+)\}")


def render(facts: Facts, language: Language) -> str:
    """Return the statement as an HTML page that prints on one A4 and loads nothing."""
    said = _Said(facts, language)
    title = said.plain(WORDS["title"])
    mark = f'<p class="mark">{said(EXAMPLE)}</p>' if facts.example else ""
    revoked = facts.choice.revoke
    proxy = facts.choice.proxy
    parts = [
        f"<header><h1>{said(WORDS['title'])}</h1>{mark}</header>",
        f'<p class="lead">{said(WORDS["back" if revoked else "out"])}</p>',
        f"<p>{said(WORDS['proxy'], who=PROXIES[proxy.kind])}</p>" if proxy else "",
        _table(said, facts),
        said.section("starts" if revoked else "stops", said.stops()),
        "" if revoked else said.section("stays", STAYS),
        said.section("rights", said.rights()),
        said.section("help", (ASK, COMPLAIN, REMEDY)),
    ]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _table(said: _Said, facts: Facts) -> str:
    choice = facts.choice
    rows = (
        ("receipt", f'<span class="number">{_grouped(choice.ref)}</span>'),
        ("scope", said(facts.what)),
        ("from", f"<strong>{said.day(choice.effective_from)}</strong>"),
        ("recorded", said.day(choice.recorded_on)),
        ("desk", said(facts.desk)),
    )
    cells = "".join(f"<tr><th>{said(WORDS[key])}</th><td>{cell}</td></tr>" for key, cell in rows)
    return f"<table>{cells}</table>"


def _grouped(ref: str) -> str:
    """Return a receipt's number in groups of four, so that it can be read out."""
    return " ".join(escape(ref[n : n + 4]) for n in range(0, len(ref), 4))


@dataclass(frozen=True)
class _Said:
    """Texts in one language, with readings over hard words and the facts filled in."""

    facts: Facts
    language: Language

    def __call__(self, text: Text, **parts: Text) -> str:
        raw = escape(getattr(text, self.language), quote=False)
        for name, value in {**self._known(), **parts}.items():
            raw = raw.replace(f"{{{name}}}", escape(getattr(value, self.language), quote=False))
        return _READING.sub(r"<ruby>\1<rt>\2</rt></ruby>", raw)

    def plain(self, text: Text) -> str:
        return _READING.sub(r"\1", getattr(text, self.language))

    def section(self, title: str, items: tuple[Text, ...]) -> str:
        lines = "".join(f"<li>{self(item)}</li>" for item in items)
        return f'<section class="{title}"><h2>{self(WORDS[title])}</h2><ul>{lines}</ul></section>'

    def stops(self) -> tuple[Text, ...]:
        facts = self.facts
        if facts.choice.revoke:
            more = (ERASED_BACK,) if facts.effect == "erase" else ()
            return (*BACK, *more, NEXT_DAY)
        if facts.choice.scope.kind == "purpose":
            return (PURPOSE_ONLY, NEXT_DAY)
        return (*STOPS[facts.effect], NEXT_DAY)

    def rights(self) -> tuple[Text, ...]:
        notice = (NOTICE,) if self.facts.notice_days else ()
        asked = (AGAIN,) if self.facts.ask_again_on else ()
        return (*RIGHTS, *notice, *asked)

    def day(self, day: date) -> str:
        if self.language == "en":
            return f"{day.day} {day:%B} {day.year}"
        return self(
            Text(ja=f"{day.year}{{年|ねん}}{day.month}{{月|がつ}}{day.day}{{日|にち}}", en="-")
        )

    def _known(self) -> dict[str, Text]:
        facts = self.facts
        where = facts.where
        month = facts.ask_again_on
        return {
            "holders": facts.holders,
            "desk": facts.desk,
            "procedure": facts.procedure,
            "where": Text(
                ja=f"（{where.ja}）" if where else "。", en=f" ({where.en})." if where else "."
            ),
            "days": Text(ja=str(facts.notice_days), en=str(facts.notice_days)),
            "month": Text(
                ja=f"{month.year}年{month.month}月" if month else "-",
                en=f"{month:%B %Y}" if month else "-",
            ),
        }


STYLE = """
@page { size: A4; margin: 14mm 16mm; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1a1a1c; font: 11.5pt/1.75 "Noto Sans JP",
  "Noto Sans CJK JP", "Hiragino Sans", "Yu Gothic", sans-serif; }
main { max-width: 178mm; margin: 0 auto; padding: 1rem; }
header { display: flex; justify-content: space-between; align-items: flex-end; gap: 1rem;
  border-bottom: 2.5pt solid #1a3f8f; }
h1 { font-size: 16pt; line-height: 1.7; margin: 0; text-wrap: balance; }
.mark { border: 1.5pt solid #b22; color: #b22; padding: 0 .6em; margin: 0 0 .4em; font-size: 9pt;
  white-space: nowrap; }
.lead { font-size: 12.5pt; font-weight: bold; margin: .7em 0 .3em; }
p { margin: .2em 0; }
table { width: 100%; border-collapse: collapse; margin: .5em 0 .2em; }
th, td { border: .75pt solid #767676; padding: .15em .7em; text-align: left;
  vertical-align: bottom; }
th { width: 11em; background: #f0f3fa; font-weight: normal; }
.number { font-family: "Noto Sans Mono", monospace; font-size: 11pt; letter-spacing: .02em; }
h2 { font-size: 12pt; margin: .7em 0 .1em; padding-left: .5em; border-left: 4pt solid #1a3f8f; }
section.stays h2 { border-color: #b25d00; }
ul { margin: .1em 0; padding-left: 1.5em; }
li { margin: 0; }
section { break-inside: avoid; }
rt { font-size: 50%; font-weight: normal; }
@media print { main { padding: 0; max-width: none; } }
"""
