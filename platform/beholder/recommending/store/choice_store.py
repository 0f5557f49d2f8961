"""The store of choices: a database, SQLite by default and PostgreSQL by URL, in which nothing that was confirmed is ever lost.

When a method returns, what it wrote is on disk. Retries are harmless: what is there already is counted once.
"""

import contextlib
import hashlib
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Row,
    Select,
    create_engine,
    delete,
    event,
    exists,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from beholder.errors import ConflictingAnswer, PersonErased, StoreError, UnknownQuestion
from beholder.recommending.store import migration
from beholder.recommending.store.question import SEPARATOR, Answer, Choice, Question, edit_of, edit_text
from beholder.recommending.store.store_tables import ANSWERS, ERASURES, PEOPLE, QUESTIONS, REMOVALS, UPLOADS
from beholder.storage import make_private, private_files

_WAIT = 10.0  # seconds for another process's write
_PG_WAITS = {"connect_timeout": 5, "tcp_user_timeout": 15_000}  # seconds, milliseconds, for a PostgreSQL that is away
_STATEMENT_MS = 15_000  # milliseconds of one statement of PostgreSQL, its waiting for locks among them
_READS = "beholder_reads"  # the option of a transaction that writes nothing
_REMEMBERED = timedelta(days=1)  # that somebody was erased: longer than any request takes
_PATIENCE_S = 5.0  # for readers of what was erased, until its traces can go


@dataclass(frozen=True)
class ErasedChoices:
    """How many questions and answers were removed with a person. uris: where images lie that nobody has any more."""

    user_id: str
    questions: int
    answers: int
    uris: tuple[str, ...] = ()


class Store:
    """Questions asked, answers given. Safe to share between threads, and between processes through its URL."""

    def __init__(self, url: str):
        """url: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/NAME.

        Makes the tables where there are none, and brings older ones up to date. Raises StoreError where it can't be reached.
        """
        self.engine = _engine(url)
        try:
            with private_files(), self.writing() as connection:
                migration.upgrade(connection)
        except BaseException:
            self.close()  # nobody else gets to know it, and its pool would keep the connection open
            raise

    @classmethod
    def at(cls, place: str | Path) -> Self:
        """Open the store in a SQLite file."""
        path = Path(place).expanduser().resolve()
        try:
            make_private(path.parent)
        except OSError as error:
            raise StoreError(f"{path.parent} can't be made for the store of choices: {error.strerror}") from None
        store = cls(f"sqlite:///{path}")
        with contextlib.suppress(OSError):  # of another user, whose file it is
            path.chmod(0o600)  # as an older version did not
        return store

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    def ask(self, question: Question, *, erasures: int | None = None) -> None:
        """Keep a question. The same one again changes nothing; another one of its id raises ConflictingAnswer.

        erasures: as `erasures` said when the request began. Raises PersonErased where the person was erased since.
        """
        with self.writing() as connection:
            _ask(connection, question)
            _check_erasures(connection, question.user_id, erasures)

    def answer(self, answer: Answer) -> bool:
        """Keep an answer; returns whether it was new.

        The same answer again, by the same event or another, changes nothing. Raises UnknownQuestion for a question that was never
        asked, ConflictingAnswer where the question is answered otherwise or the person's event belongs to another question.
        """
        with self.writing() as connection:
            return _answer(connection, answer)

    def retract(self, question_id: str) -> bool:
        """Take the answer to a question back; returns whether there was one.

        Raises UnknownQuestion for a question that was never asked.
        """
        with self.writing() as connection:
            user_id = _lock_person_of(connection, question_id)
            removed = connection.execute(delete(ANSWERS).where(ANSWERS.c.question_id == question_id)).rowcount
            if removed:
                _count_change(connection, user_id)
            return bool(removed)

    def add(self, questions: list[tuple[Question, Answer | None]]) -> int:
        """Keep many questions and their answers, all or none; returns how many answers are new. Raises as `ask` and `answer` do."""
        with self.writing() as connection:
            new = 0
            for question, answer in questions:
                _ask(connection, question)
                if answer is not None:
                    new += _answer(connection, answer)
            return new

    def question(self, question_id: str) -> Question:
        """Return a question by its id. Raises UnknownQuestion for one that was never asked."""
        with self.reading() as connection:
            row = connection.execute(select(QUESTIONS).where(QUESTIONS.c.question_id == question_id)).first()
        if row is None:
            raise UnknownQuestion(f"no question {question_id!r} was asked")
        return _question(row)

    def choices(self, user_id: str | None = None) -> list[Choice]:
        """Return everything that a person chose, in order; without a user_id of everybody, person after person."""
        rows = select(QUESTIONS, ANSWERS).join(ANSWERS, ANSWERS.c.question_id == QUESTIONS.c.question_id)
        if user_id is not None:
            rows = rows.where(QUESTIONS.c.user_id == user_id)
        with self.reading() as connection:
            answered = connection.execute(rows.order_by(QUESTIONS.c.user_id, ANSWERS.c.number, ANSWERS.c.question_id)).all()
        return [Choice(_question(row), _answer_of(row), row.number) for row in answered]

    def open_questions(self, user_id: str) -> list[Question]:
        """Return the questions that a person was asked and has not answered, oldest first."""
        rows = select(QUESTIONS).outerjoin(ANSWERS, ANSWERS.c.question_id == QUESTIONS.c.question_id)
        rows = rows.where(QUESTIONS.c.user_id == user_id, ANSWERS.c.question_id.is_(None))
        with self.reading() as connection:
            unanswered = connection.execute(rows.order_by(QUESTIONS.c.asked_at, QUESTIONS.c.question_id)).all()
        return [_question(row) for row in unanswered]

    def changes(self, user_id: str) -> int:
        """Return how often a person's choices have changed: while it stays the same, a copy is fresh. 0 for somebody unknown."""
        with self.reading() as connection:
            return int(connection.execute(select(PEOPLE.c.changes).where(PEOPLE.c.user_id == user_id)).scalar() or 0)

    def mark(self, user_id: str) -> str:
        """Return a text that stays the same while a person's choices do, and differs where somebody was erased and came back."""
        last = (
            select(ANSWERS.c.event_id)
            .join(QUESTIONS, QUESTIONS.c.question_id == ANSWERS.c.question_id)
            .where(QUESTIONS.c.user_id == user_id)
            .order_by(ANSWERS.c.number.desc())
            .limit(1)
            .scalar_subquery()
        )
        with self.reading() as connection:
            row = connection.execute(select(PEOPLE.c.changes, last).where(PEOPLE.c.user_id == user_id)).first()
        return "" if row is None else f"{row[0]} {row[1] or ''}".strip()

    def people(self) -> list[str]:
        """Return everybody who was ever asked."""
        with self.reading() as connection:
            return [row.user_id for row in connection.execute(select(PEOPLE.c.user_id).order_by(PEOPLE.c.user_id))]

    def tastes_of(self, user_id: str) -> list[str]:
        """Return the names under which the choices of a person's further tastes are kept, as `taste_key` writes them."""
        prefix = PEOPLE.c.user_id.startswith(f"{user_id}{SEPARATOR}", autoescape=True)
        with self.reading() as connection:
            return list(connection.execute(select(PEOPLE.c.user_id).where(prefix).order_by(PEOPLE.c.user_id)).scalars())

    def uploaded(self, user_id: str, image_id: str, uri: str, *, at: datetime, erasures: int | None = None) -> None:
        """Keep that a person uploaded an image, and where its latent lies, so that it can be erased with them.

        erasures: as `erasures` said when the request began. Raises PersonErased where the person was erased since.
        """
        with self.writing() as connection:
            lock_person(connection, user_id)
            _check_erasures(connection, user_id, erasures)
            row = {"image_id": image_id, "user_id": user_id, "uri": uri, "uploaded_at": _text(at)}
            if connection.execute(select(UPLOADS).where(_upload(user_id, image_id))).first() is None:
                connection.execute(insert(UPLOADS).values(row))

    def has_upload(self, user_id: str, image_id: str) -> bool:
        """Return whether a person's image is (still) known."""
        with self.reading() as connection:
            return connection.execute(select(UPLOADS.c.uri).where(_upload(user_id, image_id))).first() is not None

    def is_uploaded(self, image_id: str) -> bool:
        """Return whether an image is (still) anybody's."""
        with self.reading() as connection:
            return connection.execute(select(UPLOADS.c.uri).where(UPLOADS.c.image_id == image_id)).first() is not None

    def uploads(self, user_id: str) -> tuple[str, ...]:
        """Return where the images lie that this person uploaded and nobody else did."""
        with self.reading() as connection:
            return tuple(connection.execute(_own_uploads(user_id)).scalars())

    def removals(self) -> tuple[str, ...]:
        """Return the files of people who were erased that are not known to be deleted."""
        with self.reading() as connection:
            return tuple(connection.execute(select(REMOVALS.c.uri).order_by(REMOVALS.c.uri)).scalars())

    def removed(self, uris: Sequence[str]) -> None:
        """Keep that these files are deleted."""
        if uris:
            with self.writing() as connection:
                connection.execute(delete(REMOVALS).where(REMOVALS.c.uri.in_(uris)))

    def erasures(self, user_id: str) -> int:
        """Return how often a person was erased lately: what began before the last time must not bring them back."""
        with self.reading() as connection:
            return _erasures(connection, user_id)

    def erase(self, user_id: str, *, now: datetime | None = None) -> ErasedChoices:
        """Remove everything of a person in one transaction: questions, answers, uploads, and the person.

        The files at `uris`, which nobody has any more, are to be deleted then, and `removals` until `removed` says that they are.
        Of somebody unknown there is nothing to remove; that they were erased is remembered for a day, without their name.
        """
        now = now or datetime.now(UTC)
        with self.writing() as connection:
            _lock_name(connection, user_id)
            connection.execute(select(PEOPLE).where(PEOPLE.c.user_id == user_id).with_for_update())
            images = select(UPLOADS.c.image_id).where(UPLOADS.c.user_id == user_id)
            shared = select(UPLOADS).where(UPLOADS.c.image_id.in_(images)).order_by(UPLOADS.c.image_id, UPLOADS.c.user_id)
            connection.execute(shared.with_for_update())  # who else has one of them waits, and then sees that it has it alone
            uris = tuple(connection.execute(_own_uploads(user_id)).scalars())
            connection.execute(delete(UPLOADS).where(UPLOADS.c.user_id == user_id))
            mine = select(QUESTIONS.c.question_id).where(QUESTIONS.c.user_id == user_id)
            answers = connection.execute(delete(ANSWERS).where(ANSWERS.c.question_id.in_(mine))).rowcount
            questions = connection.execute(delete(QUESTIONS).where(QUESTIONS.c.user_id == user_id)).rowcount
            connection.execute(delete(PEOPLE).where(PEOPLE.c.user_id == user_id))
            count = _erasures(connection, user_id) + 1
            old = (ERASURES.c.digest == _digest(user_id)) | (ERASURES.c.erased_at < _text(now - _REMEMBERED))
            connection.execute(delete(ERASURES).where(old))
            connection.execute(insert(ERASURES).values(digest=_digest(user_id), count=count, erased_at=_text(now)))
            for uri in set(uris) - set(connection.execute(select(REMOVALS.c.uri)).scalars()):
                connection.execute(insert(REMOVALS).values(uri=uri))
        return ErasedChoices(user_id, questions, answers, uris)

    def sweep(self, before: datetime) -> int:
        """Remove questions asked before a time and never answered, and who was asked where then nothing of them is left.

        Returns how many questions.
        """
        unanswered = ~exists().where(ANSWERS.c.question_id == QUESTIONS.c.question_id)
        asked = exists().where(QUESTIONS.c.user_id == PEOPLE.c.user_id)
        uploads = exists().where(UPLOADS.c.user_id == PEOPLE.c.user_id)
        old = (QUESTIONS.c.asked_at < _text(before)) & unanswered
        with self.writing() as connection:
            people = set(connection.execute(select(QUESTIONS.c.user_id).where(old)).scalars())
            count = connection.execute(delete(QUESTIONS).where(old)).rowcount
            for user_id in people:
                alone = (PEOPLE.c.user_id == user_id) & (PEOPLE.c.changes == 0)
                connection.execute(delete(PEOPLE).where(alone, ~asked, ~uploads))
        return count

    def drop_traces(self) -> bool:
        """Empty SQLite's write-ahead log, which keeps what pages said before; returns whether no reader held it back."""
        if self.engine.dialect.name != "sqlite":
            return True
        until = time.monotonic() + _PATIENCE_S
        with _explained(self.engine), contextlib.closing(self.engine.raw_connection()) as connection:
            while True:
                cursor = connection.cursor()
                busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
                cursor.close()
                if not busy or time.monotonic() > until:
                    return not busy
                time.sleep(0.05)

    def check_writing(self) -> None:
        """Write a row and take it back. Raises StoreError where nothing can be kept."""
        with self.writing() as connection:
            uri = f"check {uuid.uuid4().hex}"
            connection.execute(insert(REMOVALS).values(uri=uri))
            connection.execute(delete(REMOVALS).where(REMOVALS.c.uri == uri))

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that has the right to write from its beginning, so that what it reads first stays true."""
        with _explained(self.engine), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that reads what was committed so far."""
        with _explained(self.engine), self.engine.connect() as connection:
            yield connection.execution_options(**{_READS: True})


def _ask(connection: Connection, question: Question) -> None:
    row = {
        "question_id": question.question_id,
        "user_id": question.user_id,
        "image_id": question.image_id,
        "left_edit": edit_text(question.left),
        "right_edit": edit_text(question.right),
        "strategy": question.strategy,
        "probability": question.probability,
        "model": question.model,
        "asked_at": _text(question.asked_at),
    }
    lock_person(connection, question.user_id)
    stored = connection.execute(select(QUESTIONS).where(QUESTIONS.c.question_id == question.question_id)).first()
    if stored is None:
        _insert(connection, insert(QUESTIONS).values(row), f"question {question.question_id} was asked before, of somebody else")
    elif {name: stored._mapping[name] for name in row if name != "asked_at"} != {k: v for k, v in row.items() if k != "asked_at"}:
        raise ConflictingAnswer(f"question {question.question_id} was asked before, with other content")


def _answer(connection: Connection, answer: Answer) -> bool:
    user_id = _lock_person_of(connection, answer.question_id)
    mine = (ANSWERS.c.user_id == user_id) & (ANSWERS.c.event_id == answer.event_id)
    sent = connection.execute(select(ANSWERS).where(mine)).first()
    if sent is not None and (sent.question_id, sent.choice) != (answer.question_id, answer.choice):
        what = "this question with another choice" if sent.question_id == answer.question_id else "another question"
        raise ConflictingAnswer(f"event {answer.event_id} was sent before, for {what}")
    stands = connection.execute(select(ANSWERS).where(ANSWERS.c.question_id == answer.question_id)).first()
    if stands is not None and stands.choice != answer.choice:
        raise ConflictingAnswer(
            f"question {answer.question_id} is answered with {stands.choice}, not {answer.choice}; undo that first"
        )
    if stands is not None:
        return False
    row = {
        "question_id": answer.question_id,
        "user_id": user_id,
        "event_id": answer.event_id,
        "choice": answer.choice,
        "response_seconds": answer.response_seconds,
        "answered_at": _text(answer.answered_at),
        "number": _count_change(connection, user_id),
    }
    _insert(connection, insert(ANSWERS).values(row), f"event {answer.event_id} was sent before, for another question")
    return True


def _insert(connection: Connection, row: Insert, clash: str) -> None:
    """Insert a row whose unique ids were free a moment ago. Raises ConflictingAnswer with `clash` where another was faster."""
    try:
        connection.execute(row)
    except IntegrityError:
        raise ConflictingAnswer(clash) from None


def lock_person(connection: Connection, user_id: str) -> bool:
    """Make the person's row where there is none, and lock it: who changes a person's choices waits for whoever does so now.

    Returns whether the row is new.
    """
    _lock_name(connection, user_id)
    if connection.execute(select(PEOPLE).where(PEOPLE.c.user_id == user_id).with_for_update()).first() is not None:
        return False
    connection.execute(insert(PEOPLE).values(user_id=user_id, changes=0))
    return True


def _lock_name(connection: Connection, user_id: str) -> None:
    """Wait for whoever makes or erases somebody of this name, in a database where a row that is not there can't be locked."""
    if connection.dialect.name == "postgresql":
        number = int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:8], signed=True)
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def _digest(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()


def _erasures(connection: Connection, user_id: str) -> int:
    return int(connection.execute(select(ERASURES.c.count).where(ERASURES.c.digest == _digest(user_id))).scalar() or 0)


def _check_erasures(connection: Connection, user_id: str, before: int | None) -> None:
    if before is not None and _erasures(connection, user_id) != before:
        raise PersonErased("this person was erased meanwhile, and nothing is kept of them")


def _upload(user_id: str, image_id: str) -> ColumnElement[bool]:
    return (UPLOADS.c.image_id == image_id) & (UPLOADS.c.user_id == user_id)


def _own_uploads(user_id: str) -> Select[str]:
    others = select(UPLOADS.c.image_id).where(UPLOADS.c.user_id != user_id)
    own = select(UPLOADS.c.uri).where(UPLOADS.c.user_id == user_id, UPLOADS.c.image_id.not_in(others))
    return own.order_by(UPLOADS.c.uri)


def _lock_person_of(connection: Connection, question_id: str) -> str:
    """Lock the person of a question; returns who it is."""
    row = connection.execute(select(QUESTIONS.c.user_id).where(QUESTIONS.c.question_id == question_id)).first()
    if row is None:
        raise UnknownQuestion(f"no question {question_id!r} was asked")
    lock_person(connection, row.user_id)
    if connection.execute(select(QUESTIONS.c.user_id).where(QUESTIONS.c.question_id == question_id)).first() is None:
        raise UnknownQuestion(f"no question {question_id!r} was asked")  # they were erased meanwhile
    return str(row.user_id)


def _count_change(connection: Connection, user_id: str) -> int:
    """Count one change more of a person's choices; returns its number."""
    connection.execute(update(PEOPLE).where(PEOPLE.c.user_id == user_id).values(changes=PEOPLE.c.changes + 1))
    return int(connection.execute(select(PEOPLE.c.changes).where(PEOPLE.c.user_id == user_id)).scalar_one())


def _question(row: Row[Any]) -> Question:
    return Question(
        question_id=row.question_id,
        user_id=row.user_id,
        image_id=row.image_id,
        left=edit_of(row.left_edit),
        right=edit_of(row.right_edit),
        strategy=row.strategy,
        asked_at=datetime.fromisoformat(row.asked_at),
        probability=row.probability,
        model=row.model,
    )


def _answer_of(row: Row[Any]) -> Answer:
    return Answer(row.event_id, row.question_id, row.choice, datetime.fromisoformat(row.answered_at), row.response_seconds)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class StorePart(Store):
    """A store as one of several editors sees it: all of it, but choices about that editor's images alone."""

    def __init__(self, store: Store, owns: Callable[[str], bool]) -> None:
        """owns: whether an image, by its id, is the editor's. Closing it closes the store."""
        self.engine, self._owns = store.engine, owns

    def choices(self, user_id: str | None = None) -> list[Choice]:
        return [each for each in super().choices(user_id) if self._owns(each.question.image_id)]


def is_made(url: str) -> bool:
    """Tell whether there is a store at a URL, without making one: of SQLite its file; of a server its opening tells.

    Raises StoreError for what is no URL of a database.
    """
    parts = _parsed(url)
    return parts.get_backend_name() != "sqlite" or Path(parts.database or "").is_file()


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise StoreError("the store of choices is a URL like sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME") from None


def _engine(url: str) -> Engine:
    """Return an engine that writes safely. Raises StoreError for a URL of another database."""
    parts = _parsed(url)
    if "@" in (parts.host or ""):  # what is before it is the end of a password, and would be shown as the host
        raise StoreError("the URL of the store of choices has an @ too many: in a user name or password write it as %40")
    kind = parts.get_backend_name()
    if kind == "postgresql":
        waits = {name: value for name, value in _PG_WAITS.items() if name not in parts.query}
        engine = create_engine(
            parts.set(drivername="postgresql+psycopg"), pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args=waits
        )

        @event.listens_for(engine, "begin")
        def limit(connection: Connection) -> None:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_STATEMENT_MS}")

        return engine
    if kind != "sqlite":
        raise StoreError(f"the store of choices is SQLite or PostgreSQL, not {kind}")
    if parts.database in (None, "", ":memory:"):
        raise StoreError("the store of choices needs a file, sqlite:///FILE: in memory alone everything would be lost")
    engine = create_engine(parts, connect_args={"timeout": _WAIT})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # sqlite3 then leaves BEGIN to us
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(_READS) else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    """Raise a database's errors as a StoreError of one line without SQL, passwords or values."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise StoreError(f"the store of choices at {engine.url.render_as_string(hide_password=True)}: {reason}") from None
