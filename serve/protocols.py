"""Graph: what the service can be asked, however it is spread over processes.

Who signs it raises BeholderError for what is wrong with a request, Busy where too many wait, Late where it took too long.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from beholder.recommending.image_library import LibraryImage
from beholder.recommending.image_scoring import ImageScore
from beholder.recommending.service import AskedQuestion, ErasureReport, Person, Recommendation, RecordedAnswer, RetractedAnswer
from beholder.serve.metrics import Counts


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
    """A direction. low, high: the alphas at its ends. minus, plus: what they do, in words."""

    name: str
    low: float
    high: float
    minus: str
    plus: str

    @property
    def range(self) -> tuple[float, float]:
        """As sliders call it."""
        return self.low, self.high

    @property
    def labels(self) -> tuple[str, str]:
        """As sliders call it."""
        return self.minus, self.plus


@dataclass(frozen=True)
class DirectionList:
    """What a generator's pictures can be moved along."""

    generator: str
    directions: tuple[DirectionInfo, ...]

    @property
    def sliders(self) -> Mapping[str, DirectionInfo]:
        """By name."""
        return {way.name: way for way in self.directions}


@dataclass(frozen=True)
class ImageScores:
    """On images, in the order given. taste: what gave them."""

    verdicts: tuple[ImageScore, ...]
    taste: str


class Service(Protocol):
    async def directions(self) -> DirectionList:
        """What an edit may name."""

    async def face(self, image_id: str) -> LibraryImage:
        """A face by its id. Raises EditError for one that is not there."""

    async def bring(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        """Take a photo in. Raises ImageError and EditError for what can't be used."""

    async def picture(self, image_id: str, edit: str, kind: str) -> bytes:
        """A face under an edit as people write it, as a file of image/webp, image/png or image/jpeg. Raises EditError."""

    async def question(self, user_id: str, image_id: str, strategy: str | None) -> AskedQuestion:
        """What to ask a person about a face now."""

    async def choose(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        """Keep an answer; when this returns, it is on disk."""

    async def undo(self, question_id: str) -> RetractedAnswer:
        """Take an answer back."""

    async def recommend(self, user_id: str, image_id: str, count: int) -> Recommendation:
        """The best edits of a face for a person."""

    async def person(self, user_id: str) -> Person:
        """What is known of somebody's taste."""

    async def forget(self, user_id: str) -> ErasureReport:
        """Remove everything of a person."""

    async def predict(self, user_id: str, images: Sequence[str | bytes], *, attribute: str, question: str) -> ImageScores:
        """How images, ids of faces or files, stand with a person. One of attribute and question is empty."""

    async def ready(self) -> dict[str, bool]:
        """Each part, and whether it answers."""

    def mending(self) -> bool:
        """Whether a part was lost a moment ago, so that what takes long may only be waiting for it."""

    async def counts(self) -> list[Counts]:
        """What its parts have counted, wherever they are."""

    async def close(self) -> None:
        """Let go of what it holds."""
