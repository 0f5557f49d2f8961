"""The look service: people's own photos, asked about and recommended under looks; nothing is trained beforehand and nothing
downloaded.

Candidates are drawn small and encoded, all of them, instead of predicted; photos are kept as small copies in the workspace, and
the files they were made of are only read.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from beholder import images, look_descriptor
from beholder.cache import BoundedCache
from beholder.editing.directions.edit_text import write
from beholder.editing.editor import Edit
from beholder.editing.looks.look_directions import ASKED
from beholder.editing.looks.look_editor import LookEditor, LookLatents
from beholder.encoder import LOOKS, Encoder, EncoderConfig
from beholder.errors import ConfigError, StorageError, UnknownImage
from beholder.recommending.candidates import Candidates, CandidatesConfig, candidates
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.image_library import ImageLibrary, LatentStore, LibraryImage
from beholder.recommending.own_photos.drawn_embeddings import FIT, DrawnEmbeddings, editable
from beholder.recommending.own_photos.look_search import LookRecommendationService
from beholder.recommending.posteriors import PriorStore
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.ranking import PROBABILITY
from beholder.recommending.service import RecommendationService
from beholder.recommending.store.question import Answer, Question
from beholder.storage import Place

if TYPE_CHECKING:
    from beholder.recommending.components import ServiceConfig
    from beholder.recommending.store.choice_store import Store

GENERATOR = "looks"  # what answers call the editor
_COPY = 1536  # pixels of the longer side of the copy that is kept of a photo
_QUALITY = 95
_MIXED = 0.45  # of the candidates move along three or four directions
_PHOTOS = 40  # whose copies stay in memory
_STEP = 1.0  # of the grid of alphas
LEARNED = "learned"  # the strategy of choices that photos imply
_SCALES = (0.0, 0.4, 1.7)  # of a look, which the person did not make: the photo as it is, less of it, more of it
_SEEN, _STRONGEST = 0.5, 3  # alpha from which a direction is seen to be wanted, and how many are told of
_OTHERS = 4  # looks drawn by chance among the candidates, which the person did not make either


class PhotoStore:
    """The copies of photos in a workspace, of at most 1536 pixels a side."""

    generator = GENERATOR
    fingerprint = GENERATOR

    def __init__(self, place: Place) -> None:
        """place: of the workspace."""
        self._folder = place / "looks"

    def __contains__(self, image_id: str) -> bool:
        return image_id.startswith("seed-") or self._at(image_id).is_file()

    def write(self, image_id: str, pixels: np.ndarray) -> None:
        """Keep the copy of a photo, uint8 RGB [H, W, 3]."""
        self._at(image_id).write_bytes(images.encode(images.shrink(pixels, _COPY), format="JPEG", quality=_QUALITY))

    def remove(self, image_id: str) -> None:
        """Remove a photo's copy, if it is there."""
        if image_id.startswith("photo-"):
            self._at(image_id).delete()

    def read(self, image_id: str) -> np.ndarray:
        """Return the copy of a photo, uint8 RGB [H, W, 3]. Raises UnknownImage where there is none."""
        if not image_id.startswith("photo-") or not image_id.removeprefix("photo-").isalnum():
            raise UnknownImage(f"{image_id[:60]!r} is no image: expected seed-NUMBER or the photo-... that a photo was given")
        try:
            return images.decode(self._file(image_id))
        except StorageError:
            raise UnknownImage(f"{image_id} is not among the photos uploaded to {self.generator}") from None

    def latent(self, image_id: str) -> LookLatents:
        """Return a photo's copy as the editor knows it. Raises UnknownImage as `read` does."""
        return LookLatents((self.read(image_id),))

    def uri(self, image_id: str) -> str:
        """Return where a photo's copy lies."""
        return self._at(image_id).uri

    def _file(self, image_id: str) -> bytes:
        """Return the copy of a photo as a file. Raises StorageError where there is none."""
        return self._at(image_id).read_bytes()

    def _at(self, image_id: str) -> Place:
        return self._folder / f"{image_id}.jpg"


class LookLibrary(ImageLibrary):
    """Photos under looks. Safe to share between threads."""

    def __init__(self, store: "Store", place: Place, config: Any = None, *, editor: Any = None, photos: Any = None) -> None:
        """place: of the workspace. editor, photos: others than those of looks, for photos that are edited in another way."""
        editor, photos = editor or LookEditor(), photos or PhotoStore(place)
        super().__init__(editor, photos, store, config)
        self.editor: Any
        self.latents: Any
        self._latents = BoundedCache(_PHOTOS)

    def image(self, image_id: str) -> LibraryImage:
        photo = self.latent(image_id).photos[0]
        return LibraryImage(image_id, image_id.partition("-")[0], max(photo.shape[:2]))

    def add_photo(
        self, data: bytes, user_id: str, *, aligned: bool = False, abandoned: Callable[[], bool] = lambda: False
    ) -> LibraryImage:
        """Keep a copy of a photo, the bytes of its file, as uploaded by this person; that is done too soon to be abandoned.

        Raises ImageError for what is no picture, PersonErased where the person was erased meanwhile.
        """
        erasures = self.store.erasures(user_id)
        image_id = LatentStore.id_of_photo(user_id, images.digest(data))
        pixels: Any = None if image_id in self.latents else images.decode(data, limits=self.config.limits)
        self._keep(user_id, image_id, erasures, pixels)
        return self.image(image_id)

    def picture(self, image_id: str, edit: Edit, media_type: str, size: int | None = None) -> bytes:
        """Return a photo under a look as a file. size: the pixels of its longer side that are needed. Raises as `check` does."""
        cached = self.cached_file(image_id, edit, media_type, size)
        if cached is not None:
            return cached
        latent: Any = self.check(image_id, [edit])
        whole = latent.photos[0]
        photo = whole if size is None else images.shrink(whole, size)
        drawn = _as_large_as(photo, self.editor.develop(LookLatents((photo,)), [edit])[0])
        return self.encode_file(image_id, edit, media_type, drawn, size)

    def shown_size(self, image_id: str, size: int | None) -> int | None:
        """Return the size that is needed: a look is the same at every size."""
        return size

    def grey(self, image_id: str) -> bool:
        """Whether pictures are to be grey: looks keep what is grey as it is, and may tone it."""
        return False

    def latent(self, image_id: str) -> Any:
        """Return a photo's copy, or the landscape of a seed. Raises UnknownImage as `image` does."""
        kind, _, number = image_id.partition("-")
        if kind == "seed":
            if not number.isdecimal():
                raise UnknownImage(f"{image_id[:60]!r} is no image: expected seed-NUMBER or the photo-... that a photo was given")
            return self._latents.get_or_make(image_id, lambda: self.editor.generate([int(number)]))
        if image_id not in self.latents:
            self._latents.pop(image_id)
        return self._latents.get_or_make(image_id, lambda: self.latents.latent(image_id))

    def draw_latents(self, requests: Sequence[tuple[Any, Sequence[Edit]]], *, size: int | None = None) -> list[np.ndarray]:
        """Draw photos under some looks each: uint8 RGB [its looks, H, W, 3] in the photo's shape.

        size: of the square that an encoder takes, to which the photo is scaled before it is developed.
        """
        result = []
        for latent, edits in requests:
            photo = latent.photos[0] if size is None else images.fit_pixels(latent.photos[0], thumbnail_fit(size))
            drawn = [_as_large_as(photo, each) for each in self.editor.develop(LookLatents((photo,)), edits)]
            result.append(np.stack(drawn) if drawn else np.empty((0, *photo.shape), np.uint8))
        return result


def thumbnail_fit(size: int) -> images.Fit:
    """Return how a photo is scaled for the descriptor."""
    return images.Fit(size, FIT.resize, FIT.interpolation)


def look_candidates(config: CandidatesConfig | None = None, *, seed: int = 0) -> Candidates:
    """Return the looks to choose among, always the same: each direction by itself, pairs, and mixtures of three or four."""
    config = config or CandidatesConfig()
    plain = candidates(ASKED, replace(config, count=max(1, round((1 - _MIXED) * config.count)), step=max(config.step, _STEP)))
    rng = np.random.default_rng(seed)
    names, ranges = tuple(ASKED), np.array([each.range for each in ASKED.values()])
    count = config.count - len(plain) if config.pairs else 0
    mixed: dict[bytes, np.ndarray] = {}
    while len(mixed) < count:
        row = np.zeros(len(names), np.float32)
        columns = rng.choice(len(names), int(rng.integers(3, 5)), replace=False)
        low, high = (np.round(2 * ranges[columns, side] / 3, 1) for side in (0, 1))
        row[columns] = np.round(_drawn(rng, low, high), 2)
        mixed[row.tobytes()] = row
    return Candidates(names, np.concatenate([plain.alphas, np.stack(list(mixed.values()))]) if mixed else plain.alphas)


def _as_large_as(photo: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return a picture that was cropped scaled up to the photo's size, so that two looks of a photo can be compared."""
    if drawn.shape == photo.shape:
        return drawn
    side = max(photo.shape[:2])
    square = images.fit_pixels(drawn, images.Fit(side, "squash"))
    rows, columns = (np.linspace(0, side - 1, count).round().astype(int) for count in photo.shape[:2])
    return np.ascontiguousarray(square[rows][:, columns])


def _drawn(rng: np.random.Generator, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return strengths for a mixture: an end, or half of it, of each direction."""
    ends = np.where(rng.random(len(low)) * (high - low) < high, high, low)
    return np.asarray(ends * rng.choice([0.5, 1.0], len(low)))


def look_encoder(config: EncoderConfig) -> EncoderConfig:
    """Return the encoder of looks: the descriptor, also where the default encoder of portraits stands, or a CLIP joined to it.

    Raises ConfigError for a CLIP alone, which hardly tells looks of one photo apart, EncoderError for a joined one without weights.
    """
    if config.looks:
        return config.resolved()
    if config.name not in ("looks", "portraits", ""):
        raise ConfigError(
            f"editor=looks needs the descriptor of looks, which encoder={config.name} alone has not: add encoder.looks=true, which "
            "joins both, or leave encoder out"
        )
    return EncoderConfig(
        name="looks", model=LOOKS, size=look_descriptor.SIZE, resize=FIT.resize, interpolation=FIT.interpolation, device="cpu"
    ).resolved()


def look_encoder_key(config: EncoderConfig) -> str:
    """Return what embeddings of looks depend on, as a text: the encoder's id, and of a joined CLIP what it sees of a photo."""
    return f"{config.encoder_id()} {config.looks_by}" if config.looks else config.encoder_id()


def look_ranker(config: RankerConfig) -> RankerConfig:
    """Return the ranker of looks: a change of the picture is liked up to a point."""
    return config if config.bayes.curved is not None else replace(config, bayes=replace(config.bayes, curved=True))


def build_look_recommendations(
    config: "ServiceConfig", library: LookLibrary, encoder: Encoder, store: "Store", workspace: Any
) -> RecommendationService:
    """Build the recommendation service of looks."""
    predictor, ranker = DrawnEmbeddings(encoder), look_ranker(config.ranker)
    features = EditFeatures(predictor, look_candidates(config.components.candidates))

    def encode_image(image_id: str) -> EditableImage:
        return editable(image_id, library.latent(image_id).photos[0], predictor)

    made_for = {
        "generator": GENERATOR,
        "encoder_id": look_encoder_key(encoder.config),
        "directions": list(ASKED),
        "ranker": asdict(ranker),
    }
    exists: Callable[[str], bool] = lambda image_id: image_id in library.latents  # noqa: E731
    ranking = config.components.ranking
    return LookRecommendationService(
        features,
        store,
        workspace,
        encode_image,
        ASKED,
        exists=exists,
        ranker=ranker,
        ranking_config=replace(ranking, by=PROBABILITY) if ranking.by is None else ranking,
        priors=PriorStore(workspace.place / "rankers", made_for),
        config=config.service,
        attribute=config.components.attribute,
        questions=config.questions,
        directions=config.directions,
    )


def implied(user_id: str, image_id: str, look: Edit, others: Sequence[Edit]) -> list[tuple[Question, Answer | None]]:
    """Return the choices that a look implies which somebody made: it was liked better than none, less, more, the same without one
    of its strongest directions, and any other look.

    A photo that was left as it is was liked better than other looks alone. others: looks to draw some of, by chance that depends on
    the person and the photo alone: the same photo again implies the same questions, which count once.
    """
    rng = np.random.default_rng(int(hashlib.sha256(f"{user_id} {image_id}".encode()).hexdigest()[:12], 16))
    scaled = [_scaled(look, scale) for scale in _SCALES]
    drawn = [dict(others[int(row)]) for row in rng.choice(len(others), min(_OTHERS, len(others)), replace=False)]
    rejected = [each for each in [*scaled, *_without_one(look), *drawn] if each != dict(look)]
    now = datetime.now(UTC)
    result: list[tuple[Question, Answer | None]] = []
    for number, other in enumerate(rejected):
        key = hashlib.sha256(f"{user_id} {image_id} {number} {write(look)} {write(other)}".encode()).hexdigest()[:32]
        left = bool(rng.random() < 0.5)
        sides = (look, other) if left else (other, look)
        question = Question(key, user_id, image_id, sides[0], sides[1], LEARNED, now)
        result.append((question, Answer(f"{key}-answer", key, "left" if left else "right", now)))
    return result


def _without_one(look: Edit) -> list[dict[str, float]]:
    """Return a look without each of its strongest directions, which tells that each of them was wanted."""
    strongest = sorted((name for name, alpha in look.items() if abs(alpha) >= _SEEN), key=lambda name: (-abs(look[name]), name))
    return [{name: alpha for name, alpha in look.items() if name != left} for left in strongest[:_STRONGEST] if len(look) > 1]


def _scaled(look: Edit, scale: float) -> dict[str, float]:
    """Return a look with other strengths, within their ranges."""
    result = {}
    for name, alpha in look.items():
        low, high = ASKED[name].range
        value = round(min(max(scale * alpha, low), high), 3)
        if value:
            result[name] = value
    return result
