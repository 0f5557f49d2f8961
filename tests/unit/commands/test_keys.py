"""`beholder keys` from the command line to the store and back; no Ray."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from beholder import api_keys, person_tokens
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.key_store import KeyStore


def test_a_key_is_made_shown_once_listed_and_revoked(beholder, tmp_path: Path) -> None:
    place = f"workspace={tmp_path}"
    assert beholder("keys", place).out[-2] == "no keys yet; `beholder keys make=NAME` makes one"
    said = beholder("keys", "make=shop", "expires=90d", place)
    parts = api_keys.split(said.out[0])
    assert parts is not None
    key_id, secret = parts
    assert said.metrics == {"keys": 1, "valid": 1}
    assert "for ask, recommend; keep it: it is not shown again" in said.out[1]
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if secret.encode() in path.read_bytes()]  # nowhere
    key = KeyStore(Store.at(tmp_path / "choices.db")).find(key_id)
    assert key is not None
    assert key.expires_at is not None
    assert key.opens(secret, datetime.now(UTC))
    assert 89 <= (key.expires_at - key.made_at).days <= 90
    listed = beholder("keys", place)
    assert listed.out[-2].split()[:6] == [key_id, "shop", "ask", "recommend", "own", "valid"]
    assert beholder("keys", f"revoke={key_id}", place).out[-2] == f"{key_id} opens nothing any more"
    assert beholder("keys", f"revoke={key_id}", place).out[-2] == f"{key_id} opened nothing before"
    assert beholder("keys", place).metrics == {"keys": 1, "valid": 0}
    assert beholder("keys", "revoke=000000000000", place).err[0].startswith("beholder: '000000000000' is no key's id; known: ")
    revoked = KeyStore(Store.at(tmp_path / "choices.db")).find(key_id)
    assert revoked is not None
    assert not revoked.opens(secret, datetime.now(UTC))


def test_a_token_is_signed_for_one_person_and_not_written_down(beholder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"workspace={tmp_path}"
    text = beholder("keys", "make=shop", "people=shop-*", place).out[0]
    monkeypatch.setenv("BEHOLDER_KEY", text)
    token = person_tokens.parse(beholder("keys", "person=shop-zebra", "minutes=5", place).out[0])
    assert token is not None
    key = KeyStore(Store.at(tmp_path / "choices.db")).find(token.key_id)
    assert key is not None
    assert (key.people, token.user_id, token.expires - token.issued) == ("shop-*", "shop-zebra", 300)
    token.check(key.public_key, datetime.now(UTC))
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"zebra" in path.read_bytes()]
    others = [path for path in (tmp_path, *tmp_path.rglob("*")) if path != tmp_path and path.stat().st_mode & 0o077]
    assert not others  # nobody else on this machine reads what is written


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["make=a", "revoke=b"], "give one of make=NAME, revoke=ID and person=NAME at a time"),
        (["expires=90d"], "give make=NAME too"),
        (["make=a", "scopes=[asc]"], "'asc' is not a scope; did you mean ask?"),
        (["make=a", "scopes=[]"], "a key without scopes is for nothing"),
        (["make=a", "expires=soon"], "is no time"),
        (["make=a", "expires=2020-01-01"], "is of no use; give a time in the future"),
        (["make=a", "people=a*b"], "expected a name, a prefix with * behind it"),
        (["people=shop-*"], "give make=NAME too"),
        (["person=ana"], "expected an application's key"),
        (["revoke=000000000000"], "there is no choices.db in it"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(beholder, tmp_path: Path, words: list[str], says: str) -> None:
    said = beholder("keys", *words, f"workspace={tmp_path / 'w'}")
    assert said.code == 2
    assert len(said.err) == 1
    assert says in said.err[0]
