"""Protocols: what the service can be asked, however it is spread over processes, and what the API needs beside it.

An implementation raises BeholderError for what is wrong with a request, Overloaded where too many wait, DeadlineExceeded where
it took too long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from beholder.editing.directions.vocabulary import LOCKED, Vocabulary
from beholder.editing.editor import Edit
from beholder.recommending.image_library import ImageLibrary, LibraryImage
from beholder.recommending.image_scoring import ImageScore
from beholder.recommending.service import (
    AskedQuestion,
    EditScores,
    ErasureReport,
    Person,
    Recommendation,
    RecordedAnswer,
    RetractedAnswer,
)
from beholder.recommending.steering import Steering
from beholder.recommending.store.person_owners import Caller
from beholder.recommending.store.question import Answer, Choice, Question
from beholder.serve.metrics import Counts

if TYPE_CHECKING:
    from fastapi import Request


class Overloaded(Exception):
    """Too many requests wait already; this one was not begun. Its text names the part that is full.

    seconds: when there should be room; None: soon.
    """

    def __init__(self, what: str = "", *, seconds: int | None = None) -> None:
        super().__init__(what)
        self.seconds = seconds


class DeadlineExceeded(Exception):
    """An answer was not there in time."""


@dataclass(frozen=True)
class DirectionInfo:
    """A direction. range: its lowest and highest alpha; labels: what pictures at either end look like. As sliders call them.

    title, ends: its slider's and its ends' names for people; group: what it belongs to; locked: whether it stays as it is unless
    somebody asks for it. source: which images it moves, those of a seed or those of a photo; empty: all.
    """

    name: str
    range: tuple[float, float]
    labels: tuple[str, str]
    title: str = ""
    ends: tuple[str, str] = ("", "")
    group: str = "other"
    locked: bool = False
    source: str = ""


@dataclass(frozen=True)
class DirectionList:
    """The directions along which a generator's images can be moved."""

    generator: str
    directions: tuple[DirectionInfo, ...]

    @classmethod
    def of(cls, library: ImageLibrary) -> "DirectionList":
        """Return the directions of a library's editor."""
        sliders = library.editor.directions
        words = Vocabulary.of(sliders).words
        directions = tuple(
            DirectionInfo(
                name, each.range, each.labels, words[name].title, words[name].ends, words[name].group, words[name].group in LOCKED
            )
            for name, each in sliders.items()
        )
        return cls(library.latents.generator, directions)

    @property
    def sliders(self) -> Mapping[str, DirectionInfo]:
        """By name."""
        return {each.name: each for each in self.directions}


@dataclass(frozen=True)
class ImageScores:
    """Scores of images, in the order given. taste: what gave them."""

    scores: tuple[ImageScore, ...]
    taste: str


class Service(Protocol):
    """Every request of the API that is not the API's own."""

    async def directions(self) -> DirectionList:
        """Return the directions that an edit may name."""

    async def image(self, image_id: str) -> LibraryImage:
        """Return an image by its id. Raises UnknownImage for one that is not there."""

    async def add_photo(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        """Invert and keep a photo. Raises ImageError and EditError for what can't be used."""

    async def picture(self, image_id: str, edit: str, media_type: str, size: int | None = None) -> bytes:
        """Return an image under an edit as people write it, as a file of image/webp, image/png or image/jpeg. Raises EditError.

        size: the pixels of a side that are needed, None: all that there are; what is drawn may be larger.
        """

    async def question(
        self,
        user_id: str,
        image_id: str,
        strategy: str | None,
        *,
        attribute: str = "",
        steering: Steering | None = None,
        repeats: bool = True,
    ) -> AskedQuestion:
        """Return what to ask a person about an image now."""

    async def answer(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        """Keep an answer; when this returns, it is on disk."""

    async def retract(self, question_id: str) -> RetractedAnswer:
        """Take an answer back."""

    async def recommend(
        self, user_id: str, image_id: str, count: int, *, attribute: str = "", steering: Steering | None = None
    ) -> Recommendation:
        """Return the best edits of an image for a person."""

    async def scores(self, user_id: str, image_id: str, edits: Sequence[Edit], *, attribute: str = "") -> EditScores:
        """Return any edits of an image as a person is thought to value them. Raises EditError for an alpha beyond its range."""

    async def person(self, user_id: str, *, attribute: str = "") -> Person:
        """Return what is known of a person's taste."""

    async def export_taste(self, user_id: str, *, attribute: str = "") -> tuple[Choice, ...]:
        """Return everything that a person chose, in order."""

    async def import_taste(
        self, user_id: str, choices: Sequence[tuple[Question, Answer]], *, attribute: str = ""
    ) -> tuple[int, int]:
        """Keep choices that were exported; returns how many are new, and how many there are now."""

    async def erase(self, user_id: str) -> ErasureReport:
        """Remove everything of a person."""

    async def predict(self, user_id: str, images: Sequence[str | bytes], *, attribute: str, question: str) -> ImageScores:
        """Score images, ids or files, for a person. One of attribute and question is empty."""

    async def ready(self) -> dict[str, bool]:
        """Return each part, and whether it answers."""

    def recovering(self) -> bool:
        """Return whether a replica was lost a moment ago, so that what takes long may only be waiting for it."""

    async def counts(self) -> list[Counts]:
        """Return what its parts have counted, wherever they are."""

    async def close(self) -> None:
        """Close what it holds open."""


class Authorizer(Protocol):
    """Who sends a request, and whether they may. scope: ask, recommend or admin. Raises ProblemError (401, 403, 429)."""

    async def __call__(self, request: "Request", scope: str) -> Caller: ...


class RequestMetrics(Protocol):
    """What the API counts, in whatever process; `metrics.Metrics` implements it."""

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request. route: its template, such as /v1/images/{image_id}."""

    def counted(self, what: str, kind: str) -> None:
        """Count something that happened: ("choice", "left"), ("model", "bayes-1a2b3c4d"), ..."""

    async def exposition(self) -> tuple[bytes, str]:
        """Return everything, for Prometheus: the text and its media type."""
