"""Embedding: pictures of a Python program -> a DataFrame of embeddings, here or where a Ray Dataset is."""

import functools
import itertools
from typing import Any, Protocol

import numpy as np

from beholder import images as pictures
from beholder.cache import BoundedCache
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ImageError, InputError
from beholder.interface.embedding_input import EmbeddedImages, embedding_frame
from beholder.interface.image_input import pixels_of, read_images
from beholder.interface.labels import Labels, texts_of
from beholder.interface.named_settings import ENCODER, Settings, encoder_config
from beholder.interface.table_input import is_ray_dataset

_BATCH = 64  # pictures that are held at a time
_ENCODERS: BoundedCache[str, Encoder] = BoundedCache(2)


class PixelEncoder(Protocol):
    """What may embed pictures in the place of a CLIP: `images` takes uint8 RGB [N, H, W, 3], or a list where sizes differ."""

    def images(self, pixels: Any) -> np.ndarray:
        """Embed pictures: float [N, D]."""
        ...


def embed(
    images: Any,
    encoder: str | EncoderConfig | PixelEncoder = ENCODER,
    *,
    settings: Settings | None = None,
    ray_options: Settings | None = None,
) -> Any:
    """Embed pictures with a CLIP model.

    images: a folder, a path, URL, PIL image, array or tensor, a list of these, an array [N, H, W, 3] or tensor [N, 3, H, W], a dict
    or Series id -> picture, or a table with image_id and image, path or uri. encoder: "portraits", which ships with the project and
    knows its drawn portraits; "vit_b_32", "vit_l_14", "siglip2_b_16", ..., whose weights are downloaded once; "looks", which needs
    none; an EncoderConfig; or an object with images(pixels) -> [N, D]. settings: what differs, {"weights": FILE, "device": "cpu"}.

    Returns a DataFrame with the index image_id (paths below the folder, paths as given, keys, or 0, 1, 2, ...), a column of
    float32 for each dimension and the encoder's id in attrs["encoder_id"]; of a Ray Dataset with image_id and image or uri, a Ray
    Dataset of image_id and embedding, computed where that runs. ray_options: of its map_batches, such as {"num_gpus": 1}.

    Raises InputError for what is no picture, ImageError for a file that can't be read, EncoderError for weights that can't be had.

    >>> import numpy as np
    >>> grey = np.full((2, 64, 64, 3), 128, np.uint8)
    >>> embed({"a": grey[0], "b": grey[1]}, encoder="looks").shape[0]
    2
    """
    config = encoder_config(encoder, settings) if isinstance(encoder, (str, EncoderConfig)) else None
    if is_ray_dataset(images):
        if config is None:
            raise InputError("encoder: expected a name or an EncoderConfig with a Ray Dataset, whose processes load it themselves")
        options = {"batch_size": _BATCH, **(ray_options or {})}
        return images.map_batches(embed_rows, fn_kwargs={"config": config}, **options)
    model = load_encoder(config) if config is not None else encoder
    if not hasattr(model, "images"):
        raise InputError(
            f"encoder: expected a name, an EncoderConfig or an object with images(pixels), got {type(encoder).__name__}"
        )
    named = read_images(images)
    parts, pixels = [], named.pixels(functools.partial(_fitting, model))
    while batch := list(itertools.islice(pixels, _BATCH)):
        parts.append(np.asarray(model.images(_together(batch)), np.float32))
    encoder_id = config.encoder_id() if config is not None else type(model).__name__
    return embedding_frame(named.labels, np.concatenate(parts), encoder_id)


def embed_rows(batch: dict[str, np.ndarray], config: EncoderConfig) -> dict[str, np.ndarray]:
    """Embed a batch of rows of a Ray Dataset: image_id, and image (pixels), bytes, path or uri -> image_id and embedding.

    Raises InputError where one of them is missing.
    """
    column = _pixel_column(batch)
    encoder, rows = load_encoder(config), zip(batch["image_id"], batch[column], strict=True)
    pixels = [_fitting(encoder, value, f"image {label!r}") for label, value in rows]
    return {"image_id": batch["image_id"], "embedding": encoder.images(_together(pixels))}


def read_pixels(images: Any, config: EncoderConfig) -> EmbeddedImages:
    """Return pictures as an encoder is shown them, uint8 [N, S, S, 3], in the place of embeddings: for tastes that take pixels.

    images: as `embed` takes them; of a Ray Dataset they are decoded where it runs, and gathered here. Raises as `embed` does.
    """
    config = config.resolved()
    if is_ray_dataset(images):
        table = images.map_batches(_fit_rows, batch_size=_BATCH, fn_kwargs={"config": config}).to_pandas()
        side = config.size
        labels, pixels = table["image_id"].to_list(), [np.frombuffer(each, np.uint8) for each in table["pixels"]]
        pixels = [each.reshape(side, side, 3) for each in pixels]
    else:
        named = read_images(images)
        labels, pixels = named.labels, list(named.pixels(lambda value, what: _shown(config, value, what)))
    ids = texts_of(labels, what="images, image_id")
    return EmbeddedImages(tuple(ids), np.stack(pixels), Labels.of(labels, ids), config.encoder_id())


def _fit_rows(batch: dict[str, np.ndarray], config: EncoderConfig) -> dict[str, Any]:
    column = _pixel_column(batch)
    pixels = [
        _shown(config, value, f"image {label!r}").tobytes() for label, value in zip(batch["image_id"], batch[column], strict=True)
    ]
    return {"image_id": batch["image_id"], "pixels": pixels}


def load_encoder(config: EncoderConfig) -> Encoder:
    """Return a loaded encoder; the last two stay in memory."""
    return _ENCODERS.get_or_make(repr(config), lambda: Encoder.load(config))


def _pixel_column(batch: dict[str, np.ndarray]) -> str:
    column = next((name for name in ("image", "bytes", "path", "uri") if name in batch), None)
    if column is None or "image_id" not in batch:
        raise InputError(f"images: expected image_id and one of image, bytes, path, uri; found: {', '.join(batch)}")
    return column


def _fitting(encoder: Any, value: Any, what: str) -> np.ndarray:
    """Return one picture as the encoder takes it, where it says how."""
    config = getattr(encoder, "config", None)
    return _shown(config, value, what) if isinstance(config, EncoderConfig) else pixels_of(value, what=what)


def _shown(config: EncoderConfig, value: Any, what: str) -> np.ndarray:
    """Return one picture as an encoder is shown it: large files are decoded at less than their size."""
    if isinstance(value, (bytes, bytearray)) or hasattr(value, "__fspath__") or isinstance(value, str):
        try:
            data = bytes(value) if isinstance(value, (bytes, bytearray)) else pictures.read(str(value))
            return pictures.decode_fit(data, config.fit)
        except ImageError as error:
            raise ImageError(f"{what}: {error}") from None
    return pictures.fit_pixels(pixels_of(value, what=what), config.fit)


def _together(pixels: list[np.ndarray]) -> Any:
    """Return pictures of one size as an array, others as a list."""
    return np.stack(pixels) if len({each.shape for each in pixels}) == 1 else pixels
