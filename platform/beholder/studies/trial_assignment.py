"""The next trials of a participant: chosen, made and counted in the transaction that keeps an answer.

Whoever asks at the same time waits for the study's row, so that images and pairs are shown equally often. What is left unanswered
for too long is counted no more, and given to others.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, case, delete, insert, select, update

from beholder.studies import design
from beholder.studies.design import CHECK, MAIN, REPEAT, ShownCounts
from beholder.studies.stored_study import StoredStudy, select_trials, time_text
from beholder.studies.study_config import PAIRS, RATINGS, StudyConfig, TrialBlock
from beholder.studies.study_records import StudyBalance, values
from beholder.studies.study_tables import STUDIES, STUDY_IMAGE_COUNTS, STUDY_PAIR_COUNTS, STUDY_TRIALS

AHEAD = 2  # trials that a participant has open: the one on show, and the next one, whose pictures are on their way
Information = Callable[[np.ndarray, np.ndarray], np.ndarray]
Informations = Mapping[str, Information]  # by attribute


def assign_trials(
    connection: Connection,
    study: StoredStudy,
    person: Row[Any],
    rows: Sequence[Row[Any]],
    now: datetime,
    information: Informations | None,
) -> list[Row[Any]]:
    """Return a participant's open trials, and make new ones until there are AHEAD of them or there is nothing left to show."""
    _release(connection, study, now)
    is_open = connection.execute(select(STUDIES.c.state).where(STUDIES.c.name == study.name)).scalar_one() == "open"
    counts: dict[str, ShownCounts] = {}
    kept: dict[int, Row[Any]] = {}
    for row in rows:  # what was released meanwhile is taken up again, or given up
        if row.answered_at is None and row.role == MAIN and not _is_counted(connection, row.trial_id):
            shown = counts.setdefault(row.block, shown_counts(connection, study, row.block))
            images = [row.left_number] if row.right_number is None else [row.left_number, row.right_number]
            this = STUDY_TRIALS.c.trial_id == row.trial_id
            if not shown.allows(*images):
                connection.execute(delete(STUDY_TRIALS).where(this))
                continue
            connection.execute(update(STUDY_TRIALS).where(this).values(counted=1, asked_at=time_text(now)))
            count_trial(connection, row, 1)
            shown.add(row.left_number, row.right_number)
        kept[row.place] = row
    waiting = [row for row in kept.values() if row.answered_at is None]
    for place, (block, role) in enumerate(_plan(study.config, person.seed)):
        if len(waiting) >= AHEAD or not is_open:
            break
        if place in kept:
            continue
        shown = counts.setdefault(block.key, shown_counts(connection, study, block.key))
        rng = np.random.default_rng([person.seed, place])
        made = _make(study, block, role, shown, list(kept.values()), rng, information)
        if made is None:
            continue
        asked = {
            "trial_id": secrets.token_hex(12), "study": study.name, "user_id": person.user_id, "place": place, "block": block.key,
            "role": role, "counted": int(role == MAIN), "asked_at": time_text(now), "imported": 0, **made,
        }  # fmt: skip
        connection.execute(insert(STUDY_TRIALS).values(asked))
        kept[place] = connection.execute(select_trials().where(STUDY_TRIALS.c.trial_id == asked["trial_id"])).one()
        if role == MAIN:
            count_trial(connection, kept[place], 1)
            shown.add(made["left_number"], made["right_number"])
        waiting.append(kept[place])
    return sorted(waiting, key=lambda row: int(row.place))


def _make(
    study: StoredStudy,
    block: TrialBlock,
    role: str,
    counts: ShownCounts,
    before: Sequence[Row[Any]],
    rng: np.random.Generator,
    information: Informations | None,
) -> dict[str, Any] | None:
    """Return what a new trial shows; None where there is nothing that it may show."""
    config = study.config
    main = [row for row in before if row.block == block.key and row.role == MAIN]
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
        offered = values(config, block.kind, role)
        if block.kind == RATINGS and config.ratings.show == "slider":
            offered = [offered[0], offered[-1]]  # the ends: hitting one of 101 points is dexterity, not attention
        picked = [int(each) for each in rng.choice(len(study.images), 1 if block.kind == RATINGS else 2, replace=False)]
        shown = {"left_number": picked[0], "right_number": picked[1] if len(picked) > 1 else None}
        return blank | shown | {"expected": offered[int(rng.integers(len(offered)))]}
    if block.kind == RATINGS:
        bounded = config.ratings.per_person < len(study.images)  # where everybody sees all, the whole is balanced anyway
        image = design.next_image(counts, {row.left_number for row in main}, rng, bounded=bounded)
        return None if image is None else blank | {"left_number": image}
    seen = {design.pair_of(row.left_number, row.right_number) for row in main}
    known = [of for question in config.asked(block.attribute) if (of := (information or {}).get(question.attribute)) is not None]
    in_all = (lambda first, second: np.sum([of(first, second) for of in known], axis=0)) if known else None
    pair = design.next_pair(counts, seen, rng, strategy=config.pairs.choose, information=in_all)
    return None if pair is None else blank | {"left_number": pair[0], "right_number": pair[1]}


def _plan(config: StudyConfig, seed: int) -> list[tuple[TrialBlock, str]]:
    """Return block and role of each trial of a participant."""
    rng = np.random.default_rng(seed)
    plan = []
    orders = design.balanced_orders(len(config.parts))
    for block in config.trial_blocks([config.parts[number] for number in orders[seed % len(orders)]]):
        shape = config.block(block.kind)
        roles = design.session_roles(shape.per_person, repeats=shape.repeats, checks=shape.checks, gap=config.gap, rng=rng)
        plan += [(block, role) for role in roles]
    return plan


def _release(connection: Connection, study: StoredStudy, now: datetime) -> None:
    """Stop counting what was left unanswered for so long that others may be shown it instead."""
    since = time_text(now - timedelta(minutes=study.config.release_minutes))
    left = connection.execute(
        select(STUDY_TRIALS).where(
            STUDY_TRIALS.c.study == study.name, STUDY_TRIALS.c.counted == 1, STUDY_TRIALS.c.answered_at.is_(None),
            STUDY_TRIALS.c.asked_at < since,
        )
    ).all()  # fmt: skip
    for row in left:
        connection.execute(update(STUDY_TRIALS).where(STUDY_TRIALS.c.trial_id == row.trial_id).values(counted=0))
        count_trial(connection, row, -1)


def _is_counted(connection: Connection, trial_id: str) -> bool:
    return bool(connection.execute(select(STUDY_TRIALS.c.counted).where(STUDY_TRIALS.c.trial_id == trial_id)).scalar())


def shown_counts(connection: Connection, study: StoredStudy, block: str) -> ShownCounts:
    """Return how often each image, and each pair, of a block was shown. block: its key."""
    counts = ShownCounts.none(len(study.images))
    of_block = STUDY_IMAGE_COUNTS.c.study == study.name, STUDY_IMAGE_COUNTS.c.block == block
    for row in connection.execute(select(STUDY_IMAGE_COUNTS).where(*of_block)):
        counts.shown[row.number], counts.left[row.number] = row.shown, row.on_left
    if TrialBlock.of(block).kind == PAIRS:
        pairs = STUDY_PAIR_COUNTS.c
        for row in connection.execute(select(STUDY_PAIR_COUNTS).where(pairs.study == study.name, pairs.block == block)):
            counts.pairs[row.low, row.high] = row.shown, row.low_on_left
    return counts


def count_trial(connection: Connection, trial: Row[Any], by: int) -> None:
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
    of_pair = pairs.study == trial.study, pairs.block == trial.block, pairs.low == low, pairs.high == high
    more = {"shown": pairs.shown + by, "low_on_left": pairs.low_on_left + by * (left == low)}
    if not connection.execute(update(STUDY_PAIR_COUNTS).where(*of_pair).values(more)).rowcount:
        row = {"study": trial.study, "block": trial.block, "low": low, "high": high}
        connection.execute(insert(STUDY_PAIR_COUNTS).values(row | {"shown": by, "low_on_left": by * (left == low)}))


def balance_of(block: str, counts: ShownCounts) -> StudyBalance:
    """Return how even the showings of a block are. block: its key."""
    least, most = int(counts.shown.min()), int(counts.shown.max())
    if TrialBlock.of(block).kind == RATINGS:
        return StudyBalance(block, len(counts.shown), least, most)
    count = len(counts.shown)
    times = [shown for shown, _ in counts.pairs.values()]
    pairs = count * (count - 1) // 2
    often = counts.shown >= 8
    share = counts.left[often] / counts.shown[often]
    far = float(share[np.argmax(np.abs(share - 0.5))]) if often.any() else 0.5
    rare = min(times, default=0) if len(times) == pairs else 0
    return StudyBalance(block, count, least, most, pairs, rare, max(times, default=0), far)
