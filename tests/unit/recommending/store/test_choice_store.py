"""Questions, answers, and the store of choices in a SQLite file."""

import sqlite3
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import MetaData
from support.store_suite import NOON, StoreContract, answer, question

from beholder.errors import ChoiceError, StoreError
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.key_store import KeyStore
from beholder.recommending.store.person_owners import Caller, PersonOwners
from beholder.recommending.store.question import Answer, edit_of, edit_text
from beholder.recommending.store.store_tables import METADATA
from beholder.studies import study_tables


class TestSqlite(StoreContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/choices.db"


@given(st.dictionaries(st.text(min_size=1), st.floats(allow_nan=False, allow_infinity=False)))
def test_an_edit_comes_back_to_the_last_bit_whatever_its_order(edit):
    assert edit_of(edit_text(edit)) == edit
    assert edit_text(dict(reversed(edit.items()))) == edit_text(edit)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"left": {"smile": float("nan")}}, "smile=nan, expected a finite number"),
        ({"left": {"smile": "1"}}, "expected a finite number"),
        ({"left": {}}, "the same edit on both sides"),
        ({"user_id": ""}, "user_id must be text of 1 to 300 characters"),
        ({"user_id": "x" * 301}, "user_id must be text"),
        ({"user_id": "a\0b"}, "user_id must be text"),
        ({"probability": 0.0}, "above 0 and at most 1"),
        ({"asked_at": datetime(2026, 1, 1)}, "with a time zone"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(more, message):
    with pytest.raises(ChoiceError, match=message):
        question(**more)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"choice": "both"}, "one of left, right, neither, got 'both'"),
        ({"response_seconds": -1.0}, "0 or more"),
        ({"response_seconds": float("inf")}, "0 or more"),
        ({"event_id": ""}, "event_id must be text"),
        ({"answered_at": datetime(2026, 1, 1)}, "with a time zone"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(changed, message):
    given = {"event_id": "e", "question_id": "q", "choice": "left", "answered_at": NOON}
    with pytest.raises(ChoiceError, match=message):
        Answer(**(given | changed))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:secret@h/d", "SQLite or PostgreSQL, not mysql"),
        ("choices.db", "is a URL like sqlite:///FILE"),
        ("sqlite://", "needs a file"),
        ("postgresql://ana:secret@127.0.0.1:1/none", "connection"),
    ],
)
def test_what_is_no_store_is_said_without_a_password(url, message):
    with pytest.raises(StoreError, match=message) as refused:
        Store(url)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_no_database_is_said(tmp_path: Path):
    (tmp_path / "choices.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Store.at(tmp_path / "choices.db")


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be made for the store of choices"):
        Store.at(tmp_path / "file" / "choices.db")


def test_it_is_written_through_to_the_disk(tmp_path: Path):
    store = Store.at(tmp_path / "deep" / "choices.db")
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    store.close()


def test_the_tables_are_what_the_versions_make(tmp_path: Path):
    store = Store.at(tmp_path / "choices.db")
    tables = MetaData()
    for table in (*METADATA.sorted_tables, *study_tables.METADATA.sorted_tables):
        table.to_metadata(tables)
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables) == []
    store.close()


def test_a_reader_does_not_wait_for_a_writer(tmp_path: Path):
    store = Store.at(tmp_path / "choices.db")
    store.ask(question())
    store.answer(answer())
    other = sqlite3.connect(tmp_path / "choices.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert len(store.choices()) == 1
    other.close()
    store.close()


FIRST = """
CREATE TABLE people (user_id TEXT NOT NULL PRIMARY KEY, changes INTEGER NOT NULL);
CREATE TABLE questions (question_id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL REFERENCES people (user_id),
    image_id TEXT NOT NULL, left_edit TEXT NOT NULL, right_edit TEXT NOT NULL, strategy TEXT NOT NULL, probability FLOAT,
    model TEXT NOT NULL, asked_at TEXT NOT NULL);
CREATE INDEX questions_of_people ON questions (user_id);
CREATE TABLE answers (question_id TEXT NOT NULL PRIMARY KEY REFERENCES questions (question_id), event_id TEXT NOT NULL UNIQUE,
    choice TEXT NOT NULL, response_seconds FLOAT, answered_at TEXT NOT NULL, number INTEGER NOT NULL);
CREATE TABLE uploads (image_id TEXT NOT NULL, user_id TEXT NOT NULL REFERENCES people (user_id), uri TEXT NOT NULL,
    uploaded_at TEXT NOT NULL, PRIMARY KEY (image_id, user_id));
CREATE INDEX uploads_of_people ON uploads (user_id);
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0001');
INSERT INTO people VALUES ('ana', 1);
INSERT INTO questions VALUES ('q1', 'ana', 'face-1', '{"smile": 1.0}', '{}', 'random', 0.5, 'bayes-1', '2026-05-04T12:00:00+00:00');
INSERT INTO answers VALUES ('q1', 'e1', 'left', 1.5, '2026-05-04T12:01:00+00:00', 1);
"""


def test_a_store_of_the_first_version_is_brought_up_to_date(tmp_path):
    place = tmp_path / "choices.db"
    connection = sqlite3.connect(place)
    connection.executescript(FIRST)
    connection.close()
    place.chmod(0o644)
    store = Store.at(place)
    assert KeyStore(store).all() == []
    (choice,) = store.choices("ana")
    assert (choice.answer.event_id, choice.answer.choice, choice.number) == ("e1", "left", 1)
    assert not PersonOwners(store).speaks_for(Caller("new"), "ana")
    assert PersonOwners(store).speaks_for(Caller("old", "*"), "ana")
    assert place.stat().st_mode & 0o077 == 0
    store.close()


def test_a_key_of_before_speaks_for_everybody_as_it_did(tmp_path):
    place = tmp_path / "choices.db"
    connection = sqlite3.connect(place)
    connection.executescript(FIRST)
    connection.executescript(
        "CREATE TABLE keys (key_id TEXT PRIMARY KEY, name TEXT NOT NULL, scopes TEXT NOT NULL, digest TEXT NOT NULL, "
        "made_at TEXT NOT NULL, expires_at TEXT, revoked_at TEXT);"
        "INSERT INTO keys VALUES ('0123456789ab', 'shop', 'ask', 'd', '2026-05-04T12:00:00+00:00', NULL, NULL);"
        "UPDATE alembic_version SET version_num = '0002'"
    )
    connection.close()
    store = Store.at(place)
    key = KeyStore(store).find("0123456789ab")
    assert key is not None
    assert (key.people, key.public_key) == ("*", "")
    store.close()


def test_what_was_erased_is_in_no_file_of_the_database(tmp_path):
    store, reader = Store.at(tmp_path / "choices.db"), Store.at(tmp_path / "choices.db")
    for number, user_id in enumerate(["zebra-quagga", "bo", "zebra-quagga"], 1):
        store.ask(question(number, user_id))
        store.answer(answer(number, event_id=f"{user_id}-{number}"))
    reader.choices("zebra-quagga")

    def found() -> list[str]:
        return [path.name for path in tmp_path.iterdir() if b"zebra-quagga" in path.read_bytes()]

    assert found()
    store.erase("zebra-quagga")
    assert store.drop_traces()
    assert found() == []
    assert len(store.choices("bo")) == 1
    store.close()
    reader.close()
