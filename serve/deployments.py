"""Deployments: the parts of the service as Ray Serve runs them: shells around the library's plain classes.

Ranker -> Editor -> Encoder -> Ranker. What one makes is handed to the next without waiting for it, large pictures by reference, so
that they don't pass through who asked for them.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from ray import serve
from ray.serve.handle import DeploymentHandle

from beholder.editing.editor import Edit
from beholder.editing.latent import Latent
from beholder.recommending.edit_features import EditableImage
from beholder.recommending.image_library import LibraryImage
from beholder.recommending.service import AskedQuestion, ErasureReport, Person, Recommendation, RecordedAnswer, RetractedAnswer
from beholder.recommending.surrogate.surrogate_model import SurrogateInfo
from beholder.serve import factory
from beholder.serve.factory import ServiceConfig
from beholder.serve.metrics import Meter, metered
from beholder.serve.protocols import DirectionList, ImageScores, Overloaded
from beholder.serve.ray_service import answer, by_reference, choose_transport, straight
from beholder.serve.settings import DeploymentConfig

T = TypeVar("T")
_PATIENT = 4  # photos that may wait to be inverted
_PATIENCE = 60.0  # seconds that a part waits for what it needs from another


def meter() -> Meter:
    """For what the replica counts that asks for it."""
    here = serve.get_replica_context()
    return Meter(f"{here.deployment}-{here.replica_tag}".lower())


class WorkerPool:
    """Threads that work while the replica's loop goes on answering."""

    def __init__(self, crew: DeploymentConfig) -> None:
        import torch

        def hire() -> None:
            torch.set_num_threads(crew.threads)

        hire()
        self._pool = ThreadPoolExecutor(crew.threads, thread_name_prefix="hands", initializer=hire)
        self._slow, self._waiting = ThreadPoolExecutor(1, thread_name_prefix="slow"), 0
        self._loop = asyncio.get_running_loop()

    async def do(self, work: Callable[..., T], *words: Any) -> T:
        return await self._loop.run_in_executor(self._pool, work, *words)

    async def do_slowly(self, work: Callable[..., T], *words: Any) -> T:
        """On a thread of its own, so that what takes seconds keeps nobody waiting. Raises Busy where others wait for it already."""
        if self._waiting >= _PATIENT:
            raise Overloaded("photos")
        self._waiting += 1
        try:
            return await self._loop.run_in_executor(self._slow, work, *words)
        finally:
            self._waiting -= 1

    def fetch(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """From one of the threads: what the loop gets from elsewhere."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE)


@metered("editor")
class EditorDeployment:
    """A darkroom."""

    async def __init__(self, config: ServiceConfig, crew: DeploymentConfig) -> None:  # type: ignore[misc]
        self.config, self.hands, self.meter = config, WorkerPool(crew), meter()
        self.room = await self.hands.do(factory.darkroom, config)
        for name, version in factory.versions(factory.about(config, self.room)).items():
            self.meter.model(name, version)
        self._draw.set_max_batch_size(crew.batch)  # type: ignore[attr-defined]
        self._draw.set_batch_wait_timeout_s(crew.wait_ms / 1000)  # type: ignore[attr-defined]

    async def about(self) -> tuple[SurrogateInfo, DirectionList, int]:
        """What others have to know of the generator, and the pixels of a side of its pictures."""
        return factory.about(self.config, self.room), factory.palette(self.room), self.room.editor.resolution

    async def face(self, image_id: str) -> LibraryImage:
        return await self.hands.do(self.room.face, image_id)

    async def latent(self, image_id: str) -> Latent:
        """On the CPU, wherever the generator is."""
        found = await self.hands.do(self.room.latent, image_id)
        return Latent(found.ws.cpu(), None if found.z is None else found.z.cpu())

    async def draw(self, image_id: str, edits: Sequence[Edit]) -> np.ndarray:
        """uint8 RGB [N, R, R, 3], drawn together with what others want drawn now."""
        await self.hands.do(self.room.check, image_id, edits)  # a mistake is told to who made it, and to nobody else
        found: np.ndarray = await self._draw((image_id, edits))
        return found

    async def faces(self, image_ids: Sequence[str]) -> np.ndarray:
        """Faces as they are, uint8 RGB [N, R, R, 3]."""
        return np.concatenate([await self.draw(image_id, [{}]) for image_id in image_ids])

    async def picture(self, image_id: str, text: str, kind: str) -> bytes:
        edit = self.room.read_edit(text)
        kept = await self.hands.do(self.room.kept, image_id, edit, kind)
        if kept is not None:
            return kept
        drawn = await self.draw(image_id, [edit])
        return await self.hands.do(self.room.develop, image_id, edit, kind, drawn[0])

    async def bring(self, data: bytes, user_id: str, aligned: bool) -> LibraryImage:
        return await self.hands.do_slowly(lambda: self.room.bring(data, user_id, aligned=aligned))

    async def ready(self) -> bool:
        await self.face("seed-0")
        return True

    @serve.batch
    async def _draw(self, wanted: list[tuple[str, Sequence[Edit]]]) -> list[np.ndarray]:
        self.meter.batched("editor", len(wanted))
        return await self.hands.do(self.room.draw, wanted)


@metered("encoder")
class EncoderDeployment:
    """An encoder, and a critic beside it."""

    async def __init__(self, config: ServiceConfig, crew: DeploymentConfig, editor: DeploymentHandle) -> None:  # type: ignore[misc]
        from beholder import encoder

        self.hands, self.limits, self.meter = WorkerPool(crew), config.darkroom.limits, meter()

        async def typical() -> np.ndarray:
            found: np.ndarray = await answer(lambda: by_reference(editor).faces.remote(list(factory.TYPICAL)))
            return found

        self.encoder = await self.hands.do(encoder.Encoder.load, config.encoder)
        self.critic = await self.hands.do(factory.critic, config, self.encoder, lambda: self.hands.fetch(typical()))
        self._images.set_max_batch_size(crew.batch)  # type: ignore[attr-defined]
        self._images.set_batch_wait_timeout_s(crew.wait_ms / 1000)  # type: ignore[attr-defined]

    async def images(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 RGB [N, R, R, 3] -> float32 [N, E], encoded together with what others want encoded now."""
        found: np.ndarray = await self._images(pixels)
        return found

    async def judge(
        self, pictures: Sequence[np.ndarray] | Sequence[bytes], user_id: str, attribute: str, question: str
    ) -> ImageScores:
        """Pictures, or the bytes of their files, as a person sees them."""
        return await self.hands.do(self._judge, pictures, user_id, attribute, question)

    async def ready(self) -> bool:
        return True

    def _judge(self, pictures: Sequence[Any], user_id: str, attribute: str, question: str) -> ImageScores:
        taste = self.critic.who(attribute=attribute, question=question)
        if len(pictures) and isinstance(pictures[0], bytes):
            pictures = self.critic.decode(pictures, self.limits)
        return ImageScores(tuple(self.critic.judge(pictures, user_id, attribute=attribute, question=question)), taste)

    @serve.batch
    async def _images(self, wanted: list[np.ndarray]) -> list[np.ndarray]:
        self.meter.batched("encoder", len(wanted))
        found = await self.hands.do(self.encoder.images, np.concatenate(wanted))
        return np.split(found, np.cumsum([len(each) for each in wanted])[:-1])


@metered("ranker")
class RankerDeployment:
    """An advisor, who has faces drawn and encoded elsewhere."""

    async def __init__(  # type: ignore[misc]
        self, config: ServiceConfig, crew: DeploymentConfig, editor: DeploymentHandle, encoder: DeploymentHandle
    ) -> None:
        self.hands, self.meter, self.editor, self.encoder = WorkerPool(crew), meter(), editor, encoder
        about, palette, self.resolution = await straight(editor).about.remote()

        async def look(image_id: str) -> EditableImage:
            embeddings = self._embeddings(image_id, [{}])
            latent = answer(lambda: straight(editor).latent.remote(image_id))
            found, seen = await asyncio.gather(latent, embeddings)
            return EditableImage(image_id, found, seen[0].copy())  # the original is read-only

        fetch = self.hands.fetch
        self.advisor = await self.hands.do(
            lambda: factory.advisor(config, about, palette.sliders, lambda image_id: fetch(look(image_id)))
        )
        await self.hands.do(self.advisor.warm)

    async def question(self, user_id: str, image_id: str, strategy: str | None) -> AskedQuestion:
        return await self.hands.do(self.advisor.question, user_id, image_id, strategy)

    async def choose(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        return await self.hands.do(self.advisor.choose, event_id, question_id, choice, response_seconds)

    async def undo(self, question_id: str) -> RetractedAnswer:
        return await self.hands.do(self.advisor.undo, question_id)

    async def recommend(self, user_id: str, image_id: str, count: int) -> Recommendation:
        edits = await self.hands.do(self.advisor.shortlist, user_id, image_id)
        embeddings = await self._embeddings(image_id, edits)
        return await self.hands.do(lambda: self.advisor.recommend(user_id, image_id, edits, embeddings, count=count))

    async def person(self, user_id: str) -> Person:
        return await self.hands.do(self.advisor.person, user_id)

    async def forget(self, user_id: str) -> ErasureReport:
        return await self.hands.do(self.advisor.forget, user_id)

    async def drop(self, user_id: str) -> None:
        self.advisor.drop(user_id)

    async def ready(self) -> bool:
        await self.hands.do(self.advisor.store.changes, "")
        return True

    async def _embeddings(self, image_id: str, edits: Sequence[Edit]) -> np.ndarray:
        """float32 [edits, E]: drawn by the editor, who hands the pictures to the encoder."""
        editor, encoder = (choose_transport(part, 3 * self.resolution**2 * len(edits)) for part in (self.editor, self.encoder))
        found: np.ndarray = await answer(lambda: encoder.images.remote(editor.draw.remote(image_id, edits)))
        return found
