"""Schema: a database brought to the newest version, whichever it has, by whoever opens it first."""

from importlib.resources import files

from alembic.operations import Operations
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
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    folder = str(files("beholder.recommending.store"))
    scripts = ScriptDirectory(folder, version_locations=[f"{folder}/migrations"])
    newest = scripts.get_current_head()
    assert newest is not None
    known = {script.revision for script in scripts.walk_revisions()}

    def steps(current: tuple[str, ...] | str, context: MigrationContext) -> list:
        return scripts._upgrade_revs(newest, current)  # type: ignore[arg-type]  # what `alembic upgrade head` runs

    context = MigrationContext.configure(connection, opts={"fn": steps, "target_metadata": None})
    current = context.get_current_revision()
    if current is not None and current not in known:
        raise StoreError(f"the store of choices has the schema {current}, newer than this Beholder's {newest}; update Beholder")
    with Operations.context(context):
        context.run_migrations()
    return newest
