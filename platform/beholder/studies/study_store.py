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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from beholder.errors import StudyConflict, StudyError, UnknownParticipant, UnknownStudy, nearest
from beholder.recommending.store.choice_store import Store
from beholder.studies import design
from beholder.studies.design import CHECK, MAIN, REPEAT, ShownCounts
from beholder.studies.study_config import PAIRS, RATINGS, StudyConfig, study_of, study_values
from beholder.studies.study_records import (
    ParticipantRecord,
    RecordedTrial,
    StudyBalance,
    StudySession,
    StudyStatus,
    StudyTrial,
    TrialAnswer,
    check_form,
    check_trial_answers,
    values,
)
from beholder.studies.study_tables import (
    STUDIES,
    STUDY_FORMS,
    STUDY_IMAGE_COUNTS,
    STUDY_IMAGES,
    STUDY_PAIR_COUNTS,
    STUDY_PARTICIPANTS,
    STUDY_TRIALS,
)

AHEAD = 2  # trials that a participant has open: the one on show, and the next one, whose pictures are on their way
_ACTIVE = timedelta(minutes=5)
Information = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class StoredStudy:
    """A study as it is kept; what of it never changes. images: image_id and picture, by number."""

    config: StudyConfig
    secret: str
    images: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """Its name."""
        return self.config.name


class StudyStore:
    """The studies of a store. Safe to share between threads and processes, as the store is."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._known: dict[str, StoredStudy] = {}
        self._turn = threading.Lock()  # SQLite's own way to wait for another writer is to sleep

    def add(self, config: StudyConfig, images: Sequence[tuple[str, str]], *, at: datetime) -> None:
        """Keep a new study. images: image_id and picture of each. Raises StudyConflict where there is one of its name."""
        row = {"config": json.dumps(study_values(config)), "secret": secrets.token_hex(32), "state": "new", "made_at": _text(at)}
        with self._writing() as connection:
            if connection.execute(select(STUDIES.c.name).where(STUDIES.c.name == config.name)).first() is not None:
                raise StudyConflict(f"there is a study {config.name!r} already; give another name")
            connection.execute(insert(STUDIES).values(name=config.name, **row))
            study = {"study": config.name}
            connection.execute(
                insert(STUDY_IMAGES),
                [study | {"number": at, "image_id": i, "picture": p} for at, (i, p) in enumerate(images)],
            )
            empty = [study | {"block": block, "shown": 0, "on_left": 0} for block in config.blocks]
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
            row = {"event_id": event_id, "external_id": external_id, "lang": chosen, "joined_at": _text(now), "seen_at": _text(now)}
            connection.execute(insert(STUDY_PARTICIPANTS).values(_new_person(study, token) | row))
        return token

    def session(self, name: str, token: str, *, now: datetime, information: Information | None = None) -> StudySession:
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
                person = _change(connection, person, consented_at=_text(now), lang=lang)
            return _session(connection, study, person, now, None)

    def form(
        self, name: str, token: str, *, part: str, answers: dict[str, str], now: datetime, information: Information | None = None
    ) -> StudySession:
        """Keep a questionnaire; sent again, the first stays. Raises StudyError for answers that don't fit it."""
        with self._person(name, token, now) as (connection, study, person):
            _need_consent(study, person)
            kept = check_form(study.config, part, answers)
            if part not in _forms(connection, person.user_id):
                row = {"user_id": person.user_id, "part": part, "answers": json.dumps(kept), "sent_at": _text(now)}
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
        information: Information | None = None,
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
            check_trial_answers(study.config, trial.block, trial.role, answers)
            given = json.dumps([asdict(answer) for answer in answers])
            if trial.answered_at is not None:
                if trial.answers != given:
                    raise StudyConflict("answered: this trial has another answer already")
                return RecordedTrial(False, _session(connection, study, person, now, information))
            at = min(max(answered_at, datetime.fromisoformat(trial.asked_at)), now)
            own_event = f"{person.user_id} {event_id}"  # so that nobody's events are in another's way
            row = {"event_id": own_event, "answers": given, "answered_at": _text(at), "counted": int(trial.role == MAIN)}
            try:
                with connection.begin_nested():
                    connection.execute(update(STUDY_TRIALS).where(STUDY_TRIALS.c.trial_id == trial_id).values(row))
            except IntegrityError:
                raise StudyConflict("event: this event was sent before, for another trial") from None
            if trial.role == MAIN and not trial.counted:
                _count(connection, trial, 1)
            return RecordedTrial(True, _session(connection, study, person, now, information))

    def withdraw(self, name: str, token: str, *, now: datetime) -> tuple[str, list[StudyTrial]]:
        """Remove everything of a participant; returns who it was, and the answered trials that are gone.

        Raises UnknownParticipant where they are not there (any more).
        """
        with self._person(name, token, now) as (connection, study, person):
            mine = STUDY_TRIALS.c.user_id == person.user_id
            rows = connection.execute(_trials().where(mine).order_by(STUDY_TRIALS.c.place)).all()
            for row in rows:
                if row.counted:
                    _count(connection, row, -1)
            connection.execute(delete(STUDY_TRIALS).where(mine))
            connection.execute(delete(STUDY_FORMS).where(STUDY_FORMS.c.user_id == person.user_id))
            connection.execute(delete(STUDY_PARTICIPANTS).where(STUDY_PARTICIPANTS.c.user_id == person.user_id))
        return person.user_id, [_trial(study, row) for row in rows if row.answered_at is not None]

    def trials(self, name: str) -> list[StudyTrial]:
        """Return all answered trials of a study, participant after participant, in the order in which they were shown."""
        study = self.study(name)
        answered = _trials().where(STUDY_TRIALS.c.study == name, STUDY_TRIALS.c.answered_at.is_not(None))
        with self.store.reading() as connection:
            rows = connection.execute(answered.order_by(STUDY_TRIALS.c.user_id, STUDY_TRIALS.c.place)).all()
        return [_trial(study, row) for row in rows]

    def pair_answers(self, name: str) -> list[tuple[int, int, float]]:
        """Return every choice between two images so far: left, right, and 1 for left, 0 for right, 0.5 for a tie."""
        answered = select(STUDY_TRIALS).where(
            STUDY_TRIALS.c.study == name, STUDY_TRIALS.c.counted == 1, STUDY_TRIALS.c.block == PAIRS,
            STUDY_TRIALS.c.answered_at.is_not(None),
        )  # fmt: skip
        outcome = {"left": 1.0, "right": 0.0, "tie": 0.5}
        with self.store.reading() as connection:
            rows = connection.execute(answered).all()
        return [
            (row.left_number, row.right_number, outcome[answer["value"]])
            for row in rows
            for answer in json.loads(row.answers)
            if answer["value"] in outcome
        ]

    def to_import(self, most: int = 5000) -> list[StudyTrial]:
        """Return answered trials of all studies that are not in the workspace's tables yet."""
        waiting = _trials().where(STUDY_TRIALS.c.imported == 0, STUDY_TRIALS.c.answered_at.is_not(None)).limit(most)
        with self.store.reading() as connection:
            rows = connection.execute(waiting).all()
        return [_trial(self.study(row.study), row) for row in rows]

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
            counts = {block: _counts(connection, study, block) for block in study.config.blocks}
        answers = [answer for trial in trials if trial.role != CHECK for answer in trial.answers]
        checks = [trial for trial in trials if trial.role == CHECK]
        recent = _text(now - _ACTIVE)
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
            balance=tuple(_balance(block, each) for block, each in counts.items()),
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
            came = {} if person.joined_at is not None else {"joined_at": _text(now)}
            yield connection, study, _change(connection, person, seen_at=_text(now), **came)


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
    connection: Connection, study: StoredStudy, person: Row[Any], now: datetime, information: Information | None
) -> StudySession:
    """Return where a participant is, after choosing what to show next."""
    config, forms = study.config, _forms(connection, person.user_id)
    mine = _trials().where(STUDY_TRIALS.c.user_id == person.user_id).order_by(STUDY_TRIALS.c.place)
    rows = connection.execute(mine).all()
    done = sum(row.answered_at is not None for row in rows)

    def at(step: str, trials: Sequence[Row[Any]] = (), total: int = config.total, **more: str) -> StudySession:
        shown = tuple(_trial(study, row) for row in trials)
        return StudySession(person.user_id, step, person.lang, done, total, shown, **more)

    if _asks_consent(config) and person.consented_at is None:
        return at("consent")
    if config.before and "before" not in forms:
        return at("before")
    waiting = [row for row in rows if row.answered_at is None]
    if done + len(waiting) < config.total or any(not row.counted for row in waiting):
        waiting = _choose(connection, study, person, rows, now, information)
    if waiting:
        return at("trials", waiting[:AHEAD])
    if config.after and "after" not in forms:
        return at("after", total=done)
    if person.finished_at is None:
        _change(connection, person, finished_at=_text(now))
    completion = config.completion
    redirect = completion.redirect.replace("{code}", completion.code).replace("{external_id}", person.external_id or "")
    return at("done", total=done, code=completion.code, redirect=redirect)


def _choose(
    connection: Connection,
    study: StoredStudy,
    person: Row[Any],
    rows: Sequence[Row[Any]],
    now: datetime,
    information: Information | None,
) -> list[Row[Any]]:
    """Return a participant's open trials, and make new ones until there are AHEAD of them or there is nothing left to show."""
    _release(connection, study, now)
    is_open = connection.execute(select(STUDIES.c.state).where(STUDIES.c.name == study.name)).scalar_one() == "open"
    counts: dict[str, ShownCounts] = {}
    kept: dict[int, Row[Any]] = {}
    for row in rows:  # what was released meanwhile is taken up again, or given up
        if row.answered_at is None and row.role == MAIN and not _is_counted(connection, row.trial_id):
            block = counts.setdefault(row.block, _counts(connection, study, row.block))
            images = [row.left_number] if row.right_number is None else [row.left_number, row.right_number]
            this = STUDY_TRIALS.c.trial_id == row.trial_id
            if not block.allows(*images):
                connection.execute(delete(STUDY_TRIALS).where(this))
                continue
            connection.execute(update(STUDY_TRIALS).where(this).values(counted=1, asked_at=_text(now)))
            _count(connection, row, 1)
            block.add(row.left_number, row.right_number)
        kept[row.place] = row
    waiting = [row for row in kept.values() if row.answered_at is None]
    for place, (block_name, role) in enumerate(_plan(study.config, person.seed)):
        if len(waiting) >= AHEAD or not is_open:
            break
        if place in kept:
            continue
        block = counts.setdefault(block_name, _counts(connection, study, block_name))
        rng = np.random.default_rng([person.seed, place])
        made = _make(study, block_name, role, block, list(kept.values()), rng, information)
        if made is None:
            continue
        asked = {
            "trial_id": secrets.token_hex(12), "study": study.name, "user_id": person.user_id, "place": place, "block": block_name,
            "role": role, "counted": int(role == MAIN), "asked_at": _text(now), "imported": 0, **made,
        }  # fmt: skip
        connection.execute(insert(STUDY_TRIALS).values(asked))
        kept[place] = connection.execute(_trials().where(STUDY_TRIALS.c.trial_id == asked["trial_id"])).one()
        if role == MAIN:
            _count(connection, kept[place], 1)
            block.add(made["left_number"], made["right_number"])
        waiting.append(kept[place])
    return sorted(waiting, key=lambda row: int(row.place))


def _make(
    study: StoredStudy,
    block: str,
    role: str,
    counts: ShownCounts,
    before: Sequence[Row[Any]],
    rng: np.random.Generator,
    information: Information | None,
) -> dict[str, Any] | None:
    """Return what a new trial shows; None where there is nothing that it may show."""
    config = study.config
    main = [row for row in before if row.block == block and row.role == MAIN]
    blank: dict[str, Any] = {"right_number": None, "repeat_of": None, "expected": None}
    if role == REPEAT:
        repeated = {row.repeat_of for row in before}
        old = [row for row in main[: max(0, len(main) - config.gap)] if row.trial_id not in repeated]
        if not old:
            return None
        row = old[int(rng.integers(len(old)))]
        left, right = row.left_number, row.right_number
        if right is not None:
            left, right = right, left
        return blank | {"left_number": left, "right_number": right, "repeat_of": row.trial_id}
    if role == CHECK:
        offered = values(config, block, role)
        picked = [int(each) for each in rng.choice(len(study.images), 1 if block == RATINGS else 2, replace=False)]
        shown = {"left_number": picked[0], "right_number": picked[1] if len(picked) > 1 else None}
        return blank | shown | {"expected": offered[int(rng.integers(len(offered)))]}
    if block == RATINGS:
        bounded = config.ratings.per_person < len(study.images)  # where everybody sees all, the whole is balanced anyway
        image = design.next_image(counts, {row.left_number for row in main}, rng, bounded=bounded)
        return None if image is None else blank | {"left_number": image}
    seen = {design.pair_of(row.left_number, row.right_number) for row in main}
    pair = design.next_pair(counts, seen, rng, strategy=config.pairs.choose, information=information)
    return None if pair is None else blank | {"left_number": pair[0], "right_number": pair[1]}


def _plan(config: StudyConfig, seed: int) -> list[tuple[str, str]]:
    """Return block and role of each trial of a participant."""
    rng = np.random.default_rng(seed)
    plan = []
    for name in config.blocks:
        block = config.block(name)
        roles = design.session_roles(block.per_person, repeats=block.repeats, checks=block.checks, gap=config.gap, rng=rng)
        plan += [(name, role) for role in roles]
    return plan


def _release(connection: Connection, study: StoredStudy, now: datetime) -> None:
    """Stop counting what was left unanswered for so long that others may be shown it instead."""
    since = _text(now - timedelta(minutes=study.config.release_minutes))
    left = connection.execute(
        select(STUDY_TRIALS).where(
            STUDY_TRIALS.c.study == study.name, STUDY_TRIALS.c.counted == 1, STUDY_TRIALS.c.answered_at.is_(None),
            STUDY_TRIALS.c.asked_at < since,
        )
    ).all()  # fmt: skip
    for row in left:
        connection.execute(update(STUDY_TRIALS).where(STUDY_TRIALS.c.trial_id == row.trial_id).values(counted=0))
        _count(connection, row, -1)


def _is_counted(connection: Connection, trial_id: str) -> bool:
    return bool(connection.execute(select(STUDY_TRIALS.c.counted).where(STUDY_TRIALS.c.trial_id == trial_id)).scalar())


def _counts(connection: Connection, study: StoredStudy, block: str) -> ShownCounts:
    counts = ShownCounts.none(len(study.images))
    of_block = STUDY_IMAGE_COUNTS.c.study == study.name, STUDY_IMAGE_COUNTS.c.block == block
    for row in connection.execute(select(STUDY_IMAGE_COUNTS).where(*of_block)):
        counts.shown[row.number], counts.left[row.number] = row.shown, row.on_left
    if block == PAIRS:
        for row in connection.execute(select(STUDY_PAIR_COUNTS).where(STUDY_PAIR_COUNTS.c.study == study.name)):
            counts.pairs[row.low, row.high] = row.shown, row.low_on_left
    return counts


def _count(connection: Connection, trial: Row[Any], by: int) -> None:
    """Count a trial in the balance (by=1), or take it back (by=-1)."""
    images, left, right = STUDY_IMAGE_COUNTS.c, trial.left_number, trial.right_number
    shown = [left] if right is None else [left, right]
    on_left = case((images.number == left, by), else_=0) if right is not None else 0
    of_trial = images.study == trial.study, images.block == trial.block, images.number.in_(shown)
    change = {"shown": images.shown + by, "on_left": images.on_left + on_left}
    connection.execute(update(STUDY_IMAGE_COUNTS).where(*of_trial).values(change))
    if right is None:
        return
    pairs, (low, high) = STUDY_PAIR_COUNTS.c, design.pair_of(left, right)
    of_pair = pairs.study == trial.study, pairs.low == low, pairs.high == high
    more = {"shown": pairs.shown + by, "low_on_left": pairs.low_on_left + by * (left == low)}
    if not connection.execute(update(STUDY_PAIR_COUNTS).where(*of_pair).values(more)).rowcount:
        row = {"study": trial.study, "low": low, "high": high, "shown": by, "low_on_left": by * (left == low)}
        connection.execute(insert(STUDY_PAIR_COUNTS).values(row))


def _balance(block: str, counts: ShownCounts) -> StudyBalance:
    least, most = int(counts.shown.min()), int(counts.shown.max())
    if block == RATINGS:
        return StudyBalance(block, len(counts.shown), least, most)
    count = len(counts.shown)
    times = [shown for shown, _ in counts.pairs.values()]
    pairs = count * (count - 1) // 2
    often = counts.shown >= 8
    share = counts.left[often] / counts.shown[often]
    far = float(share[np.argmax(np.abs(share - 0.5))]) if often.any() else 0.5
    rare = min(times, default=0) if len(times) == pairs else 0
    return StudyBalance(block, count, least, most, pairs, rare, max(times, default=0), far)


def _trials() -> Any:
    people = STUDY_PARTICIPANTS.c
    return select(STUDY_TRIALS, people.lang).join(STUDY_PARTICIPANTS, people.user_id == STUDY_TRIALS.c.user_id)


def _trial(study: StoredStudy, row: Row[Any]) -> StudyTrial:
    left = study.images[row.left_number]
    right = (None, None) if row.right_number is None else study.images[row.right_number]
    return StudyTrial(
        trial_id=row.trial_id,
        study=row.study,
        user_id=row.user_id,
        place=row.place,
        block=row.block,
        role=row.role,
        left_id=left[0],
        right_id=right[0],
        left_picture=left[1],
        right_picture=right[1],
        repeat_of=row.repeat_of,
        expected=row.expected,
        asked_at=datetime.fromisoformat(row.asked_at),
        answers=tuple(TrialAnswer(**each) for each in json.loads(row.answers)) if row.answers else (),
        answered_at=None if row.answered_at is None else datetime.fromisoformat(row.answered_at),
        lang=row.lang,
    )


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
