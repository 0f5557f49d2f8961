"""Ownership: a service that asks, before each request, whether its caller speaks for the person it is about.

One place for every route: whatever a route asks of the service, it asks this one. Somebody else's question or photo is answered
as one that is not there; for somebody else's name the answer is 403.
"""

import asyncio
import contextlib
import math
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from beholder.cache import BoundedCache
from beholder.config import setting
from beholder.editing.editor import Edit
from beholder.errors import ConfigError, UnknownImage, UnknownQuestion
from beholder.recommending.image_library import LibraryImage
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
from beholder.recommending.store.person_owners import Caller, PersonOwners
from beholder.recommending.store.question import Answer, Choice, Question, taste_of
from beholder.serve.metrics import Counts
from beholder.serve.problem_details import ProblemError
from beholder.serve.protocols import DirectionList, ImageScores, Service
from beholder.serve.security.image_guard import ImageGuard

T = TypeVar("T")
CALLER: ContextVar[Caller | None] = ContextVar("caller", default=None)  # of the request; None where nobody is asked for a key
_PHOTO = re.compile(r"photo-[0-9a-f]{24}")
_FRESH_S = 5.0  # seconds that it is remembered that a caller may see a photo
_SWEEP_S = 3600.0  # seconds between two looks for questions that nobody answered
_SOON_S = 1  # seconds after which somebody whose photos are worked on may try again
_AGAIN_S = 3600  # seconds after which somebody whose quota is used up may try again


@dataclass(frozen=True)
class QuotaConfig:
    """How much one person or one key may have kept; beyond it: 429."""

    open_questions: int = setting(200, "questions, about all images, that a person may leave unanswered")
    photos: int = setting(100, "photos of one person")
    people: int = setting(100_000, "people that one key may name")
    photos_at_once: int = setting(2, "photos of one key or person that are worked on or wait, per replica of the API; beyond: 429")
    unanswered_days: float = setting(30.0, "days after which questions that nobody answered are removed")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0:
                raise ConfigError(f"quotas.{name} must be above 0, got {value}")


class OwnedService:
    """Implements Service around another one, for the caller of each request."""

    def __init__(
        self,
        service: Service,
        owners: PersonOwners,
        quotas: QuotaConfig | None = None,
        *,
        keys: bool = False,
        guard: ImageGuard | None = None,
    ) -> None:
        """keys: whether everybody needs one, so that a route that asks for none gets nothing; guard: that images have to pass."""
        self.service, self.owners, self.quotas, self.guard = service, owners, quotas or QuotaConfig(), guard
        self._keys = keys
        self._swept = -math.inf
        self._seen: BoundedCache[tuple[Caller, str], bool] = BoundedCache(10_000, ttl_seconds=_FRESH_S)
        self._photos: Counter[str] = Counter()

    async def directions(self) -> DirectionList:
        return await self.service.directions()

    async def image(self, image_id: str) -> LibraryImage:
        await self._check_image(image_id)
        return await self.service.image(image_id)

    async def add_photo(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        caller = self._caller()
        with self._photo(user_id if caller is None else caller.name):  # first, since it asks no database
            await self._check_person(user_id)
            if await _thread(self.owners.photos, user_id) >= self.quotas.photos:
                raise _full(f"{user_id} has {self.quotas.photos} photos, which is as many as one person may have")
            if self.guard is not None:
                await self.guard.check("photos", [data])
            await self._claim(user_id)
            return await self.service.add_photo(data, user_id, aligned=aligned)

    async def picture(self, image_id: str, edit: str, media_type: str, size: int | None = None) -> bytes:
        await self._check_image(image_id)
        return await self.service.picture(image_id, edit, media_type, size)

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
        await self._check_image(image_id)
        await self._claim(user_id)
        await self._sweep()
        if await _thread(self.owners.open_questions, user_id) >= self.quotas.open_questions:
            raise _full(f"{user_id} has left {self.quotas.open_questions} questions unanswered: answer some of them first")
        return await self.service.question(user_id, image_id, strategy, attribute=attribute, steering=steering, repeats=repeats)

    async def answer(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        await self._check_question(question_id)
        return await self.service.answer(event_id, question_id, choice, response_seconds)

    async def retract(self, question_id: str) -> RetractedAnswer:
        await self._check_question(question_id)
        return await self.service.retract(question_id)

    async def recommend(
        self, user_id: str, image_id: str, count: int, *, attribute: str = "", steering: Steering | None = None
    ) -> Recommendation:
        await self._check_person(user_id)
        for each in (image_id, *(steering.shared_with if steering else ())):
            await self._check_image(each)
        return await self.service.recommend(user_id, image_id, count, attribute=attribute, steering=steering)

    async def scores(self, user_id: str, image_id: str, edits: Sequence[Edit], *, attribute: str = "") -> EditScores:
        await self._check_person(user_id)
        await self._check_image(image_id)
        return await self.service.scores(user_id, image_id, edits, attribute=attribute)

    async def person(self, user_id: str, *, attribute: str = "") -> Person:
        user_id = await self._stored(user_id)
        await self._check_person(user_id)
        return await self.service.person(user_id, attribute=attribute)

    async def export_taste(self, user_id: str, *, attribute: str = "") -> tuple[Choice, ...]:
        user_id = await self._stored(user_id)
        await self._check_person(user_id)
        return await self.service.export_taste(user_id, attribute=attribute)

    async def import_taste(
        self, user_id: str, choices: Sequence[tuple[Question, Answer]], *, attribute: str = ""
    ) -> tuple[int, int]:
        for image_id in {question.image_id for question, _ in choices}:
            await self._check_image(image_id)
        await self._claim(user_id)
        return await self.service.import_taste(user_id, choices, attribute=attribute)

    async def erase(self, user_id: str) -> ErasureReport:
        user_id = await self._stored(user_id)
        await self._check_person(user_id)
        caller = self._caller()
        if caller is not None and caller.everybody and not caller.admin:
            raise _refused("a key that speaks for everybody may forget nobody, but with the scope admin")
        return await self.service.erase(user_id)

    async def predict(self, user_id: str, images: Sequence[str | bytes], *, attribute: str, question: str) -> ImageScores:
        await self._check_person(user_id)
        for image in images:
            if isinstance(image, str):
                await self._check_image(image)
        files = [image for image in images if isinstance(image, bytes)]
        if files and self.guard is not None:
            await self.guard.check("predictions", files)
        return await self.service.predict(user_id, images, attribute=attribute, question=question)

    async def ready(self) -> dict[str, bool]:
        return await self.service.ready()

    def recovering(self) -> bool:
        return self.service.recovering()

    async def counts(self) -> list[Counts]:
        return await self.service.counts()

    async def close(self) -> None:
        if self.guard is not None:
            self.guard.close()
        await self.service.close()

    async def _sweep(self) -> None:
        """Remove, now and then, what nobody answered."""
        if time.monotonic() - self._swept > _SWEEP_S:
            self._swept = time.monotonic()
            await _thread(self.owners.store.sweep, datetime.now(UTC) - timedelta(days=self.quotas.unanswered_days))

    def _caller(self) -> Caller | None:
        """Return who sends the request; None where nobody is asked for a key."""
        caller = CALLER.get()
        if caller is None and self._keys:
            raise ProblemError(401, "a key is needed: Authorization: Bearer KEY", {"WWW-Authenticate": 'Bearer realm="beholder"'})
        return caller

    async def _stored(self, user_id: str) -> str:
        """Return a name in form NFC as it is stored: in form NFD, where somebody was stored so before names were brought to NFC."""
        apart = unicodedata.normalize("NFD", user_id)
        if apart == user_id or await _thread(self.owners.known, user_id) or not await _thread(self.owners.known, apart):
            return user_id
        return apart

    async def _check_person(self, user_id: str) -> None:
        """Raise ProblemError (403) where the caller does not speak for a person."""
        caller = self._caller()
        if caller is not None and not await _speaks(caller, user_id, self.owners.speaks_for):
            raise _refused("this key or token does not speak for that person")

    async def _claim(self, user_id: str) -> None:
        """The same for what is kept of a person, who is the caller's from then on."""
        caller = self._caller()
        if caller is None:
            return
        if not await _thread(self.owners.known, user_id) and (
            await _thread(self.owners.people, caller.owner) >= self.quotas.people
        ):
            raise _full(f"this key has named {self.quotas.people} people, which is as many as one key may name")
        if not await _thread(self.owners.claim, caller, user_id):
            raise _refused("this key or token does not speak for that person")

    async def _check_question(self, question_id: str) -> None:
        """Raise UnknownQuestion where a question was asked of somebody for whom the caller does not speak."""
        caller = self._caller()
        if caller is None or caller.everybody:
            return
        person = await _thread(self.owners.person_of_question, question_id)
        person = None if person is None else taste_of(person)[0]
        if person is None or not await _speaks(caller, person, self.owners.speaks_for):
            raise UnknownQuestion(f"no question {question_id!r} was asked")

    async def _check_image(self, image_id: str) -> None:
        """Raise UnknownImage where nobody for whom the caller speaks uploaded an image. Images of seeds are everybody's."""
        caller = self._caller()
        if caller is None or caller.everybody or not _PHOTO.fullmatch(image_id) or self._seen.get((caller, image_id)):
            return
        for person in await _thread(self.owners.people_of_image, image_id):
            if await _speaks(caller, person, self.owners.speaks_for):
                self._seen.put((caller, image_id), True)
                return
        raise UnknownImage(f"{image_id} is not among the photos uploaded")

    @contextlib.contextmanager
    def _photo(self, who: str) -> Iterator[None]:
        """Hold one of the places for photos that everybody has for themselves. Raises ProblemError (429) without another one."""
        if self._photos[who] >= self.quotas.photos_at_once:
            most = self.quotas.photos_at_once
            raise _full(f"{most} photos of one key or person are worked on at a time: wait for one of them", seconds=_SOON_S)
        self._photos[who] += 1
        try:
            yield
        finally:
            self._photos[who] -= 1
            if not self._photos[who]:
                del self._photos[who]


async def _speaks(caller: Caller, user_id: str, look: Callable[[Caller, str], bool]) -> bool:
    may = caller.may_name(user_id)
    return may if may is not None else await _thread(look, caller, user_id)


def _thread(work: Callable[..., T], *args: object) -> Awaitable[T]:
    return asyncio.to_thread(work, *args)


def _refused(detail: str) -> ProblemError:
    return ProblemError(403, detail, {"WWW-Authenticate": 'Bearer realm="beholder", error="insufficient_scope"'})


def _full(detail: str, *, seconds: int = _AGAIN_S) -> ProblemError:
    return ProblemError(429, detail, {"Retry-After": str(seconds)})
