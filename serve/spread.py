"""ServeGraph: the graph spread over Ray Serve's deployments: what one part makes is handed to the next without waiting for it."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from ray.serve.handle import DeploymentHandle, DeploymentResponse

from beholder.recommending.advisor import Asked, Noted, Person, Recommendation, Undone
from beholder.recommending.darkroom import Face
from beholder.recommending.forgetting import Receipt
from beholder.serve.answers import Lost, answer, by_reference, straight
from beholder.serve.graph import Busy, Palette, Verdicts
from beholder.serve.metrics import Counts

_MENDED = 60.0  # seconds until a replica that was lost has certainly been replaced


class ServeGraph:
    """Signs Graph. Every call may be made twice without harm, and is, where a replica died under it."""

    def __init__(self, editor: DeploymentHandle, encoder: DeploymentHandle, ranker: DeploymentHandle) -> None:
        self.editor, self.encoder, self.ranker = straight(editor), straight(encoder), straight(ranker)
        self._palette: Palette | None = None
        self._lost = -math.inf  # when a replica was last found to be gone

    async def directions(self) -> Palette:
        if self._palette is None:
            _, self._palette, _ = await self._answer(self.editor.about.remote)
        assert self._palette is not None
        return self._palette

    async def face(self, image_id: str) -> Face:
        return await self._answer(lambda: self.editor.face.remote(image_id))

    async def bring(self, data: bytes, user_id: str, *, aligned: bool) -> Face:
        return await self._answer(lambda: self.editor.bring.remote(data, user_id, aligned))

    async def picture(self, image_id: str, edit: str, kind: str) -> bytes:
        return await self._answer(lambda: self.editor.picture.remote(image_id, edit, kind))

    async def question(self, user_id: str, image_id: str, strategy: str | None) -> Asked:
        return await self._answer(lambda: self.ranker.question.remote(user_id, image_id, strategy))

    async def choose(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> Noted:
        return await self._answer(lambda: self.ranker.choose.remote(event_id, question_id, choice, response_seconds))

    async def undo(self, question_id: str) -> Undone:
        return await self._answer(lambda: self.ranker.undo.remote(question_id))

    async def recommend(self, user_id: str, image_id: str, count: int) -> Recommendation:
        return await self._answer(lambda: self.ranker.recommend.remote(user_id, image_id, count))

    async def person(self, user_id: str) -> Person:
        return await self._answer(lambda: self.ranker.person.remote(user_id))

    async def forget(self, user_id: str) -> Receipt:
        receipt = await self._answer(lambda: self.ranker.forget.remote(user_id))
        await self.ranker.broadcast("drop", user_id).results_async(
            timeout_s=5, return_exceptions=True
        )  # from every replica's memory too
        return receipt

    async def predict(self, user_id: str, images: Sequence[str | bytes], *, attribute: str, question: str) -> Verdicts:
        def flow() -> DeploymentResponse:
            given: Any = images
            if images and isinstance(images[0], str):
                given = by_reference(self.editor).faces.remote(list(images))
                return by_reference(self.encoder).judge.remote(given, user_id, attribute, question)
            return self.encoder.judge.remote(given, user_id, attribute, question)

        return await self._answer(flow)

    async def ready(self) -> dict[str, bool]:
        async def works(part: DeploymentHandle) -> bool:
            try:
                return bool(await self._answer(part.ready.remote, again=False))
            except (Exception, asyncio.CancelledError):
                return False

        parts = {"editor": self.editor, "encoder": self.encoder, "ranker": self.ranker}
        return dict(zip(parts, await asyncio.gather(*map(works, parts.values())), strict=True))

    async def counts(self) -> list[Counts]:
        parts = (self.editor, self.encoder, self.ranker)
        asked = (part.broadcast("counts").results_async(timeout_s=3, return_exceptions=True) for part in parts)
        found = await asyncio.gather(*asked, return_exceptions=True)
        return [each for told in found if isinstance(told, list) for each in told if isinstance(each, Counts)]

    def mending(self) -> bool:
        return time.monotonic() - self._lost < _MENDED

    async def close(self) -> None:
        """The deployments are stopped by who started them."""

    async def _answer(self, ask: Callable[[], DeploymentResponse], *, again: bool = True) -> Any:
        """An answer, asked for once more where a replica died. Raises Busy where another one does."""
        try:
            return await answer(ask)
        except Lost as lost:
            self._lost = time.monotonic()
            if again:
                return await self._answer(ask, again=False)
            raise Busy(str(lost)) from None
