"""Owners of people: which key speaks for whom, and whose a question or a photo is.

A person belongs to the key that named them first, or to every key whose `people` match their name (see api_keys). What is theirs,
questions, answers and photos, is open to whoever speaks for them, and to nobody else.
"""

from dataclasses import dataclass

from sqlalchemy import func, select, update

from beholder import api_keys
from beholder.recommending.store.choice_store import Store, lock_person
from beholder.recommending.store.store_tables import ANSWERS, KEYS, PEOPLE, QUESTIONS, UPLOADS


@dataclass(frozen=True)
class Caller:
    """Who sends a request. people: as of the key; person: of a person's token, which speaks for nobody else.

    everybody: whether there is nobody that it does not speak for.
    """

    key_id: str
    people: str | None = None
    person: str | None = None
    admin: bool = False

    @property
    def everybody(self) -> bool:
        """Whether it speaks for everybody there is."""
        return self.person is None and (self.admin or self.people == "*")

    @property
    def name(self) -> str:
        """What its quotas are counted by: the key, or the one person of a token."""
        return self.key_id if self.person is None else f"{self.key_id} {self.person}"

    @property
    def owner(self) -> str:
        """What is stored as the owner of people that it names first."""
        return f"key {self.key_id}" if self.people is None else f"people {self.people}"

    def may_name(self, user_id: str) -> bool | None:
        """Return whether it speaks for this name; None where it depends on who named them first."""
        if self.person is not None and self.person != user_id:
            return False
        if self.admin:
            return True
        return None if self.people is None else api_keys.matches(self.people, user_id)


class PersonOwners:
    """The owners in a store. Safe to share between threads and processes, as the store is."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def speaks_for(self, caller: Caller, user_id: str) -> bool:
        """Return whether a caller speaks for a person; of somebody who is not there yet, whether it could name them first."""
        may = caller.may_name(user_id)
        if may is not None:
            return may
        with self.store.reading() as connection:
            row = connection.execute(select(PEOPLE.c.owner).where(PEOPLE.c.user_id == user_id)).first()
            reserved = select(KEYS.c.people).where(KEYS.c.people.is_not(None), KEYS.c.revoked_at.is_(None), KEYS.c.people != "*")
            patterns = list(connection.execute(reserved).scalars())
        if any(api_keys.matches(each, user_id) for each in patterns):
            return False  # a name that is another's by its prefix, whoever used it first
        return row is None or row.owner == caller.owner

    def claim(self, caller: Caller, user_id: str) -> bool:
        """Make a person the caller's where they are nobody's and were not there; return whether the caller speaks for them."""
        if not self.speaks_for(caller, user_id):
            return False
        if self.known(user_id):
            return True
        with self.store.writing() as connection:
            if lock_person(connection, user_id):
                connection.execute(update(PEOPLE).where(PEOPLE.c.user_id == user_id).values(owner=caller.owner))
                return True
            owner = connection.execute(select(PEOPLE.c.owner).where(PEOPLE.c.user_id == user_id)).scalar()
        return caller.may_name(user_id) or owner == caller.owner

    def person_of_question(self, question_id: str) -> str | None:
        """Return who was asked a question; None where it was never asked."""
        with self.store.reading() as connection:
            return connection.execute(select(QUESTIONS.c.user_id).where(QUESTIONS.c.question_id == question_id)).scalar()

    def people_of_image(self, image_id: str) -> list[str]:
        """Return who uploaded an image."""
        with self.store.reading() as connection:
            return list(connection.execute(select(UPLOADS.c.user_id).where(UPLOADS.c.image_id == image_id)).scalars())

    def known(self, user_id: str) -> bool:
        """Return whether a person is there."""
        with self.store.reading() as connection:
            return connection.execute(select(PEOPLE.c.changes).where(PEOPLE.c.user_id == user_id)).first() is not None

    def people(self, owner: str) -> int:
        """Return how many people an owner has."""
        with self.store.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(PEOPLE).where(PEOPLE.c.owner == owner)).scalar_one())

    def open_questions(self, user_id: str) -> int:
        """Return how many questions a person has not answered."""
        rows = select(func.count()).select_from(QUESTIONS).outerjoin(ANSWERS, ANSWERS.c.question_id == QUESTIONS.c.question_id)
        with self.store.reading() as connection:
            return int(connection.execute(rows.where(QUESTIONS.c.user_id == user_id, ANSWERS.c.question_id.is_(None))).scalar_one())

    def photos(self, user_id: str) -> int:
        """Return how many photos a person uploaded."""
        rows = select(func.count()).select_from(UPLOADS).where(UPLOADS.c.user_id == user_id)
        with self.store.reading() as connection:
            return int(connection.execute(rows).scalar_one())
