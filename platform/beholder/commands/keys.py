"""`beholder keys`: who may ask the service what, for whom: keys listed, made, revoked; tokens of people signed."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import pandas as pd

from beholder import api_keys, identifiers, person_tokens
from beholder.commands._person_image import CHOICES
from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.components import existing_store, open_store, required_store
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.key_store import KeyStore
from beholder.runs import Run
from beholder.workspace import Workspace

_COLUMNS = ["key_id", "name", "scopes", "people", "state", "made", "expires"]
_PEOPLE: dict[str | None, str] = {None: "whom it names first", "*": "everybody"}


@dataclass(frozen=True)
class KeysSettings:
    common: ClassVar[tuple[str, ...]] = (
        "make",
        "scopes",
        "people",
        "expires",
        "person",
        "revoke",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder keys",
        "beholder keys make=shop scopes=[ask,recommend] people=shop-* expires=90d",
        "beholder keys revoke=1a2b3c",
    )
    make: str | None = setting(None, "make a key of this name, which says whose it is")
    scopes: list[str] = setting(["ask", "recommend"], f"what a new key is for: {', '.join(api_keys.SCOPES)}")
    people: str | None = setting(
        None, "whom a new key speaks for: a prefix of names like shop-*, one name, * for everybody; null: whom it names first"
    )
    expires: str | None = setting(None, "when a new key ends: 90d, 12h, 2027-01-31; null: when it is revoked")
    person: str | None = setting(
        None,
        "sign a token of this person, with the key in BEHOLDER_KEY: what a visitor gets instead of a key",
        private=True,
    )
    minutes: int = setting(60, "how long such a token is good, a day at most")
    revoke: str | None = setting(None, "id of a key that is to open nothing any more")
    choices: str | None = setting(None, CHOICES)
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    @property
    def run_folder(self) -> str:
        """A key that is made is noted; a list leaves nothing where nothing is."""
        return "found" if self.make is None else "always"

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.make, self.revoke, self.person)) > 1:
            raise ConfigError("give one of make=NAME, revoke=ID and person=NAME at a time")
        for name in ("expires", "people"):
            if getattr(self, name) is not None and self.make is None:
                raise ConfigError(f"{name}=... is for a new key: give make=NAME too")


def main(settings: KeysSettings, run: Run) -> None:
    now = datetime.now(UTC)
    if settings.person is not None:
        key_text = os.environ.get("BEHOLDER_KEY", "")
        print(person_tokens.sign(key_text, settings.person, now=now, seconds=60 * settings.minutes))
        return
    workspace = Workspace(settings.workspace)
    if settings.make is not None:
        store: Store | None = open_store(settings.choices, workspace)
    elif settings.revoke is not None:
        store = required_store(settings.choices, workspace)
    else:
        store = existing_store(settings.choices, workspace)
    if store is None:
        keys = []
    else:
        keys = _changed(settings, KeyStore(store), now)
        store.close()
    table = pd.DataFrame([_row(key, now) for key in keys], columns=_COLUMNS)
    run.results(table)
    run.metrics({"keys": len(keys), "valid": sum(key.state(now) == "valid" for key in keys)})
    if settings.make is None and settings.revoke is None:
        print(identifiers.shown(table.to_string(index=False)) if keys else "no keys yet; `beholder keys make=NAME` makes one")


def _changed(settings: KeysSettings, key_store: KeyStore, now: datetime) -> list[api_keys.ApiKey]:
    """Make or revoke a key where that is asked for; return all keys."""
    if settings.make is not None:
        ends = None if settings.expires is None else api_keys.until(settings.expires, now=now)
        key, text = api_keys.make(settings.make, settings.scopes, now=now, expires_at=ends, people=settings.people)
        key_store.add(key)
        print(f"{text}\nis the key of {key.name}, for {', '.join(key.scopes)}; keep it: it is not shown again")
        print(f"it speaks for {_PEOPLE.get(key.people, key.people)}; it is an application's: give visitors tokens, person=NAME")
        print(f"id {key.key_id}, {_ends(key)}; it goes into a request's header as `Authorization: Bearer KEY`")
    elif settings.revoke is not None:
        was = key_store.revoke(settings.revoke, at=now)
        print(f"{settings.revoke} opens nothing any more" if was else f"{settings.revoke} opened nothing before")
    return key_store.all()


def _row(key: api_keys.ApiKey, now: datetime) -> dict[str, str]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": " ".join(key.scopes),
        "people": "own" if key.people is None else key.people,
        "state": key.state(now),
        "made": _day(key.made_at),
        "expires": "never" if key.expires_at is None else _day(key.expires_at),
    }


def _ends(key: api_keys.ApiKey) -> str:
    return "without an end" if key.expires_at is None else f"until {_day(key.expires_at)} UTC"


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
