"""The service spread over Ray Serve's deployments, and what comes back from them."""

import asyncio
import functools
import inspect
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from ray.exceptions import RayActorError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponse, DeploymentResponseGenerator

from beholder.editing.editor import Edit
from beholder.errors import BeholderError
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
from beholder.serve.metrics import Counts
from beholder.serve.protocols import DirectionList, ImageScores, Overloaded
from beholder.serve.ray_compat import by_reference, straight

T = TypeVar("T")
_RECOVERED_S = 60.0  # seconds until a replica that was lost has certainly been replaced


_Ask = Callable[[], "DeploymentResponse[Any] | DeploymentResponseGenerator[Any]"]


class RayService:
    """Implements Service. Every call may be made twice without harm, and is, where a replica died under it."""

    def __init__(self, editor: DeploymentHandle[Any], encoder: DeploymentHandle[Any], ranker: DeploymentHandle[Any]) -> None:
        self.editor, self.encoder, self.ranker = straight(editor), straight(encoder), straight(ranker)
        self._direction_list: DirectionList | None = None
        self._lost = -math.inf  # when a replica was last lost

    async def directions(self) -> DirectionList:
        if self._direction_list is None:
            _, self._direction_list, _ = await self._answer(self.editor.about.remote)
        assert self._direction_list is not None
        return self._direction_list

    async def image(self, image_id: str) -> LibraryImage:
        result: LibraryImage = await self._answer(lambda: self.editor.image.remote(image_id))
        return result

    async def add_photo(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        result: LibraryImage = await self._answer(lambda: self.editor.add_photo.remote(data, user_id, aligned))
        return result

    async def picture(self, image_id: str, edit: str, media_type: str, size: int | None = None) -> bytes:
        result: bytes = await self._answer(lambda: self.editor.picture.remote(image_id, edit, media_type, size))
        return result

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
        result: AskedQuestion = await self._answer(
            lambda: self.ranker.question.remote(user_id, image_id, strategy, attribute, steering, repeats)
        )
        return result

    async def answer(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        result: RecordedAnswer = await self._answer(
            lambda: self.ranker.answer.remote(event_id, question_id, choice, response_seconds)
        )
        return result

    async def retract(self, question_id: str) -> RetractedAnswer:
        result: RetractedAnswer = await self._answer(lambda: self.ranker.retract.remote(question_id))
        return result

    async def recommend(
        self, user_id: str, image_id: str, count: int, *, attribute: str = "", steering: Steering | None = None
    ) -> Recommendation:
        result: Recommendation = await self._answer(
            lambda: self.ranker.recommend.remote(user_id, image_id, count, attribute, steering)
        )
        return result

    async def scores(self, user_id: str, image_id: str, edits: Sequence[Edit], *, attribute: str = "") -> EditScores:
        result: EditScores = await self._answer(lambda: self.ranker.scores.remote(user_id, image_id, list(edits), attribute))
        return result

    async def person(self, user_id: str, *, attribute: str = "") -> Person:
        result: Person = await self._answer(lambda: self.ranker.person.remote(user_id, attribute))
        return result

    async def export_taste(self, user_id: str, *, attribute: str = "") -> tuple[Choice, ...]:
        result: tuple[Choice, ...] = await self._answer(lambda: self.ranker.export_taste.remote(user_id, attribute))
        return result

    async def import_taste(
        self, user_id: str, choices: Sequence[tuple[Question, Answer]], *, attribute: str = ""
    ) -> tuple[int, int]:
        result: tuple[int, int] = await self._answer(lambda: self.ranker.import_taste.remote(user_id, list(choices), attribute))
        return result

    async def erase(self, user_id: str) -> ErasureReport:
        report = await self._answer(lambda: self.ranker.erase.remote(user_id))
        result: ErasureReport = report
        for part, what in ((self.ranker, user_id), (self.editor, result.image_ids)):  # from every replica's memory too
            await part.broadcast("drop", what).results_async(timeout_s=5, return_exceptions=True)
        return result

    async def predict(self, user_id: str, images: Sequence[str | bytes], *, attribute: str, question: str) -> ImageScores:
        def flow() -> DeploymentResponse[Any]:
            if images and isinstance(images[0], str):
                drawn = by_reference(self.editor).originals.remote(list(images))
                return responses(by_reference(self.encoder).score.remote(drawn, user_id, attribute, question, list(images)))
            return responses(self.encoder.score.remote(images, user_id, attribute, question))

        result: ImageScores = await self._answer(flow)
        return result

    async def ready(self) -> dict[str, bool]:
        async def works(part: DeploymentHandle[Any]) -> bool:
            try:
                return bool(await self._answer(part.ready.remote, again=False))
            except (Exception, asyncio.CancelledError):
                return False

        parts = {"editor": self.editor, "encoder": self.encoder, "ranker": self.ranker}
        return dict(zip(parts, await asyncio.gather(*map(works, parts.values())), strict=True))

    async def counts(self) -> list[Counts]:
        parts = (self.editor, self.encoder, self.ranker)
        asked = (part.broadcast("counts").results_async(timeout_s=3, return_exceptions=True) for part in parts)
        replies = await asyncio.gather(*asked, return_exceptions=True)
        return [each for reply in replies if isinstance(reply, list) for each in reply if isinstance(each, Counts)]

    def recovering(self) -> bool:
        return time.monotonic() - self._lost < _RECOVERED_S

    async def close(self) -> None:
        """The deployments are stopped by who started them."""

    async def _answer(self, ask: _Ask, *, again: bool = True) -> Any:
        """Return an answer, asked for once more where a replica died. Raises Overloaded where another one does."""
        try:
            return await result_of(ask)
        except ReplicaLost as lost:
            self._lost = time.monotonic()
            if again:
                return await self._answer(ask, again=False)
            raise Overloaded(str(lost)) from None


def responses(response: DeploymentResponse[Any] | DeploymentResponseGenerator[Any]) -> DeploymentResponse[Any]:
    """Return a response as what it is, of a method that does not stream: Ray's types can't tell."""
    return cast(DeploymentResponse[Any], response)


_GONE = (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError)


class ReplicaLost(Exception):
    """A replica died, or one behind it, while it worked on an answer."""


async def result_of(ask: _Ask) -> Any:
    """Return a response's value, or raise the error that was raised where it arose.

    Raises ReplicaLost where a replica died, Overloaded where too many wait.
    """
    response = responses(ask())
    try:
        value = await response
    except asyncio.CancelledError:
        response.cancel()
        raise
    except Exception as error:
        cause = _cause(error)
        if isinstance(cause, (ReplicaLost, *_GONE)):
            raise ReplicaLost(type(cause).__name__) from None
        if isinstance(cause, (Overloaded, BackPressureError, TaskCancelledError)):
            raise Overloaded(type(cause).__name__) from None
        raise cause from None
    if isinstance(value, RaisedError):
        raise value.error
    return value


@dataclass(frozen=True)
class RaisedError:
    """An error of ours on its way to who asked: returned, because Ray Serve logs a traceback of all that is raised."""

    error: Exception


def errors_as_values(kind: type[T]) -> type[T]:
    """Decorate a deployment: its public methods return errors of ours, which `result_of` raises; other errors are raised.

    What is given such an error, by another deployment that hands its answer on, returns it.
    """
    for name, method in list(vars(kind).items()):
        if not name.startswith("_") and inspect.iscoroutinefunction(method):
            setattr(kind, name, _returning_errors(method))
    return kind


def _returning_errors(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def returning(*args: Any, **kwargs: Any) -> Any:
        for given in (*args, *kwargs.values()):
            if isinstance(given, RaisedError):
                return given
        try:
            return await method(*args, **kwargs)
        except (BeholderError, Overloaded, ReplicaLost) as error:
            return RaisedError(error.with_traceback(None))

    return returning


def _cause(error: BaseException) -> BaseException:
    """Return what was raised in the deployment itself, without the wrappers of each hop."""
    kinds = (BeholderError, Overloaded, ReplicaLost, BackPressureError, *_GONE)
    inner: BaseException | None = error
    while inner is not None:
        cause = getattr(inner, "cause", None) or inner.__cause__
        if isinstance(inner, kinds) and not isinstance(inner, RayTaskError):
            return inner
        if isinstance(inner, RayTaskError) and isinstance(cause, BaseException) and not isinstance(cause, RayTaskError):
            inner = cause
            continue
        inner = cause if isinstance(cause, BaseException) else None
    return error
