"""images: whatever a file holds comes in as it looks to a person, or is refused."""

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import settings as sampling
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from beholder import images
from beholder.errors import ConfigError, ImageError
from beholder.images import Fit, ImageLimits

# A picture that looks different in each of the eight EXIF orientations: 3 x 2 blocks of their own colours.
BLOCKS = (
    np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [0, 255, 255], [255, 0, 255]]], dtype=np.uint8)
    .repeat(16, axis=0)
    .repeat(16, axis=1)
)

# How a viewer turns what is stored into what is shown, by EXIF orientation.
UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, body: bytes = b"", extra: bytes = b"") -> bytes:
    """A PNG file written by hand, so that its header can claim anything."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(body))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + data + chunk(b"IEND", b"")


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[0x0112] = orientation
    return found


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The width and height of each image whose pixels are decoded during the test, in order."""
    sizes: list[tuple[int, int]] = []
    load = ImageFile.ImageFile.load

    def counted(image: ImageFile.ImageFile) -> object:
        if image.tile:  # asked again for pixels that it has, Pillow does nothing
            sizes.append(image.size)
        return load(image)

    decode_jpeg = torchvision.io.decode_jpeg

    def counted_jpeg(*arguments: object, **options: object) -> torch.Tensor:
        pixels = decode_jpeg(*arguments, **options)
        sizes.append((pixels.shape[2], pixels.shape[1]))
        return pixels

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    monkeypatch.setattr(torchvision.io, "decode_jpeg", counted_jpeg)
    return sizes


# ---- what a file holds


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "GIF", "JPEG", "AVIF"])
def test_every_format_comes_in(scene, saved, format):
    pixels = scene(64, 48)
    options: dict[str, dict[str, int]] = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 98, "subsampling": 0},
        "AVIF": {"quality": 95},
    }
    found = images.decode(saved(pixels, format, **options.get(format, {})))
    assert found.dtype == np.uint8
    assert found.shape == (48, 64, 3)
    difference = np.abs(found.astype(int) - pixels).mean()
    assert difference <= {"JPEG": 3, "GIF": 25, "AVIF": 4}.get(format, 0)


def test_grey(saved):
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (images.decode(saved(grey)) == grey[..., None]).all()


@pytest.mark.parametrize("bits", ["I;16", "I;16B"])
def test_sixteen_bits(saved, bits):
    wide = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    data = saved(wide, "PNG") if bits == "I;16" else saved(Image.fromarray(wide.astype(">u2")), "TIFF")
    found = images.decode(data)
    assert np.abs(found.astype(float) - (wide / 257)[..., None]).max() <= 0.51
    assert (found.min(), found.max()) == (0, 255)


def test_sixteen_bit_colour():
    row = b"\0" + struct.pack(">HHH", 0xFFFF, 0x8080, 0x0000) * 4
    found = images.decode(png(4, 2, depth=16, body=row * 2))
    assert (found == [255, 128, 0]).all()


def test_one_bit(saved):
    found = images.decode(saved(Image.fromarray(np.eye(8, dtype=np.uint8) * 255).convert("1")))
    assert (found[..., 0] == np.eye(8) * 255).all()


def test_cmyk(saved):
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # magenta and yellow: red
    found = images.decode(saved(ink, "JPEG", quality=98))
    assert np.abs(found.astype(int) - [255, 0, 0]).max() <= 3


def test_floats_are_refused(saved):
    with pytest.raises(ImageError, match="32-bit floats"):
        images.decode(saved(Image.new("F", (4, 4), 0.5), "TIFF"))


def test_lab_colours(saved):
    mid_grey = Image.new("LAB", (4, 4), (137, 128, 128))  # L* = 53.7 of 100: sRGB 128
    assert np.abs(images.decode(saved(mid_grey, "TIFF")).astype(int) - 128).max() <= 2


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_on_white(saved, mode):
    """Left: clear; right: solid dark red (or its grey)."""
    picture = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    picture.paste((100, 0, 0, 255), (2, 0, 4, 2))
    data = saved(picture.convert(mode) if mode != "PA" else picture.convert("P"), "PNG") if mode != "PA" else _palette(saved)
    found = images.decode(data)
    assert (found[:, :2] == 255).all()
    assert (found[:, 2:] == ([30, 30, 30] if mode == "LA" else [100, 0, 0])).all()


def _palette(saved) -> bytes:
    picture = Image.new("P", (4, 2), 0)
    picture.putpalette([9, 9, 9, 100, 0, 0])
    picture.paste(1, (2, 0, 4, 2))
    return saved(picture, "PNG", transparency=0)


def test_half_transparency_is_half_white(saved):
    found = images.decode(saved(Image.new("RGBA", (2, 2), (0, 0, 0, 128))))
    assert np.abs(found.astype(int) - 127).max() <= 1


def test_one_transparent_colour(saved):
    picture = Image.new("RGB", (4, 2), (1, 2, 3))
    picture.paste((100, 0, 0), (2, 0, 4, 2))
    found = images.decode(saved(picture, "PNG", transparency=(1, 2, 3)))
    assert (found[:, :2] == 255).all()
    assert (found[:, 2:] == [100, 0, 0]).all()


def test_an_animation_shows_its_first_frame(saved):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    assert (images.decode(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])) == [255, 0, 0]).all()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(saved, format, orientation):
    options: dict[str, dict[str, int]] = {"JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}}
    data = saved(BLOCKS, format, exif=exif(orientation), **options.get(format, {}))
    shown = UPRIGHT[orientation](BLOCKS)
    found = images.decode(data)
    assert found.shape == shown.shape
    assert np.abs(found.astype(int) - shown).max() <= (12 if format == "JPEG" else 0)
    assert images.shape(data) == (shown.shape[1], shown.shape[0])
    fitted = images.decode_fit(data, Fit(16, "squash"))
    assert np.abs(fitted.astype(int) - images.fit_pixels(np.ascontiguousarray(shown), Fit(16, "squash"))).max() <= 12


@pytest.mark.parametrize("orientation", [0, 9, 4711])
def test_an_orientation_that_does_not_exist(saved, orientation):
    assert (images.decode(saved(BLOCKS, exif=exif(orientation))) == BLOCKS).all()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_exif_is_no_reason_to_refuse(saved):
    broken = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x07\0\xff\xff\xff\xff" * 3
    data = saved(BLOCKS, "JPEG", exif=broken, quality=98)
    assert images.decode(data).shape == BLOCKS.shape
    assert images.shape(data) == (48, 32)


# ---- what is refused


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b"hello, this is text", "no image of a known format"),
        (b"\x89PNG\r\n\x1a\n", "."),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "no image of a known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image of a known format"),
        (bytes(1000), "no image of a known format"),
    ],
)
def test_not_an_image(data, says):
    for read in (images.decode, images.shape, lambda d: images.decode_fit(d, Fit(8))):
        with pytest.raises(ImageError, match=says) as caught:
            read(data)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_a_truncated_file(scene, saved, format):
    data = saved(scene(200, 200), format)
    with pytest.raises(ImageError):
        images.decode(data[: len(data) // 2])


@pytest.mark.filterwarnings("ignore::UserWarning")
@sampling(max_examples=60, deadline=None)
@given(st.data())
def test_broken_bytes_are_pixels_or_an_image_error(data):
    """Whatever is overwritten in a file, nothing but ImageError comes out."""
    format = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]))
    buffer = io.BytesIO()
    Image.fromarray(BLOCKS).save(buffer, format=format, exif=exif(6)) if format != "BMP" and format != "GIF" else Image.fromarray(
        BLOCKS
    ).save(buffer, format=format)
    broken = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at] = data.draw(st.integers(0, 255))
    try:
        found = images.decode(bytes(broken), limits=ImageLimits(max_pixels=1_000_000))
    except ImageError:
        return
    assert found.dtype == np.uint8
    assert (found.ndim, found.shape[2]) == (3, 3)


def test_a_bomb_is_refused_from_its_header(decoded):
    """3.6 gigapixels, with data for the first of them: refused before a single one is decoded."""
    body = zlib.compressobj(1)
    rows = b"".join(body.compress(bytes(1_000_000)) for _ in range(50)) + body.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    tracemalloc.start()
    for read in (images.decode, images.shape, lambda d: images.decode_fit(d, Fit(224))):
        with pytest.raises(ImageError, match="60,000 x 60,000 is over the limit of 100,000,000 pixels"):
            read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert decoded == []
    assert peak < 2_000_000 + 3 * len(data)


def test_limits_can_be_set(saved):
    data = saved(BLOCKS)
    assert images.shape(data, limits=ImageLimits(max_pixels=48 * 32)) == (48, 32)
    with pytest.raises(ImageError, match="48 x 32 is over the limit of 1,535 pixels"):
        images.shape(data, limits=ImageLimits(max_pixels=48 * 32 - 1))
    with pytest.raises(ImageError, match=f"has {len(data)} bytes, more than the {len(data) - 1}"):
        images.decode(data, limits=ImageLimits(max_bytes=len(data) - 1))
    with pytest.raises(ConfigError, match=r"limits\.max_bytes must be at least 1, got 0"):
        ImageLimits(max_bytes=0)


def test_shape_decodes_nothing(saved, decoded):
    """A PNG without EXIF invites Pillow to decode it in search of some."""
    data = saved(np.zeros((300, 400), np.uint8))
    assert images.shape(data) == (400, 300)
    assert decoded == []
    images.decode(data)
    assert decoded == [(400, 300)]
    assert images.shape(png(300, 30, body=b"rubbish")) == (300, 30)
    with pytest.raises(ImageError, match="the image is broken"):
        images.decode(png(300, 30, body=b"rubbish"))


def test_shape_of_a_png_whose_exif_comes_after_the_pixels(saved):
    data = saved(BLOCKS, exif=exif(6))
    start = data.index(b"eXIf") - 4
    length = int.from_bytes(data[start : start + 4], "big") + 12
    late = data[:start] + data[start + length : -12] + data[start : start + length] + data[-12:]
    assert images.decode(late).shape == (48, 32, 3)
    assert images.shape(late) == (32, 48)


def test_reading_a_file(tmp_path, saved):
    (tmp_path / "a.png").write_bytes(saved(BLOCKS))
    assert images.decode(images.read(str(tmp_path / "a.png"))).shape == BLOCKS.shape
    with pytest.raises(ImageError, match=r"b\.png does not exist"):
        images.read(str(tmp_path / "b.png"))
    with pytest.raises(ImageError, match=r"a\.png has \d+ bytes, more than the 10 allowed"):
        images.read(str(tmp_path / "a.png"), limits=ImageLimits(max_bytes=10))


# ---- cut to size


def reference(pixels: np.ndarray, fit: Fit) -> np.ndarray:
    """torchvision's own resizing and cropping."""
    from torchvision.transforms import CenterCrop, InterpolationMode, Resize

    how = {"bicubic": InterpolationMode.BICUBIC, "bilinear": InterpolationMode.BILINEAR}[fit.interpolation]
    image = Image.fromarray(pixels)
    if fit.resize == "squash":
        return np.asarray(Resize((fit.size, fit.size), how)(image))
    return np.asarray(CenterCrop(fit.size)(Resize(fit.size, how)(image)))


@sampling(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 150),
    height=st.integers(1, 150),
    size=st.sampled_from([1, 7, 32, 63]),
    resize=st.sampled_from(["shortest", "squash"]),
    interpolation=st.sampled_from(["bicubic", "bilinear"]),
)
def test_fit_is_torchvisions(scene, width, height, size, resize, interpolation):
    pixels, fit = scene(width, height), Fit(size, resize, interpolation)
    found = images.fit_pixels(pixels, fit)
    expected = reference(pixels, fit)
    assert found.shape == (size, size, 3)
    difference = np.abs(found.astype(int) - expected)  # Pillow's weights have 22 bits, torch's 16
    assert difference.max() <= 2
    assert difference.mean() <= (0.3 if size > 7 else 1)


@pytest.mark.parametrize(("width", "height"), [(300, 1), (1, 300), (5, 1500)])
def test_a_sliver_is_close_to_torchvisions(scene, width, height):
    fit = Fit(16)
    difference = np.abs(images.fit_pixels(scene(width, height), fit).astype(int) - reference(scene(width, height), fit))
    assert difference.max() <= 2


@pytest.mark.parametrize(("width", "height"), [(100_000, 1), (1, 100_000), (60_000, 3)])
def test_a_sliver_takes_no_more_memory_than_it_must(width, height):
    pixels = np.full((height, width, 3), 200, np.uint8)
    tracemalloc.start()
    found = images.fit_pixels(pixels, Fit(64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found == 200).all()
    assert peak < 20_000_000


def test_a_sliver_shows_its_middle():
    pixels = np.zeros((1, 3001, 3), np.uint8)
    pixels[0, 1500] = 255
    assert (images.fit_pixels(pixels, Fit(9))[:, 4] > 200).all()


def test_fit_leaves_what_fits():
    pixels = np.zeros((8, 8, 3), np.uint8)
    assert images.fit_pixels(pixels, Fit(8)) is pixels


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8)],
)
def test_pixels_of_another_kind(pixels):
    with pytest.raises(ImageError, match="expected"):
        images.fit_pixels(pixels, Fit(4))


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"size": 0}, "size must be at least 1"), ({"resize": "fill"}, "shortest or squash"), ({"interpolation": "x"}, "bicubic or")],
)
def test_a_fit_that_can_not_be(fields, says):
    with pytest.raises(ConfigError, match=says):
        Fit(**{"size": 8} | fields)


@pytest.mark.parametrize("resize", ["shortest", "squash"])
def test_decode_fit_is_decode_then_fit(scene, saved, resize):
    fit = Fit(56, resize)
    for pixels in (scene(300, 200), scene(90, 130), scene(56, 56)):
        data = saved(pixels)
        assert (images.decode_fit(data, fit) == images.fit_pixels(images.decode(data), fit)).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_draft_is_close_to_full_decoding(scene, saved, mode):
    data = saved(Image.fromarray(scene(800, 600, 3)).convert(mode), "JPEG", quality=92)
    fit = Fit(56)
    quick, full = images.decode_fit(data, fit), images.fit_pixels(images.decode(data), fit)
    difference = np.abs(quick.astype(int) - full)
    assert difference.mean() < 1.5
    assert difference.max() < 24


@pytest.mark.parametrize(("size", "quick"), [(56, (160, 120)), (61, (320, 240)), (200, (640, 480)), (300, (1280, 960))])
def test_jpeg_draft_decodes_fewer_pixels(scene, saved, decoded, size, quick):
    """An eighth, a quarter, a half of each side, or all of it: as little as leaves twice the target."""
    data = saved(scene(1280, 960), "JPEG")
    decoded.clear()
    images.decode_fit(data, Fit(size))
    assert decoded == [quick]
    images.decode(data)
    assert decoded == [quick, (1280, 960)]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2, "quality": 40}, {"restart_marker_rows": 1}])
def test_a_jpeg_is_what_pillow_decodes(scene, mode, options):
    buffer = io.BytesIO()
    Image.fromarray(scene(75, 41)).convert(mode).save(buffer, "JPEG", **options)
    expected = np.asarray(Image.open(io.BytesIO(buffer.getvalue())).convert("RGB"))
    np.testing.assert_array_equal(images.decode(buffer.getvalue()), expected)


def test_encode_and_back(scene):
    pixels = scene(40, 30)
    assert (images.decode(images.encode(pixels)) == pixels).all()
    for format in ("JPEG", "WEBP"):
        assert np.abs(images.decode(images.encode(pixels, format=format, quality=95)).astype(int) - pixels).mean() < 6
        assert len(images.encode(pixels, format=format, quality=30)) < len(images.encode(pixels, format=format, quality=95))
    with pytest.raises(ImageError, match="expected uint8 RGB"):
        images.encode(pixels[..., 0])


def test_digest_is_of_the_bytes():
    assert images.digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# ---- colour profiles


def wide_gamut() -> bytes:
    """An ICC profile of Display P3's colours with a gamma of 2.2, written by hand: three primaries and a curve, no more."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(fixed, values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    text = b"wide"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(79),
        b"wtpt": xyz(0.9642, 1.0, 0.8249),
        b"rXYZ": xyz(0.5151, 0.2412, -0.0011),
        b"gXYZ": xyz(0.2920, 0.6922, 0.0419),
        b"bXYZ": xyz(0.1571, 0.0666, 0.7841),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data
    size = 128 + len(table) + len(body)
    head = struct.pack(">I4sI", size, b"\0\0\0\0", 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    return head + fixed(0.9642) + fixed(1.0) + fixed(0.8249) + bytes(48) + table + body


def in_srgb(colour: tuple[int, int, int]) -> np.ndarray:
    """What a colour of `wide_gamut` is in sRGB, by the formulas of IEC 61966-2-1."""
    to_xyz = np.array([[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]])
    srgb = np.array([[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]])
    linear = np.linalg.solve(srgb, to_xyz @ (np.array(colour) / 255) ** (round(2.2 * 256) / 256)).clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("colour", [(200, 120, 60), (40, 200, 60), (90, 90, 90)])
def test_a_profile_tells_what_colours_look_like(saved, format, colour):
    options = {"quality": 100, "subsampling": 0} if format == "JPEG" else {"lossless": True} if format == "WEBP" else {}
    data = saved(Image.new("RGB", (32, 32), colour), format, icc_profile=wide_gamut(), **options)
    for found in (images.decode(data), images.decode_fit(data, Fit(8))):
        np.testing.assert_allclose(found[3, 3], in_srgb(colour), atol=3)


def test_a_profile_counts_in_palettes_and_beneath_transparency(saved):
    palette = Image.new("RGB", (8, 8), (200, 120, 60)).quantize(4)
    np.testing.assert_allclose(images.decode(saved(palette, icc_profile=wide_gamut()))[0, 0], in_srgb((200, 120, 60)), atol=2)
    clear = Image.new("RGBA", (8, 8), (200, 120, 60, 128))
    pixels, layers = images.decode_layers(saved(clear, icc_profile=wide_gamut()))
    assert layers is not None
    np.testing.assert_allclose(layers.colours[0, 0], in_srgb((200, 120, 60)), atol=2)
    np.testing.assert_allclose(pixels[0, 0], (in_srgb((200, 120, 60)) * 128 + 255 * 127) / 255, atol=2)


def test_greys_with_a_profile_of_colours_stay_grey(saved):
    found = images.decode(saved(Image.new("L", (8, 8), 90), icc_profile=wide_gamut()))
    np.testing.assert_allclose(found[0, 0], in_srgb((90, 90, 90)), atol=2)
    assert np.ptp(found[0, 0].astype(int)) <= 1


@pytest.mark.parametrize("profile", ["srgb", "broken"])
def test_srgb_and_what_is_no_profile_change_nothing(scene, saved, profile):
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() if profile == "srgb" else b"not a profile" * 9
    picture = scene(64, 48)
    for format, options in (("PNG", {}), ("JPEG", {"quality": 90})):
        plain, marked = saved(picture, format, **options), saved(picture, format, icc_profile=content, **options)
        np.testing.assert_array_equal(images.decode(marked), images.decode(plain))


def test_a_profile_of_another_kind_of_colours_is_passed_over(saved):
    picture = Image.new("CMYK", (8, 8), (0, 80, 200, 0))
    plain, marked = saved(picture, "TIFF"), saved(picture, "TIFF", icc_profile=wide_gamut())
    np.testing.assert_array_equal(images.decode(marked), images.decode(plain))


# ---- transparency that comes back


def test_layers_hold_what_white_hides(saved):
    layers = np.zeros((6, 4, 4), np.uint8)
    layers[..., :3], layers[:3, :, 3], layers[3:, :, 3] = (10, 200, 30), 255, 0
    pixels, found = images.decode_layers(saved(Image.fromarray(layers)))
    assert found is not None
    np.testing.assert_array_equal(np.dstack([found.colours, found.alpha]), layers)
    assert (pixels[3:] == 255).all()
    np.testing.assert_array_equal(found.restore(pixels, pixels), layers)
    opaque = saved(Image.new("RGBA", (4, 4), (1, 2, 3, 255)))
    assert images.decode_layers(opaque)[1] is None
    assert images.decode_layers(saved(Image.new("RGB", (4, 4)), "JPEG"))[1] is None


def test_what_was_changed_looks_as_it_should_on_white():
    rng = np.random.default_rng(0)
    alpha = np.repeat(np.array([[0, 64, 128, 255]], np.uint8), 5, axis=0)
    colours = rng.integers(0, 256, (5, 4, 3), dtype=np.uint8)
    share = alpha[..., None] / 255
    before = np.rint(colours * share + 255 * (1 - share)).astype(np.uint8)
    wanted = np.rint(colours[::-1] * share + 255 * (1 - share)).astype(np.uint8)
    found = images.Transparency(colours, alpha).restore(before, wanted)
    np.testing.assert_array_equal(found[..., 3], alpha)
    shown = found[..., :3] * share + 255 * (1 - share)
    np.testing.assert_allclose(shown, wanted, atol=0.51)
    np.testing.assert_array_equal(found[:, 0, :3], colours[:, 0])


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_four_channels_are_written(format):
    layers = np.random.default_rng(0).integers(0, 256, (20, 30, 4), dtype=np.uint8)
    _, found = images.decode_layers(images.encode(layers, format=format, quality=95))
    assert found is not None
    np.testing.assert_array_equal(found.alpha, layers[..., 3])
    with pytest.raises(ImageError, match="RGB"):
        images.encode(layers, format="JPEG")


# ---- files of other kinds

HEADER = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)


def test_heic_is_read(scene):
    heif = pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    picture, buffer = scene(640, 480), io.BytesIO()
    heif.from_pillow(Image.fromarray(picture)).save(buffer, quality=95)
    found = images.decode(buffer.getvalue())
    assert images.shape(buffer.getvalue()) == (640, 480)
    assert np.abs(found.astype(int) - picture).mean() < 4
    with pytest.raises(ImageError, match="over the limit of 100 pixels"):
        images.decode(buffer.getvalue(), limits=ImageLimits(max_pixels=100))


def test_heic_that_is_none_is_named():
    with pytest.raises(ImageError, match=r"HEIC picture .* save it as JPEG"):
        images.decode(HEADER)


def test_without_the_extra_heic_is_named():
    code = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from beholder import images\nfrom beholder.errors import ImageError\n"
        f"try: images.decode({HEADER!r})\nexcept ImageError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "the file is an HEIC picture (HEIF); save it as JPEG" in ran.stdout
    assert 'pip install "beholder[heic]"' in ran.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"%PDF-1.7", "a PDF document"),
        (b"8BPS\0\1", "a Photoshop document"),
        (b"\n<svg>", "an SVG drawing"),
        (b"\xff\x0a1", "a JPEG XL picture"),
    ],
)
def test_what_is_no_picture_is_named(content, says):
    with pytest.raises(ImageError, match=f"the file is {says}, no image of a known format"):
        images.decode(content)


def test_sixteen_bits_are_rounded_as_by_division():
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    np.testing.assert_array_equal(images.decode(buffer.getvalue())[..., 1], np.round(levels / 257))


def test_a_torchvision_without_a_decoder_leaves_jpegs_to_pillow(scene, saved, monkeypatch) -> None:
    import torchvision.io

    data = saved(scene(40, 30), "JPEG", quality=90)
    before = images.decode(data)
    monkeypatch.delattr(torchvision.io, "decode_jpeg")
    np.testing.assert_array_equal(images.decode(data), before)
