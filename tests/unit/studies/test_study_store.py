"""Participants and trials on SQLite; the same suite runs on PostgreSQL in tests/integration."""

import pytest
from support.study_store_suite import StudyStoreContract


class TestSqlite(StudyStoreContract):
    @pytest.fixture
    def url(self, tmp_path):
        return f"sqlite:///{tmp_path}/choices.db"
