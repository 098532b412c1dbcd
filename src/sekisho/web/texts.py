"""Filters for templates."""

from __future__ import annotations

import re

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language

register = template.Library()

_JAPANESE = re.compile("([\u2460-\u24ff\u3000-\u30ff\u4e00-\u9fff\uff00-\uffef]+)")


@register.filter
def marked(text: str) -> SafeString:
    """Mark Japanese words on a page of another language, so that they are read as such."""
    if get_language() == "ja":
        return format_html("{}", text)
    # Every other part is a run of Japanese: it is what the expression splits at.
    parts = ((part, n % 2) for n, part in enumerate(_JAPANESE.split(text)))
    return format_html_join(
        "",
        "{}",
        (
            (format_html('<span lang="ja">{}</span>', part) if japanese else part,)
            for part, japanese in parts
        ),
    )
