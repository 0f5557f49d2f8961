"""Participants and trials on SQLite; the same suite runs on PostgreSQL in tests/integration."""

from importlib.resources import files

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect
from support.study_double import StudyDouble, study_config
from support.study_store_suite import StudyStoreContract

from beholder.recommending.store.choice_store import Store
from beholder.studies.study_store import StudyStore
from beholder.studies.trial_assignment import shown_counts


class TestSqlite(StudyStoreContract):
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/choices.db"


def test_a_study_of_an_older_store_goes_on_with_its_counts(tmp_path):
    """Back to the schema that had one block of pairs, and forth again, with a participant half-way."""
    url = f"sqlite:///{tmp_path}/choices.db"
    study = StudyDouble(url, study_config("name: faces\npairs: {per_person: 6}"))
    token = study.join()
    for _ in range(3):
        study.answer(token, study.session(token).trials[0])
    with study.store.store.reading() as connection:
        before = shown_counts(connection, study.store.study("faces"), "pairs")
    config = Config()
    config.set_main_option("script_location", str(files("beholder.recommending.store") / "migrations"))
    with study.store.store.writing() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
        assert "study_pair_counts" in inspect(connection).get_table_names()
    study.close()
    again = StudyStore(Store(url))
    with again.store.reading() as connection:
        after = shown_counts(connection, again.study("faces"), "pairs")
    assert after.pairs == before.pairs != {}
    assert again.session("faces", token, now=study.now).done == 3
    again.store.close()
