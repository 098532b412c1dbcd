"""Which language a page is in: what the address asks for, else what the browser asks for."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header

PARAMETER = "lang"


class AskedLanguage:
    """Speak the language of ``?lang=``, else of Accept-Language, else Japanese; keep no cookie."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = asked(request) or accepted(request.headers.get("Accept-Language", ""))
        with translation.override(language):
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        patch_vary_headers(response, ("Accept-Language",))
        return response


def asked(request: HttpRequest) -> str | None:
    """Return the language that the address names, if we speak it."""
    language = request.GET.get(PARAMETER)
    return language if language in dict(settings.LANGUAGES) else None


def accepted(header: str) -> str:
    """Return the first language of an Accept-Language header that we speak, else ours."""
    for language, _ in parse_accept_lang_header(header):
        if language.partition("-")[0] in dict(settings.LANGUAGES):
            return language.partition("-")[0]
    return settings.LANGUAGE_CODE


def kept(request: HttpRequest) -> str:
    """Return what an address needs so that a choice of language goes along."""
    language = asked(request)
    return f"?{PARAMETER}={language}" if language else ""
