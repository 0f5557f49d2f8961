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
        ({"user_id": ""}, "user_id must be text of 1 to 200 characters"),
        ({"user_id": "x" * 201}, "user_id must be text"),
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


def test_a_store_of_the_first_version_gets_a_place_for_keys(tmp_path):
    place = tmp_path / "choices.db"
    store = Store.at(place)
    store.ask(question())
    store.answer(answer())
    store.close()
    with sqlite3.connect(place) as connection:
        for table in ("keys", *(each.name for each in reversed(study_tables.METADATA.sorted_tables))):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()
    again = Store.at(place)
    assert KeyStore(again).all() == []
    assert len(again.choices("ana")) == 1
    again.close()
