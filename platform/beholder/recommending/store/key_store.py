"""API keys of the service, kept beside the choices, so that replicas that share a store share its keys."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from beholder.api_keys import ApiKey
from beholder.errors import AccessError, nearest
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.store_tables import KEYS


class KeyStore:
    """The keys of a store. Safe to share between threads and processes, as the store is."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, key: ApiKey) -> None:
        """Keep a key."""
        row = {
            "key_id": key.key_id,
            "name": key.name,
            "scopes": " ".join(key.scopes),
            "digest": key.digest,
            "made_at": _text(key.made_at),
            "expires_at": _text(key.expires_at),
            "revoked_at": _text(key.revoked_at),
            "people": key.people,
            "public_key": key.public_key,
        }
        with self.store.writing() as connection:
            connection.execute(insert(KEYS).values(row))

    def find(self, key_id: str) -> ApiKey | None:
        """Return a key by its id; None where there is none."""
        with self.store.reading() as connection:
            row = connection.execute(select(KEYS).where(KEYS.c.key_id == key_id)).first()
        return None if row is None else _key(row)

    def all(self) -> list[ApiKey]:
        """Return every key that was made, the oldest first."""
        with self.store.reading() as connection:
            return [_key(row) for row in connection.execute(select(KEYS).order_by(KEYS.c.made_at, KEYS.c.key_id))]

    def revoke(self, key_id: str, *, at: datetime) -> bool:
        """Revoke a key; returns whether it was valid until now. Raises AccessError for one that was never made."""
        with self.store.writing() as connection:
            row = connection.execute(select(KEYS).where(KEYS.c.key_id == key_id)).first()
            if row is None:
                known = list(connection.execute(select(KEYS.c.key_id).order_by(KEYS.c.made_at)).scalars())
                raise AccessError(f"{key_id!r} is no key's id{nearest(key_id, known)}")
            if row.revoked_at is None:
                connection.execute(update(KEYS).where(KEYS.c.key_id == key_id).values(revoked_at=_text(at)))
        return _key(row).state(at) == "valid"


def _key(row: Row[Any]) -> ApiKey:
    times = (row.made_at, row.expires_at, row.revoked_at)
    made, expires, revoked = (None if each is None else datetime.fromisoformat(each) for each in times)
    assert made is not None
    scopes = tuple(row.scopes.split())
    return ApiKey(row.key_id, row.name, scopes, row.digest, made, expires, revoked, row.people, row.public_key or "")


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")
