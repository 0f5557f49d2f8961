"""A visit: `beholder serve` started as a process of its own, and a simulated person who answers its questions over HTTP."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np

from beholder import images
from beholder.errors import BeholderError
from beholder.portraits.sample import SimulatedPerson
from beholder.progress import waiting

_PATIENCE = 180.0  # seconds until a server has to be ready
_POLL = 0.5


@dataclass(frozen=True)
class AnsweredRound:
    """A question that was answered. seconds: from asking for it to the answer's being kept."""

    left: dict[str, float]
    right: dict[str, float]
    choice: str
    seconds: float


@contextmanager
def served(words: list[str], address: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server of these words, ready; stopped in peace afterwards. log: the file that takes what it prints.

    Raises BeholderError where it stops by itself or is not ready in time.
    """
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "beholder", "serve", *words], stdout=file, stderr=subprocess.STDOUT)
    try:
        with waiting("waiting for the service", detail=lambda: _last_line(log)):
            _wait_until_ready(process, address, log)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    began = time.monotonic()
    while not _answers(f"{address}readyz"):
        if process.poll() is not None:
            raise BeholderError(f"beholder serve stopped by itself (exit code {process.returncode}); {log} says why")
        if time.monotonic() - began > _PATIENCE:
            raise BeholderError(f"beholder serve was not ready after {_PATIENCE:.0f} seconds; see {log}")
        time.sleep(_POLL)


def _last_line(log: Path) -> str:
    """Return what a server said last, without the time that it has waited."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].partition(" ...")[0] if lines else ""


class ApiClient:
    """The API as one person uses it."""

    def __init__(self, address: str, user_id: str) -> None:
        self.address, self.user_id = address.rstrip("/"), user_id

    def answer(self, image_id: str, visitor: SimulatedPerson) -> AnsweredRound:
        """Fetch a question and its two pictures, choose, and send the choice."""
        began = time.monotonic()
        question = self.call("POST", "/v1/questions", user_id=self.user_id, image_id=image_id)
        left, right = (self.picture(question[side]["picture"]) for side in ("left", "right"))
        choice = visitor.choose(left, right)
        self.call("POST", "/v1/choices", event_id=uuid.uuid4().hex, question_id=question["question_id"], choice=choice)
        return AnsweredRound(question["left"]["edit"], question["right"]["edit"], choice, time.monotonic() - began)

    def recommend(self, image_id: str) -> dict[str, Any]:
        """Return the recommended edits, as the API sends them."""
        return self.call("POST", "/v1/recommendations", user_id=self.user_id, image_id=image_id)

    def picture(self, path: str) -> np.ndarray:
        """A picture by its address, uint8 RGB [R, R, 3]."""
        return images.decode(self._send(Request(self.address + path, headers={"Accept": "image/png"})))

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """A request with a JSON body. Raises BeholderError for an answer that is no success."""
        data = json.dumps(body).encode() if body else None
        request = Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        answer: dict[str, Any] = json.loads(self._send(request))
        return answer

    def _send(self, request: Request) -> bytes:
        try:
            with urlopen(request, timeout=60) as response:
                data: bytes = response.read()
                return data
        except HTTPError as error:
            raise BeholderError(
                f"{request.full_url} answered {error.code}: {error.read()[:300].decode(errors='replace')}"
            ) from None
        except URLError as error:
            raise BeholderError(f"{request.full_url} can't be reached: {error.reason}") from None


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (HTTPError, URLError, OSError):
        return False
