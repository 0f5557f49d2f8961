"""Studies, participants and trials in the store of choices.

When a method returns, what it wrote is on disk. A retry changes nothing: what was joined, sent or answered already counts once. The
next trials are chosen in the transaction that keeps an answer, so that the design stays balanced whoever asks at the same time.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from beholder.errors import StudyConflict, StudyError, UnknownParticipant, UnknownStudy, nearest
from beholder.recommending.store.choice_store import Store
from beholder.studies import design
from beholder.studies.design import CHECK, MAIN, REPEAT
from beholder.studies.stored_study import StoredStudy, select_trials, time_text, trial_of
from beholder.studies.study_config import NOT_SURE, StudyConfig, TrialBlock, study_of, study_values
from beholder.studies.study_records import (
    ParticipantRecord,
    RecordedTrial,
    StudySession,
    StudyStatus,
    StudyTrial,
    TrialAnswer,
    check_form,
    check_trial_answers,
)
from beholder.studies.study_tables import (
    STUDIES,
    STUDY_FORMS,
    STUDY_IMAGE_COUNTS,
    STUDY_IMAGES,
    STUDY_PARTICIPANTS,
    STUDY_TRIALS,
)
from beholder.studies.trial_assignment import AHEAD, Informations, assign_trials, balance_of, count_trial, shown_counts

_ACTIVE = timedelta(minutes=5)


class StudyStore:
    """The studies of a store. Safe to share between threads and processes, as the store is."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: dict[str, StoredStudy] = {}
        self._turn = threading.Lock()  # SQLite's own way to wait for another writer is to sleep

    def add(self, config: StudyConfig, images: Sequence[tuple[str, str]], *, at: datetime) -> None:
        """Keep a new study. images: image_id and picture of each. Raises StudyConflict where there is one of its name."""
        row = {
            "config": json.dumps(study_values(config)),
            "secret": secrets.token_hex(32),
            "state": "new",
            "made_at": time_text(at),
        }
        with self._writing() as connection:
            if connection.execute(select(STUDIES.c.name).where(STUDIES.c.name == config.name)).first() is not None:
                raise StudyConflict(f"there is a study {config.name!r} already; give another name")
            connection.execute(insert(STUDIES).values(name=config.name, **row))
            study = {"study": config.name}
            connection.execute(
                insert(STUDY_IMAGES),
                [study | {"number": at, "image_id": i, "picture": p} for at, (i, p) in enumerate(images)],
            )
            empty = [study | {"block": block.key, "shown": 0, "on_left": 0} for block in config.trial_blocks()]
            connection.execute(
                insert(STUDY_IMAGE_COUNTS), [row | {"number": number} for row in empty for number in range(len(images))]
            )

    def names(self) -> list[str]:
        """Return the names of all studies, the oldest first."""
        with self.store.reading() as connection:
            return list(connection.execute(select(STUDIES.c.name).order_by(STUDIES.c.made_at, STUDIES.c.name)).scalars())

    def study(self, name: str) -> StoredStudy:
        """Return a study. Raises UnknownStudy where there is none of this name."""
        if (known := self._known.get(name)) is not None:
            return known
        with self.store.reading() as connection:
            row = connection.execute(select(STUDIES).where(STUDIES.c.name == name)).first()
            of_study = select(STUDY_IMAGES).where(STUDY_IMAGES.c.study == name).order_by(STUDY_IMAGES.c.number)
            images = connection.execute(of_study).all()
        if row is None:
            raise UnknownStudy(f"there is no study {name[:60]!r}{nearest(name, self.names()) if len(name) < 60 else ''}")
        config = study_of(json.loads(row.config))
        self._known[name] = StoredStudy(config, row.secret, tuple((each.image_id, each.picture) for each in images))
        return self._known[name]

    def state(self, name: str) -> str:
        """Return whether a study is new, open or closed. Raises UnknownStudy."""
        self.study(name)
        with self.store.reading() as connection:
            return str(connection.execute(select(STUDIES.c.state).where(STUDIES.c.name == name)).scalar_one())

    def set_state(self, name: str, state: str) -> bool:
        """Open or close a study; returns whether it was otherwise before. Raises UnknownStudy."""
        self.study(name)
        with self._writing() as connection:
            change = update(STUDIES).where(STUDIES.c.name == name, STUDIES.c.state != state).values(state=state)
            return bool(connection.execute(change).rowcount)

    def invite(self, name: str, count: int) -> list[str]:
        """Return tokens of so many new participants, who have not come yet. They are not shown again: only hashes are kept."""
        study = self.study(name)
        tokens = [secrets.token_urlsafe(16) for _ in range(count)]
        with self._writing() as connection:
            connection.execute(insert(STUDY_PARTICIPANTS), [_new_person(study, token) for token in tokens])
        return tokens

    def join(self, name: str, *, event_id: str, lang: str, external_id: str = "", now: datetime) -> str:
        """Let somebody join, and return their token; the same for the same event.

        Raises StudyConflict where the study is not open, is for invited people, or is full.
        """
        study = self.study(name)
        token = _derived(study.secret, event_id)
        with self._writing() as connection:
            state = _lock_study(connection, name)
            if _person_of(connection, name, token) is not None:
                return token
            if state != "open":
                raise StudyConflict("closed: this study is not open")
            if study.config.join != "anybody":
                raise StudyConflict("invited: this study is for people with a link of their own")
            joined = select(func.count()).where(STUDY_PARTICIPANTS.c.study == name, STUDY_PARTICIPANTS.c.joined_at.is_not(None))
            if 0 < study.config.participants <= connection.execute(joined).scalar_one():
                raise StudyConflict("full: this study has all the participants that it needs")
            chosen = lang if lang in study.config.languages else study.config.languages[0]
            row = {
                "event_id": event_id,
                "external_id": external_id,
                "lang": chosen,
                "joined_at": time_text(now),
                "seen_at": time_text(now),
            }
            seed = {"seed": _balanced_seed(connection, study, now)}
            connection.execute(insert(STUDY_PARTICIPANTS).values(_new_person(study, token) | row | seed))
        return token

    def session(self, name: str, token: str, *, now: datetime, information: Informations | None = None) -> StudySession:
        """Return where a participant is, with the trials to show. Raises UnknownParticipant for a token of nobody."""
        with self._person(name, token, now) as (connection, study, person):
            return _session(connection, study, person, now, information)

    def check_token(self, name: str, token: str) -> None:
        """Raise UnknownParticipant for a token of nobody."""
        self.study(name)
        with self.store.reading() as connection:
            if _person_of(connection, name, token) is None:
                raise UnknownParticipant("nobody takes part by this link (any more)")

    def consent(self, name: str, token: str, *, lang: str, now: datetime) -> StudySession:
        """Keep that a participant agreed to take part, and in which language."""
        with self._person(name, token, now) as (connection, study, person):
            if lang not in study.config.languages:
                raise StudyError(f"lang must be one of {', '.join(study.config.languages)}, got {lang[:20]!r}")
            if person.consented_at is None:
                person = _change(connection, person, consented_at=time_text(now), lang=lang)
            return _session(connection, study, person, now, None)

    def form(
        self, name: str, token: str, *, part: str, answers: dict[str, str], now: datetime, information: Informations | None = None
    ) -> StudySession:
        """Keep a questionnaire; sent again, the first stays. Raises StudyError for answers that don't fit it."""
        with self._person(name, token, now) as (connection, study, person):
            _need_consent(study, person)
            kept = check_form(study.config, part, answers)
            if part not in _forms(connection, person.user_id):
                row = {"user_id": person.user_id, "part": part, "answers": json.dumps(kept), "sent_at": time_text(now)}
                connection.execute(insert(STUDY_FORMS).values(row))
            return _session(connection, study, person, now, information)

    def answer(
        self,
        name: str,
        token: str,
        *,
        event_id: str,
        trial_id: str,
        answers: list[TrialAnswer],
        answered_at: datetime,
        now: datetime,
        information: Informations | None = None,
    ) -> RecordedTrial:
        """Keep the answers to a trial; the same event again changes nothing.

        Raises StudyError for answers that were not offered, StudyConflict for a trial that is not this participant's (any more) or
        was answered otherwise.
        """
        with self._person(name, token, now) as (connection, study, person):
            _need_consent(study, person)
            trial = connection.execute(
                select(STUDY_TRIALS).where(STUDY_TRIALS.c.trial_id == trial_id, STUDY_TRIALS.c.user_id == person.user_id)
            ).first()
            if trial is None:
                raise StudyConflict("gone: this trial was given to somebody else meanwhile, or never was this participant's")
            check_trial_answers(study.config, TrialBlock.of(trial.block), trial.role, answers)
            given = json.dumps([asdict(answer) for answer in answers])
            if trial.answered_at is not None:
                if trial.answers != given:
                    raise StudyConflict("answered: this trial has another answer already")
                return RecordedTrial(False, _session(connection, study, person, now, information))
            at = min(max(answered_at, datetime.fromisoformat(trial.asked_at)), now)
            own_event = f"{person.user_id} {event_id}"  # so that nobody's events are in another's way
            row = {"event_id": own_event, "answers": given, "answered_at": time_text(at), "counted": int(trial.role == MAIN)}
            try:
                with connection.begin_nested():
                    connection.execute(update(STUDY_TRIALS).where(STUDY_TRIALS.c.trial_id == trial_id).values(row))
            except IntegrityError:
                raise StudyConflict("event: this event was sent before, for another trial") from None
            if trial.role == MAIN and not trial.counted:
                count_trial(connection, trial, 1)
            return RecordedTrial(True, _session(connection, study, person, now, information))

    def withdraw(self, name: str, token: str, *, now: datetime) -> tuple[str, list[StudyTrial]]:
        """Remove everything of a participant; returns who it was, and the answered trials that are gone.

        Raises UnknownParticipant where they are not there (any more).
        """
        with self._person(name, token, now) as (connection, study, person):
            mine = STUDY_TRIALS.c.user_id == person.user_id
            rows = connection.execute(select_trials().where(mine).order_by(STUDY_TRIALS.c.place)).all()
            for row in rows:
                if row.counted:
                    count_trial(connection, row, -1)
            connection.execute(delete(STUDY_TRIALS).where(mine))
            connection.execute(delete(STUDY_FORMS).where(STUDY_FORMS.c.user_id == person.user_id))
            connection.execute(delete(STUDY_PARTICIPANTS).where(STUDY_PARTICIPANTS.c.user_id == person.user_id))
        return person.user_id, [trial_of(study, row) for row in rows if row.answered_at is not None]

    def trials(self, name: str) -> list[StudyTrial]:
        """Return all answered trials of a study, participant after participant, in the order in which they were shown."""
        study = self.study(name)
        answered = select_trials().where(STUDY_TRIALS.c.study == name, STUDY_TRIALS.c.answered_at.is_not(None))
        with self.store.reading() as connection:
            rows = connection.execute(answered.order_by(STUDY_TRIALS.c.user_id, STUDY_TRIALS.c.place)).all()
        return [trial_of(study, row) for row in rows]

    def pair_answers(self, name: str) -> dict[str, list[tuple[int, int, float]]]:
        """Return by attribute every answer about two images so far: left, right, and 1 for left, 0 for right, 0.5 for neither.

        "Not sure" is no judgement on which is better, but says that the two are hard to tell apart: it is 0.5 here, so that
        the same pair is not asked again and again because nobody is sure of it.
        """
        answered = select(STUDY_TRIALS).where(
            STUDY_TRIALS.c.study == name, STUDY_TRIALS.c.counted == 1, STUDY_TRIALS.c.right_number.is_not(None),
            STUDY_TRIALS.c.answered_at.is_not(None),
        )  # fmt: skip
        outcome = {"left": 1.0, "right": 0.0, "tie": 0.5, NOT_SURE: 0.5}
        with self.store.reading() as connection:
            rows = connection.execute(answered).all()
        said: dict[str, list[tuple[int, int, float]]] = {}
        for row in rows:
            for answer in json.loads(row.answers):
                said.setdefault(answer["attribute"], []).append((row.left_number, row.right_number, outcome[answer["value"]]))
        return said

    def to_import(self, most: int = 5000) -> list[StudyTrial]:
        """Return answered trials of all studies that are not in the workspace's tables yet."""
        waiting = select_trials().where(STUDY_TRIALS.c.imported == 0, STUDY_TRIALS.c.answered_at.is_not(None)).limit(most)
        with self.store.reading() as connection:
            rows = connection.execute(waiting).all()
        return [trial_of(self.study(row.study), row) for row in rows]

    def imported(self, trials: Sequence[StudyTrial]) -> list[StudyTrial]:
        """Keep that trials are in the tables; returns those that were withdrawn meanwhile, which have to be taken out again."""
        gone = []
        with self._writing() as connection:
            for trial in trials:
                done = update(STUDY_TRIALS).where(STUDY_TRIALS.c.trial_id == trial.trial_id).values(imported=1)
                if not connection.execute(done).rowcount:
                    gone.append(trial)
        return gone

    def participants(self, name: str) -> list[ParticipantRecord]:
        """Return everybody who joined a study."""
        trials = self.trials(name)
        with self.store.reading() as connection:
            joined = STUDY_PARTICIPANTS.c.study == name, STUDY_PARTICIPANTS.c.joined_at.is_not(None)
            people = connection.execute(select(STUDY_PARTICIPANTS).where(*joined).order_by(STUDY_PARTICIPANTS.c.joined_at)).all()
            forms = {row.user_id: _forms(connection, row.user_id) for row in people}
        result = []
        for row in people:
            mine = [trial for trial in trials if trial.user_id == row.user_id]
            checks = [trial for trial in mine if trial.role == CHECK]
            passed = sum(trial.passed is True for trial in checks)
            times = row.joined_at, row.finished_at or ""
            result.append(
                ParticipantRecord(
                    row.user_id, name, row.external_id or "", row.lang, *times, len(mine), len(checks), passed, forms[row.user_id]
                )
            )
        return result

    def status(self, name: str, *, now: datetime) -> StudyStatus:
        """Return how far a study is."""
        study, trials = self.study(name), self.trials(name)
        with self.store.reading() as connection:
            people = connection.execute(select(STUDY_PARTICIPANTS).where(STUDY_PARTICIPANTS.c.study == name)).all()
            counts = {each.key: shown_counts(connection, study, each.key) for each in study.config.trial_blocks()}
        answers = [answer for trial in trials if trial.role != CHECK for answer in trial.answers]
        checks = [trial for trial in trials if trial.role == CHECK]
        recent = time_text(now - _ACTIVE)
        return StudyStatus(
            name=name,
            state=self.state(name),
            invited=sum(person.joined_at is None for person in people),
            joined=sum(person.joined_at is not None for person in people),
            finished=sum(person.finished_at is not None for person in people),
            active=sum(person.finished_at is None and (person.seen_at or "") > recent for person in people),
            answers=len(answers),
            repeats=sum(trial.role == REPEAT for trial in trials),
            checks=len(checks),
            checks_passed=sum(trial.passed is True for trial in checks),
            not_sure=sum(answer.value == "not_sure" for answer in answers),
            median_ms=float(np.median([answer.response_ms for answer in answers])) if answers else 0.0,
            balance=tuple(balance_of(block, each) for block, each in counts.items()),
        )

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._turn, self.store.writing() as connection:
            yield connection

    @contextmanager
    def _person(self, name: str, token: str, now: datetime) -> Iterator[tuple[Connection, StoredStudy, Row[Any]]]:
        """Open a transaction about one participant, in which nobody else changes the study."""
        study = self.study(name)
        with self._writing() as connection:
            _lock_study(connection, name)
            person = _person_of(connection, name, token)
            if person is None:
                raise UnknownParticipant("nobody takes part by this link (any more)")
            came: dict[str, Any] = {}
            if person.joined_at is None:
                came = {"joined_at": time_text(now), "seed": _balanced_seed(connection, study, now)}
            yield connection, study, _change(connection, person, seen_at=time_text(now), **came)


def _new_person(study: StoredStudy, token: str) -> dict[str, Any]:
    seed = secrets.randbits(31)
    return {
        "user_id": f"{study.name}-{secrets.token_hex(6)}",
        "study": study.name,
        "digest": _digest(token),
        "event_id": None,
        "external_id": None,
        "lang": study.config.languages[0],
        "seed": seed,
        "joined_at": None,
        "consented_at": None,
        "finished_at": None,
        "seen_at": None,
    }


def _balanced_seed(connection: Connection, study: StoredStudy, now: datetime) -> int:
    """Return the seed of somebody who comes now: it leads to the order of blocks that the fewest have, at random where several do.

    Whoever left without finishing is not counted, so that others fill the gap.
    """
    seed, orders = secrets.randbits(30), len(design.balanced_orders(len(study.config.parts)))
    if orders == 1:
        return seed
    columns, since = STUDY_PARTICIPANTS.c, time_text(now - timedelta(minutes=study.config.release_minutes))
    stays = columns.finished_at.is_not(None) | (columns.seen_at >= since)
    seeds = connection.execute(select(columns.seed).where(columns.study == study.name, columns.joined_at.is_not(None), stays))
    taken = np.bincount([each % orders for each in seeds.scalars()], minlength=orders)
    return seed // orders * orders + int(secrets.choice(np.flatnonzero(taken == taken.min()).tolist()))


def _derived(secret: str, event_id: str) -> str:
    """Return the token of who joined by this event: the same on a retry, and nobody who lacks the secret can guess it."""
    mac = hmac.new(bytes.fromhex(secret), event_id.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac[:16]).decode().rstrip("=")


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _lock_study(connection: Connection, name: str) -> str:
    """Lock a study's row: who changes anything of it waits for whoever does so now. Returns its state."""
    return str(connection.execute(select(STUDIES.c.state).where(STUDIES.c.name == name).with_for_update()).scalar_one())


def _person_of(connection: Connection, name: str, token: str) -> Row[Any] | None:
    mine = STUDY_PARTICIPANTS.c.study == name, STUDY_PARTICIPANTS.c.digest == _digest(token)
    return connection.execute(select(STUDY_PARTICIPANTS).where(*mine)).first()


def _change(connection: Connection, person: Row[Any], **fields: Any) -> Row[Any]:
    """Change a participant's row, and return it as it is then."""
    mine = STUDY_PARTICIPANTS.c.user_id == person.user_id
    connection.execute(update(STUDY_PARTICIPANTS).where(mine).values(**fields))
    return connection.execute(select(STUDY_PARTICIPANTS).where(mine)).one()


def _need_consent(study: StoredStudy, person: Row[Any]) -> None:
    if _asks_consent(study.config) and person.consented_at is None:
        raise StudyConflict("consent: the participant has not agreed to take part yet")


def _asks_consent(config: StudyConfig) -> bool:
    return any(config.consent.values()) or len(config.languages) > 1


def _forms(connection: Connection, user_id: str) -> dict[str, dict[str, str]]:
    rows = connection.execute(select(STUDY_FORMS).where(STUDY_FORMS.c.user_id == user_id)).all()
    return {row.part: json.loads(row.answers) for row in rows}


def _session(
    connection: Connection, study: StoredStudy, person: Row[Any], now: datetime, information: Informations | None
) -> StudySession:
    """Return where a participant is, after choosing what to show next."""
    config, forms = study.config, _forms(connection, person.user_id)
    mine = select_trials().where(STUDY_TRIALS.c.user_id == person.user_id).order_by(STUDY_TRIALS.c.place)
    rows = connection.execute(mine).all()
    done = sum(row.answered_at is not None for row in rows)

    def at(step: str, trials: Sequence[Row[Any]] = (), total: int = config.total, **more: str) -> StudySession:
        shown = tuple(trial_of(study, row) for row in trials)
        return StudySession(person.user_id, step, person.lang, done, total, shown, **more)

    if _asks_consent(config) and person.consented_at is None:
        return at("consent")
    if config.before and "before" not in forms:
        return at("before")
    waiting = [row for row in rows if row.answered_at is None]
    if done + len(waiting) < config.total or any(not row.counted for row in waiting):
        waiting = assign_trials(connection, study, person, rows, now, information)
    if waiting:
        return at("trials", waiting[:AHEAD])
    if config.after and "after" not in forms:
        return at("after", total=done)
    if person.finished_at is None:
        _change(connection, person, finished_at=time_text(now))
    completion = config.completion
    redirect = completion.redirect.replace("{code}", completion.code).replace("{external_id}", person.external_id or "")
    return at("done", total=done, code=completion.code, redirect=redirect)
