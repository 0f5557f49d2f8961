"""Recommender: one person and one image: what to ask, what was chosen, and the edit that this person will like most."""

import atexit
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from beholder import identifiers
from beholder.cache import BoundedCache
from beholder.editing.directions.edit_text import write
from beholder.errors import ChoiceError, EditError, ImageError, InputError
from beholder.interface.fitted_taste import FittedTaste
from beholder.interface.image_input import file_bytes, is_picture
from beholder.interface.labels import text_of
from beholder.interface.named_settings import ENCODER, encoder_config
from beholder.interface.picture import Picture, row_html

if TYPE_CHECKING:
    from beholder.recommending.components import InProcessService

_ANSWERS = {
    **dict.fromkeys(("left", "l", "a"), "left"),
    **dict.fromkeys(("right", "r", "b"), "right"),
    **dict.fromkeys(("neither", "n", "tie"), "neither"),
}
_SERVICES: "BoundedCache[tuple[str, str, str], InProcessService]" = BoundedCache(2)


@dataclass(frozen=True, eq=False)
class AskedPair:
    """A question: which of two edits of an image is better? A notebook shows both. left, right: Pictures with their edits."""

    question_id: str
    user_id: str
    left: Picture
    right: Picture
    number: int

    def __repr__(self) -> str:
        return f"<AskedPair {self.number} for {self.user_id}: left {self.left.caption!r}, right {self.right.caption!r}>"

    def _repr_html_(self) -> str:
        captions = [f"left: {self.left.caption}", f"right: {self.right.caption}"]
        return row_html([self.left, self.right], captions, width=240)


@dataclass(frozen=True, eq=False)
class RecommendedPicture:
    """The edit that a person will like most, drawn. A notebook shows it beside the image as it is, and the runners-up.

    picture, edit: the best. probability: that the person prefers it to the image as it is. reasons: what speaks for it, in words.
    pictures: of all rows of `table`, best first: edit, words, utility, uncertainty, probability.
    """

    user_id: str
    original: Picture
    pictures: tuple[Picture, ...]
    table: pd.DataFrame
    reasons: tuple[str, ...]
    answers: int

    @property
    def picture(self) -> Picture:
        """The best one."""
        return self.pictures[0]

    @property
    def edit(self) -> Mapping[str, float]:
        """The best edit: direction -> strength; empty where none is better than the image as it is."""
        return self.picture.edit

    @property
    def probability(self) -> float:
        """How likely it is that the person prefers the best edit to the image as it is."""
        return float(self.table["probability"].iloc[0])

    def __repr__(self) -> str:
        return (
            f"<RecommendedPicture for {self.user_id}: {self.picture.caption}, preferred to the image as it is with probability "
            f"{self.probability:.2f}, after {self.answers} answers>"
        )

    def _repr_html_(self) -> str:
        captions = ["as it is"] + [
            f"{picture.caption} ({probability:.0%})"
            for picture, probability in zip(self.pictures, self.table["probability"], strict=True)
        ]
        reasons = "".join(f"<li>{escape(reason)}</li>" for reason in self.reasons)
        return f"{row_html([self.original, *self.pictures], captions)}<ul>{reasons}</ul>"


class Recommender:
    """Questions and recommendations for one person and one image.

    >>> recommender = Recommender("ana", 3)
    >>> for _ in range(3):
    ...     question = recommender.ask()
    ...     recommender = recommender.answer("left" if "hat" in question.left.caption else "right")
    >>> recommender.answers
    3
    >>> len(recommender.recommend(2).pictures)
    2
    """

    def __init__(
        self,
        user: Any,
        image: Any = 1,
        *,
        taste: FittedTaste | None = None,
        attribute: str | None = None,
        allow: Sequence[str] = (),
        forbid: Sequence[str] = (),
        lock: Sequence[str] | None = None,
        generator: str = "portraits",
        workspace: str | Path | None = None,
        aligned: bool = False,
        seed: int | None = None,
    ) -> None:
        """user: an id. image: a seed, or a photo of a face as `bh.edit` takes it.

        taste: where to start from, fitted to embeddings of `bh.embed`: the answers then move it. attribute: by what the person
        chooses. allow, forbid, lock: directions or groups of them that may change, must not, stay as they are (by default identity,
        skin and age stay). workspace: a folder that keeps the answers; None: they are forgotten when the process ends, and until
        then count for every Recommender of this person. seed: of the questions, so that they are the same again.

        Raises InputError for what is no id or picture, EditError for a photo without a face and an unknown direction.
        """
        from beholder.recommending.steering import Steering

        self.user = identifiers.person_name(text_of(user, what="user"), what="user", error=InputError)
        self.attribute = attribute or ""
        self._service = _service(None if workspace is None else str(workspace), generator, taste, attribute)
        self._steering = Steering(tuple(allow), tuple(forbid), None if lock is None else tuple(lock))
        self._rng = np.random.default_rng(seed)
        self.image_id = self._image(image, aligned=aligned)
        self.question: AskedPair | None = None
        recommendations = self._service.recommendations
        self._steering.movable(recommendations.vocabulary, recommendations.offered)  # unknown names are refused now

    @property
    def answers(self) -> int:
        """How many questions the person has answered so far, about any image."""
        return self._service.recommendations.person(self.user, attribute=self.attribute).rounds

    @property
    def learned(self) -> tuple[str, ...]:
        """What is known of the person's preferences, in words."""
        return self._service.recommendations.person(self.user, attribute=self.attribute).words

    def ask(self) -> AskedPair:
        """Return the question whose answer is worth most now: two edits of the image."""
        asked = self._service.recommendations.question(
            self.user,
            self.image_id,
            attribute=self.attribute,
            steering=self._steering,
            seed=int(self._rng.integers(2**31)),
        )
        question = asked.question
        drawn = self._service.pictures(self.image_id, [question.left, question.right])
        sides = [self._picture(*each) for each in zip(drawn, asked.words, (question.left, question.right), strict=True)]
        self.question = AskedPair(question.question_id, self.user, sides[0], sides[1], asked.rounds + 1)
        return self.question

    def answer(self, choice: str, question: AskedPair | None = None) -> "Recommender":
        """Keep an answer to the last question, or to the one given: left, right or neither (or a, b, n); returns itself.

        Raises ChoiceError where nothing was asked, InputError for another word.
        """
        asked = question or self.question
        if asked is None:
            raise ChoiceError("nothing was asked yet: .ask() first, then .answer('left'), 'right' or 'neither'")
        word = _ANSWERS.get(str(choice).strip().lower())
        if word is None:
            raise InputError(f"answer {choice!r}: expected left, right or neither (or a, b, n)")
        self._service.recommendations.answer(uuid.uuid4().hex, asked.question_id, word)
        if question is None:
            self.question = None
        return self

    def undo(self, question: AskedPair) -> "Recommender":
        """Take the answer to a question back."""
        self._service.recommendations.retract(question.question_id)
        return self

    def recommend(self, count: int = 4) -> RecommendedPicture:
        """Return the edits that the person will like most, drawn, best first; `count` of them at most.

        Raises ChoiceError where nothing is known of the person yet.
        """
        if count < 1:
            raise InputError(f"count: expected at least 1, got {count}")
        found = self._service.recommend(self.user, self.image_id, count=count, attribute=self.attribute, steering=self._steering)
        if not found.known:
            raise ChoiceError(f"nothing is known yet of what {self.user} likes: .ask() and .answer(...) a few times first")
        drawn = self._service.pictures(self.image_id, [{}, *(each.edit for each in found.ranked)])
        pictures = [self._picture(*each) for each in zip(drawn[1:], found.words, [e.edit for e in found.ranked], strict=True)]
        table = pd.DataFrame(
            {
                "edit": [write(each.edit) or "-" for each in found.ranked],
                "words": found.words,
                "utility": [each.utility for each in found.ranked],
                "uncertainty": [each.uncertainty for each in found.ranked],
                "probability": [each.probability for each in found.ranked],
            }
        )
        original = self._picture(drawn[0], "as it is", {})
        return RecommendedPicture(self.user, original, tuple(pictures), table, found.reasons, found.rounds)

    def __repr__(self) -> str:
        return f"<Recommender for {self.user}, {self.image_id}: {self.answers} answers>"

    def _image(self, image: Any, *, aligned: bool) -> str:
        """Return the id of the image in the service's library, where a photo is put."""
        if isinstance(image, (int, np.integer)) and not isinstance(image, bool):
            image = f"seed-{int(image)}"
        library = self._service.library
        if isinstance(image, str) and image in library.latents:
            return library.image(image).image_id
        if not is_picture(image) or (isinstance(image, str) and image.startswith("seed-")):
            raise InputError(f"image: expected a seed (a whole number from 0) or a picture, got {image!r:.80}")
        try:
            return library.add_photo(file_bytes(image), self.user, aligned=aligned).image_id
        except (ImageError, EditError) as error:
            raise type(error)(f"image: {error}".replace("aligned=true", "aligned=True")) from None

    def _picture(self, pixels: np.ndarray, words: str, edit: Mapping[str, float]) -> Picture:
        from beholder.interface.picture_editing import PictureSource

        library = self._service.library
        if not hasattr(library.editor, "generator"):
            return Picture(pixels, words, dict(edit))
        return Picture(pixels, words, dict(edit), PictureSource(library.editor, library.latent(self.image_id)))


def _service(workspace: str | None, generator: str, taste: FittedTaste | None, attribute: str | None) -> "InProcessService":
    """Return the service of a workspace, of a temporary one where none is named; the last two stay in memory."""
    name = "" if taste is None else f"taste-{id(taste)}-{taste.judgements}"
    key = (workspace or "", generator, name)
    return _SERVICES.get_or_make(key, lambda: _build(workspace or _temporary(), generator, taste, name, attribute))


def _build(workspace: str, generator: str, taste: FittedTaste | None, name: str, attribute: str | None) -> "InProcessService":
    from beholder.recommending.components import Components, ServiceConfig, build_service

    components = Components(generator=generator)
    encoder = encoder_config(ENCODER)
    if taste is not None:
        if taste.taste.info.encoder_id != encoder.encoder_id():
            raise InputError(
                f"taste: it was fitted to embeddings of {taste.taste.info.encoder_id}, and edits are embedded by "
                f"{encoder.encoder_id()}; fit it to bh.embed(images)"
            )
        taste.save(Path(workspace) / "models" / name, embeddings=False)
        components = replace(components, taste=name, attribute=taste._attribute(attribute))
    return build_service(ServiceConfig(components=components, encoder=encoder, choices=None, workspace=workspace))


def _temporary() -> str:
    """Return a folder for what is forgotten when the process ends; one for the whole process."""
    if not _FOLDERS:
        _FOLDERS.append(tempfile.mkdtemp(prefix="beholder-"))
        atexit.register(shutil.rmtree, _FOLDERS[0], ignore_errors=True)
    return _FOLDERS[0]


_FOLDERS: list[str] = []
