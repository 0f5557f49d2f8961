"""Migrations of the schema, in Alembic's layout: env (how they run) and versions/."""
