"""Choices: every question that was asked and every answer, kept in a database.

question (the records), tables (the schema), schema (its versions, in versions/), store (the one door to the database),
keyring (the keys of the service, which lie beside them).
"""
