"""Keys: who may ask the service what. A key's text is shown once; what is kept of its secret is a SHA-256.

A secret is 256 random bits, so nobody can guess it from its hash however fast hashing is, and no salt is needed.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from beholder.errors import AccessError, nearest

SCOPES = {
    "ask": "images, directions, questions, choices, and what is known of a taste",
    "recommend": "recommendations and predictions",
    "admin": "removing people, metrics, and everything else",
}
_TEXT = re.compile(r"beholder_([0-9a-f]{12})_([0-9a-f]{64})")
_LONGEST = 200  # characters of a name
_SPAN = re.compile(r"([1-9][0-9]{0,4})([dh])")


@dataclass(frozen=True)
class ApiKey:
    """What is kept of a key. digest: SHA-256 of its secret, as 64 hexadecimal digits. Times have a time zone."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    digest: str
    made_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """valid, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"

    def may(self, scope: str) -> bool:
        """Whether it is for this; admin is for everything."""
        return scope in self.scopes or "admin" in self.scopes

    def opens(self, secret: str, now: datetime) -> bool:
        """Whether this is its secret, and it is still valid. How long the comparison takes says nothing of where they differ."""
        return hmac.compare_digest(self.digest, _digest(secret)) and self.state(now) == "valid"


def make(name: str, scopes: Sequence[str], *, now: datetime, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    """A new key, and its text, which nobody can tell again. Raises AccessError for what makes no sense."""
    if not name.strip() or len(name) > _LONGEST or not name.isprintable():
        raise AccessError(f"a key's name is printable text of 1 to {_LONGEST} characters that says whose it is, got {name[:40]!r}")
    if not scopes:
        raise AccessError(f"a key without scopes is for nothing; known: {', '.join(SCOPES)}")
    for scope in scopes:
        if scope not in SCOPES:
            raise AccessError(f"{scope!r} is not a scope{nearest(scope, list(SCOPES))}")
    if expires_at is not None and expires_at <= now:
        raise AccessError(f"a key that expired at {expires_at.isoformat(timespec='seconds')} opens nothing; give a time to come")
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    ordered = tuple(scope for scope in SCOPES if scope in scopes)
    return ApiKey(key_id, name, ordered, _digest(secret), now, expires_at), f"beholder_{key_id}_{secret}"


def split(text: str) -> tuple[str, str] | None:
    """The id and the secret of a key's text; None for a text that is no key's."""
    match = _TEXT.fullmatch(text)
    return None if match is None else (match[1], match[2])


def until(text: str, *, now: datetime) -> datetime:
    """When 90d, 12h or 2027-01-31 (its first moment, UTC, where none is given) is. Raises AccessError for other texts."""
    if (span := _SPAN.fullmatch(text)) is not None:
        try:
            return now + (timedelta(days=int(span[1])) if span[2] == "d" else timedelta(hours=int(span[1])))
        except OverflowError:
            raise AccessError(f"expires={text} is further than calendars go") from None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise AccessError(
            f"expires={text!r} is no time; expected days like 90d, hours like 12h, or a date like 2027-01-31"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
