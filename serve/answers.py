"""Answers: what another part of the service answers, as its value or as its error, and which way messages to it take.

The way is said of every handle: what Serve would choose depends on the environment of whoever bound the app.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from ray.exceptions import RayActorError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponse

from beholder.errors import BeholderError
from beholder.serve.graph import Busy

# Bytes of a message from which on the object store is faster: below it takes longer to be told of than to be sent the message.
_SMALL = 1 << 19
_GONE = (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError)


class Lost(Exception):
    """A replica died, or one behind it, while it worked on an answer."""


def straight(part: DeploymentHandle) -> DeploymentHandle:
    """The part, asked by messages that go from process to process: sooner there where they are small."""
    return part.options(_by_reference=False)


def by_reference(part: DeploymentHandle) -> DeploymentHandle:
    """The part, asked through the object store: what it answers can be handed on without passing through who asked."""
    return part.options(_by_reference=True)


def carrying(part: DeploymentHandle, size: int) -> DeploymentHandle:
    """The part, asked the way that is faster for so many bytes."""
    return straight(part) if size < _SMALL else by_reference(part)


async def answer(ask: Callable[[], DeploymentResponse]) -> Any:
    """A response as its value, or as the error that was raised where it arose. Raises Lost, and Busy where too many wait."""
    response = ask()
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise
    except Exception as error:
        cause = _cause(error)
        if isinstance(cause, (Lost, *_GONE)):
            raise Lost(type(cause).__name__) from None
        if isinstance(cause, (Busy, BackPressureError, TaskCancelledError)):
            raise Busy(type(cause).__name__) from None
        raise cause from None


def _cause(error: BaseException) -> BaseException:
    """What was raised in the part itself, without the tale of how it got here."""
    kinds = (BeholderError, Busy, Lost, BackPressureError, *_GONE)
    seen: BaseException | None = error
    while seen is not None:
        cause = getattr(seen, "cause", None) or seen.__cause__
        if isinstance(seen, kinds) and not isinstance(seen, RayTaskError):
            return seen
        if isinstance(seen, RayTaskError) and isinstance(cause, BaseException) and not isinstance(cause, RayTaskError):
            seen = cause
            continue
        seen = cause if isinstance(cause, BaseException) else None
    return error
