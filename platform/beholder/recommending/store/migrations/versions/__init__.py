"""Versions of the schema, one file each, through which Alembic brings a database in order. A released one never changes."""
