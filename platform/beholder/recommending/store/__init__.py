"""Store: every question and answer, photos uploaded, and the service's API keys, in a database.

question      questions, answers, and choices (an answered question)
choice_store  the store of choices: SQLite or PostgreSQL; nothing that was confirmed is lost
person_owners which key speaks for whom, and whose a question or a photo is
key_store     API keys, kept beside the choices
store_tables  the tables
migration     a database brought to the newest version of the schema; migrations/ has the versions
interactions  questions and answers as interactions.csv
"""
