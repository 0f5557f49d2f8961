"""A study and its trials as the store keeps them, read into records."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, select

from beholder.studies.study_config import StudyConfig, TrialBlock
from beholder.studies.study_records import StudyTrial, TrialAnswer
from beholder.studies.study_tables import STUDY_PARTICIPANTS, STUDY_TRIALS


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


def select_trials() -> Any:
    """Return a query of all trials, each with its participant's language."""
    people = STUDY_PARTICIPANTS.c
    return select(STUDY_TRIALS, people.lang).join(STUDY_PARTICIPANTS, people.user_id == STUDY_TRIALS.c.user_id)


def trial_of(study: StoredStudy, row: Row[Any]) -> StudyTrial:
    """Return the record of a row of `select_trials`."""
    left = study.images[row.left_number]
    right = (None, None) if row.right_number is None else study.images[row.right_number]
    block = TrialBlock.of(row.block)
    return StudyTrial(
        trial_id=row.trial_id,
        study=row.study,
        user_id=row.user_id,
        place=row.place,
        block=block.kind,
        part=block.attribute,
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


def time_text(at: datetime) -> str:
    """Return a time as the store has it: UTC, ISO 8601, microseconds, so that text sorts as time does."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
