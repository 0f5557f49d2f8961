"""Advisor: what people are asked, what they chose, and what is recommended to them: everything that is not drawing.

A recommendation is made in two steps, so that whoever draws may be elsewhere: `shortlist`, then, drawn and encoded, `recommend`.
"""

import contextlib
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np

from beholder.config import setting
from beholder.editing.editor import Edit, Slider
from beholder.errors import ConfigError, EditError
from beholder.recommending import acquisition, explanations, ranking
from beholder.recommending.components import Components
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.explanations import DirectionPreference, reasons
from beholder.recommending.posteriors import PersonState, PosteriorCache, PosteriorCacheConfig, PriorStore
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.recommending.ranking import RecommendConfig
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Answer, Choice, Question
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.workspace import Workspace

T = TypeVar("T")
_REFERENCE = "seed-0"  # the face by whose candidates features are measured
_REMEMBERED = 100  # questions about a face, the latest, that are not asked again
_SEEN = 3  # faces, the latest that a person was asked about, on which likings are judged


@dataclass(frozen=True)
class RecommendationServiceConfig:
    """How people are asked, and how much is remembered."""

    strategy: str = setting("eubo", f"what chooses the next question: {', '.join(acquisition.STRATEGIES)}")
    recommended_after: int = setting(5, "answers after which a recommendation is worth looking at")
    most_open: int = setting(8, "questions about an image that a person may leave unanswered; then the oldest of them comes again")
    open_minutes: float = setting(60.0, "minutes after which a question that was left unanswered no longer counts as open")
    faces: int = setting(2000, "faces that stay in memory as looked at")
    options: int = setting(64, "faces that stay in memory under every candidate: 1,000 embeddings each")
    people: PosteriorCacheConfig = setting(PosteriorCacheConfig(), "how people are remembered")

    def __post_init__(self) -> None:
        if self.strategy not in acquisition.STRATEGIES:
            raise ConfigError(f"strategy={self.strategy} is none of {', '.join(acquisition.STRATEGIES)}")
        if min(self.recommended_after, self.most_open, self.faces, self.options) < 1 or self.open_minutes <= 0:
            raise ConfigError("advisor: recommended_after, most_open, faces and options must be at least 1, open_minutes above 0")


@dataclass(frozen=True)
class AskedQuestion:
    """A question, and how many choices the person has made so far."""

    question: Question
    rounds: int
    recommended_after: int


@dataclass(frozen=True)
class RecordedAnswer:
    """An answer that is kept. counted: it was new; learned: what the person is now thought to like, in words."""

    question_id: str
    choice: str
    counted: bool
    rounds: int
    learned: tuple[str, ...]


@dataclass(frozen=True)
class RetractedAnswer:
    """An answer taken back. undone: there was one."""

    question_id: str
    rounds: int
    undone: bool


@dataclass(frozen=True)
class ScoredEdit:
    """A recommended edit: utility above the image as it is, in logits, its standard deviation, and the probability that the
    person prefers it."""

    edit: Mapping[str, float]
    utility: float
    doubt: float
    probability: float


@dataclass(frozen=True)
class Recommendation:
    """Edits of an image for a person, best first; the edit {} leads where none is better. model: the version of the prior."""

    user_id: str
    image_id: str
    rounds: int
    model: str
    ranked: tuple[ScoredEdit, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Person:
    """What is known of somebody. images: ids of the photos that nobody else brought."""

    user_id: str
    rounds: int
    words: tuple[str, ...]
    likings: tuple[DirectionPreference, ...]
    images: tuple[str, ...]


@dataclass(frozen=True)
class ErasureReport:
    """What was removed: questions and answers of the store, images that only this person brought, and their part in tastes."""

    user_id: str
    questions: int
    answers: int
    images: int
    tastes: tuple[str, ...]

    def __str__(self) -> str:
        tastes = f"their part in {', '.join(self.tastes)}" if self.tastes else "no part in any taste"
        return f"{self.user_id}: {self.questions} questions, {self.answers} answers, {self.images} images, {tastes} removed"


class RecommendationService:
    """Safe to share between threads."""

    def __init__(
        self,
        sight: EditFeatures,
        store: Store,
        workspace: Workspace,
        look: Callable[[str], EditableImage],
        sliders: Mapping[str, Slider],
        *,
        there: Callable[[str], bool] = lambda image_id: True,
        parts: Components | None = None,
        opinion: TastePrior | None = None,
        shelf: PriorStore | None = None,
        config: RecommendationServiceConfig | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """look: image_id -> the face, drawn and encoded wherever that is done; EditError where it is unknown or gone.
        sliders: the editor's directions. shelf: where the prior is shared. there: whether a face still is; what was removed
        is not remembered."""
        self.sight, self.store, self.workspace, self._look, self._now = sight, store, workspace, look, now
        self._there = there
        self.config, parts = config or RecommendationServiceConfig(), parts or Components()
        self._recommend: RecommendConfig = parts.recommend
        self.says = {name: each.labels for name, each in sliders.items()}
        self._lock = threading.Lock()
        self._looks: OrderedDict[str, EditableImage] = OrderedDict()
        self._options: OrderedDict[str, EditSet] = OrderedDict()
        self.people = PosteriorCache(
            store,
            self._understand,
            begin=lambda: self.options(_REFERENCE),
            ranker=parts.ranker,
            opinion=opinion,
            shelf=shelf,
            config=self.config.people,
        )

    def warm(self) -> None:
        """Learn the prior now, and not with the first request."""
        self.people.prior()

    def question(self, user_id: str, image_id: str, strategy: str | None = None) -> AskedQuestion:
        """What to ask a person about a face now, kept in the store.

        A pair that is open or answered is not given again, so that the next one can be fetched before this one is answered;
        where `most_open` are open, the oldest of them is. Raises EditError for an unknown face, ChoiceError for a strategy.
        """
        strategy = strategy or self.config.strategy
        options = self.options(image_id)
        known = self.people.know(user_id)
        since = self._now() - timedelta(minutes=self.config.open_minutes)
        opened = [each for each in self.store.open_questions(user_id) if each.image_id == image_id and each.asked_at > since]
        if len(opened) >= self.config.most_open:
            return AskedQuestion(opened[0], known.rounds, self.config.recommended_after)
        answered = [choice.question for choice in known.choices if choice.question.image_id == image_id]
        seed = uuid.uuid4().int % 2**31
        pair = acquisition.ask(
            strategy, known.ranker, user_id, options, options.base, seed=seed, without=self._pairs([*opened, *answered])
        )
        left, right = (self.sight.candidates.edit(row) for row in (pair.left, pair.right))
        question = Question(
            question_id=uuid.uuid4().hex,
            user_id=user_id,
            image_id=image_id,
            left=left,
            right=right,
            strategy=pair.strategy,
            asked_at=self._now(),
            probability=pair.probability,
            model=known.model,
        )
        self.store.ask(question)
        return AskedQuestion(question, known.rounds, self.config.recommended_after)

    def choose(self, event_id: str, question_id: str, choice: str, response_seconds: float | None = None) -> RecordedAnswer:
        """Keep an answer: when this returns it is on disk. Raises ChoiceError for an unknown question, Contradiction as the store
        does."""
        counted = self.store.answer(Answer(event_id, question_id, choice, self._now(), response_seconds))
        known = self.people.know(self.store.question(question_id).user_id)
        return RecordedAnswer(question_id, choice, counted, known.rounds, tuple(self._words(known)))

    def undo(self, question_id: str) -> RetractedAnswer:
        """Take an answer back. Raises ChoiceError for an unknown question."""
        undone = self.store.undo(question_id)
        user_id = self.store.question(question_id).user_id
        return RetractedAnswer(question_id, len(self.store.choices(user_id)), undone)

    def shortlist(self, user_id: str, image_id: str) -> list[dict[str, float]]:
        """The edits that are worth drawing for a person, as perceived, best first. Raises EditError for an unknown face."""
        options, known = self.options(image_id), self.people.know(user_id)
        rows = ranking.best(known.ranker, user_id, options, self._recommend)
        return [self.sight.candidates.edit(int(row)) for row in rows]

    def recommend(
        self, user_id: str, image_id: str, edits: Sequence[Edit], embeddings: np.ndarray, *, count: int | None = None
    ) -> Recommendation:
        """Edits of a face that were drawn and encoded, float32 [C, E], ranked by what they look like; the best `count` of them."""
        known = self.people.know(user_id)
        scores = ranking.ranked(known.ranker, user_id, self.sight.drawn(self.look(image_id), edits, embeddings))
        found = [ScoredEdit(edits[each.row], each.utility, each.doubt, each.probability) for each in scores]
        if not found or found[0].utility <= 0:
            found.insert(0, ScoredEdit({}, 0.0, 0.0, 0.5))
        said = tuple(str(each) for each in reasons(found[0].edit, known.choices, self.says))
        return Recommendation(user_id, image_id, known.rounds, known.model, tuple(found[:count]), said)

    def person(self, user_id: str) -> Person:
        """What is known of a person; of somebody unknown, what everybody's choices say."""
        known = self.people.know(user_id)
        found = self._likings(known)
        images = [PurePosixPath(uri).name.removesuffix(".safetensors") for uri in self.store.uploads(user_id)]
        return Person(user_id, known.rounds, tuple(explanations.words(found, self.says)), tuple(found), tuple(images))

    def forget(self, user_id: str) -> ErasureReport:
        """Remove everything of a person."""
        receipt = forget(self.store, self.workspace, user_id)
        self.people.forget(user_id)
        return receipt

    def drop(self, user_id: str) -> None:
        """Remember nothing of a person who was removed elsewhere."""
        self.people.forget(user_id)

    def look(self, image_id: str) -> EditableImage:
        """A face, looked at once. Raises EditError for an unknown one."""
        if not self._there(image_id):
            with self._lock:
                self._looks.pop(image_id, None)
                self._options.pop(image_id, None)
        return _kept(self._looks, image_id, lambda: self._look(image_id), self.config.faces, self._lock)

    def options(self, image_id: str) -> EditSet:
        """A face under every candidate, perceived once. Raises EditError for an unknown one."""
        look = self.look(image_id)
        return _kept(self._options, image_id, lambda: self.sight.options(look), self.config.options, self._lock)

    def _understand(self, choices: Sequence[Choice]) -> list[Comparison]:
        return self.sight.events(choices, self.look)[0]

    def _pairs(self, asked: Sequence[Question]) -> list[tuple[int, int]]:
        """The rows of questions, of those whose sides are both among the candidates."""
        rows = [tuple(self._row(edit) for edit in (each.left, each.right)) for each in asked[-_REMEMBERED:]]
        return [(left, right) for left, right in rows if left is not None and right is not None]

    def _row(self, edit: Edit) -> int | None:
        try:
            return self.sight.candidates.row_of(edit)
        except EditError:  # along a direction that is no more
            return None

    def _likings(self, known: PersonState) -> list[DirectionPreference]:
        latest = list(dict.fromkeys(choice.question.image_id for choice in reversed(known.choices)))
        seen = []
        for image_id in latest[:_SEEN]:
            with contextlib.suppress(EditError):  # a photo that was removed
                seen.append(self.options(image_id))
        return explanations.direction_preferences(known.ranker, known.user_id, seen or [self.options(_REFERENCE)])

    def _words(self, known: PersonState) -> list[str]:
        return explanations.words(self._likings(known), self.says) if known.rounds else []


def _kept(memory: "OrderedDict[str, T]", key: str, make: Callable[[], T], most: int, lock: threading.Lock) -> T:
    """What is in memory, or made and put there in the place of what was used longest ago."""
    with lock:
        if key in memory:
            memory.move_to_end(key)
            return memory[key]
    made = make()
    with lock:
        memory[key] = made
        while len(memory) > most:
            memory.popitem(last=False)
    return made


def forget(store: Store, workspace: Workspace, user_id: str) -> ErasureReport:
    """Remove a person's images, their part in tastes, then their choices. Cut off in the middle, it can be done again.

    What many people share, a population's taste, was learned from this person too; only a new fit is wholly without.
    """
    uris = store.uploads(user_id)
    for uri in uris:
        Place.at(uri).delete()
    tastes = taste_registry.forget(workspace.models, user_id)
    gone = store.forget(user_id)
    return ErasureReport(user_id, gone.questions, gone.answers, len(uris), tuple(tastes))
