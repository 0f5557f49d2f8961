"""Image scoring: how images stand with a person, on an attribute or on a question in any words, beside typical images."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beholder import images, tables
from beholder.encoder import Encoder
from beholder.errors import TasteError, nearest
from beholder.images import Fit, ImageLimits, digest
from beholder.taste import taste_registry
from beholder.taste.contract import Normal, Taste
from beholder.taste.effect_shards import EffectShards
from beholder.workspace import Workspace

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

    def __init__(
        self,
        encoder: Encoder,
        tastes: dict[str, Taste],
        typical: Callable[[], np.ndarray],
        *,
        effects: Mapping[str, EffectShards] | None = None,
        known_images: Callable[[], pa.Table] = tables.IMAGES.empty_table,
    ) -> None:
        """typical: pictures of typical images, uint8 RGB [M, R, R, 3]; called once. effects: of images, by the name of a taste.

        known_images: the workspace's table of images, by which a file is known again; called once, where it matters.
        """
        self.encoder, self.tastes, self._typical = encoder, tastes, typical
        self._effects, self._known_images = effects or {}, known_images
        self._digests: tuple[pa.Array, list[str]] | None = None
        self._lock = threading.Lock()
        self._pictures: np.ndarray | None = None

    @classmethod
    def load(cls, encoder: Encoder, workspace: Workspace, names: Sequence[str], typical: Callable[[], np.ndarray]) -> "ImageScorer":
        """Load tastes of the registry. Raises TasteError for one that is missing or of another encoder."""
        encoder_id = encoder.config.encoder_id()
        entries = {name: taste_registry.read(workspace.models, name, encoder_id=encoder_id) for name in names}
        effects = {name: entry.effects for name, entry in entries.items() if entry.effects is not None}
        tastes = {name: entry.taste for name, entry in entries.items()}
        return cls(encoder, tastes, typical, effects=effects, known_images=lambda: workspace.read("images"))

    def score(
        self,
        pictures: Sequence[np.ndarray],
        user_id: str,
        *,
        attribute: str = "",
        question: str = "",
        image_ids: Sequence[str] | None = None,
    ) -> list[ImageScore]:
        """Score pictures, uint8 RGB [H, W, 3] of any sizes.

        image_ids: of each, as `image_ids` returns them: what others said of an image counts.
        Raises TasteError for an attribute that no taste was fitted to, and a question that asks nothing.
        """
        name = self.taste_for(attribute=attribute, question=question)
        taste, effects = self.tastes.get(name), self._effects.get(name)
        fit = self.encoder.config.resolved().fit
        shown = np.stack([images.fit_pixels(each, fit) for each in [*pictures, *self._references()]])
        if taste is None:
            gap = self._by_cosine(shown, len(pictures), question)
            return [_score(gap, row, known=False) for row in range(len(pictures))]
        items = shown if taste.info.takes == "pixels" else self.encoder.images(shown)
        mine, others = items[: len(pictures)], items[len(pictures) :]
        left, right = np.repeat(mine, len(others), axis=0), np.concatenate([others] * len(mine))
        differences = taste.differences(left, right, user_id, attribute or question)
        mean, variance = (part.reshape(len(mine), len(others)).mean(axis=1) for part in (differences.mean, differences.variance))
        if effects is not None and image_ids is not None:
            mean = mean + effects.of(image_ids, attribute, taste, user_id).mean.astype(mean.dtype)
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

    def image_ids(self, images: Sequence[str | bytes]) -> list[str]:
        """Return the id of each image, given by it or as the bytes of its file; empty for a file that is not the workspace's."""
        if not self._effects:
            return [each if isinstance(each, str) else "" for each in images]
        with self._lock:
            if self._digests is None:
                table = self._known_images().filter(pc.field("sha256").is_valid())
                self._digests = table["sha256"].combine_chunks(), table["image_id"].to_pylist()
        digests = [digest(each) if isinstance(each, bytes) else None for each in images]
        rows = pc.index_in(pa.array(digests, pa.string()), self._digests[0]).to_pylist()
        known = self._digests[1]
        return [
            each if isinstance(each, str) else "" if row is None else known[row] for each, row in zip(images, rows, strict=True)
        ]

    def decode(self, files: Sequence[bytes], limits: ImageLimits) -> list[np.ndarray]:
        """Decode image files as the encoder takes them. Raises ImageError for what is no picture."""
        fit: Fit = self.encoder.config.resolved().fit
        return [images.decode_fit(data, fit, limits=limits) for data in files]

    def _by_cosine(self, shown: np.ndarray, count: int, question: str) -> Normal:
        """Return utilities by the cosine of an image's embedding with the question's."""
        from beholder.taste.clip_text import PromptTemplates, bare

        text = PromptTemplates(self.encoder, _TEMPLATES).embed([bare(question)])[0]
        cosines = self.encoder.images(shown) @ text / self.encoder.config.clip_share
        cosines /= _TEMPERATURE
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
