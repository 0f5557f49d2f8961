"""Where choices are kept: the workspace's own file, a database by URL, and never an object store."""

import pytest

from beholder.errors import ConfigError, StoreError
from beholder.recommending.components import open_store
from beholder.workspace import Workspace


def test_a_workspace_has_its_own_store(tmp_path):
    open_store(None, Workspace(str(tmp_path / "new"))).close()
    assert (tmp_path / "new" / "choices.db").is_file()


def test_a_store_can_be_named(tmp_path):
    open_store(f"sqlite:///{tmp_path}/other.db", Workspace(str(tmp_path / "new"))).close()
    assert (tmp_path / "other.db").is_file()
    assert not (tmp_path / "new" / "choices.db").exists()


def test_an_object_store_holds_no_database(s3):
    with pytest.raises(ConfigError, match=r"can't hold a database: give choices=postgresql://"):
        open_store(None, Workspace(s3))


def test_a_database_of_another_kind_is_refused(tmp_path):
    with pytest.raises((ConfigError, StoreError), match="mysql"):
        open_store("mysql://here/x", Workspace(str(tmp_path)))
