"""Image scoring: how images stand with a person, on an attribute or on a question in any words, beside typical images."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from beholder import images
from beholder.encoder import Encoder
from beholder.errors import TasteError, nearest
from beholder.images import Fit, ImageLimits
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.taste.contract import Normal, Taste

_TEMPERATURE = 0.15  # what CLIP's cosine is divided by, as in the tastes that take words
_TEMPLATES = ("a photo of {}", "a picture of {}", "{}")


@dataclass(frozen=True)
class ImageScore:
    """The score of one image: utility above that of typical images, in logits, its standard deviation (None where it is not known),
    and the probability that the person would choose it before one of them."""

    utility: float
    uncertainty: float | None
    probability: float


class ImageScorer:
    """Tastes that score images, and the cosine of the encoder's embeddings for a question that no taste takes."""

    def __init__(self, encoder: Encoder, tastes: dict[str, Taste], typical: Callable[[], np.ndarray]) -> None:
        """typical: pictures of typical images, uint8 RGB [M, R, R, 3]; called once."""
        self.encoder, self.tastes, self._typical = encoder, tastes, typical
        self._lock = threading.Lock()
        self._pictures: np.ndarray | None = None

    @classmethod
    def load(cls, encoder: Encoder, models: Place, names: Sequence[str], typical: Callable[[], np.ndarray]) -> "ImageScorer":
        """Load tastes of the registry. Raises TasteError for one that is missing or of another encoder."""
        encoder_id = encoder.config.encoder_id()
        return cls(encoder, {name: taste_registry.read(models, name, encoder_id=encoder_id).taste for name in names}, typical)

    def score(self, pictures: Sequence[np.ndarray], user_id: str, *, attribute: str = "", question: str = "") -> list[ImageScore]:
        """Score pictures, uint8 RGB [H, W, 3] of any sizes.

        Raises TasteError for an attribute that no taste was fitted to, and a question that asks nothing.
        """
        fit = self.encoder.config.resolved().fit
        shown = np.stack([images.fit_pixels(each, fit) for each in [*pictures, *self._references()]])
        taste = self.tastes.get(self.taste_for(attribute=attribute, question=question))
        if taste is None:
            gap = self._by_cosine(shown, len(pictures), question)
            return [_score(gap, row, known=False) for row in range(len(pictures))]
        items = shown if taste.info.takes == "pixels" else self.encoder.images(shown)
        mine, others = items[: len(pictures)], items[len(pictures) :]
        left, right = np.repeat(mine, len(others), axis=0), np.concatenate([others] * len(mine))
        differences = taste.differences(left, right, user_id, attribute or question)
        mean, variance = (part.reshape(len(mine), len(others)).mean(axis=1) for part in (differences.mean, differences.variance))
        gap = Normal(mean, variance)
        return [_score(gap, row, known=bool(variance.any())) for row in range(len(mine))]

    def taste_for(self, *, attribute: str = "", question: str = "") -> str:
        """Return the name of the taste that scores this; `clip` for the encoder alone. Raises TasteError as `score` does."""
        if question:
            from beholder.taste import taste_factory  # here and below: who only passes scores on needs no torch
            from beholder.taste.clip_text import bare

            bare(question)
            return next((name for name, taste in self.tastes.items() if taste.info.kind in taste_factory.QUESTION_KINDS), "clip")
        for name, taste in self.tastes.items():
            if attribute in taste.info.attributes:
                return name
        known = sorted({each for taste in self.tastes.values() for each in taste.info.attributes})
        if not known:
            raise TasteError(f"there is no taste that knows {attribute!r}; ask a question in words instead")
        raise TasteError(f"no taste was fitted to the attribute {attribute!r}{nearest(attribute, known)}")

    def decode(self, files: Sequence[bytes], limits: ImageLimits) -> list[np.ndarray]:
        """Decode image files as the encoder takes them. Raises ImageError for what is no picture."""
        fit: Fit = self.encoder.config.resolved().fit
        return [images.decode_fit(data, fit, limits=limits) for data in files]

    def _by_cosine(self, shown: np.ndarray, count: int, question: str) -> Normal:
        """Return utilities by the cosine of an image's embedding with the question's."""
        from beholder.taste.clip_text import PromptTemplates, bare

        text = PromptTemplates(self.encoder, _TEMPLATES).embed([bare(question)])[0]
        cosines = self.encoder.images(shown) @ text / _TEMPERATURE
        mean = cosines[:count] - cosines[count:].mean()
        return Normal(mean, np.zeros_like(mean))

    def _references(self) -> np.ndarray:
        with self._lock:
            if self._pictures is None:
                self._pictures = self._typical()
            return self._pictures


def _score(gap: Normal, row: int, *, known: bool) -> ImageScore:
    uncertainty = float(np.sqrt(gap.variance[row])) if known else None
    return ImageScore(float(gap.mean[row]), uncertainty, float(gap.probability()[row]))
