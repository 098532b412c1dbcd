"""Sign-in by SMART Backend Services: a signed assertion for a token that holds for minutes.

Source: https://hl7.org/fhir/smart-app-launch/backend-services.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from sekisho.common.errors import UserError
from sekisho.common.ids import new_id
from sekisho.common.randomness import RandomBytes
from sekisho.common.secretfile import read_secret
from sekisho.provider.pull.config import SignIn

ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE: Final = timedelta(minutes=5)
"""The longest that the specification lets an assertion hold."""
EARLY: Final = timedelta(seconds=30)
"""So long before its end a token is not used any more."""


@dataclass(frozen=True)
class Token:
    """What the server lets us in with, and until when."""

    text: str
    until: datetime

    def holds(self, now: datetime) -> bool:
        return now < self.until - EARLY


def assertion(who: SignIn, folder: Path, token_url: str, now: datetime, random: RandomBytes) -> str:
    """Return the JWT that proves who we are to one token endpoint, once."""
    claims = {
        "iss": who.client_id,
        "sub": who.client_id,
        "aud": token_url,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFE).timestamp()),
        "jti": new_id(random),
    }
    header = {"alg": who.algorithm, "kid": who.key_id, "typ": "JWT"}
    return jwt.encode(header, claims, _key(who, folder), [who.algorithm])


def form(who: SignIn, signed: str) -> dict[str, str]:
    """Return the fields of the request for a token."""
    return {
        "grant_type": "client_credentials",
        "scope": who.scope,
        "client_assertion_type": ASSERTION,
        "client_assertion": signed,
    }


def read_token(answer: object, now: datetime) -> Token | None:
    """Return the token in a server's answer; None where there is none."""
    if not isinstance(answer, dict):
        return None
    text, seconds = answer.get("access_token"), answer.get("expires_in", 300)
    if not isinstance(text, str) or str(answer.get("token_type", "bearer")).lower() != "bearer":
        return None
    life = seconds if isinstance(seconds, int) and seconds > 0 else 300
    return Token(text, now + timedelta(seconds=life))


def _key(who: SignIn, folder: Path) -> RSAKey | ECKey:
    kind = RSAKey if who.algorithm == "RS384" else ECKey
    try:
        return kind.import_key(orjson.loads(read_secret(folder / who.key)))
    except (OSError, ValueError, JoseError) as error:
        raise UserError(
            "pull.key",
            f"The key file {Path(who.key).name} is no JWK for {who.algorithm}.",
            next_step="put the private key there as JWK, mode 0600",
        ) from error
