"""Baseline: the work of the service as one process does it that calls the library directly: what serving is measured against."""

import time
import uuid
from collections.abc import Sequence

import numpy as np

from beholder.recommending.components import ServiceConfig, build_service

PersonAndImage = tuple[str, str]  # user_id and image_id


class Baseline:
    """The service of the library, in this process."""

    def __init__(self, config: ServiceConfig) -> None:
        self.service = build_service(config)

    def answer(self, request: PersonAndImage, rounds: int) -> None:
        """Have a person answer questions, the one on the left always."""
        for _ in range(rounds):
            asked = self.service.recommendations.question(*request).question
            self.service.recommendations.answer(uuid.uuid4().hex, asked.question_id, "left")

    def recommend(self, requests: Sequence[PersonAndImage]) -> None:
        """Recommend to some people at once: all that has to be drawn and encoded is, together."""
        service = self.service
        shortlists = [service.recommendations.shortlist(*request) for request in requests]
        assert all(each.edits for each in shortlists), "everybody has answered some questions"
        wanted = [(each.image.latent, each.edits) for each in shortlists]
        pictures = service.library.draw_latents(wanted, size=service.encoder.size)
        embeddings = service.encoder.images(np.concatenate(pictures))
        ends = np.cumsum([len(each.edits) for each in shortlists])[:-1]
        for shortlist, own in zip(shortlists, np.split(embeddings, ends), strict=True):
            service.recommendations.recommend(shortlist, own, count=4)

    def measure(self, requests: Sequence[PersonAndImage], batch: int, seconds: float) -> list[float]:
        """Return the seconds that each batch of recommendations takes, one after the other until the time is over."""
        took: list[float] = []
        began, at = time.perf_counter(), 0
        while time.perf_counter() - began < seconds or not took:
            some = [requests[(at + each) % len(requests)] for each in range(batch)]
            at, start = at + batch, time.perf_counter()
            self.recommend(some)
            took.append(time.perf_counter() - start)
        return took

    def close(self) -> None:
        """Close the store."""
        self.service.close()
