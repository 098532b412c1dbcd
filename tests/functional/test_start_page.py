"""The start page of running bodies in a browser: narrow, without scripts, by keyboard, readable.

What a program finds is a part of the faults. With SEKISHO_SHOTS set to a folder, a picture of every
page is left there for somebody to look at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser, Page, chromium

from sekisho.body.setup import set_up
from sekisho.framework import Framework, load
from sekisho.web.launch import running
from sekisho.web.serve import free_port

pytestmark = [pytest.mark.functional, pytest.mark.xdist_group("functional")]

FRAMEWORK = "2-1"
PATHS = {"start": "/", "no-function": "/exchange/unknown/door"}
LANGUAGES = {
    "ja": ("関所", "実証用・合成データ"),
    "en": ("Sekisho", "Demonstration, synthetic data"),
}

# What a reader sees of each text: its colour, and the ground that is painted under it.
CONTRAST = """
(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(parse(style.color)), light(ground(e))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), bold = parseInt(style.fontWeight) >= 700;
    const enough = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < enough) poor.push(walk.currentNode.textContent.trim());
  }
  return poor;
})()
"""
TOO_WIDE = """
[...document.querySelectorAll('body *')]
  .filter(e => !e.closest('.sk-hidden'))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5)
  .map(e => e.outerHTML.slice(0, 80))
"""
SCROLLS = "document.documentElement.scrollWidth > innerWidth"
STOPS = "document.querySelectorAll('a[href], summary, pre[tabindex]').length"
FOCUSED = """
(() => {
  const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
  return {
    what: e.tagName + ' ' + (e.textContent || '').trim().slice(0, 40),
    ring: s.outlineStyle === 'solid' && parseFloat(s.outlineWidth) >= 2,
    seen: r.width > 0 && r.height > 0 && r.bottom > 0 && r.top < innerHeight
      && r.right > 0 && r.left < innerWidth,
    on: e !== document.body,
  };
})()
"""
SMALL_TARGETS = """
[...document.querySelectorAll('a[href], summary')]
  .filter(e => getComputedStyle(e).display !== 'inline' && !e.matches('.sk-skip'))
  .filter(e => { const r = e.getBoundingClientRect(); return r.width < 24 || r.height < 24 })
  .map(e => e.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def framework(root: Path) -> Framework:
    return load(root / "frameworks" / f"{FRAMEWORK}.toml", root)


@pytest.fixture(scope="module")
def bodies(
    root: Path, framework: Framework, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Addresses of two running bodies: one with functions, one that Sekisho adds."""
    deployment = set_up(
        framework,
        root / "frameworks" / f"{FRAMEWORK}.toml",
        tmp_path_factory.mktemp("bodies"),
        rules=root / "rules",
        ports=free_port,
        declared_synthetic=True,
    )
    chosen = {
        "functions": framework.function_bodies[0],
        "auxiliary": framework.with_role("oversight")[0],
    }
    some = replace(deployment, configs={b: deployment.configs[b] for b in chosen.values()})
    with running(some):
        yield {name: deployment.urls[body] for name, body in chosen.items()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not (os.environ.get("SEKISHO_CHROMIUM") or shutil.which("chromium")):
        pytest.skip("Chromium not found")
    with chromium() as one:
        yield one


EACH_BODY = pytest.mark.parametrize("body", ["functions", "auxiliary"])
EACH_PAGE = pytest.mark.parametrize("path", list(PATHS))
EACH_LANGUAGE = pytest.mark.parametrize("language", list(LANGUAGES))
EACH_WIDTH = pytest.mark.parametrize("width", [320, 1280])


def opened(browser: Browser, url: str, **options: object) -> Page:
    page = browser.page(**options)  # type: ignore[arg-type]
    page.open(url)
    return page


@EACH_BODY
@EACH_PAGE
@EACH_LANGUAGE
@EACH_WIDTH
def test_a_page_fits_its_window_and_can_be_read(
    browser: Browser, bodies: dict[str, str], body: str, path: str, language: str, width: int
) -> None:
    page = opened(browser, bodies[body] + PATHS[path], width=width, accept=language)
    # Opened, the quotations must fit and be readable as well.
    page.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    name, banner = LANGUAGES[language]
    assert page.value("document.documentElement.lang") == language
    assert page.value("document.title").endswith(f"– {name}")
    assert page.value("document.querySelectorAll('h1').length") == 1
    assert page.value("document.querySelector('[role=note]').innerText").startswith(banner)
    assert page.value(TOO_WIDE) == []
    assert not page.value(SCROLLS)
    assert page.value(CONTRAST) == []
    assert page.value(SMALL_TARGETS) == []
    if shots := os.environ.get("SEKISHO_SHOTS"):
        page.screenshot(Path(shots) / f"{body}-{path}-{language}-{width}.png")


@EACH_PAGE
def test_a_page_loads_all_it_names_from_its_own_body(
    browser: Browser, bodies: dict[str, str], path: str
) -> None:
    page = opened(browser, bodies["functions"] + PATHS[path])
    styles = "[...document.styleSheets].map(s => s.cssRules.length > 0)"
    assert page.value(styles) == [True, True]
    assert all(address.startswith(bodies["functions"]) for address in page.requests())
    refused = [text for text in page.complaints() if "404" not in text or path == "start"]
    assert refused == []


def test_the_browser_blocks_a_script_that_got_into_a_page(
    browser: Browser, bodies: dict[str, str]
) -> None:
    page = opened(browser, bodies["functions"])
    page.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.body.append(s); })()"
    )
    assert page.value("window.ran") is None
    assert any("Content Security Policy" in text for text in page.complaints())


@EACH_LANGUAGE
def test_everything_works_without_scripts_by_keyboard_alone(
    browser: Browser, bodies: dict[str, str], language: str
) -> None:
    """A reader skips to the content, comes back, changes the language and opens a quotation."""
    other = {"ja": "en", "en": "ja"}[language]
    page = opened(browser, bodies["functions"], script=False, accept=language)
    page.press("Tab", 9)
    assert page.value("document.activeElement.getAttribute('href')") == "#main"
    assert page.value(FOCUSED)["seen"]
    page.press("Enter", 13)
    assert page.value("document.activeElement.id") == "main"

    page.open(bodies["functions"])
    for _ in range(3):
        page.press("Tab", 9)
    assert page.value("document.activeElement.hreflang") == other
    page.press("Enter", 13)
    page.loaded()
    assert page.value("document.documentElement.lang") == other
    assert page.value("document.cookie") == ""

    for _ in range(20):
        page.press("Tab", 9)
        if page.value("document.activeElement.tagName") == "SUMMARY":
            break
    page.press("Enter", 13)
    assert page.value("document.activeElement.parentElement.open") is True
    assert page.value("document.querySelector('details blockquote').getClientRects().length") > 0


@EACH_BODY
@EACH_WIDTH
def test_the_keyboard_reaches_everything_and_is_always_seen(
    browser: Browser, bodies: dict[str, str], body: str, width: int
) -> None:
    page = opened(browser, bodies[body], width=width)
    stops = []
    for _ in range(page.value(STOPS)):
        page.press("Tab", 9)
        stops.append(page.value(FOCUSED))
    assert len(stops) > 5
    assert [stop["what"] for stop in stops if not (stop["on"] and stop["ring"])] == []
    assert [stop["what"] for stop in stops if not stop["seen"]] == []
    assert len({stop["what"] for stop in stops}) > len(stops) / 2


def test_the_checks_find_planted_faults(browser: Browser, bodies: dict[str, str]) -> None:
    page = opened(browser, bodies["functions"], width=320)
    page.value("document.querySelector('h2').style.color = '#bbb'")
    assert len(page.value(CONTRAST)) == 1
    page.value("document.querySelector('.sk-card').style.width = '400px'")
    assert page.value(TOO_WIDE)
    assert page.value(SCROLLS)
    page.value("document.querySelector('.sk-skip').style.outline = 'none'")
    page.press("Tab", 9)
    assert not page.value(FOCUSED)["ring"]
    page.value("document.querySelector('.sk-languages a').style.padding = '0'")
    page.value("document.querySelector('.sk-languages a').style.lineHeight = '1'")
    assert page.value(SMALL_TARGETS)
