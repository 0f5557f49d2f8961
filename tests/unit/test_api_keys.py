"""Keys: what they open, until when, and what makes no sense."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from beholder import api_keys
from beholder.errors import AccessError

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def split(text: str) -> tuple[str, str]:
    parts = api_keys.split(text)
    assert parts is not None
    return parts


def test_a_key_opens_with_its_own_secret_alone():
    key, text = api_keys.make("ana", ["ask"], now=NOON)
    key_id, secret = split(text)
    assert key_id == key.key_id
    assert key.opens(secret, NOON)
    other, more = api_keys.make("ana", ["ask"], now=NOON)
    assert other.key_id != key.key_id
    assert not key.opens(split(more)[1], NOON)
    assert not key.opens("", NOON)
    assert not key.opens("ä", NOON)


def test_of_the_secret_only_the_hash_is_kept():
    key, text = api_keys.make("ana", ["ask"], now=NOON)
    secret = text.rpartition("_")[2]
    assert len(bytes.fromhex(secret)) == 32
    assert secret not in repr(key)
    assert key.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert len({api_keys.make("ana", ["ask"], now=NOON)[1] for _ in range(50)}) == 50


def test_it_opens_until_it_expires_or_is_revoked():
    key, text = api_keys.make("ana", ["ask"], now=NOON, expires_at=NOON + timedelta(days=1))
    secret = split(text)[1]
    for hours, state in {0: "valid", 23: "valid", 24: "expired", 25: "expired"}.items():
        now = NOON + timedelta(hours=hours)
        assert key.state(now) == state
        assert key.opens(secret, now) == (state == "valid")
    revoked = api_keys.ApiKey(**{**vars(key), "revoked_at": NOON})
    assert revoked.state(NOON) == "revoked"
    assert not revoked.opens(secret, NOON)


@pytest.mark.parametrize(
    ("scopes", "may"),
    [(["ask"], {"ask"}), (["recommend", "ask"], {"ask", "recommend"}), (["admin"], {"ask", "recommend", "admin"})],
)
def test_scopes(scopes, may):
    key, _ = api_keys.make("ana", scopes, now=NOON)
    assert {scope for scope in api_keys.SCOPES if key.may(scope)} == may
    assert not api_keys.make("ana", ["ask", "recommend"], now=NOON)[0].may("everything")


@pytest.mark.parametrize("text", ["", "beholder", "beholder_1_2", "beholder_" + "0" * 12 + "_" + "0" * 63, "x" * 10**5])
def test_what_is_no_key(text):
    assert api_keys.split(text) is None
    _, real = api_keys.make("ana", ["ask"], now=NOON)
    for wrong in (real + "\n", real.upper(), " " + real, real[:-1], real + "0", real.replace("_", "-")):
        assert api_keys.split(wrong) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90d", NOON + timedelta(days=90)),
        ("12h", NOON + timedelta(hours=12)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T10:00+02:00", datetime(2027, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_when_it_ends(text, at):
    assert api_keys.until(text, now=NOON) == at


@pytest.mark.parametrize("text", ["", "soon", "0d", "-1d", "90", "1.5d", "2027-13-01"])
def test_times_that_are_none(text):
    with pytest.raises(AccessError, match="is no time; expected days like 90d"):
        api_keys.until(text, now=NOON)


@pytest.mark.parametrize(
    ("name", "scopes", "more", "says"),
    [
        ("", ["ask"], {}, "a key's name is printable text"),
        ("a\x1b[2Jb", ["ask"], {}, "a key's name is printable text"),
        ("x" * 201, ["ask"], {}, "a key's name is printable text"),
        ("ana", [], {}, "a key without scopes is for nothing"),
        ("ana", ["asc"], {}, "'asc' is not a scope; did you mean ask?"),
        ("ana", ["ask"], {"expires_at": NOON}, "is of no use; give a time in the future"),
    ],
)
def test_keys_that_make_no_sense(name, scopes, more, says):
    with pytest.raises(AccessError, match=says):
        api_keys.make(name, scopes, now=NOON, **more)
