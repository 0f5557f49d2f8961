"""The recommendation service: what people are asked, what they chose, and what is recommended to them; everything but drawing.

A recommendation is made in two steps, so that another process may draw: `shortlist`, and when its edits are drawn and encoded,
`recommend`.
"""

import contextlib
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import numpy as np
import pyarrow.compute as pc

from beholder import identifiers, runs
from beholder.cache import BoundedCache
from beholder.config import setting
from beholder.editing.directions.vocabulary import Vocabulary, check_range
from beholder.editing.editor import Edit, Slider
from beholder.errors import ChoiceError, ConfigError, EditError, StorageError
from beholder.recommending import acquisition, explanations, ranking
from beholder.recommending.acquisition import QuestionsConfig
from beholder.recommending.candidates import Candidates, OfferedDirectionsConfig, row_of_alphas
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.explanations import DirectionPreference, reasons
from beholder.recommending.posteriors import PersonState, PosteriorCache, PosteriorCacheConfig, PriorStore
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.recommending.ranking import UNEDITED, RankingConfig, ScoredEdit
from beholder.recommending.steering import Steering, spread, spread_edits, variations
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.person_owners import PersonOwners
from beholder.recommending.store.question import Answer, Choice, Question, edit_text, taste_key, taste_of
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.workspace import Workspace

_REFERENCE = "seed-0"  # the image by whose candidates regressors are scaled
_NOT_AGAIN = 100  # the latest questions about an image, which are not asked again
_RECENT = 3  # the latest images that a person was asked about, by which preferences are judged


@dataclass(frozen=True)
class RecommendationServiceConfig:
    """How people are asked, and how much is kept in memory."""

    strategy: str | None = setting(
        None, f"acquisition function of the next question: {', '.join(acquisition.STRATEGIES)}; null: by questions.purpose"
    )
    recommended_after: int = setting(5, "answers after which a recommendation is worth looking at")
    most_open: int = setting(8, "questions about an image that a person may leave unanswered; then the oldest of them comes again")
    open_minutes: float = setting(60.0, "minutes after which a question that was left unanswered no longer counts as open")
    images: int = setting(2000, "images whose latents and embeddings stay in memory")
    edit_sets: int = setting(64, "images whose candidates stay in memory: 1,000 embeddings each")
    posteriors: PosteriorCacheConfig = setting(PosteriorCacheConfig(), "how people's posteriors are kept")

    def __post_init__(self) -> None:
        if self.strategy is not None and self.strategy not in acquisition.STRATEGIES:
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
    words: tuple[str, str] = ("", "")  # of its left and its right edit


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
    """The edits of an image that are worth drawing for a person, best first, and all that ranking them again needs.

    No edits where nothing is known of the person.
    """

    person: PersonState
    image: EditableImage
    edits: tuple[dict[str, float], ...]
    steering: Steering = Steering()


@dataclass(frozen=True)
class Recommendation:
    """Edits of an image for a person, best first; the edit {} leads where none is better. model: the version of the prior.

    known: whether anything is known of what the person likes; where nothing is, no edit is named. words: of each edit; changes: of
    each, what differs from the edit that was varied, empty where none was.
    """

    user_id: str
    image_id: str
    rounds: int
    model: str
    ranked: tuple[ScoredEdit, ...]
    reasons: tuple[str, ...]
    known: bool = True
    words: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    attribute: str = ""


@dataclass(frozen=True)
class EditScores:
    """Any edits of an image as a person is thought to value them, in the order given, and each in words."""

    user_id: str
    image_id: str
    rounds: int
    model: str
    scored: tuple[ScoredEdit, ...]
    words: tuple[str, ...]
    attribute: str = ""


@dataclass(frozen=True)
class RepeatedQuestions:
    """How often a person was asked the same again, decided both times, and how often they chose the same edit."""

    asked: int
    same: int


@dataclass(frozen=True)
class PersonTaste:
    """One of a person's tastes: by which attribute they chose, and how many choices there are."""

    attribute: str
    rounds: int


@dataclass(frozen=True)
class Person:
    """What is known of a person. images: ids of the photos that nobody else uploaded. tastes: one for each attribute that they
    were asked about."""

    user_id: str
    rounds: int
    words: tuple[str, ...]
    preferences: tuple[DirectionPreference, ...]
    images: tuple[str, ...]
    attribute: str = ""
    repeated: RepeatedQuestions = RepeatedQuestions(0, 0)
    tastes: tuple[PersonTaste, ...] = ()


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
        counts = f"{self.questions} questions, {self.answers} answers, {self.images} images"
        return f"{identifiers.shown(self.user_id)}: {counts}, {tastes} removed"

    def __add__(self, other: "ErasureReport") -> "ErasureReport":
        """Return what two removals of one person removed, one after the other from the same workspace: what was in the store in one
        line, and nothing twice."""
        questions, answers = self.questions + other.questions, self.answers + other.answers
        stored = [_stored(each.questions, each.answers) for each in (self, other)]
        elsewhere = [place for place in (*self.places, *other.places) if place not in stored]
        return ErasureReport(
            self.user_id,
            questions,
            answers,
            self.images + other.images,
            tuple(dict.fromkeys([*self.tastes, *other.tastes])),
            tuple(dict.fromkeys([_stored(questions, answers), *elsewhere])),
            (*self.image_ids, *other.image_ids),
        )


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
        attribute: str = "",
        questions: QuestionsConfig | None = None,
        directions: OfferedDirectionsConfig | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """encode_image: image_id -> the image, drawn and encoded wherever that is done; EditError where it is unknown or gone.

        sliders: the editor's directions. exists: whether an image is still there; what was removed is not remembered. priors: where
        the prior is shared with other replicas. attribute: what people choose by where nothing else is said.
        """
        self.features, self.store, self.workspace, self._encode_image, self._now = features, store, workspace, encode_image, now
        self._exists = exists
        self.config, self.ranking = config or RecommendationServiceConfig(), ranking_config or RankingConfig()
        self.sliders, self.vocabulary, self.attribute = sliders, Vocabulary.of(sliders), attribute
        self.questions = questions or QuestionsConfig()
        self.offered = (directions or OfferedDirectionsConfig()).names(features.candidates.directions)
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

    def question(
        self,
        user_id: str,
        image_id: str,
        strategy: str | None = None,
        *,
        attribute: str = "",
        steering: Steering | None = None,
        repeats: bool = True,
        seed: int | None = None,
    ) -> AskedQuestion:
        """Return what to ask a person about an image now, kept in the store.

        attribute: by which they choose, the usual one where it is empty. steering: what the sides may change.
        repeats: whether an earlier question may come again, its sides swapped, to learn how noisy the person's choices are.

        A pair that is open or answered is not given again, so that the next one can be fetched before this one is answered;
        where `most_open` are open, the oldest of them is. seed: of what is chance; None: another one each time.
        Raises EditError for an unknown image, ChoiceError for an unknown strategy, PersonErased for somebody erased meanwhile.
        """
        strategy = strategy or self.config.strategy or acquisition.PURPOSES[self.questions.purpose]
        user_id = taste_key(user_id, attribute, self.attribute)
        edit_set, rows = self.edit_set(image_id), self._rows(steering or Steering())
        erasures = self.store.erasures(user_id)
        person = self.posteriors.get(user_id)
        since = self._now() - timedelta(minutes=self.config.open_minutes)
        opened = [each for each in self.store.open_questions(user_id) if each.image_id == image_id and each.asked_at > since]
        opened = [each for each in opened if self._among(each, rows)]
        if len(opened) >= self.config.most_open:
            return self._asked(opened[0], person)
        answered = [choice.question for choice in person.choices if choice.question.image_id == image_id]
        number = person.rounds + len(opened) + 1
        repeats = repeats and acquisition.is_repeat(number, self.questions)
        again = self._repeated(person, answered, opened, rows) if repeats else None
        if again is not None:
            return self._ask(again, person, erasures)
        pairs = self._pairs([*opened, *answered], rows)
        offered = edit_set[rows]
        pair = acquisition.ask(
            strategy,
            person.ranker,
            user_id,
            offered,
            edit_set.unedited,
            seed=uuid.uuid4().int % 2**31 if seed is None else seed,
            without=pairs,
            config=self.questions,
            lean=acquisition.lean(pairs, person.ranker.utilities(user_id, offered)) if pairs else 0,
            number=number,
        )
        left, right = (self.features.candidates.edit(int(rows[row])) for row in (pair.left, pair.right))
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
        return self._ask(question, person, erasures)

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

    def shortlist(self, user_id: str, image_id: str, *, attribute: str = "", steering: Steering | None = None) -> Shortlist:
        """Return the edits that are worth drawing for a person, by predicted embeddings.

        attribute: by which they would choose. Raises EditError for an unknown image and an unknown name in `steering`, ChoiceError
        where that leaves nothing to change.
        """
        steering = steering or Steering()
        if steering.shared_with:
            raise ChoiceError("shared_with is for photos under looks: images of a generator are edited one by one; leave it out")
        check_range(steering.like, self.sliders)
        image, candidates = self.image(image_id), self.features.candidates
        person, rows = self.posteriors.get(taste_key(user_id, attribute, self.attribute)), self._rows(steering)
        if steering.like:
            alphas = variations(steering.like, candidates, rows)
            edit_set = self.features.edit_set(image, alphas)
        else:
            edit_set = self._edit_set(image)[rows]
        if not steering.like and not ranking.is_known(person.ranker, person.user_id, edit_set, rounds=person.rounds):
            return Shortlist(person, image, (), steering)
        order = ranking.shortlist(person.ranker, person.user_id, edit_set, replace(self.ranking, exact=len(edit_set)))
        base = np.array([steering.like.get(name, 0.0) for name in candidates.directions], np.float32)
        best = spread(edit_set.alphas - base, order, self.ranking.exact, steering.diversity)
        edits = Candidates(candidates.directions, edit_set.alphas[best]).edits()
        return Shortlist(person, image, tuple(edits), steering)

    def recommend(self, shortlist: Shortlist, embeddings: np.ndarray | None, *, count: int | None = None) -> Recommendation:
        """Rank a shortlist by the embeddings of its edits, drawn and encoded, float32 [C, E]; the best `count` of them, which span
        as many directions as the steering wants.

        embeddings: None for a shortlist without edits, of which nothing is recommended.
        """
        person, image, steering = shortlist.person, shortlist.image, shortlist.steering
        if embeddings is None or not shortlist.edits:
            return replace(self._recommendation(shortlist, ()), known=False)
        drawn = self.features.drawn(image, shortlist.edits, embeddings)
        ranked = spread_edits(
            ranking.rank(person.ranker, person.user_id, drawn, shortlist.edits, by=self.ranking.by),
            count,
            steering,
        )
        return self._recommendation(shortlist, ranked)

    def scores(self, user_id: str, image_id: str, edits: Sequence[Edit], *, attribute: str = "") -> EditScores:
        """Return any edits of an image as a person is thought to value them, by predicted embeddings: nothing is drawn.

        Raises EditError for an unknown image or direction, and for an alpha outside its range.
        """
        for edit in edits:
            check_range(edit, self.sliders)
        image, person = self.image(image_id), self.posteriors.get(taste_key(user_id, attribute, self.attribute))
        directions = self.features.candidates.directions
        edit_set = self.features.edit_set(image, np.stack([row_of_alphas(edit, directions) for edit in edits]))
        scored = ranking.score(person.ranker, person.user_id, edit_set, [dict(edit) for edit in edits])
        scored = [each if any(each.edit.values()) else UNEDITED for each in scored]
        words = tuple(self.vocabulary.caption(edit) for edit in edits)
        return EditScores(
            user_id, image_id, person.rounds, person.model, tuple(scored), words, taste_of(person.user_id)[1] or self.attribute
        )

    def person(self, user_id: str, *, attribute: str = "") -> Person:
        """Return what is known of a person by an attribute; of somebody unknown, what everybody's choices say.

        Raises ChoiceError for what is no name.
        """
        self._check_name(user_id)
        state = self.posteriors.get(taste_key(user_id, attribute, self.attribute))
        preferences = self._preferences(state)
        images = [PurePosixPath(uri).stem for uri in self.store.uploads(user_id)]
        words = tuple(explanations.words(preferences, self.vocabulary, rounds=state.rounds))
        tastes = [PersonTaste(taste_of(key)[1] or self.attribute, len(self.store.choices(key))) for key in self.tastes(user_id)]
        return Person(
            user_id,
            state.rounds,
            words,
            tuple(preferences),
            tuple(images),
            attribute=attribute or self.attribute,
            repeated=RepeatedQuestions(*explanations.repeated(state.choices)),
            tastes=tuple(tastes),
        )

    def tastes(self, user_id: str) -> list[str]:
        """Return the keys of a person's tastes, the usual one first."""
        return [user_id, *self.store.tastes_of(user_id)]

    def export_taste(self, user_id: str, *, attribute: str = "") -> tuple[Choice, ...]:
        """Return everything that a person chose by an attribute, in order. Raises ChoiceError for what is no name."""
        self._check_name(user_id)
        return tuple(self.store.choices(taste_key(user_id, attribute, self.attribute)))

    def import_taste(self, user_id: str, choices: Sequence[tuple[Question, Answer]], *, attribute: str = "") -> tuple[int, int]:
        """Keep choices that were exported, as this person's; returns how many are new, and how many choices there are now.

        A choice keeps its id under this person, so that the same file twice counts once.
        """
        key = taste_key(user_id, attribute, self.attribute)
        renamed: list[tuple[Question, Answer | None]] = []
        for question, answer in choices:
            check_range(question.left, self.sliders)
            check_range(question.right, self.sliders)
            name = hashlib.sha256(f"{key} {question.question_id}".encode()).hexdigest()[:32]
            renamed.append((replace(question, question_id=name, user_id=key), replace(answer, question_id=name, event_id=name)))
        return self.store.add(renamed), len(self.store.choices(key))

    def erase(self, user_id: str) -> ErasureReport:
        """Remove everything of a person, by whichever attribute they chose."""
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

    def _check_name(self, user_id: str) -> None:
        """Raise ChoiceError for what is no name, unless somebody was stored under it before there was a rule for names."""
        reason = identifiers.fault(user_id)
        if reason is not None and not PersonOwners(self.store).known(user_id):
            raise ChoiceError(f"a person's name has visible characters and no spaces around them, got {reason}")

    def _recommendation(self, shortlist: Shortlist, ranked: Sequence[ScoredEdit]) -> Recommendation:
        """Return ranked edits with their words, and what speaks for the first."""
        person, like = shortlist.person, shortlist.steering.like
        user_id, attribute = taste_of(person.user_id)
        return Recommendation(
            user_id,
            shortlist.image.image_id,
            person.rounds,
            person.model,
            tuple(ranked),
            tuple(str(each) for each in reasons(ranked[0].edit, person.choices, self.vocabulary)) if ranked else (),
            words=tuple(self.vocabulary.caption(each.edit) for each in ranked),
            changes=tuple(self.vocabulary.caption(each.edit, base=like) if like else "" for each in ranked),
            attribute=attribute or self.attribute,
        )

    def _edit_set(self, image: EditableImage) -> EditSet:
        return self._edit_sets.get_or_make(image.image_id, lambda: self.features.edit_set(image))

    def _comparisons(self, choices: Sequence[Choice]) -> list[Comparison]:
        return self.features.comparisons(choices, self.image)[0]

    def _ask(self, question: Question, person: PersonState, erasures: int) -> AskedQuestion:
        self.store.ask(question, erasures=erasures)
        return self._asked(question, person)

    def _asked(self, question: Question, person: PersonState) -> AskedQuestion:
        left, right = (self.vocabulary.caption(edit) for edit in (question.left, question.right))
        return AskedQuestion(question, person.rounds, self.config.recommended_after, (left, right))

    def _rows(self, steering: Steering) -> np.ndarray:
        """Return the rows of the candidates that a steering leaves. Raises ChoiceError where it leaves none."""
        movable = steering.movable(self.vocabulary, self.offered)
        rows = self.features.candidates.rows_along(movable)
        if len(rows) < 2:
            raise ChoiceError(f"there is no edit that changes {', '.join(movable)} alone: allow more")
        return rows

    def _repeated(
        self, person: PersonState, answered: Sequence[Question], opened: Sequence[Question], rows: np.ndarray
    ) -> Question | None:
        """Return an answered question about an image again, its sides swapped; None where there is none to repeat."""
        known = [each for each in answered if self._among(each, rows)]
        edits = {edit_text(edit): edit for each in [*known, *opened] for edit in (each.left, each.right)}
        numbers = {text: number for number, text in enumerate(edits)}
        names = [(numbers[edit_text(each.left)], numbers[edit_text(each.right)]) for each in [*known, *opened]]
        free = [number for number in acquisition.repeatable(names) if number < len(known)]
        if not free:
            return None
        edit_set = self.edit_set(known[0].image_id)
        places = [[self._row(edit) or 0 for edit in (known[number].left, known[number].right)] for number in free]
        sides = [(edit_set[left], edit_set[right]) for left, right in places]
        chosen = known[free[acquisition.repeated(person.ranker, person.user_id, sides)]]
        return replace(
            chosen, question_id=uuid.uuid4().hex, left=chosen.right, right=chosen.left, strategy=acquisition.REPEAT,
            asked_at=self._now(), probability=1.0, model=person.model,
        )  # fmt: skip

    def _pairs(self, asked: Sequence[Question], rows: np.ndarray) -> list[tuple[int, int]]:
        """Return the places among some rows of the candidates of the questions whose sides are both there."""
        places = {int(row): place for place, row in enumerate(rows)}
        sides = [(self._row(each.left), self._row(each.right)) for each in asked[-_NOT_AGAIN:]]
        return [(places[left], places[right]) for left, right in sides if left in places and right in places]

    def _among(self, question: Question, rows: np.ndarray) -> bool:
        """Return whether both sides of a question are among some rows of the candidates."""
        return {self._row(question.left), self._row(question.right)} <= set(rows.tolist())

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
        preferences = explanations.direction_preferences(person.ranker, person.user_id, edit_sets)
        return [each for each in preferences if each.direction in self.offered]

    def _words(self, person: PersonState) -> list[str]:
        return explanations.words(self._preferences(person), self.vocabulary, rounds=person.rounds) if person.rounds else []


def erase(store: Store, workspace: Workspace, user_id: str, *, judgements: bool = False) -> ErasureReport:
    """Remove a person: their choices in one transaction, then their images, their part in tastes, and their name in run folders.

    judgements: their rows of the workspace's tables, too, which were imported and not made here. Cut off in the middle, it can be
    done again; what many people share, a population's taste, was learned from this person too, and only a new fit is without.
    """
    further = [store.erase(key) for key in store.tastes_of(user_id)]
    removed = store.erase(user_id)
    questions, answers = (sum(getattr(each, name) for each in [removed, *further]) for name in ("questions", "answers"))
    finish_removals(store)
    tastes = taste_registry.forget(workspace.models, user_id)
    rows = forget_person(workspace, user_id) if judgements else {}
    files = runs.forget(workspace.place / "runs", user_id)
    places = [_stored(questions, answers)]
    places += [f"{PurePosixPath(uri).name}: {PurePosixPath(uri).parent}" for uri in removed.uris]
    places += [f"their part: models/{name}" for name in tastes]
    places += [f"{count} rows: {name}" for name, count in rows.items()]
    places += [f"their name: runs/{file}" for file in files]
    if not store.drop_traces():
        places.append("older copies of this in the database's log go when those who read it now are done")
    ids = tuple(PurePosixPath(uri).stem for uri in removed.uris)
    return ErasureReport(user_id, questions, answers, len(removed.uris), tuple(tastes), tuple(places), ids)


def _stored(questions: int, answers: int) -> str:
    """Return what a report says of the store."""
    return f"{questions} questions and {answers} answers: the store of choices"


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
