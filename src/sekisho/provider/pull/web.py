"""Requests to one FHIR server: signed in, tried again when it says so, never to another host."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Final, TypeVar

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from sekisho.common.clock import Clock
from sekisho.common.errors import PeerError, Refusal
from sekisho.common.randomness import RandomBytes
from sekisho.provider.pull.config import Source
from sekisho.provider.pull.signin import Token, assertion, form, read_token

T = TypeVar("T")
LATER: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Answers after which the same request may be sent again."""
FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 300.0
TIMEOUT: Final = (10.0, 300.0)
_PIECE: Final = 1 << 18


class Later(Exception):
    """The server asks for patience: ``seconds`` where it says how much."""

    def __init__(self, status: int, seconds: float | None) -> None:
        super().__init__(status)
        self.status, self.seconds = status, seconds


@dataclass
class Web:
    """One server as we reach it. ``pause`` waits; ``home`` is the provider's folder."""

    source: Source
    home: Path
    clock: Clock
    random: RandomBytes
    pause: Callable[[float], None] = time.sleep
    token: Token | None = None
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        signed_in: bool = True,
    ) -> requests.Response:
        """Send one request; wait and try again while the server puts it off.

        Raises:
            PeerError: it does not answer, or puts it off too often.
            Refusal: the address is of a host that the configuration does not name.
        """

        def once() -> requests.Response:
            return self._once(method, url, params, headers, signed_in, stream=False)

        return self._again(once)

    def fetch(self, url: str, target: Path, *, signed_in: bool) -> int:
        """Write a file into ``target``; return the status. Only a whole file is there afterwards.

        Raises: as `ask`.
        """

        def once() -> int:
            headers = {"Accept": "application/fhir+ndjson"}
            with self._once("GET", url, None, headers, signed_in, stream=True) as answer:
                if answer.status_code != 200:
                    return answer.status_code
                self._write(answer, target)
            return answer.status_code

        return self._again(once)

    def forget_token(self) -> None:
        """Sign in anew before the next request."""
        self.token = None

    def _again(self, once: Callable[[], T]) -> T:
        try:
            return Retrying(
                retry=retry_if_exception_type(Later),
                wait=_wait,
                stop=stop_after_attempt(self.source.attempts),
                sleep=self.pause,
                reraise=True,
            )(once)
        except Later as put_off:
            what = f"answers {put_off.status}" if put_off.status else "does not answer"
            raise PeerError(
                "pull.server-away",
                f"{self.source.name}: the server {what}, also after {self.source.attempts} tries.",
                next_step="run the pull again later: it goes on where it is",
            ) from None

    def _write(self, answer: requests.Response, target: Path) -> None:
        part = target.with_name(f"{target.name}.part")
        try:
            with part.open("wb") as file:
                for piece in answer.iter_content(_PIECE):
                    file.write(piece)
        except requests.RequestException:
            part.unlink(missing_ok=True)
            raise Later(0, None) from None
        part.replace(target)

    def _once(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        signed_in: bool,
        *,
        stream: bool,
    ) -> requests.Response:
        if not self.source.trusts(url):
            raise Refusal(
                "pull.other-host",
                f"{self.source.name}: the server names an address of another host.",
                rule="files and tokens go between us and the hosts of the configuration only",
                next_step="name the host in `hosts` of pull.toml, if it is the hospital's",
            )
        sent = dict(headers or {})
        if signed_in and self.source.sign_in is not None:
            sent["Authorization"] = f"Bearer {self._signed_in()}"
        try:
            answer = self.session.request(
                method,
                url,
                params=dict(params or {}),
                headers=sent,
                timeout=TIMEOUT,
                stream=stream,
                allow_redirects=False,
            )
        except requests.RequestException:
            raise Later(0, None) from None
        if answer.status_code == 401 and "Authorization" in sent:
            self.forget_token()
            raise Later(401, 0.0)
        if answer.status_code in LATER:
            raise Later(answer.status_code, retry_after(answer.headers, self.clock.now()))
        return answer

    def _signed_in(self) -> str:
        who, now = self.source.sign_in, self.clock.now()
        assert who is not None
        if self.token is None or not self.token.holds(now):
            where = who.token_url or self._token_url()
            signed = assertion(who, self.home, where, now, self.random)
            try:
                answer = self.session.post(
                    where,
                    data=form(who, signed),
                    headers={"Accept": "application/json"},
                    timeout=TIMEOUT,
                    allow_redirects=False,
                )
                said = answer.json() if answer.status_code == 200 else None
            except requests.RequestException:
                raise Later(0, None) from None
            if answer.status_code in LATER:
                raise Later(answer.status_code, retry_after(answer.headers, now))
            self.token = read_token(said, now)
            if self.token is None:
                raise Refusal(
                    "pull.sign-in",
                    f"{self.source.name}: the server did not let us in ({answer.status_code}).",
                    rule="SMART Backend Services: a token for a signed assertion",
                    next_step="see that the server knows the key, client_id and scope",
                )
        return self.token.text

    def _token_url(self) -> str:
        """Ask the server where its tokens are made (/.well-known/smart-configuration)."""
        url = f"{self.source.base}/.well-known/smart-configuration"
        try:
            answer = self.session.get(
                url, headers={"Accept": "application/json"}, timeout=TIMEOUT, allow_redirects=False
            )
            said = answer.json() if answer.status_code == 200 else {}
        except requests.RequestException:
            raise Later(0, None) from None
        found = said.get("token_endpoint") if isinstance(said, dict) else None
        if not isinstance(found, str) or not self.source.trusts(found):
            raise Refusal(
                "pull.token-url",
                f"{self.source.name}: the server names no token endpoint of a host we trust.",
                next_step="name token_url, and its host in hosts, in pull.toml",
            )
        return found


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a server asks for: a number or a date (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return backoff(state.attempt_number, error.seconds if isinstance(error, Later) else None)


def backoff(attempt: int, asked: float | None) -> float:
    """Return how long to wait after the n-th try: as asked, but longer each time at least."""
    own = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (attempt - 1))
    return asked if asked == 0 else max(own, asked or 0.0)
