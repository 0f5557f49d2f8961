"""API keys with scopes, people and an expiry. A key's text is shown once; what is stored of its secret is a SHA-256.

A secret is 256 random bits, so nobody can guess it from its hash however fast hashing is, and no salt is needed.

A key is an application's. The application vouches for the people that the key speaks for: those whose names its `people` match
(`shop-*`, `ana`, `*`), or without any those that it was the first to name. What a visitor holds is no key but a token that the
application signs for one person (see person_tokens).
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from beholder import identifiers
from beholder.errors import AccessError, nearest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SCOPES = {
    "ask": "images, directions, questions, choices, what is known of a taste, and forgetting, of the people it speaks for",
    "recommend": "recommendations and predictions, of the people it speaks for",
    "admin": "everything, of everybody, and metrics",
}
_TEXT = re.compile(r"beholder_([0-9a-f]{12})_([0-9a-f]{64})")
_LONGEST = 200  # characters of a name
_SPAN = re.compile(r"([1-9][0-9]{0,4})([dh])")


@dataclass(frozen=True)
class ApiKey:
    """What is stored of a key. digest: SHA-256 of its secret, as 64 hexadecimal digits. Times have a time zone.

    people: whom it speaks for: a name, a prefix with * behind it, * for everybody, None for those that it was the first to name.
    public_key: of the pair by which its holder signs people's tokens, as 64 hexadecimal digits.
    """

    key_id: str
    name: str
    scopes: tuple[str, ...]
    digest: str
    made_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    people: str | None = None
    public_key: str = ""

    def __post_init__(self) -> None:
        if self.people is not None:
            check_people(self.people)

    def state(self, now: datetime) -> str:
        """Return `valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"

    def may(self, scope: str) -> bool:
        """Return whether the key has this scope; `admin` includes every scope."""
        return scope in self.scopes or "admin" in self.scopes

    def opens(self, secret: str, now: datetime) -> bool:
        """Return whether this is the key's secret and the key is valid. The comparison takes the same time wherever they differ."""
        return hmac.compare_digest(self.digest, _digest(secret)) and self.state(now) == "valid"


def make(
    name: str, scopes: Sequence[str], *, now: datetime, expires_at: datetime | None = None, people: str | None = None
) -> tuple[ApiKey, str]:
    """Return a new key and its text, which can't be recovered later. people: as in ApiKey.

    Raises AccessError for an unusable name, no or unknown scopes, people that are no pattern, and an expiry in the past.
    """
    if not name.strip() or len(name) > _LONGEST or not name.isprintable():
        raise AccessError(f"a key's name is printable text of 1 to {_LONGEST} characters that says whose it is, got {name[:40]!r}")
    if not scopes:
        raise AccessError(f"a key without scopes is for nothing; known: {', '.join(SCOPES)}")
    for scope in scopes:
        if scope not in SCOPES:
            raise AccessError(f"{scope!r} is not a scope{nearest(scope, list(SCOPES))}")
    if expires_at is not None and expires_at <= now:
        raise AccessError(
            f"a key that expired at {expires_at.isoformat(timespec='seconds')} is of no use; give a time in the future"
        )
    if people is not None and (start := people.removesuffix("*")):
        check_people(people)
        people = identifiers.normalized(people)
        if (reason := identifiers.fault(identifiers.normalized(start))) is not None:
            raise AccessError(f"people={people[:40]!r}: expected a name, or how names begin, got {reason}")
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    ordered = tuple(scope for scope in SCOPES if scope in scopes)
    public = signing_key(secret).public_key().public_bytes_raw().hex()
    key = ApiKey(key_id, name, ordered, _digest(secret), now, expires_at, people=people, public_key=public)
    return key, f"beholder_{key_id}_{secret}"


def signing_key(secret: str) -> "Ed25519PrivateKey":
    """Return the private key by which the holder of a secret signs, made from SHA-256 of "beholder person token" and the secret."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"beholder person token" + secret.encode()).digest())


def check_people(people: str) -> None:
    """Raise AccessError where a text says nobody's name, no prefix and not everybody."""
    if not people or len(people) > _LONGEST or not people.isprintable() or "*" in people[:-1]:
        raise AccessError(f"people={people[:40]!r}: expected a name, a prefix with * behind it like shop-*, or * for everybody")


def matches(people: str, user_id: str) -> bool:
    """Return whether a key's `people` mean a person."""
    return user_id.startswith(people[:-1]) if people.endswith("*") else user_id == people


def split(text: str) -> tuple[str, str] | None:
    """Return the id and the secret in a key's text, or None where the text is no key."""
    match = _TEXT.fullmatch(text)
    return None if match is None else (match[1], match[2])


def until(text: str, *, now: datetime) -> datetime:
    """Return the time that 90d, 12h or 2027-01-31 means; a time without a zone is UTC, a date its first moment.

    Raises AccessError for any other text.
    """
    if (span := _SPAN.fullmatch(text)) is not None:
        try:
            return now + (timedelta(days=int(span[1])) if span[2] == "d" else timedelta(hours=int(span[1])))
        except OverflowError:
            raise AccessError(f"expires={text} is after the year 9999, the last that a date can have") from None
    try:
        result = datetime.fromisoformat(text)
    except ValueError:
        raise AccessError(
            f"expires={text!r} is no time; expected days like 90d, hours like 12h, or a date like 2027-01-31"
        ) from None
    return result if result.tzinfo is not None else result.replace(tzinfo=UTC)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
