"""Deployments: the parts of the service as Ray Serve runs them: shells around the library's plain classes.

Ranker -> Editor -> Encoder -> Ranker. What one makes is handed to the next without waiting for it, large pictures by reference, so
that they don't pass through who asked for them.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from ray import serve
from ray.serve.handle import DeploymentHandle

from beholder import process
from beholder.editing.editor import Edit
from beholder.encoder import Encoder
from beholder.recommending import components
from beholder.recommending.components import InProcessService, ServiceConfig
from beholder.recommending.edit_features import EditableImage
from beholder.recommending.image_library import LibraryImage
from beholder.recommending.service import (
    AskedQuestion,
    EditScores,
    ErasureReport,
    Person,
    Recommendation,
    RecommendationService,
    RecordedAnswer,
    RetractedAnswer,
)
from beholder.recommending.steering import Steering
from beholder.recommending.store.question import Answer, Choice, Question
from beholder.serve.metrics import Meter, metered
from beholder.serve.protocols import DirectionList, ImageScores, Overloaded
from beholder.serve.ray_compat import by_reference, choose_transport, set_batching, straight
from beholder.serve.ray_service import errors_as_values, result_of
from beholder.serve.settings import DeploymentConfig

if TYPE_CHECKING:
    from beholder.editing.latent import Latent
    from beholder.recommending.surrogate.surrogate_model import SurrogateInfo

T = TypeVar("T")
_PHOTOS = 4  # photos that may be inverted or wait for it
_PATIENCE_S = 60.0  # seconds that a deployment waits for what it needs from another


def meter() -> Meter:
    """Return the meter of the replica that asks for it."""
    here = serve.get_replica_context()
    return Meter(f"{here.deployment}-{here.replica_tag}".lower())


class WorkerPool:
    """Threads that work while the replica's event loop goes on answering."""

    def __init__(self, config: DeploymentConfig) -> None:
        import torch

        def limit_threads() -> None:
            torch.set_num_threads(config.threads)

        limit_threads()
        process.switch_often()
        self._pool = ThreadPoolExecutor(config.threads, thread_name_prefix="workers", initializer=limit_threads)
        self._slow = ThreadPoolExecutor(1, thread_name_prefix="slow", initializer=process.yield_to_others)
        self._waiting = 0
        self._loop = asyncio.get_running_loop()

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """Run work on one of the threads."""
        return await self._loop.run_in_executor(self._pool, work, *args)

    async def run_slowly(self, work: Callable[[Callable[[], bool]], T]) -> T:
        """Run what takes seconds on a thread of its own, so that nobody else waits. Raises Overloaded where others wait for it.

        work is given a function that tells whether it was abandoned: a thread can't be cancelled.
        """
        if self._waiting >= _PHOTOS:
            raise Overloaded("photos")
        self._waiting += 1
        left = threading.Event()
        try:
            return await self._loop.run_in_executor(self._slow, work, left.is_set)
        finally:
            left.set()
            self._waiting -= 1

    def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return, on one of the threads, what the event loop gets from another deployment."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE_S)


@errors_as_values
@metered("editor")
class EditorDeployment:
    """An image library."""

    async def __init__(self, config: ServiceConfig, deployment: DeploymentConfig) -> None:  # type: ignore[misc]
        self.config, self.pool, self.meter = components.for_editor(config), WorkerPool(deployment), meter()
        self.library = await self.pool.run(components.build_image_library, self.config)
        for name, version in components.versions_of(self.config, self.library).items():
            self.meter.model(name, version)
        set_batching(self._draw, max_batch_size=deployment.max_batch_size, batch_wait_timeout_s=deployment.batch_wait_timeout_s)

    async def about(self) -> "tuple[SurrogateInfo | None, DirectionList, int]":
        """Return what others have to know of the generator, and the pixels of a side of its pictures; photos need no surrogate."""
        info = None if self.config.editor != "stylegan" else components.surrogate_info(self.config, self.library)
        return info, DirectionList.of(self.library), self.library.editor.resolution

    async def image(self, image_id: str) -> LibraryImage:
        return await self.pool.run(self.library.image, image_id)

    async def latent(self, image_id: str) -> "Latent":
        """Return a latent on the CPU, wherever the generator is."""
        from beholder.editing.latent import Latent

        latent = await self.pool.run(self.library.latent, image_id)
        return Latent(latent.ws.cpu(), None if latent.z is None else latent.z.cpu())

    async def draw(self, image_id: str, edits: Sequence[Edit], size: int | None = None) -> np.ndarray:
        """Return pictures, uint8 RGB [N, R, R, 3], drawn in one batch with what others ask for now; size: the pixels needed."""
        if self.config.editor != "stylegan":  # photos have shapes of their own, and don't go into one batch
            return await self.pool.run(lambda: self.library.draw_images([(image_id, edits)], size=size)[0])
        latent = await self.pool.run(self.library.check, image_id, edits)  # a mistake is reported to who made it, and nobody else
        drawn: np.ndarray = await self._draw((latent, edits, size))
        return drawn

    async def originals(self, image_ids: Sequence[str]) -> np.ndarray:
        """Return images without an edit, uint8 RGB [N, R, R, 3], as large as the encoder needs them."""
        return np.concatenate([await self.draw(image_id, [{}], self.config.encoder.size) for image_id in image_ids])

    async def picture(self, image_id: str, text: str, media_type: str, size: int | None = None) -> bytes:
        edit = self.library.read_edit(text)
        if self.config.editor != "stylegan":
            return await self.pool.run(self.library.picture, image_id, edit, media_type, size)
        size = await self.pool.run(self.library.shown_size, image_id, size)
        cached = await self.pool.run(self.library.cached_file, image_id, edit, media_type, size)
        if cached is not None:
            return cached
        drawn = await self.draw(image_id, [edit], size)
        return await self.pool.run(self.library.encode_file, image_id, edit, media_type, drawn[0], size)

    async def add_photo(self, data: bytes, user_id: str, aligned: bool) -> LibraryImage:
        return await self.pool.run_slowly(
            lambda abandoned: self.library.add_photo(data, user_id, aligned=aligned, abandoned=abandoned)
        )

    async def drop(self, image_ids: Sequence[str]) -> None:
        """Keep nothing of images that were removed elsewhere."""
        for image_id in image_ids:
            await self.pool.run(self.library.forget, image_id)

    async def ready(self) -> bool:
        await self.image("seed-0")
        return True

    @serve.batch
    async def _draw(self, requests: "list[tuple[Latent, Sequence[Edit], int | None]]") -> list[np.ndarray]:
        self.meter.batched("editor", len(requests))
        drawn: dict[int, np.ndarray] = {}
        sizes = [self.library.editor.drawn_size(size) for _, _, size in requests]
        for size in set(sizes):  # those of one size together
            rows = [row for row, each in enumerate(sizes) if each == size]
            some = [requests[row][:2] for row in rows]
            pictures = await self.pool.run(lambda some=some, size=size: self.library.draw_latents(some, size=size))
            drawn.update(zip(rows, pictures, strict=True))
        return [drawn[row] for row in range(len(requests))]


@errors_as_values
@metered("encoder")
class EncoderDeployment:
    """An encoder, and an image scorer beside it."""

    async def __init__(  # type: ignore[misc]
        self, config: ServiceConfig, deployment: DeploymentConfig, editor: DeploymentHandle[Any]
    ) -> None:
        self.pool, self.limits, self.meter = WorkerPool(deployment), config.image_library.limits, meter()
        config = components.for_editor(config)

        async def typical() -> np.ndarray:
            drawn: np.ndarray = await result_of(lambda: by_reference(editor).originals.remote(list(components.TYPICAL)))
            return drawn

        self.encoder = await self.pool.run(Encoder.load, config.encoder)
        self.scorer = await self.pool.run(
            components.build_image_scorer, config, self.encoder, lambda: self.pool.wait_for(typical())
        )
        set_batching(self._images, max_batch_size=deployment.max_batch_size, batch_wait_timeout_s=deployment.batch_wait_timeout_s)

    async def images(self, pixels: np.ndarray) -> np.ndarray:
        """Embed pictures, uint8 RGB [N, R, R, 3] -> float32 [N, E], in one batch with what others ask for now."""
        embeddings: np.ndarray = await self._images(pixels)
        return embeddings

    async def score(
        self,
        pictures: Sequence[np.ndarray] | Sequence[bytes],
        user_id: str,
        attribute: str,
        question: str,
        image_ids: Sequence[str] = (),
    ) -> ImageScores:
        """Score pictures, or the bytes of their files, for a person. image_ids: of pictures."""
        return await self.pool.run(self._score, pictures, user_id, attribute, question, image_ids)

    async def ready(self) -> bool:
        return True

    def _score(self, pictures: Sequence[Any], user_id: str, attribute: str, question: str, image_ids: Sequence[str]) -> ImageScores:
        taste = self.scorer.taste_for(attribute=attribute, question=question)
        known = self.scorer.image_ids(image_ids or pictures)
        if len(pictures) and isinstance(pictures[0], bytes):
            pictures = self.scorer.decode(pictures, self.limits)
        scores = self.scorer.score(pictures, user_id, attribute=attribute, question=question, image_ids=known)
        return ImageScores(tuple(scores), taste)

    @serve.batch
    async def _images(self, requests: list[np.ndarray]) -> list[np.ndarray]:
        self.meter.batched("encoder", len(requests))
        embeddings = await self.pool.run(self.encoder.images, np.concatenate(requests))
        return np.split(embeddings, np.cumsum([len(each) for each in requests])[:-1])


@errors_as_values
@metered("ranker")
class RankerDeployment:
    """A recommendation service that has images drawn and encoded by the other deployments."""

    async def __init__(  # type: ignore[misc]
        self, config: ServiceConfig, deployment: DeploymentConfig, editor: DeploymentHandle[Any], encoder: DeploymentHandle[Any]
    ) -> None:
        self.pool, self.meter, self.editor, self.encoder = WorkerPool(deployment), meter(), editor, encoder
        config = components.for_editor(config)
        self.size = config.encoder.size  # of what the encoder sees
        self.built: InProcessService | None = None
        info, directions, self.resolution = await result_of(lambda: straight(editor).about.remote())

        async def encode_image(image_id: str) -> EditableImage:
            latent = result_of(lambda: straight(editor).latent.remote(image_id))
            known, embeddings = await asyncio.gather(latent, self._embeddings(image_id, [{}]))
            return EditableImage(image_id, known, embeddings[0].copy())  # what came is read-only

        def build() -> RecommendationService:
            if config.editor == "diffusion":  # the pipeline stays with the editor

                def embed(image_id: str, edits: Sequence[Edit]) -> np.ndarray:
                    return self.pool.wait_for(self._embeddings(image_id, edits))

                return components.build_drawn_recommendations(config, directions.sliders, embed)
            if info is None:  # looks are drawn where they are scored, small, from the copies of photos in the workspace
                self.built = components.build_service(config)
                return self.built.recommendations
            return components.build_recommendations(
                config, info, directions.sliders, lambda image_id: self.pool.wait_for(encode_image(image_id))
            )

        self.recommendations = await self.pool.run(build)
        await self.pool.run(self.recommendations.warm)

    async def question(
        self,
        user_id: str,
        image_id: str,
        strategy: str | None,
        attribute: str = "",
        steering: Steering | None = None,
        repeats: bool = True,
    ) -> AskedQuestion:
        ask = self.recommendations.question
        return await self.pool.run(
            lambda: ask(user_id, image_id, strategy, attribute=attribute, steering=steering, repeats=repeats)
        )

    async def answer(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        return await self.pool.run(self.recommendations.answer, event_id, question_id, choice, response_seconds)

    async def retract(self, question_id: str) -> RetractedAnswer:
        return await self.pool.run(self.recommendations.retract, question_id)

    async def recommend(
        self, user_id: str, image_id: str, count: int, attribute: str = "", steering: Steering | None = None
    ) -> Recommendation:
        if (built := self.built) is not None:
            return await self.pool.run(
                lambda: built.recommend(user_id, image_id, count=count, attribute=attribute, steering=steering)
            )
        shortlist = await self.pool.run(
            lambda: self.recommendations.shortlist(user_id, image_id, attribute=attribute, steering=steering)
        )
        embeddings = await self._embeddings(image_id, shortlist.edits) if shortlist.edits else None
        return await self.pool.run(lambda: self.recommendations.recommend(shortlist, embeddings, count=count))

    async def scores(self, user_id: str, image_id: str, edits: Sequence[Edit], attribute: str = "") -> EditScores:
        return await self.pool.run(lambda: self.recommendations.scores(user_id, image_id, edits, attribute=attribute))

    async def person(self, user_id: str, attribute: str = "") -> Person:
        return await self.pool.run(lambda: self.recommendations.person(user_id, attribute=attribute))

    async def export_taste(self, user_id: str, attribute: str = "") -> tuple[Choice, ...]:
        return await self.pool.run(lambda: self.recommendations.export_taste(user_id, attribute=attribute))

    async def import_taste(self, user_id: str, choices: Sequence[tuple[Question, Answer]], attribute: str = "") -> tuple[int, int]:
        return await self.pool.run(lambda: self.recommendations.import_taste(user_id, choices, attribute=attribute))

    async def erase(self, user_id: str) -> ErasureReport:
        return await self.pool.run(self.recommendations.erase, user_id)

    async def drop(self, user_id: str) -> None:
        self.recommendations.drop(user_id)

    async def ready(self) -> bool:
        await self.pool.run(self.recommendations.store.check_writing)
        return True

    async def _embeddings(self, image_id: str, edits: Sequence[Edit]) -> np.ndarray:
        """Return embeddings float32 [edits, E]: drawn by the editor, who hands the pictures to the encoder."""
        editor, encoder = (choose_transport(part, 3 * self.resolution**2 * len(edits)) for part in (self.editor, self.encoder))
        embeddings: np.ndarray = await result_of(lambda: encoder.images.remote(editor.draw.remote(image_id, edits, self.size)))
        return embeddings
