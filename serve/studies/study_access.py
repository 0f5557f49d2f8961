"""What the routes of studies need: the service on threads, and answers written into the workspace's tables soon after they came."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from beholder.errors import BeholderError
from beholder.serve.metrics import Counts
from beholder.studies.study_service import StudyService

T = TypeVar("T")
log = logging.getLogger("beholder.serve")
_EVERY_S = 5.0  # seconds from an answer to its row in the tables, at most, while the service runs


class StudyAccess:
    """The studies of a service."""

    def __init__(self, service: StudyService, *, every: float = _EVERY_S) -> None:
        self.service, self._every = service, every
        self._fresh = asyncio.Event()
        self._fresh.set()  # what a process before this one left to be written

    async def run(self, work: Callable[..., T], *args: object) -> T:
        """Return what the work returns, done on a thread."""
        return await asyncio.to_thread(work, *args)

    def answered(self) -> None:
        """Take note that there is an answer to be written into the tables."""
        self._fresh.set()

    @contextlib.asynccontextmanager
    async def importing(self) -> AsyncIterator[None]:
        """Write answers into the tables as they come, for the length of the block, and what is left at its end."""
        task = asyncio.create_task(self._import())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self._write()

    async def _import(self) -> None:
        while True:
            await self._fresh.wait()
            self._fresh.clear()
            await asyncio.shield(asyncio.ensure_future(self._write()))
            await asyncio.sleep(self._every)

    async def _write(self) -> None:
        try:
            await asyncio.to_thread(self.service.import_answers)
        except BeholderError as error:  # they are in the store, and come with the next ones
            log.error("answers of studies are not in the tables yet: %s", error)
            self._fresh.set()


class StudiesAlone:
    """Implements what the API asks of a service where it serves studies and nothing else."""

    def recovering(self) -> bool:
        return False

    async def ready(self) -> dict[str, bool]:
        return {"studies": True}

    async def counts(self) -> list[Counts]:
        return []

    async def close(self) -> None:
        """Hold nothing open."""
