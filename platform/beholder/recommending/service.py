"""The recommendation service: what people are asked, what they chose, and what is recommended to them; everything but drawing.

A recommendation is made in two steps, so that another process may draw: `shortlist`, and when its edits are drawn and encoded,
`recommend`.
"""

import contextlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import numpy as np
import pyarrow.compute as pc

from beholder import runs
from beholder.cache import BoundedCache
from beholder.config import setting
from beholder.editing.editor import Edit, Slider
from beholder.errors import ConfigError, EditError, StorageError
from beholder.recommending import acquisition, explanations, ranking
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.explanations import DirectionPreference, reasons
from beholder.recommending.posteriors import PersonState, PosteriorCache, PosteriorCacheConfig, PriorStore
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.recommending.ranking import RankingConfig, ScoredEdit
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Answer, Choice, Question
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.workspace import Workspace

_REFERENCE = "seed-0"  # the image by whose candidates regressors are scaled
_NOT_AGAIN = 100  # the latest questions about an image, which are not asked again
_RECENT = 3  # the latest images that a person was asked about, by which preferences are judged


@dataclass(frozen=True)
class RecommendationServiceConfig:
    """How people are asked, and how much is kept in memory."""

    strategy: str = setting("eubo", f"acquisition function of the next question: {', '.join(acquisition.STRATEGIES)}")
    recommended_after: int = setting(5, "answers after which a recommendation is worth looking at")
    most_open: int = setting(8, "questions about an image that a person may leave unanswered; then the oldest of them comes again")
    open_minutes: float = setting(60.0, "minutes after which a question that was left unanswered no longer counts as open")
    images: int = setting(2000, "images whose latents and embeddings stay in memory")
    edit_sets: int = setting(64, "images whose candidates stay in memory: 1,000 embeddings each")
    posteriors: PosteriorCacheConfig = setting(PosteriorCacheConfig(), "how people's posteriors are kept")

    def __post_init__(self) -> None:
        if self.strategy not in acquisition.STRATEGIES:
            raise ConfigError(f"strategy={self.strategy} is none of {', '.join(acquisition.STRATEGIES)}")
        if min(self.recommended_after, self.most_open, self.images, self.edit_sets) < 1 or self.open_minutes <= 0:
            raise ConfigError(
                "service: recommended_after, most_open, images and edit_sets must be at least 1, open_minutes above 0"
            )


@dataclass(frozen=True)
class AskedQuestion:
    """A question, and how many choices the person has made so far."""

    question: Question
    rounds: int
    recommended_after: int


@dataclass(frozen=True)
class RecordedAnswer:
    """An answer that is kept. counted: it was new; learned: the person's preferences after it, in words."""

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


@dataclass(frozen=True, eq=False)
class Shortlist:
    """The edits of an image that are worth drawing for a person, best first, and all that ranking them again needs."""

    person: PersonState
    image: EditableImage
    edits: tuple[dict[str, float], ...]


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
    """What is known of a person. images: ids of the photos that nobody else uploaded."""

    user_id: str
    rounds: int
    words: tuple[str, ...]
    preferences: tuple[DirectionPreference, ...]
    images: tuple[str, ...]


@dataclass(frozen=True)
class ErasureReport:
    """What was removed of a person: questions and answers of the store, images that only they uploaded, their part in tastes.

    places: what was where, a line each; image_ids: of the images.
    """

    user_id: str
    questions: int
    answers: int
    images: int
    tastes: tuple[str, ...]
    places: tuple[str, ...] = ()
    image_ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        tastes = f"their part in {', '.join(self.tastes)}" if self.tastes else "no part in any taste"
        return f"{self.user_id}: {self.questions} questions, {self.answers} answers, {self.images} images, {tastes} removed"


class RecommendationService:
    """Safe to share between threads."""

    def __init__(
        self,
        features: EditFeatures,
        store: Store,
        workspace: Workspace,
        encode_image: Callable[[str], EditableImage],
        sliders: Mapping[str, Slider],
        *,
        exists: Callable[[str], bool] = lambda image_id: True,
        ranker: RankerConfig | None = None,
        ranking_config: RankingConfig | None = None,
        taste_prior: TastePrior | None = None,
        priors: PriorStore | None = None,
        config: RecommendationServiceConfig | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """encode_image: image_id -> the image, drawn and encoded wherever that is done; EditError where it is unknown or gone.

        sliders: the editor's directions. exists: whether an image is still there; what was removed is not remembered. priors: where
        the prior is shared with other replicas.
        """
        self.features, self.store, self.workspace, self._encode_image, self._now = features, store, workspace, encode_image, now
        self._exists = exists
        self.config, self.ranking = config or RecommendationServiceConfig(), ranking_config or RankingConfig()
        self.labels = {name: each.labels for name, each in sliders.items()}
        self._images: BoundedCache[str, EditableImage] = BoundedCache(self.config.images)
        self._edit_sets: BoundedCache[str, EditSet] = BoundedCache(self.config.edit_sets)
        self.posteriors = PosteriorCache(
            store,
            self._comparisons,
            reference=lambda: self.edit_set(_REFERENCE),
            ranker=ranker,
            taste_prior=taste_prior,
            priors=priors,
            config=self.config.posteriors,
        )

    def warm(self) -> None:
        """Learn the prior now, and not with the first request; finish what an erasure that was cut off has left."""
        finish_removals(self.store)
        self.posteriors.prior()

    def question(self, user_id: str, image_id: str, strategy: str | None = None, *, seed: int | None = None) -> AskedQuestion:
        """Return what to ask a person about an image now, kept in the store.

        A pair that is open or answered is not given again, so that the next one can be fetched before this one is answered;
        where `most_open` are open, the oldest of them is. seed: of what is chance; None: another one each time.
        Raises EditError for an unknown image, ChoiceError for an unknown strategy, PersonErased for somebody erased meanwhile.
        """
        strategy = strategy or self.config.strategy
        erasures = self.store.erasures(user_id)
        edit_set = self.edit_set(image_id)
        person = self.posteriors.get(user_id)
        since = self._now() - timedelta(minutes=self.config.open_minutes)
        opened = [each for each in self.store.open_questions(user_id) if each.image_id == image_id and each.asked_at > since]
        if len(opened) >= self.config.most_open:
            return AskedQuestion(opened[0], person.rounds, self.config.recommended_after)
        answered = [choice.question for choice in person.choices if choice.question.image_id == image_id]
        pair = acquisition.ask(
            strategy,
            person.ranker,
            user_id,
            edit_set,
            edit_set.unedited,
            seed=uuid.uuid4().int % 2**31 if seed is None else seed,
            without=self._pairs([*opened, *answered]),
        )
        left, right = (self.features.candidates.edit(row) for row in (pair.left, pair.right))
        question = Question(
            question_id=uuid.uuid4().hex,
            user_id=user_id,
            image_id=image_id,
            left=left,
            right=right,
            strategy=pair.strategy,
            asked_at=self._now(),
            probability=pair.probability,
            model=person.model,
        )
        self.store.ask(question, erasures=erasures)
        return AskedQuestion(question, person.rounds, self.config.recommended_after)

    def answer(self, event_id: str, question_id: str, choice: str, response_seconds: float | None = None) -> RecordedAnswer:
        """Keep an answer: when this returns it is on disk.

        Raises ChoiceError for an unknown question, ConflictingAnswer as the store does.
        """
        counted = self.store.answer(Answer(event_id, question_id, choice, self._now(), response_seconds))
        person = self.posteriors.get(self.store.question(question_id).user_id)
        return RecordedAnswer(question_id, choice, counted, person.rounds, tuple(self._words(person)))

    def retract(self, question_id: str) -> RetractedAnswer:
        """Take an answer back. Raises ChoiceError for an unknown question."""
        undone = self.store.retract(question_id)
        user_id = self.store.question(question_id).user_id
        return RetractedAnswer(question_id, len(self.store.choices(user_id)), undone)

    def shortlist(self, user_id: str, image_id: str) -> Shortlist:
        """Return the edits that are worth drawing for a person, by predicted embeddings. Raises EditError for an unknown image."""
        image = self.image(image_id)
        edit_set, person = self._edit_set(image), self.posteriors.get(user_id)
        rows = ranking.shortlist(person.ranker, user_id, edit_set, self.ranking)
        return Shortlist(person, image, tuple(self.features.candidates.edit(int(row)) for row in rows))

    def recommend(self, shortlist: Shortlist, embeddings: np.ndarray, *, count: int | None = None) -> Recommendation:
        """Rank a shortlist by the embeddings of its edits, drawn and encoded, float32 [C, E]; the best `count` of them."""
        person, image = shortlist.person, shortlist.image
        drawn = self.features.drawn(image, shortlist.edits, embeddings)
        ranked = ranking.rank(person.ranker, person.user_id, drawn, shortlist.edits)
        words = tuple(str(each) for each in reasons(ranked[0].edit, person.choices, self.labels))
        return Recommendation(person.user_id, image.image_id, person.rounds, person.model, tuple(ranked[:count]), words)

    def person(self, user_id: str) -> Person:
        """Return what is known of a person; of somebody unknown, what everybody's choices say."""
        state = self.posteriors.get(user_id)
        preferences = self._preferences(state)
        images = [PurePosixPath(uri).name.removesuffix(".safetensors") for uri in self.store.uploads(user_id)]
        words = tuple(explanations.words(preferences, self.labels))
        return Person(user_id, state.rounds, words, tuple(preferences), tuple(images))

    def erase(self, user_id: str) -> ErasureReport:
        """Remove everything of a person."""
        report = erase(self.store, self.workspace, user_id)
        self.posteriors.drop(user_id)
        return report

    def drop(self, user_id: str) -> None:
        """Remember nothing of a person who was removed elsewhere."""
        self.posteriors.drop(user_id)

    def image(self, image_id: str) -> EditableImage:
        """Return an image with its latent and embedding, encoded once. Raises EditError for an unknown one."""
        if not self._exists(image_id):
            self._images.pop(image_id)
            self._edit_sets.pop(image_id)
        return self._images.get_or_make(image_id, lambda: self._encode_image(image_id))

    def edit_set(self, image_id: str) -> EditSet:
        """Return an image under every candidate, predicted once. Raises EditError for an unknown one."""
        return self._edit_set(self.image(image_id))

    def _edit_set(self, image: EditableImage) -> EditSet:
        return self._edit_sets.get_or_make(image.image_id, lambda: self.features.edit_set(image))

    def _comparisons(self, choices: Sequence[Choice]) -> list[Comparison]:
        return self.features.comparisons(choices, self.image)[0]

    def _pairs(self, asked: Sequence[Question]) -> list[tuple[int, int]]:
        """Return the rows of the questions whose sides are both among the candidates."""
        rows = [tuple(self._row(edit) for edit in (each.left, each.right)) for each in asked[-_NOT_AGAIN:]]
        return [(left, right) for left, right in rows if left is not None and right is not None]

    def _row(self, edit: Edit) -> int | None:
        try:
            return self.features.candidates.row_of(edit)
        except EditError:  # along a direction that is no more
            return None

    def _preferences(self, person: PersonState) -> list[DirectionPreference]:
        latest = list(dict.fromkeys(choice.question.image_id for choice in reversed(person.choices)))
        edit_sets = []
        for image_id in latest[:_RECENT]:
            with contextlib.suppress(EditError):  # a photo that was removed
                edit_sets.append(self.edit_set(image_id))
        edit_sets = edit_sets or [self.edit_set(_REFERENCE)]
        return explanations.direction_preferences(person.ranker, person.user_id, edit_sets)

    def _words(self, person: PersonState) -> list[str]:
        return explanations.words(self._preferences(person), self.labels) if person.rounds else []


def erase(store: Store, workspace: Workspace, user_id: str, *, judgements: bool = False) -> ErasureReport:
    """Remove a person: their choices in one transaction, then their images, their part in tastes, and their name in run folders.

    judgements: their rows of the workspace's tables, too, which were imported and not made here. Cut off in the middle, it can be
    done again; what many people share, a population's taste, was learned from this person too, and only a new fit is without.
    """
    removed = store.erase(user_id)
    finish_removals(store)
    tastes = taste_registry.forget(workspace.models, user_id)
    rows = forget_person(workspace, user_id) if judgements else {}
    files = runs.forget(workspace.place / "runs", user_id)
    places = [f"{removed.questions} questions and {removed.answers} answers: the store of choices"]
    places += [f"{PurePosixPath(uri).name}: {PurePosixPath(uri).parent}" for uri in removed.uris]
    places += [f"their part: models/{name}" for name in tastes]
    places += [f"{count} rows: {name}" for name, count in rows.items()]
    places += [f"their name: runs/{file}" for file in files]
    if not store.drop_traces():
        places.append("older copies of this in the database's log go when those who read it now are done")
    ids = tuple(PurePosixPath(uri).name.removesuffix(".safetensors") for uri in removed.uris)
    return ErasureReport(user_id, removed.questions, removed.answers, len(removed.uris), tuple(tastes), tuple(places), ids)


def finish_removals(store: Store) -> None:
    """Delete the files of people who were erased, where whoever did so was cut off as well. Raises StorageError where one stays."""
    uris = store.removals()
    for uri in uris:
        place = Place.at(uri)
        place.delete()
        if place.is_file():
            raise StorageError(f"{uri} can't be deleted; it is of somebody who was erased, and is tried again with the next one")
    store.removed(uris)


def forget_person(workspace: Workspace, user_id: str) -> dict[str, int]:
    """Remove a person's rows from every table of a workspace, and from the files of those; returns how many were in which."""
    counts = {}
    for name in workspace.tables_of_people():
        table = workspace.table(name)
        if table.mentions("user_id", user_id):
            rows = table.read()
            left = rows.filter(pc.not_equal(rows["user_id"], user_id))
            table.replace(left, always=True)
            counts[name] = rows.num_rows - left.num_rows
    return counts
