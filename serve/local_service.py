"""LocalGraph: the whole service in this process, on a few threads of its own: for tests, for trying out, for one small machine."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np

from beholder.encoder import Encoder
from beholder.images import ImageLimits
from beholder.recommending.edit_features import EditableImage
from beholder.recommending.image_library import ImageLibrary, LibraryImage
from beholder.recommending.image_scoring import ImageScorer
from beholder.recommending.service import (
    AskedQuestion,
    ErasureReport,
    Person,
    Recommendation,
    RecommendationService,
    RecordedAnswer,
    RetractedAnswer,
)
from beholder.serve import factory
from beholder.serve.factory import ServiceConfig
from beholder.serve.metrics import Counts, Meter
from beholder.serve.protocols import DirectionList, ImageScores, Overloaded

T = TypeVar("T")


class LocalService:
    """Signs Graph."""

    def __init__(
        self,
        darkroom: ImageLibrary,
        encoder: Encoder,
        advisor: RecommendationService,
        critic: ImageScorer,
        *,
        threads: int = 2,
        queue: int = 64,
    ):
        """threads: how many requests are worked on at a time; queue: how many more may wait."""
        self.meter = meter = Meter()
        self.darkroom, self.encoder = meter.watch("editor", darkroom), meter.watch("encoder", encoder)
        self.advisor, self.critic = meter.watch("ranker", advisor), meter.watch("encoder", critic)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="graph")
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="photos")  # seconds each; nobody else waits for them
        self._room, self._inside = threads + queue, 0

    @classmethod
    def load(cls, config: ServiceConfig, *, threads: int = 2, queue: int = 64) -> "LocalService":
        """Everything read and warm. Raises BeholderError where a part is missing."""
        room, encoder = factory.darkroom(config), Encoder.load(config.encoder)

        def look(image_id: str) -> EditableImage:
            pictures = room.draw([(image_id, [{}])])[0]
            return EditableImage(image_id, room.latent(image_id), encoder.images(pictures)[0])

        about = factory.about(config, room)
        advisor = factory.advisor(config, about, room.editor.directions, look)
        critic = factory.critic(config, encoder, lambda: np.concatenate(room.draw([(each, [{}]) for each in factory.TYPICAL])))
        advisor.warm()
        graph = cls(room, encoder, advisor, critic, threads=threads, queue=queue)
        for name, version in factory.versions(about).items():
            graph.meter.model(name, version)
        return graph

    async def directions(self) -> DirectionList:
        return factory.palette(self.darkroom)

    async def face(self, image_id: str) -> LibraryImage:
        return await self._run(self.darkroom.face, image_id)

    async def bring(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        return await self._run(self.darkroom.bring, data, user_id, aligned=aligned, pool=self._slow)

    async def picture(self, image_id: str, edit: str, kind: str) -> bytes:
        return await self._run(lambda: self.darkroom.picture(image_id, self.darkroom.read_edit(edit), kind))

    async def question(self, user_id: str, image_id: str, strategy: str | None) -> AskedQuestion:
        return await self._run(self.advisor.question, user_id, image_id, strategy)

    async def choose(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        return await self._run(self.advisor.choose, event_id, question_id, choice, response_seconds)

    async def undo(self, question_id: str) -> RetractedAnswer:
        return await self._run(self.advisor.undo, question_id)

    async def recommend(self, user_id: str, image_id: str, count: int) -> Recommendation:
        def work() -> Recommendation:
            edits = self.advisor.shortlist(user_id, image_id)
            embeddings = self.encoder.images(self.darkroom.draw([(image_id, edits)])[0])
            return self.advisor.recommend(user_id, image_id, edits, embeddings, count=count)

        return await self._run(work)

    async def person(self, user_id: str) -> Person:
        return await self._run(self.advisor.person, user_id)

    async def forget(self, user_id: str) -> ErasureReport:
        return await self._run(self.advisor.forget, user_id)

    async def predict(self, user_id: str, images: Sequence[str | bytes], *, attribute: str, question: str) -> ImageScores:
        def work() -> ImageScores:
            taste = self.critic.who(attribute=attribute, question=question)
            files = iter(self.critic.decode([each for each in images if isinstance(each, bytes)], self._limits))
            drawn = iter(self.darkroom.draw([(each, [{}]) for each in images if isinstance(each, str)]))
            pictures = [next(drawn)[0] if isinstance(each, str) else next(files) for each in images]
            return ImageScores(tuple(self.critic.judge(pictures, user_id, attribute=attribute, question=question)), taste)

        return await self._run(work)

    def mending(self) -> bool:
        return False

    async def ready(self) -> dict[str, bool]:
        def works(part: Callable[[], Any]) -> bool:
            try:
                part()
            except Exception:
                return False
            return True

        checks = {
            "editor": lambda: self.darkroom.face("seed-0"),
            "encoder": lambda: self.encoder.config,
            "ranker": lambda: self.advisor.store.changes(""),
        }
        return {name: await self._run(works, part) for name, part in checks.items()}

    async def counts(self) -> list[Counts]:
        return [self.meter.counts()]

    async def close(self) -> None:
        for pool in (self._pool, self._slow):
            pool.shutdown(wait=True)
        self.darkroom.store.close()
        self.advisor.store.close()

    @property
    def _limits(self) -> ImageLimits:
        return self.darkroom.config.limits

    async def _run(self, work: Callable[..., T], *words: Any, pool: ThreadPoolExecutor | None = None, **named: Any) -> T:
        """Work on a thread. Raises Busy where too much waits already."""
        if self._inside >= self._room:
            raise Overloaded("graph")
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool or self._pool, partial(work, *words, **named))
        finally:
            self._inside -= 1
