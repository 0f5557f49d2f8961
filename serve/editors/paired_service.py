"""The paired service of editor=both: images of a generator are one service's, people's own photos another's.

An id says whose an image is: `seed-NUMBER` is the generator's, `photo-...` was brought by somebody and is never inverted.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from beholder.editing.editor import Edit
from beholder.errors import ChoiceError
from beholder.recommending.components import ServiceConfig, is_photo, open_store, parts_of
from beholder.recommending.image_library import LibraryImage
from beholder.recommending.service import (
    AskedQuestion,
    EditScores,
    ErasureReport,
    Person,
    PersonTaste,
    Recommendation,
    RecordedAnswer,
    RepeatedQuestions,
    RetractedAnswer,
)
from beholder.recommending.steering import Steering
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Answer, Choice, Question
from beholder.serve.local_service import LocalService
from beholder.serve.metrics import Counts
from beholder.serve.protocols import DirectionList, ImageScores, Service
from beholder.workspace import Workspace

_SCORED = 512  # pixels of a side at which a photo is scored: more than any encoder sees


class PairedService:
    """Implements Service with two others, which keep their choices in one store and count those about their own images."""

    def __init__(self, portraits: Service, photos: Service, store: Store) -> None:
        """portraits: of seeds; photos: of what people bring. store: of both, where it is read which image a question is about."""
        self.portraits, self.photos, self.store = portraits, photos, store

    @classmethod
    def load(cls, config: ServiceConfig, *, threads: int = 2, queue: int = 64) -> "PairedService":
        """Build both in this process, each with so many threads and such a queue. Raises BeholderError as `LocalService.load`."""
        portraits, photos = (LocalService.load(part, threads=threads, queue=queue) for part in parts_of(config))
        return cls(portraits, photos, open_store(config.choices, Workspace(config.workspace)))

    async def directions(self) -> DirectionList:
        portraits, photos = await asyncio.gather(self.portraits.directions(), self.photos.directions())
        both = (("seed", portraits), ("photo", photos))
        directions = tuple(replace(each, source=source) for source, known in both for each in known.directions)
        return DirectionList(f"{portraits.generator} and {photos.generator}", directions)

    async def image(self, image_id: str) -> LibraryImage:
        return await self._of(image_id).image(image_id)

    async def add_photo(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        return await self.photos.add_photo(data, user_id, aligned=aligned)

    async def picture(self, image_id: str, edit: str, media_type: str, size: int | None = None) -> bytes:
        return await self._of(image_id).picture(image_id, edit, media_type, size)

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
        ask = self._of(image_id).question
        return await ask(user_id, image_id, strategy, attribute=attribute, steering=steering, repeats=repeats)

    async def answer(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        return await (await self._asked(question_id)).answer(event_id, question_id, choice, response_seconds)

    async def retract(self, question_id: str) -> RetractedAnswer:
        return await (await self._asked(question_id)).retract(question_id)

    async def recommend(
        self, user_id: str, image_id: str, count: int, *, attribute: str = "", steering: Steering | None = None
    ) -> Recommendation:
        service = self._of(image_id)
        if any(self._of(each) is not service for each in (steering.shared_with if steering else ())):
            raise ChoiceError("shared_with names images of the other editor: one look is for photos, photo-..., alone")
        return await service.recommend(user_id, image_id, count, attribute=attribute, steering=steering)

    async def scores(self, user_id: str, image_id: str, edits: Sequence[Edit], *, attribute: str = "") -> EditScores:
        return await self._of(image_id).scores(user_id, image_id, edits, attribute=attribute)

    async def person(self, user_id: str, *, attribute: str = "") -> Person:
        """Return what both know: choices are added up, and directions and words are those of either."""
        portraits, photos = [await each.person(user_id, attribute=attribute) for each in (self.portraits, self.photos)]
        rounds: Counter[str] = Counter()
        for taste in (*portraits.tastes, *photos.tastes):
            rounds[taste.attribute] += taste.rounds
        repeated = (portraits.repeated, photos.repeated)
        return replace(
            portraits,
            rounds=portraits.rounds + photos.rounds,
            words=tuple(dict.fromkeys([*portraits.words, *photos.words])),
            preferences=(*portraits.preferences, *photos.preferences),
            images=tuple(dict.fromkeys([*portraits.images, *photos.images])),
            repeated=RepeatedQuestions(sum(each.asked for each in repeated), sum(each.same for each in repeated)),
            tastes=tuple(PersonTaste(name, count) for name, count in rounds.items()),
        )

    async def export_taste(self, user_id: str, *, attribute: str = "") -> tuple[Choice, ...]:
        """Return the choices of both, in the order in which they were made."""
        both = [await each.export_taste(user_id, attribute=attribute) for each in (self.portraits, self.photos)]
        return tuple(sorted((choice for part in both for choice in part), key=lambda choice: choice.number))

    async def import_taste(
        self, user_id: str, choices: Sequence[tuple[Question, Answer]], *, attribute: str = ""
    ) -> tuple[int, int]:
        """Keep choices with whom their images belong to. Cut off between the two, it can be done again."""
        added, rounds = 0, 0
        for service in (self.portraits, self.photos):
            own = [each for each in choices if self._of(each[0].image_id) is service]
            new, now = await service.import_taste(user_id, own, attribute=attribute)
            added, rounds = added + new, rounds + now
        return added, rounds

    async def erase(self, user_id: str) -> ErasureReport:
        """Remove everything of a person: one finds it all in the store, the other what came between, and drops its memory."""
        first = await self.photos.erase(user_id)  # which has the photos, and drops those from its memory
        return first + await self.portraits.erase(user_id)

    async def predict(self, user_id: str, images: Sequence[str | bytes], *, attribute: str, question: str) -> ImageScores:
        """Score images with the tastes and the encoder of portraits, which takes words; photos as the files that they are."""
        given = list(images)
        if any(isinstance(each, bytes) or is_photo(each) for each in given):
            given = [await self.picture(each, "", "image/png", _SCORED) if isinstance(each, str) else each for each in given]
        return await self.portraits.predict(user_id, given, attribute=attribute, question=question)

    async def ready(self) -> dict[str, bool]:
        portraits, photos = await asyncio.gather(self.portraits.ready(), self.photos.ready())
        return {name: portraits[name] and photos.get(name, True) for name in portraits}

    def recovering(self) -> bool:
        return self.portraits.recovering() or self.photos.recovering()

    async def counts(self) -> list[Counts]:
        return [*await self.portraits.counts(), *await self.photos.counts()]

    async def close(self) -> None:
        await self.portraits.close()
        await self.photos.close()
        self.store.close()

    def _of(self, image_id: str) -> Service:
        return self.photos if is_photo(image_id) else self.portraits

    async def _asked(self, question_id: str) -> Service:
        """Return the service of the image that a question is about. Raises UnknownQuestion for one that was never asked."""
        return self._of((await asyncio.to_thread(self.store.question, question_id)).image_id)
