"""The service in this process, on a few threads of its own: for tests, for trying out, for one small machine."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from beholder import process
from beholder.editing.editor import Edit
from beholder.images import ImageLimits
from beholder.recommending.components import InProcessService, ServiceConfig, build_service
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
from beholder.recommending.store.question import Answer, Choice, Question
from beholder.serve.metrics import Counts, Meter
from beholder.serve.protocols import DirectionList, ImageScores, Overloaded

T = TypeVar("T")
PHOTOS = 4  # photos that may be inverted or wait for it


class LocalService:
    """Implements Service."""

    def __init__(self, built: InProcessService, *, threads: int = 2, queue: int = 64) -> None:
        """threads: how many requests are worked on at a time; queue: how many more may wait."""
        self.meter = meter = Meter()
        self.built = replace(
            built,
            library=meter.watch("editor", built.library),
            encoder=meter.watch("encoder", built.encoder),
            recommendations=meter.watch("ranker", built.recommendations),
            scorer=meter.watch("encoder", built.scorer),
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="service")
        self._pictures = ThreadPoolExecutor(threads, thread_name_prefix="pictures")  # they need no database, and wait for none
        # seconds each; nobody else waits for them
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="photos", initializer=process.yield_to_others)
        self._most, self._inside, self._photos = threads + queue, 0, 0

    @classmethod
    def load(cls, config: ServiceConfig, *, threads: int = 2, queue: int = 64) -> "LocalService":
        """Build all components, and learn the prior. Raises BeholderError where a component is missing."""
        built = build_service(config)
        built.recommendations.warm()
        service = cls(built, threads=threads, queue=queue)
        for name, version in built.versions.items():
            service.meter.model(name, version)
        return service

    async def directions(self) -> DirectionList:
        return DirectionList.of(self.built.library)

    async def image(self, image_id: str) -> LibraryImage:
        return await self._run(self.built.library.image, image_id, pool=self._pictures)

    async def add_photo(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        if self._photos >= PHOTOS:
            raise Overloaded("photos")
        self._photos += 1
        left = threading.Event()
        try:
            work = partial(self.built.library.add_photo, data, user_id, aligned=aligned, abandoned=left.is_set)
            return await asyncio.get_running_loop().run_in_executor(self._slow, work)
        finally:
            left.set()  # who asked may have gone: a thread can't be cancelled, but looks now and then
            self._photos -= 1

    async def picture(self, image_id: str, edit: str, media_type: str, size: int | None = None) -> bytes:
        library = self.built.library
        return await self._run(lambda: library.picture(image_id, library.read_edit(edit), media_type, size), pool=self._pictures)

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
        ask = self.built.recommendations.question
        return await self._run(ask, user_id, image_id, strategy, attribute=attribute, steering=steering, repeats=repeats)

    async def answer(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        return await self._run(self.built.recommendations.answer, event_id, question_id, choice, response_seconds)

    async def retract(self, question_id: str) -> RetractedAnswer:
        return await self._run(self.built.recommendations.retract, question_id)

    async def recommend(
        self, user_id: str, image_id: str, count: int, *, attribute: str = "", steering: Steering | None = None
    ) -> Recommendation:
        return await self._run(self.built.recommend, user_id, image_id, count=count, attribute=attribute, steering=steering)

    async def scores(self, user_id: str, image_id: str, edits: Sequence[Edit], *, attribute: str = "") -> EditScores:
        return await self._run(self.built.recommendations.scores, user_id, image_id, edits, attribute=attribute)

    async def person(self, user_id: str, *, attribute: str = "") -> Person:
        return await self._run(self.built.recommendations.person, user_id, attribute=attribute)

    async def export_taste(self, user_id: str, *, attribute: str = "") -> tuple[Choice, ...]:
        return await self._run(self.built.recommendations.export_taste, user_id, attribute=attribute)

    async def import_taste(
        self, user_id: str, choices: Sequence[tuple[Question, Answer]], *, attribute: str = ""
    ) -> tuple[int, int]:
        return await self._run(self.built.recommendations.import_taste, user_id, choices, attribute=attribute)

    async def erase(self, user_id: str) -> ErasureReport:
        report = await self._run(self.built.recommendations.erase, user_id)
        for image_id in report.image_ids:
            self.built.library.forget(image_id)
        return report

    async def predict(self, user_id: str, images: Sequence[str | bytes], *, attribute: str, question: str) -> ImageScores:
        scorer = self.built.scorer

        def work() -> ImageScores:
            taste = scorer.taste_for(attribute=attribute, question=question)
            files = iter(scorer.decode([each for each in images if isinstance(each, bytes)], self._limits))
            drawn = iter(self.built.library.draw_images([(each, [{}]) for each in images if isinstance(each, str)]))
            pictures = [next(drawn)[0] if isinstance(each, str) else next(files) for each in images]
            known = scorer.image_ids(images)
            return ImageScores(
                tuple(scorer.score(pictures, user_id, attribute=attribute, question=question, image_ids=known)), taste
            )

        return await self._run(work)

    def recovering(self) -> bool:
        return False

    async def ready(self) -> dict[str, bool]:
        def answers(check: Callable[[], Any]) -> bool:
            try:
                check()
            except Exception:
                return False
            return True

        checks: dict[str, Callable[[], Any]] = {
            "editor": lambda: self.built.library.image("seed-0"),
            "encoder": lambda: self.built.encoder.config,
            "ranker": self.built.recommendations.store.check_writing,
        }
        return {name: await self._run(answers, check) for name, check in checks.items()}

    async def counts(self) -> list[Counts]:
        return [self.meter.counts()]

    async def close(self) -> None:
        for pool in (self._pool, self._pictures, self._slow):
            pool.shutdown(wait=True)
        self.built.close()

    @property
    def _limits(self) -> ImageLimits:
        return self.built.library.config.limits

    async def _run(self, work: Callable[..., T], *args: Any, pool: ThreadPoolExecutor | None = None, **kwargs: Any) -> T:
        """Work on a thread. Raises Overloaded where too much waits already, work among it that nobody waits for any more."""
        if self._inside >= self._most:
            raise Overloaded("service")
        self._inside += 1
        loop = asyncio.get_running_loop()
        future = (pool or self._pool).submit(work, *args, **kwargs)

        def leave(_: object) -> None:
            self._inside -= 1

        future.add_done_callback(lambda done: None if loop.is_closed() else loop.call_soon_threadsafe(leave, done))
        return await asyncio.wrap_future(future)
