"""Doubles that sign a Protocol and can nothing: a test inherits one, and writes what it is asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from beholder.editing.editor import Edit
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.image_library import LibraryImage
from beholder.recommending.rankers.ranker import JointNormal, Ranker
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
from beholder.serve.protocols import DirectionList, ImageScores, Service
from beholder.taste.contract import Normal, Taste, TasteInfo, TasteSettings


class PartialRanker(Ranker):
    def update(self, comparison: Comparison) -> None:
        raise NotImplementedError

    def remove_person(self, user_id: str) -> bool:
        raise NotImplementedError

    def of_person(self, user_id: str | None) -> Ranker:
        raise NotImplementedError

    def joint(self, user_id: str, edit_set: EditSet) -> JointNormal:
        raise NotImplementedError

    def tensors(self) -> Mapping[str, np.ndarray]:
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        raise NotImplementedError


class PartialTaste(Taste):
    info = TasteInfo("partial", "none", (), ())

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        raise NotImplementedError

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        raise NotImplementedError

    def tensors(self) -> Mapping[str, np.ndarray]:
        raise NotImplementedError

    def settings(self) -> TasteSettings:
        raise NotImplementedError


class PartialService(Service):
    async def directions(self) -> DirectionList:
        raise NotImplementedError

    async def image(self, image_id: str) -> LibraryImage:
        raise NotImplementedError

    async def add_photo(self, data: bytes, user_id: str, *, aligned: bool) -> LibraryImage:
        raise NotImplementedError

    async def picture(self, image_id: str, edit: str, media_type: str, size: int | None = None) -> bytes:
        raise NotImplementedError

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
        raise NotImplementedError

    async def answer(self, event_id: str, question_id: str, choice: str, response_seconds: float | None) -> RecordedAnswer:
        raise NotImplementedError

    async def retract(self, question_id: str) -> RetractedAnswer:
        raise NotImplementedError

    async def recommend(
        self, user_id: str, image_id: str, count: int, *, attribute: str = "", steering: Steering | None = None
    ) -> Recommendation:
        raise NotImplementedError

    async def scores(self, user_id: str, image_id: str, edits: Sequence[Edit], *, attribute: str = "") -> EditScores:
        raise NotImplementedError

    async def export_taste(self, user_id: str, *, attribute: str = "") -> tuple[Choice, ...]:
        raise NotImplementedError

    async def import_taste(
        self, user_id: str, choices: Sequence[tuple[Question, Answer]], *, attribute: str = ""
    ) -> tuple[int, int]:
        raise NotImplementedError

    async def person(self, user_id: str, *, attribute: str = "") -> Person:
        raise NotImplementedError

    async def erase(self, user_id: str) -> ErasureReport:
        raise NotImplementedError

    async def predict(self, user_id: str, images: Sequence[str | bytes], *, attribute: str, question: str) -> ImageScores:
        raise NotImplementedError

    async def ready(self) -> dict[str, bool]:
        raise NotImplementedError

    def recovering(self) -> bool:
        raise NotImplementedError

    async def counts(self) -> list[Counts]:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
