"""Migration: a database brought to the newest version of its schema, whichever it has, by whoever opens it first."""

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from beholder.errors import StoreError

_LOCK = 0x62656864  # PostgreSQL's advisory lock, held by the one who upgrades


def upgrade(connection: Connection) -> str:
    """Bring the database to the newest version within the transaction of `connection`; returns the version.

    Raises StoreError for one that a newer Beholder made.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))  # a large table takes as long as it takes
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    folder = str(files("beholder.recommending.store") / "migrations")
    config = Config()
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection  # as Alembic's documentation shares a connection with a command
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    assert newest is not None
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise StoreError(f"the store of choices has the schema {current}, newer than this Beholder's {newest}; update Beholder")
    if current != newest:
        command.upgrade(config, "head")
    return newest
