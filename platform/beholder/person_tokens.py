"""Tokens of people: what an application gives a visitor, signed with its key, to act as one person for a while.

A token is a JSON Web Token (RFC 7519) with an Ed25519 signature (RFC 8037), so that any application can sign it, in any language,
without asking the service: with api_keys.signing_key. Its `kid` is the key's id, `sub` the person, `iat` and `exp` its life,
`scope` what it is for. The service holds the public key alone, so that nobody who reads its database can sign.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from beholder import api_keys, identifiers
from beholder.errors import AccessError

SELF_SCOPES = {"ask:self": "ask", "recommend:self": "recommend"}
LONGEST = timedelta(days=1)  # a token's life: nobody can revoke one but with its key
_SKEW_S = 30  # seconds that another machine's clock may be ahead
_LONGEST_TEXT = 2000  # characters


@dataclass(frozen=True)
class PersonToken:
    """What a token says. scopes: of SELF_SCOPES; issued and expires: in seconds since 1970."""

    key_id: str
    user_id: str
    scopes: tuple[str, ...]
    issued: int
    expires: int
    signed: bytes
    signature: bytes

    def check(self, public_key: str, now: datetime) -> None:
        """Raise AccessError where the token was not signed with this key, has expired, or lives too long."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        if not public_key:
            raise AccessError("the key of this token is too old to sign any; make a new one")
        try:
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(self.signature, self.signed)
        except InvalidSignature:
            raise AccessError("this token was not signed with its key") from None
        at = now.timestamp()
        if not self.issued - _SKEW_S <= at < self.expires:
            raise AccessError("this token has expired, or is not valid yet")
        if self.expires - self.issued > LONGEST.total_seconds():
            raise AccessError(f"a person's token lives for {LONGEST.total_seconds() / 3600:g} hours at most")


def sign(key_text: str, user_id: str, *, now: datetime, seconds: int = 3600, scopes: Sequence[str] = tuple(SELF_SCOPES)) -> str:
    """Return the token of one person, signed with an application's key (the whole text of it).

    Raises AccessError for a text that is no key, a person without a name, unknown scopes and a life of more than a day.
    """
    parts = api_keys.split(key_text.strip())
    if parts is None:
        raise AccessError("expected an application's key, beholder_ID_SECRET, as `beholder keys make=` shows it once")
    if not user_id or not 0 < seconds <= LONGEST.total_seconds() or not scopes or not set(scopes) <= set(SELF_SCOPES):
        raise AccessError(
            f"a token is for one person, for {', '.join(SELF_SCOPES)}, and for 1 to {LONGEST.total_seconds():.0f} seconds"
        )
    user_id = identifiers.person_name(user_id, what="person", error=AccessError)
    issued = int(now.astimezone(UTC).timestamp())
    head = {"alg": "EdDSA", "kid": parts[0], "typ": "JWT"}
    body = {"sub": user_id, "scope": " ".join(scopes), "iat": issued, "exp": issued + seconds}
    signed = f"{_written(head)}.{_written(body)}".encode()
    signature = api_keys.signing_key(parts[1]).sign(signed)
    return f"{signed.decode()}.{_base64(signature)}"


def parse(text: str) -> PersonToken | None:
    """Return what a token says, its signature not yet checked; None where the text is no such token."""
    pieces = text.split(".")
    if len(text) > _LONGEST_TEXT or len(pieces) != 3 or not text.isascii():
        return None
    try:
        head, body, signature = (_bytes(piece) for piece in pieces)
        header, claims = (_object(part) for part in (head, body))
        if header["alg"] != "EdDSA" or set(header) - {"alg", "kid", "typ"}:
            return None
        scopes, signed = tuple(claims["scope"].split()), text.rpartition(".")[0].encode()
        token = PersonToken(header["kid"], claims["sub"], scopes, claims["iat"], claims["exp"], signed, signature)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, binascii.Error):
        return None
    whole = all(type(each) is int and 0 <= each < 2**40 for each in (token.issued, token.expires))
    named = all(isinstance(each, str) and each for each in (token.key_id, token.user_id))
    known = bool(scopes) and set(scopes) <= set(SELF_SCOPES) and set(claims) == {"sub", "scope", "iat", "exp"}
    return token if whole and named and known else None


def _written(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _object(data: bytes) -> dict[str, Any]:
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    if "=" in text or "+" in text or "/" in text:
        raise ValueError("not base64url")
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
