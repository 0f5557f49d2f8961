"""A small study in a store of its own, and participants that answer it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from beholder.recommending.store.choice_store import Store
from beholder.studies.design import CHECK
from beholder.studies.study_config import RATINGS, StudyConfig, read_study
from beholder.studies.study_records import RecordedTrial, StudySession, StudyTrial, TrialAnswer
from beholder.studies.study_store import StudyStore

NOON = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
BOTH = """
name: faces
questions:
  - {attribute: attractive}
  - {attribute: smart}
ratings: {per_person: 6, repeats: 1, checks: 1, not_sure: true}
pairs: {per_person: 5, repeats: 1, checks: 1, third: tie}
gap: 3
"""


def study_config(text: str = BOTH, **changes: Any) -> StudyConfig:
    """The study of a YAML text, with further lines."""
    lines = "\n".join(f"{name}: {value}" for name, value in changes.items())
    return read_study(f"{text}\n{lines}", name="faces.yaml")


class StudyDouble:
    """A study of so many images, open, and a clock that goes on by a second with every answer."""

    def __init__(self, url: str | Path, config: StudyConfig | None = None, *, images: int = 10) -> None:
        self.config = config or study_config()
        self.name, self.now = self.config.name, NOON
        self.store = StudyStore(Store(url) if isinstance(url, str) else Store.at(url / "choices.db"))
        self.store.add(self.config, [(f"{n}.png", f"{n:024x}") for n in range(images)], at=NOON)
        self.store.set_state(self.name, "open")

    def join(self, who: str = "ana") -> str:
        return self.store.join(self.name, event_id=who, lang="en", now=self.now)

    def session(self, token: str) -> StudySession:
        return self.store.session(self.name, token, now=self.now)

    def answers(self, trial: StudyTrial, value: str | None = None) -> list[TrialAnswer]:
        if trial.role == CHECK:
            return [TrialAnswer("check", value or str(trial.expected), 700)]
        value = value or ("2" if trial.block == RATINGS else "left")
        return [TrialAnswer(question.attribute, value, 700) for question in self.config.asked(trial.part)]

    def answer(self, token: str, trial: StudyTrial, value: str | None = None, *, event_id: str | None = None) -> RecordedTrial:
        self.now += timedelta(seconds=1)
        return self.store.answer(
            self.name, token, event_id=event_id or f"e-{trial.trial_id}", trial_id=trial.trial_id,
            answers=self.answers(trial, value), answered_at=self.now, now=self.now,
        )  # fmt: skip

    def finish(self, token: str) -> StudySession:
        """Answer everything."""
        session = self.session(token)
        while session.step == "trials":
            session = self.answer(token, session.trials[0]).session
        return session

    def close(self) -> None:
        self.store.store.close()
