"""Alembic's environment: runs the migrations on the connection that it was given. Imported by anybody else, it does nothing."""

from alembic import context


def run() -> None:
    """Run the migrations within the transaction of `config.attributes["connection"]`."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()


if hasattr(context, "config"):  # an Alembic command is running
    run()
