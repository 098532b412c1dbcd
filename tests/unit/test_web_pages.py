"""The start page of every body, and the page for what is no function of it."""

from __future__ import annotations

import html
import re
from datetime import date
from pathlib import Path

import pytest

import web_world as world
from sekisho.body.config import RehearsalOptions
from sekisho.framework import FUNCTIONS, functions_of, labels
from web_world import become, visit

FRAMEWORKS = world.frameworks()
FIRST = FRAMEWORKS[0][1]
EACH_FRAMEWORK = pytest.mark.parametrize("file", [f for _, f in FRAMEWORKS], ids=lambda f: f.stem)
REHEARSED = RehearsalOptions(seed=1, start=date(2026, 4, 1))
BANNER = "実証用・合成データ"


def text_of(page: str) -> str:
    """Return what a reader sees, tags left out."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def section(page: str, name: str) -> str:
    found = re.search(rf'<section aria-labelledby="{name}">(.*?)</section>', page, re.DOTALL)
    assert found is not None
    return found[1]


def start(**headers: str) -> str:
    answer = visit("/", **headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def some_body(file: Path = FIRST, **options: object) -> world.Town:
    """Serve the first body of a framework; return its town."""
    place = world.town(file, **options)  # type: ignore[arg-type]
    become(place, place.framework.body[0].id).body.ledger.integrate()
    return place


@EACH_FRAMEWORK
@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_start_page_says_what_the_body_is_and_does(file: Path, language: str) -> None:
    place = world.town(file)
    fw = place.framework
    for one in fw.body:
        become(place, one.id).body.ledger.integrate()
        page = start(**{"Accept-Language": language})
        assert f'<html lang="{language}">' in page
        assert page.count("<h1") == 1
        heading = re.search(r"<h1[^>]*>(.*?)</h1>", page)
        assert heading is not None
        assert html.unescape(heading[1]) == getattr(one.title, language)
        shown = text_of(page)
        assert getattr(fw.title, language) in shown
        assert getattr(labels.BODY_KIND[one.kind], language) in shown
        assert fw.document.heading in shown
        assert ("再構成" if language == "ja" else "reconstruction") in shown
        doing = section(page, "functions")
        titles = re.findall(r'<h3 class="sk-card__title">(.*?)</h3>', doing)
        has = [f for f in FUNCTIONS if f in functions_of(fw, one.id)]
        assert titles == [getattr(labels.FUNCTION[f], language) for f in has]
        for given in fw.assignment:
            if one.id in given.named:
                assert getattr(labels.class_names(given.data), language) in text_of(doing)
        for role in one.roles:
            assert getattr(labels.ROLE[role], language) in text_of(doing)
        added = "関所による追加" if language == "ja" else "Sekisho's addition"
        assert (added in text_of(doing)) == bool(one.roles)


@EACH_FRAMEWORK
def test_a_start_page_leads_to_every_other_body(file: Path) -> None:
    place = world.town(file)
    for one in place.framework.body:
        become(place, one.id)
        links = re.findall(r'href="(http[^"]+)"', start())
        others = [b.id for b in place.framework.body if b.id != one.id]
        assert links == [f"{place.deployment.urls[other]}/" for other in others]


def test_a_start_page_shows_the_signed_checkpoint() -> None:
    place = some_body()
    service = become(place, place.framework.body[0].id)
    head = service.body.ledger.head()
    shown = section(start(), "ledger")
    assert head.root.hex() in shown
    note = service.body.ledger.checkpoint().decode()
    preformatted = re.search(r"<pre[^>]*>(.*?)</pre>", shown, re.DOTALL)
    assert preformatted is not None
    assert html.unescape(preformatted[1]) == note
    checkpoint = visit("/checkpoint")
    assert checkpoint.content.decode() == note
    assert checkpoint["Content-Type"] == "text/plain; charset=utf-8"


def test_a_checkpoint_that_does_not_hold_is_not_shown_as_one() -> None:
    place = some_body()
    service = become(place, place.framework.body[0].id)
    file = service.body.folders.ledger / "checkpoint"
    note = file.read_bytes()
    file.write_bytes(note.replace(b"\n0\n", b"\n7\n", 1))
    try:
        shown = section(start(), "ledger")
    finally:
        file.write_bytes(note)
    assert 'role="alert"' in shown
    assert "<pre" not in shown


def test_before_its_first_checkpoint_a_ledger_says_so() -> None:
    place = world.town(FIRST, synthetic=True)
    become(place, place.framework.body[-1].id)
    assert "まだ記録がありません" in section(start(), "ledger")
    assert visit("/checkpoint").status_code == 404


# Languages


@pytest.mark.parametrize(
    ("path", "accept", "language"),
    [
        ("/", None, "ja"),
        ("/", "", "ja"),
        ("/", "en", "en"),
        ("/", "en-GB,ja;q=0.5", "en"),
        ("/", "ja-JP,en;q=0.9", "ja"),
        ("/", "fr, en;q=0.5", "en"),
        ("/", "fr", "ja"),
        ("/", "*", "ja"),
        ("/", ";;;q=x", "ja"),
        ("/?lang=en", "ja", "en"),
        ("/?lang=ja", "en", "ja"),
        ("/?lang=xx", "en", "en"),
        ("/?lang=", None, "ja"),
        ("/nowhere?lang=en", None, "en"),
        ("/nowhere", None, "ja"),
    ],
)
def test_the_page_is_in_the_language_asked_for(
    path: str, accept: str | None, language: str
) -> None:
    some_body()
    answer = visit(path, **({} if accept is None else {"Accept-Language": accept}))
    page = answer.content.decode()
    assert f'<html lang="{language}">' in page
    assert answer["Content-Language"] == language
    assert "Accept-Language" in answer["Vary"]
    assert not answer.cookies
    other = {"ja": "en", "en": "ja"}[language]
    assert f'href="?lang={other}" lang="{other}" hreflang="{other}"' in page
    assert f'aria-current="true" lang="{language}"' in page


def test_a_language_chosen_goes_along_to_the_other_bodies() -> None:
    place = some_body()
    page = visit("/?lang=en").content.decode()
    urls = [place.deployment.urls[b.id] for b in place.framework.body[1:]]
    assert all(f'href="{url}/?lang=en"' in page for url in urls)
    assert 'href="/?lang=en"' in page


def test_an_english_page_has_no_japanese_but_marked() -> None:
    """What is quoted or named in Japanese says so, for readers who listen."""
    for _, file in FRAMEWORKS:
        place = world.town(file)
        for one in place.framework.body:
            become(place, one.id)
            for path in ("/?lang=en", "/nowhere?lang=en"):
                page = visit(path).content.decode()
                page = re.sub(r'<(\w+)[^>]* lang="ja"[^>]*>.*?</\1>', "", page, flags=re.DOTALL)
                assert not re.findall(r"[ぁ-んァ-ヶ一-龠]+", page), (one.id, path)


# The banner


@pytest.mark.parametrize("path", ["/", "/nowhere", "/?lang=en", "/nowhere?lang=en"])
@pytest.mark.parametrize(
    ("options", "shown"),
    [({}, False), ({"synthetic": True}, True), ({"rehearsal": REHEARSED}, True)],
    ids=["ordinary", "synthetic", "rehearsal"],
)
def test_a_demonstration_says_so_on_every_page(
    path: str, options: dict[str, object], shown: bool
) -> None:
    some_body(**options)
    page = visit(path).content.decode()
    words = "Demonstration, synthetic data" if "en" in path else BANNER
    assert (words in page) == shown


# No function of this body


@pytest.mark.parametrize(
    ("language", "words"),
    [("ja", "この機関の機能ではありません"), ("en", "This is not a function of this body")],
)
def test_a_door_that_a_body_lacks_shows_the_functions_that_it_has(
    language: str, words: str
) -> None:
    place = some_body()
    me = place.framework.body[0]
    answer = visit(f"/exchange/history/identities?lang={language}")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert words in text_of(page)
    for function in functions_of(place.framework, me.id):
        assert getattr(labels.FUNCTION[function], language) in section(page, "functions")


def test_a_program_is_told_the_functions_as_well() -> None:
    place = some_body()
    answer = visit("/exchange/history/identities", Accept="application/json")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert set(answer.json()["functions"]) == functions_of(
        place.framework, place.framework.body[0].id
    )


# Safety


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_a_page_runs_nothing_and_loads_nothing_from_elsewhere(path: str) -> None:
    place = some_body()
    answer = visit(path)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    page = answer.content.decode()
    assert not re.search(r"<script|<style|<iframe|\sstyle=|\son\w+=|javascript:|data:", page)
    elsewhere = set(re.findall(r'(?:src|href)="(https?://[^"]+)"', page))
    assert elsewhere <= {f"{url}/" for url in place.deployment.urls.values()}
    for sheet in re.findall(r'<link [^>]*href="([^"]+)"', page):
        served = visit(sheet)
        assert served.status_code == 200, sheet
        assert served["Content-Type"].split(";")[0] in {"text/css", "image/svg+xml"}
        assert b"".join(served)


def test_a_title_is_text_and_never_markup(tmp_path: Path) -> None:
    """A framework is anyone's file: what it says is shown, not run."""
    text = FIRST.read_text()
    first = re.search(r'title = \{ ja = "([^"]+)"', text)
    assert first is not None
    file = tmp_path / "anyone.toml"
    file.write_text(text.replace(f'"{first[1]}"', "'<script>alert(1)</script>&\"'"))
    some_body(file)
    for language in ("ja", "en"):
        assert "<script" not in start(**{"Accept-Language": language})
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;" in start()
