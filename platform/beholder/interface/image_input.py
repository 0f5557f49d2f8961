"""Pictures as a Python program has them -> uint8 RGB [H, W, 3]: paths, URLs, files' bytes, PIL, numpy, torch, our own."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from beholder import images
from beholder.errors import ImageError, InputError
from beholder.interface.picture import Picture, SideBySide
from beholder.interface.table_input import frame, need

_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".ppm"))
_KINDS = "a path or URL, a file's bytes, a PIL image, an array [H, W, 3] or a tensor [3, H, W]"


def is_picture(value: Any) -> bool:
    """Tell whether a value is one picture, and not several: a folder holds several."""
    if isinstance(value, (str, Path)):
        return not Path(value).is_dir()
    if isinstance(value, (bytes, bytearray, Picture)) or _is_pil(value):
        return True
    shape = getattr(value, "shape", None)
    return not isinstance(value, pd.DataFrame) and shape is not None and len(shape) in (2, 3)


def file_bytes(value: Any, *, what: str = "image") -> bytes:
    """Return one picture as the bytes of a file; those of arrays and PIL images are PNG. Raises InputError, ImageError."""
    if isinstance(value, (str, Path)):
        return images.read(str(value))
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if _is_pil(value):
        return _pil_bytes(value)
    return images.encode(pixels_of(value, what=what))


def pixels_of(value: Any, *, what: str = "image") -> np.ndarray:
    """Return one picture as uint8 RGB [H, W, 3].

    value: a path, URL, file's bytes or PIL image, upright and in sRGB as it is shown; an array [H, W], [H, W, 3] or [H, W, 4], a
    tensor [3, H, W] or [H, W, 3], uint8 or floats in 0..1; a Picture. Raises InputError for anything else, ImageError for a file
    that is no picture; both name `what`.
    """
    try:
        if isinstance(value, Picture):
            return value.pixels
        if isinstance(value, (str, Path, bytes, bytearray)):
            return images.decode(file_bytes(value))
        if _is_pil(value):
            return images.decode(_pil_bytes(value))
    except ImageError as error:
        raise ImageError(f"{what}: {error}") from None
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        value = value.detach().cpu().float().numpy() if value.is_floating_point() else value.detach().cpu().numpy()
        if value.ndim == 3 and value.shape[0] in (1, 3, 4) and value.shape[2] not in (3, 4):
            value = value.transpose(1, 2, 0)
    if not isinstance(value, np.ndarray):
        raise InputError(f"{what}: expected a picture ({_KINDS}), got {type(value).__name__}")
    return _of_array(value, what)


@dataclass(frozen=True)
class NamedImages:
    """Pictures and their ids as they were given; each is read when it is asked for."""

    labels: list[Any]
    values: Sequence[Any]

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, make: Callable[[Any, str], np.ndarray] | None = None) -> Iterator[np.ndarray]:
        """Yield the pictures in order, uint8 RGB [H, W, 3]. make: another way to read one, from it and its name."""
        for label, value in zip(self.labels, self.values, strict=True):
            what = f"image {label!r}"
            yield pixels_of(value, what=what) if make is None else make(value, what)


def read_images(given: Any) -> NamedImages:
    """Return pictures with their ids.

    given: a folder (ids are paths below it), one picture or a list of them (paths are their own ids, others are 0, 1, 2, ...), an
    array [N, H, W, 3] or tensor [N, 3, H, W], a dict or Series id -> picture, or a table with image_id and one of image, path, uri.
    Raises InputError where there is none, or an id comes twice.
    """
    if isinstance(given, NamedImages):
        return given
    if isinstance(given, (str, Path)) and Path(given).is_dir():
        found = _of_folder(Path(given))
    elif is_picture(given):
        found = NamedImages([given if isinstance(given, (str, Path)) else 0], [given])
    elif isinstance(given, pd.Series) or (isinstance(given, Mapping) and "image_id" not in given):
        found = NamedImages(list(given.keys()), list(given.values if isinstance(given, pd.Series) else given.values()))
    elif _is_batch(given):
        found = NamedImages(list(range(len(given))), list(given))
    elif isinstance(given, Sequence) and not (given and isinstance(given[0], Mapping)):
        ids = [str(each) if isinstance(each, (str, Path)) else row for row, each in enumerate(given)]
        found = NamedImages(ids, given)
    else:
        found = _of_table(given)
    if not found.labels:
        raise InputError("images: expected at least one picture, got none")
    if len({str(label) for label in found.labels}) < len(found.labels):
        counts = pd.Series([str(label) for label in found.labels]).value_counts()
        raise InputError(f"images: {counts.index[0]!r} comes {int(counts.iloc[0])} times; expected each id once")
    return found


def _is_pil(value: Any) -> bool:
    return hasattr(value, "convert") and hasattr(value, "getexif")


def _is_batch(value: Any) -> bool:
    shape = getattr(value, "shape", None)
    return not isinstance(value, pd.DataFrame) and shape is not None and len(shape) == 4


def _pil_bytes(image: Any) -> bytes:
    """Return a PIL image as the bytes of a PNG with its orientation and profile, to be decoded as files are."""
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"):
        image = image.convert("RGB")
    buffer = io.BytesIO()
    exif = image.getexif()
    image.save(buffer, format="PNG", compress_level=1, **({"exif": exif} if len(exif) else {}))
    return buffer.getvalue()


def _of_array(value: np.ndarray, what: str) -> np.ndarray:
    if value.ndim == 2:
        value = np.repeat(value[..., None], 3, axis=2)
    if value.ndim != 3 or value.shape[2] not in (1, 3, 4) or 0 in value.shape:
        raise InputError(f"{what}: expected [H, W, 3] (or a tensor [3, H, W]), got shape {list(value.shape)}")
    if value.shape[2] == 1:
        value = np.repeat(value, 3, axis=2)
    if value.dtype.kind == "f":
        if not np.isfinite(value).all() or value.min() < 0 or value.max() > 1:
            raise InputError(f"{what}: expected floats in 0..1 or uint8, got {value.dtype} from {value.min():g} to {value.max():g}")
        value = np.rint(value * 255).astype(np.uint8)
    if value.dtype != np.uint8:
        raise InputError(f"{what}: expected uint8 0..255 or floats 0..1, got {value.dtype}")
    if value.shape[2] == 4:  # transparency lies on white, as in files
        share = value[..., 3:].astype(np.float32) / 255
        value = np.rint(value[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    return np.ascontiguousarray(value)


def _of_folder(folder: Path) -> NamedImages:
    files = sorted(each for each in folder.rglob("*") if each.suffix.lower() in _SUFFIXES and not each.name.startswith("."))
    if not files:
        raise InputError(f"images: {folder} holds no picture ({', '.join(sorted(_SUFFIXES))})")
    return NamedImages([each.relative_to(folder).as_posix() for each in files], files)


def _of_table(given: Any) -> NamedImages:
    table = frame(given, name="images")
    need(table, ["image_id"], None, name="images")
    column = next((name for name in ("image", "path", "uri", "file", "bytes") if name in table.columns), None)
    if column is None:
        raise InputError(
            f"images: expected a column image, path or uri beside image_id; found: {', '.join(map(str, table.columns))}"
        )
    return NamedImages(table["image_id"].to_list(), table[column].to_list())


def show(given: Any, captions: Sequence[str] | None = None, *, width: int = 160) -> SideBySide:
    """Show pictures side by side in a notebook.

    given: pictures as `bh.embed` takes them. captions: below each; None: what is done in them, or their ids. width: of each, in
    pixels. Raises InputError for what is no picture, and for another number of captions.

    >>> show([np.zeros((8, 8, 3), np.uint8)], ["black"])
    <SideBySide of 1: black>
    """
    named = read_images(given)
    pictures = tuple(
        value if isinstance(value, Picture) else Picture(pixels, str(label))
        for value, label, pixels in zip(named.values, named.labels, named.pixels(), strict=True)
    )
    words = [each.caption for each in pictures] if captions is None else [str(each) for each in captions]
    if len(words) != len(pictures):
        raise InputError(f"captions: expected {len(pictures)}, one for each picture, got {len(words)}")
    return SideBySide(pictures, tuple(words), width)
