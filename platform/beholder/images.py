"""Bytes -> uint8 RGB [H, W, 3]: the only decoding and resizing there is, with its limits.

An image is decoded as it is displayed: EXIF rotation applied, colours converted to sRGB from the ICC profile that it has, CMYK and
grey converted to RGB, 16 bits scaled to 8, transparency laid on white. The header is checked against the limits before any pixel is
decoded.
"""

import functools
import hashlib
import io
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beholder import http_file, image_lists, image_shards, light_import
from beholder.config import setting
from beholder.errors import ConfigError, HeicNotInstalled, ImageError, ImageTooLarge, StorageError, TableError, UnknownImageFormat
from beholder.storage import Place

if TYPE_CHECKING:
    from PIL import Image, ImageCms

# The formats that are decoded; everything else Pillow knows (EPS runs Ghostscript, PSD, ...) is refused.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM")
# What is no such format, and how its files begin (None: anything), to name it: files of the boxes of ISO 14496 by their brands.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_OTHERS = (
    ("a JPEG XL picture", (b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    ("a JPEG 2000 picture", (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")),
    ("a Photoshop document", (b"8BPS",)),
    ("a PDF document", (b"%PDF",)),
    ("an SVG drawing", (b"<svg", b"<?xml")),
    ("a web page", (b"<!DOCTYPE html", b"<html")),
)
_PROFILE = 4 << 20  # bytes of an ICC profile above which it is passed over; those of printers have about a million
_ROWS = 64  # rows of pixels that are converted at a time
_SAME = 2  # levels of 255 by which a profile may move colours and still count as sRGB
# Times the target size below which no JPEG is decoded. `beholder bench embed` prints what less would change in the embeddings, and
# what it would save.
DRAFT = 2.0
_WEB = ("http://", "https://")
_FETCHES = 32  # files that are fetched from elsewhere at the same time
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_PNG_EXIF = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")  # the chunks that may tell an orientation


@dataclass(frozen=True)
class ImageLimits:
    """Limits above which an image is refused."""

    max_pixels: int = setting(100_000_000, "width x height above which an image is refused undecoded")
    max_bytes: int = setting(256 * 1024 * 1024, "file size in bytes above which an image is refused unread")
    roots: list[str] = setting(
        ["*"],
        "where a list of images may lead: [*] anywhere; else, for lists that somebody else made, its own folder, buckets without "
        "options, the public web, and these folders and beginnings of URIs: [/data/faces,http://10.0.0.5:9000/]",
    )

    def __post_init__(self) -> None:
        for name in ("max_pixels", "max_bytes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"limits.{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Fit:
    """The resizing of an image to a square of `size` pixels.

    resize "shortest": the shorter side becomes `size`, then the middle is cut out (CLIP). "squash": both sides become `size`,
    whatever the shape (SigLIP).
    """

    size: int
    resize: str = "shortest"
    interpolation: str = "bicubic"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ConfigError(f"size must be at least 1 pixel, got {self.size}")
        if self.resize not in ("shortest", "squash"):
            raise ConfigError(f"resize must be shortest or squash, got {self.resize!r}")
        if self.interpolation not in ("bicubic", "bilinear"):
            raise ConfigError(f"interpolation must be bicubic or bilinear, got {self.interpolation!r}")


@dataclass(frozen=True, eq=False)
class Transparency:
    """What a picture laid on white has lost: its own colours, uint8 RGB [H, W, 3], and its opacity, uint8 [H, W]."""

    colours: np.ndarray
    alpha: np.ndarray

    def restore(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Return uint8 RGBA [H, W, 4] that looks like `after` on white, given what it was on white, `before`, and became, `after`.

        Where nothing changed the colours are the picture's own, bit for bit; what is clear stays clear.
        """
        share = np.maximum(self.alpha, 1)[..., None] / np.float32(255)
        lifted = np.rint((after - 255 * (1 - share)) / share).clip(0, 255).astype(np.uint8)
        same = (before == after).all(axis=-1) | (self.alpha == 0)
        return np.dstack([np.where(same[..., None], self.colours, lifted), self.alpha])


def digest(data: bytes) -> str:
    """Return the SHA-256 of a file's bytes, in hex: images with equal digests are the same image."""
    return hashlib.sha256(data).hexdigest()


def read(uri: str, *, limits: ImageLimits | None = None) -> bytes:
    """Return the bytes of an image: of a file, at an http(s):// URL, or in a shard (shard.tar#a.jpg, see image_shards).

    With limits, a URL may lead to a private network only below one of limits.roots. Raises ImageError where it is missing, can't
    be read, or is over the limit.
    """
    max_bytes = (limits or ImageLimits()).max_bytes
    try:
        if image_shards.is_member(uri):
            return image_shards.read_member(uri, max_bytes=max_bytes)
        if uri.startswith(_WEB):
            private = limits is None or image_lists.is_below(uri, limits.roots)
            return http_file.read(uri, max_bytes=max_bytes, private=private)
        return Place.at(uri).read_bytes(max_bytes)
    except (StorageError, TableError) as error:
        raise ImageError(str(error)) from None


def read_many(uris: Sequence[str], *, limits: ImageLimits | None = None) -> list[bytes | ImageError]:
    """Return the bytes of each image, or the error that `read` raises; those that are elsewhere are fetched at the same time."""

    def attempt(uri: str) -> bytes | ImageError:
        try:
            return read(uri, limits=limits)
        except ImageError as error:
            return error

    if all("://" not in uri for uri in uris):
        return [attempt(uri) for uri in uris]
    with ThreadPoolExecutor(_FETCHES, thread_name_prefix="fetch") as pool:
        return list(pool.map(attempt, uris))


def shape(data: bytes, *, limits: ImageLimits | None = None) -> tuple[int, int]:
    """Return (width, height) as displayed, read from the header alone. Raises ImageError as `decode` does."""
    image = _open(data, limits or ImageLimits())
    if image.format == "TIFF":  # Pillow has turned its size already
        return image.size
    if image.format == "PNG" and not any(mark in data for mark in _PNG_EXIF):
        return image.size  # asked for EXIF that it has not got, Pillow would decode the pixels to look behind them
    return image.size[::-1] if _orientation(image) in _SIDEWAYS else image.size


def decode(data: bytes, *, limits: ImageLimits | None = None) -> np.ndarray:
    """Return the whole image as uint8 RGB [H, W, 3].

    Raises ImageError for an empty file, a file that is no image or is cut off, and one over the limits.
    """
    return _pixels(_open(data, limits or ImageLimits()), data, draft=None)


def decode_layers(data: bytes, *, limits: ImageLimits | None = None) -> tuple[np.ndarray, Transparency | None]:
    """Return what `decode` does, and what a transparent image lost by that; None for an opaque one. Raises as `decode` does."""
    image = _open(data, limits or ImageLimits())
    if image.format == "JPEG":
        return _pixels(image, data, draft=None), None
    shown = _loaded(image, draft=None)
    pixels = np.array(_on_white(shown))
    layers = np.array(shown)
    if layers.shape[2] == 3 or layers[..., 3].min() == 255:
        return pixels, None
    return pixels, Transparency(layers[..., :3], layers[..., 3])


def check_decodes(data: bytes, *, limits: ImageLimits | None = None) -> None:
    """Decode an image and drop it, without torch, for a process that does nothing else. Raises ImageError as `decode` does."""
    _loaded(_open(data, limits or ImageLimits()), draft=None)


def decode_fit(data: bytes, fit: Fit, *, limits: ImageLimits | None = None, draft: float = DRAFT) -> np.ndarray:
    """Return the image as uint8 RGB [size, size, 3], like `fit_pixels(decode(data), fit)` but faster.

    A JPEG more than twice as large as needed is decoded at a half, quarter or eighth of its size, though never below `draft` times
    the target, so that the last step is still a proper filter. Raises ImageError like `decode`.
    """
    return _square(_pixels(_open(data, limits or ImageLimits()), data, draft=math.ceil(draft * fit.size)), fit)


def fit_pixels(pixels: np.ndarray, fit: Fit) -> np.ndarray:
    """Resize uint8 RGB [H, W, 3] to [size, size, 3]; an image of that size is returned as it is."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f"expected uint8 RGB [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    if pixels.shape[:2] == (fit.size, fit.size):
        return pixels
    if 0 in pixels.shape:
        raise ImageError(f"expected at least one pixel, got {list(pixels.shape)}")
    return _square(pixels, fit)


def shrink(pixels: np.ndarray, side: int) -> np.ndarray:
    """Return uint8 RGB [H, W, 3] with its longer side at most `side` pixels, in the same shape."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    return pixels if scale >= 1 else _resized(pixels, (max(1, round(width * scale)), max(1, round(height * scale))), "bicubic")


def encode(pixels: np.ndarray, *, format: str = "PNG", quality: int = 90) -> bytes:
    """Return uint8 RGB [H, W, 3] as the bytes of a PNG, JPEG or WEBP file; quality 1..100 counts for the last two.

    RGBA [H, W, 4] is taken, too, but for JPEG, which knows no transparency. Raises ImageError for anything else.
    """
    from PIL import Image

    channels = (3,) if format == "JPEG" else (3, 4)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in channels:
        raise ImageError(f"expected uint8 RGB [H, W, 3], got {pixels.dtype} {list(pixels.shape)}")
    buffer = io.BytesIO()
    options = {} if format == "PNG" else {"quality": quality}
    if format == "WEBP" and pixels.shape[2] == 4:
        options["exact"] = True  # keep the colours of what is clear, too
    Image.fromarray(pixels).save(buffer, format=format, **options)
    return buffer.getvalue()


def to_pil(pixels: np.ndarray) -> "Image.Image":
    """Return uint8 RGB [H, W, 3] as a PIL image."""
    from PIL import Image

    return Image.fromarray(pixels)


@dataclass(frozen=True)
class PhotoMetadata:
    """What a photo's file says beside its pixels. format: JPEG, PNG or WEBP, in which it is written again.

    exif: upright, as its pixels are decoded; icc_profile: of its pixels; transparency: what the pixels lost on white. None where
    there is none. note: what is lost where it is written again, in words; empty where nothing is.
    """

    format: str
    exif: bytes | None
    icc_profile: bytes | None
    transparency: Transparency | None = None
    note: str = ""


def decode_photo(data: bytes, *, limits: ImageLimits | None = None) -> tuple[np.ndarray, PhotoMetadata]:
    """Return a photo, uint8 RGB [H, W, 3], upright and in the colours of its own profile, and its metadata.

    What is not 8-bit RGB (CMYK, grey, 16 bits, transparency) is decoded as `decode` does, without its profile. Raises ImageError as
    `decode` does.
    """
    image = _open(data, limits or ImageLimits())
    format, mode = image.format or "", image.mode
    written = format if format in ("JPEG", "PNG", "WEBP") else "JPEG"
    profile = image.info.get("icc_profile")
    own = mode == "RGB" and "transparency" not in image.info and isinstance(profile, bytes) and profile
    try:
        exif = _open(data, limits or ImageLimits()).getexif()  # of another opening: this one is turned upright by its own
        exif.pop(_ORIENTATION, None)
        content = exif.tobytes() if len(exif) else None
    except Exception:  # EXIF that can't be read can't be kept
        content = None
    if not own:
        note = _lost(image)
        pixels, transparency = decode_layers(data, limits=limits)
        if transparency is not None and written == "JPEG":
            transparency, note = None, ", ".join(filter(None, [note, "laid on white"]))
        return pixels, PhotoMetadata(written, content, None, transparency, note)
    from PIL import ImageOps

    try:
        image.load()
        note = _lost(image)
        return np.array(ImageOps.exif_transpose(image)), PhotoMetadata(written, content, profile, note=note)
    except Exception as error:
        raise ImageError(f"the image is broken: {error}") from None


def _lost(image: "Image.Image") -> str:
    """Return what of an opened image 8-bit RGB of one frame does not hold, in words."""
    frames = getattr(image, "n_frames", 1)
    parts = {
        f"the first of {frames} frames": frames > 1,
        "8 of 16 bits": image.mode.startswith("I"),
        "CMYK as RGB": image.mode == "CMYK",
    }
    return ", ".join(words for words, applies in parts.items() if applies)


def encode_photo(pixels: np.ndarray, metadata: PhotoMetadata, *, quality: int = 92) -> bytes:
    """Return uint8 RGB [H, W, 3], or RGBA where the format has that, as a file with the metadata of the photo it was made of."""
    from PIL import Image

    buffer = io.BytesIO()
    options: dict[str, Any] = {"quality": quality} if metadata.format != "PNG" else {}
    known = {"exif": metadata.exif, "icc_profile": metadata.icc_profile}
    options |= {name: value for name, value in known.items() if value}
    Image.fromarray(pixels).save(buffer, format=metadata.format, **options)
    return buffer.getvalue()


def _open(data: bytes, limits: ImageLimits) -> "Image.Image":
    """Return the image with its header read and checked against the limits, its pixels not yet decoded."""
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ImageError("the file is empty")
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"the file has {len(data):,} bytes, more than the {limits.max_bytes:,} allowed")
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked below, from the same header, and can be set
    if _is_heic(data):
        return _bounded(_open_heic(data), limits)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        named = next((f"{what}, " for what, starts in _OTHERS if data.lstrip()[:64].startswith(starts)), "")
        raise UnknownImageFormat(f"the file is {named}no image of a known format ({', '.join(FORMATS)})") from None
    except Exception as error:  # decoders raise all kinds of errors for hostile bytes
        raise ImageError(f"the file's header can't be read: {error}") from None
    return _bounded(image, limits)


def _is_heic(data: bytes) -> bool:
    """Tell whether a file is of HEIF's container, and holds no AVIF, whose container is the same."""
    if data[4:8] != b"ftyp":
        return False
    brands = data[8 : min(int.from_bytes(data[:4]), 256)]
    kinds = {brands[start : start + 4] for start in range(0, len(brands), 4)}
    return bool(kinds.intersection(_HEIC)) and not kinds & {b"avif", b"avis"}


def _open_heic(data: bytes) -> "Image.Image":
    from PIL import Image

    save = "save it as JPEG (an iPhone takes JPEG with Settings > Camera > Formats > Most Compatible)"
    try:
        import pillow_heif
    except ImportError:
        raise HeicNotInstalled(
            f'the file is an HEIC picture (HEIF); {save}, or pip install "beholder[heic]", which reads it'
        ) from None
    pillow_heif.register_heif_opener(thumbnails=False)
    try:
        return Image.open(io.BytesIO(data), formats=("HEIF",))
    except Exception as error:
        raise ImageError(f"the file is an HEIC picture (HEIF) that can't be read: {error}; {save}") from None


def _bounded(image: "Image.Image", limits: ImageLimits) -> "Image.Image":
    """Return an image whose pixels are within the limit. Raises ImageError."""
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageTooLarge(f"{width:,} x {height:,} is over the limit of {limits.max_pixels:,} pixels")
    return image


def _pixels(image: "Image.Image", data: bytes, *, draft: int | None) -> np.ndarray:
    """Return an opened image as it looks, uint8 RGB [H, W, 3]. draft: as in _loaded; data: the file's bytes."""
    smaller = draft is not None and min(image.size) >= 2 * draft
    colours = _colours(image)
    quick = image.mode == "RGB" or (image.mode == "L" and colours is None)
    if image.format == "JPEG" and quick and not smaller and _orientation(image) == 1:
        decoded = _decoded_jpeg(data)
        if decoded is not None:
            return decoded if colours is None else colours.convert_pixels(decoded)
    return np.array(_on_white(_loaded(image, draft=draft)))


def _decoded_jpeg(data: bytes) -> np.ndarray | None:
    """Decode a plain JPEG by the same library as Pillow's, to the same pixels, without two copies of them.

    None where torchvision, whose decoder is to be removed one day, has none, or refuses the file: Pillow then reads it, or
    says what is wrong.
    """
    import torch

    light_import.torchvision()
    try:
        from torchvision.io import ImageReadMode, decode_jpeg

        buffer = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        decoded: np.ndarray = decode_jpeg(buffer, mode=ImageReadMode.RGB).permute(1, 2, 0).numpy()
    except (ImportError, RuntimeError):
        return None
    return decoded


def _loaded(image: "Image.Image", *, draft: int | None) -> "Image.Image":
    """Decode an image, turn it upright and convert it to sRGB: RGB, or RGBA where it has transparency.

    draft: the least length of both sides, for a JPEG decoded smaller.
    """
    from PIL import Image, ImageOps

    try:
        colours = _colours(image)
        if draft is not None:
            image.draft("RGB" if image.mode in ("RGB", "YCbCr") else image.mode, (draft, draft))
        image.load()
        if _orientation(image) != 1:
            ImageOps.exif_transpose(image, in_place=True)
        opaque, alpha = _split(image)
        if colours is not None:
            opaque = colours.convert(opaque)
        opaque = opaque if opaque.mode == "RGB" else opaque.convert("RGB")
        return opaque if alpha is None else Image.merge("RGBA", [*opaque.split(), alpha])
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"the image is broken: {error}") from None


def _on_white(image: "Image.Image") -> "Image.Image":
    """Lay RGBA on white; RGB is returned as it is."""
    from PIL import Image

    if image.mode == "RGB":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image).convert("RGB")


def _split(image: "Image.Image") -> "tuple[Image.Image, Image.Image | None]":
    """Return an image without transparency, of mode L, RGB or CMYK, and its opacity of mode L, or None. Raises ImageError."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits (Pillow widens some to 32)
        wide = np.asarray(image)
        if wide.min() < 0 or wide.max() > 65535:
            raise ImageError(f"pixels of mode {image.mode} reach from {wide.min()} to {wide.max()}; expected 0..65535")
        narrow = np.empty(wide.shape, np.uint8)
        for row in range(0, len(wide), _ROWS):  # wider numbers of a few rows only
            narrow[row : row + _ROWS] = (wide[row : row + _ROWS].astype(np.uint32) * 255 + 32895) >> 16  # / 257, rounded
        return Image.fromarray(narrow), None
    if image.mode == "F":
        raise ImageError("pixels are 32-bit floats, whose range nobody knows; save as 8 or 16 bits")
    if "A" in image.mode or "a" in image.mode or "transparency" in image.info:
        layers = image.convert("RGBA")
        return layers.getchannel("R") if image.mode[0] == "L" else layers.convert("RGB"), layers.getchannel("A")
    if image.mode in ("L", "RGB", "CMYK"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


@dataclass(frozen=True, eq=False)
class ColourProfile:
    """The way from an ICC profile to sRGB. mode: of the images that it is of; table: 256 greys of one of grey, else None."""

    mode: str
    transform: "ImageCms.ImageCmsTransform"
    table: tuple[int, ...] | None

    def convert(self, image: "Image.Image") -> "Image.Image":
        """Return an image of mode L, RGB or CMYK in sRGB, as it is where the profile is of another kind of colours."""
        from PIL import ImageCms

        if self.table is not None:
            return image.point(self.table) if image.mode == "L" else image
        if image.mode == "L" and self.mode == "RGB":
            image = image.convert("RGB")
        if image.mode != self.mode:
            return image
        converted = ImageCms.applyTransform(image, self.transform)
        assert converted is not None
        return converted

    def convert_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Return uint8 RGB [H, W, 3] in sRGB, converted some rows at a time, which takes less memory and time."""
        from PIL import Image

        result = np.empty_like(pixels)
        for row in range(0, len(pixels), _ROWS):
            result[row : row + _ROWS] = np.asarray(self.convert(Image.fromarray(pixels[row : row + _ROWS])))
        return result


def _colours(image: "Image.Image") -> ColourProfile | None:
    """Return what an image's profile says of its colours; None where it has none, or they are sRGB's already."""
    profile = image.info.get("icc_profile")
    return _profile(profile) if isinstance(profile, bytes) and 0 < len(profile) <= _PROFILE else None


@functools.lru_cache(maxsize=64)
def _profile(content: bytes) -> ColourProfile | None:
    """Read an ICC profile; None for sRGB, which moves no colour of a grid by more than _SAME, and for one that can't be read."""
    from PIL import Image, ImageCms

    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        mode = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}[profile.profile.xcolor_space]
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB", intent, flags)
        if mode == "CMYK":
            return ColourProfile(mode, transform, None)
        ticks = np.arange(256 if mode == "L" else 9, dtype=np.float64) * (1 if mode == "L" else 255 / 8)
        grid = ticks[None] if mode == "L" else np.stack(np.meshgrid(ticks, ticks, ticks), axis=-1).reshape(9, 81, 3)
        probe = Image.fromarray(np.rint(grid).astype(np.uint8))
        result = ImageCms.applyTransform(probe, transform)
        assert result is not None
    except Exception:  # a broken profile says nothing about the colours
        return None
    after = np.asarray(result).astype(int)
    before = np.asarray(probe).astype(int).reshape(*after.shape[:2], -1)
    if np.abs(after - before).max() <= _SAME:
        return None
    return ColourProfile(mode, transform, tuple(after[0, :, 1].tolist()) if mode == "L" else None)


def _square(pixels: np.ndarray, fit: Fit) -> np.ndarray:
    """Resize as CLIP was trained, to uint8 [size, size, 3]: the same sizes and rounding as torchvision's Resize and CenterCrop."""
    size = fit.size
    if fit.resize == "squash":
        return _resized(pixels, (size, size), fit.interpolation)
    height, width = pixels.shape[:2]
    short, long = min(width, height), max(width, height)
    scaled = int(size * long / short)
    target = (size, scaled) if width <= height else (scaled, size)
    left, top = round((target[0] - size) / 2), round((target[1] - size) / 2)
    if scaled > 256 * size:  # a sliver, whose scaled form might not fit in memory: scale only the part that will be left
        from PIL import Image

        step = short / size
        right, bottom = min((left + size) * step, width), min((top + size) * step, height)
        filter = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}[fit.interpolation]
        return np.asarray(Image.fromarray(pixels).resize((size, size), filter, box=(left * step, top * step, right, bottom)))
    return _resized(pixels, target, fit.interpolation)[top : top + size, left : left + size]


def _resized(pixels: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Return uint8 RGB [H, W, 3] resized to (width, height).

    torch's filter is Pillow's, within 2 of 255 levels, in a seventh of the time where the cores have AVX2.
    """
    import torch

    if pixels.shape[1::-1] == size:
        return pixels
    x = torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy()).permute(2, 0, 1)[
        None
    ]  # torch refuses read-only arrays
    resized = torch.nn.functional.interpolate(x, size[::-1], mode=interpolation, antialias=True, align_corners=False)
    return resized[0].permute(1, 2, 0).numpy()


def _orientation(image: "Image.Image") -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # EXIF that can't be read says nothing about the pixels
        return 1
