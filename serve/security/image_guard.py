"""Guard of images: what strangers send is decoded in another process first, which is killed where it takes too long.

What it let pass costs no more than that when it is decoded where it is used. The photos of all and the images of all predictions
wait in a queue each, so that one can't hold up the other.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from beholder.config import setting
from beholder.errors import ConfigError, HeicNotInstalled, ImageError, ImageTooLarge, UnknownImageFormat
from beholder.helper_process import HelperProcess
from beholder.images import ImageLimits
from beholder.serve.protocols import Overloaded
from beholder.serve.security import decoder_process

_WAITING = 32  # requests whose images wait in one queue
_KINDS = {kind.__name__: kind for kind in (ImageTooLarge, UnknownImageFormat, HeicNotInstalled)}


@dataclass(frozen=True)
class ImageGuardConfig:
    """What decoding the images of one request may cost."""

    seconds: float = setting(5.0, "seconds after which the process that decodes a request's images is killed (422)")
    pixels: int = setting(100_000_000, "pixels that the images of one request may have together")
    memory_mb: int = setting(1536, "megabytes that the process may take for decoding one image")

    def __post_init__(self) -> None:
        if self.seconds <= 0 or self.pixels < 1 or self.memory_mb < 512:
            raise ConfigError(
                "images.seconds must be above 0, images.pixels at least 1 and images.memory_mb at least 512, "
                f"got {self.seconds}, {self.pixels} and {self.memory_mb}"
            )


class ImageGuard:
    """Checks the images of requests, those of each queue one request after the other."""

    def __init__(self, limits: ImageLimits, config: ImageGuardConfig | None = None) -> None:
        self.limits, self.config = limits, config or ImageGuardConfig()
        self._queues = {name: _Queue(self.config.memory_mb) for name in ("photos", "predictions")}

    async def check(self, queue: str, files: Sequence[bytes]) -> None:
        """Return where all files of a request are images that can be decoded in time.

        queue: photos or predictions. Raises ImageError where one is not, Overloaded where too many requests wait.
        """
        place = self._queues[queue]
        if place.waiting >= _WAITING:
            raise Overloaded(queue)
        place.waiting += 1
        try:
            await asyncio.get_running_loop().run_in_executor(place.thread, self._check, place.process, files)
        finally:
            place.waiting -= 1

    def close(self) -> None:
        """End the processes."""
        for queue in self._queues.values():
            queue.process.stop()
            queue.thread.shutdown(wait=False)

    def _check(self, process: HelperProcess, files: Sequence[bytes]) -> None:
        left, seconds = self.config.pixels, self.config.seconds
        together = f"the images of a request may have {self.config.pixels:,} pixels together"
        try:
            process.start()
        except TimeoutError:
            raise Overloaded("images") from None
        for data in files:
            if left < 1:
                raise ImageTooLarge(together)
            head = {"max_bytes": self.limits.max_bytes, "max_pixels": min(self.limits.max_pixels, left)}
            began = time.monotonic()
            reply = process.ask(head, data, seconds)
            seconds -= time.monotonic() - began
            if reply is None or seconds <= 0:
                raise ImageError(f"the images can't be decoded within {self.config.seconds:g} seconds")
            if "error" in reply:
                beyond = left < self.limits.max_pixels and str(reply["error"]).endswith(f"over the limit of {left:,} pixels")
                kind = _KINDS.get(str(reply.get("kind")), ImageError)
                raise ImageTooLarge(together) if beyond else kind(str(reply["error"])[:300])
            left -= reply["pixels"]


class _Queue:
    def __init__(self, memory_mb: int) -> None:
        self.process, self.waiting = HelperProcess(decoder_process.__name__, str(memory_mb)), 0
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="images")
