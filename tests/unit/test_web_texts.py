"""What the pages are made of: texts in both languages, styles, vendored files."""

from __future__ import annotations

import ast
import gettext
import hashlib
import re
import tomllib
from pathlib import Path

import pytest

import sekisho.web

WEB = Path(sekisho.web.__file__).parent
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
ENGLISH = WEB / "locale" / "en" / "LC_MESSAGES"
VENDOR = WEB / "static" / "vendor"
STYLES = (WEB / "static" / "sekisho" / "sekisho.css").read_text()
TOKENS = (VENDOR / "design-tokens" / "tokens.css").read_text()


def source_texts() -> set[str]:
    """Return the texts that the templates mark for translation."""
    found: set[str] = set()
    for template in TEMPLATES:
        text = template.read_text()
        found |= set(re.findall(r'{% translate "([^"]+)" %}', text))
        for block in re.findall(r"{% blocktranslate [^%]*trimmed %}(.*?){% end", text, re.DOTALL):
            found.add(re.sub(r"{{ (\w+) }}", r"%(\1)s", " ".join(block.split())))
    return found


def catalogue() -> dict[str, str]:
    """Return the English texts by the Japanese, read from the source of the catalogue."""
    pairs = re.findall(
        r'^msgid ((?:".*"\n?)+)msgstr ((?:".*"\n?)+)',
        (ENGLISH / "django.po").read_text(),
        re.MULTILINE,
    )
    said = {
        "".join(map(ast.literal_eval, ja.split("\n")[:-1])): "".join(
            ast.literal_eval(line) for line in en.split("\n") if line
        )
        for ja, en in pairs
    }
    said.pop("")
    return said


def test_every_text_of_the_pages_has_its_english_and_no_english_is_left_over() -> None:
    assert len(source_texts()) > 20
    assert set(catalogue()) == source_texts()
    assert all(catalogue().values())


def test_the_english_names_what_the_japanese_names() -> None:
    for japanese, english in catalogue().items():
        assert set(re.findall(r"%\(\w+\)s", japanese)) == set(re.findall(r"%\(\w+\)s", english))


def test_the_compiled_catalogue_is_the_written_one() -> None:
    with (ENGLISH / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for japanese, english in catalogue().items():
        assert compiled.gettext(japanese) == english


def test_no_text_stands_in_a_template_untranslated() -> None:
    for template in TEMPLATES:
        text = template.read_text()
        text = re.sub(r"{% blocktranslate .*?{% endblocktranslate %}", "", text, flags=re.DOTALL)
        text = re.sub(r'<span lang="ja">関所</span>', "", text)
        text = re.sub(r"{%.*?%}|{{.*?}}", "", text)
        assert not re.findall(r"[ぁ-んァ-ヶ一-龠]+", text), template.name


def test_vendored_files_are_what_their_list_says() -> None:
    listed = tomllib.loads((VENDOR / "VENDORED.toml").read_text())["package"]
    expected: set[Path] = {VENDOR / "VENDORED.toml"}
    for package in listed:
        assert {"name", "version", "licence", "folder", "sha256"} == set(package)
        assert "LICENSE" in package["sha256"]
        for name, digest in package["sha256"].items():
            file = VENDOR / package["folder"] / name
            assert hashlib.sha256(file.read_bytes()).hexdigest() == digest, file
            expected.add(file)
    assert {file for file in VENDOR.rglob("*") if file.is_file()} == expected


@pytest.mark.parametrize(
    "file",
    [f for f in (*TEMPLATES, *WEB.joinpath("static").rglob("*")) if f.is_file()],
    ids=lambda f: f.name,
)
def test_no_file_of_the_pages_names_a_host(file: Path) -> None:
    text = file.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.findall(r"(?:https?:)?//[a-z0-9]", text)


def test_every_class_has_a_style_and_every_style_a_class() -> None:
    used = {
        name
        for template in TEMPLATES
        for names in re.findall(r'class="([^"]+)"', template.read_text())
        for name in names.split()
    }
    styled = set(re.findall(r"\.(sk-[a-z_-]+)", STYLES))
    plain = {"sk-languages"}
    assert used - styled <= plain
    assert styled <= used


def test_every_token_that_a_style_uses_is_defined() -> None:
    defined = set(re.findall(r"^\s*(--[a-z0-9-]+):", TOKENS + STYLES, re.MULTILINE))
    assert set(re.findall(r"var\((--[a-z0-9-]+)\)", STYLES)) <= defined


def test_no_colour_is_set_beside_the_tokens() -> None:
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsl\(", STYLES)
