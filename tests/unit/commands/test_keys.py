"""`beholder keys` from the command line to the store and back; no Ray."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from beholder import api_keys
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.key_store import KeyStore


def test_a_key_is_made_shown_once_listed_and_revoked(beholder, tmp_path: Path) -> None:
    place = f"workspace={tmp_path}"
    assert beholder("keys", place).out[-2] == "no keys yet; make=NAME makes one"
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
    assert listed.out[-2].split()[:5] == [key_id, "shop", "ask", "recommend", "valid"]
    assert beholder("keys", f"revoke={key_id}", place).out[-2] == f"{key_id} opens nothing any more"
    assert beholder("keys", f"revoke={key_id}", place).out[-2] == f"{key_id} opened nothing before"
    assert beholder("keys", place).metrics == {"keys": 1, "valid": 0}
    revoked = KeyStore(Store.at(tmp_path / "choices.db")).find(key_id)
    assert revoked is not None
    assert not revoked.opens(secret, datetime.now(UTC))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["make=a", "revoke=b"], "give one of make=NAME and revoke=ID at a time"),
        (["expires=90d"], "give make=NAME too"),
        (["make=a", "scopes=[asc]"], "'asc' is not a scope; did you mean ask?"),
        (["make=a", "scopes=[]"], "a key without scopes is for nothing"),
        (["make=a", "expires=soon"], "is no time"),
        (["make=a", "expires=2020-01-01"], "is of no use; give a time in the future"),
        (["revoke=000000000000"], "'000000000000' is no key's id"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(beholder, tmp_path: Path, words: list[str], says: str) -> None:
    said = beholder("keys", *words, f"workspace={tmp_path / 'w'}")
    assert said.code == 2
    assert len(said.err) == 1
    assert says in said.err[0]
