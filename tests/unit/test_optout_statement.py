"""The statement says what stops, from when, what does not, whom to ask; and names nobody."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import get_args

import pytest

from sekisho.control.optout import ALL, Choice, Proxy, Scope
from sekisho.control.optout.statement import Facts, Language, render
from sekisho.control.optout.statement_words import STAYS, STOPS, Effect
from sekisho.framework import Text

REF = "3f9a0c1de5b74a6688219f0e4d5c7ba1"
CHOICE = Choice(REF, ALL, date(2026, 5, 1), date(2026, 4, 2))
NAME = Text(ja="認定事業者α", en="Operator α")
FACTS = Facts(CHOICE, Text(ja="すべて", en="everything"), "stop_provision", NAME, NAME, NAME)
LANGUAGES = get_args(Language)


def words(page: str) -> str:
    """The page as it is read: without readings and marks."""
    return re.sub(r"<[^>]+>", "", re.sub(r"<rt>.*?</rt>", "", page.partition("<body>")[2]))


def plain(text: Text, language: str) -> str:
    raw = re.sub(r"\{([^{}|]+)\|[^{}]+\}", r"\1", getattr(text, language))
    return raw.replace("{holders}", getattr(NAME, language))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("effect", get_args(Effect))
def test_what_stops_and_what_does_not_is_said(language: Language, effect: Effect) -> None:
    said = words(render(replace(FACTS, effect=effect), language))
    for text in (*STOPS[effect], *STAYS):
        assert plain(text, language) in said
    assert "{" not in said
    assert " ".join(re.findall("....", REF)) in said
    assert ("2026年5月1日" if language == "ja" else "1 May 2026") in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reversal_speaks_of_what_begins(language: Language) -> None:
    back = replace(FACTS, choice=replace(CHOICE, revoke=True), effect="erase")
    said = words(render(back, language))
    assert plain(STOPS["erase"][0], language) not in said
    assert ("元に戻りません" if language == "ja" else "does not come back") in said


def test_a_choice_against_a_purpose_promises_no_more() -> None:
    facts = replace(FACTS, choice=replace(CHOICE, scope=Scope.parse("purpose:policy")))
    said = words(render(replace(facts, effect="erase"), "en"))
    assert "erased" not in said
    assert "for this purpose" in said


def test_guardian_notice_and_month_of_asking_stand_there() -> None:
    facts = replace(
        FACTS,
        choice=replace(CHOICE, proxy=Proxy("guardian", True)),
        notice_days=30,
        ask_again_on=date(2032, 5, 1),
        example=True,
    )
    said = words(render(facts, "en"))
    for part in ("guardian", "30 days", "In May 2032", "synthetic data"):
        assert part in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_loads_nothing_and_escapes_what_it_is_given(language: Language) -> None:
    bad = Text(ja="<script>x</script>", en="<script>x</script>")
    page = render(replace(FACTS, what=bad, desk=bad, procedure=bad), language)
    assert "<script" not in page
    assert not re.search(r"https?:|src=|@import", page)
