"""Pictures that cost too much: refused before they are decoded, or by a process that is killed."""

import asyncio
import io
import time
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from beholder import images
from beholder.errors import ImageError
from beholder.helper_process import HelperProcess
from beholder.images import ImageLimits
from beholder.serve.security import decoder_process
from beholder.serve.security.image_guard import ImageGuard, ImageGuardConfig

LIMITS = ImageLimits(max_pixels=40_000_000, max_bytes=12 << 20)


def scans(count: int, side: int = 256) -> bytes:
    """A progressive JPEG whose last scan stands there so many times."""
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((side, side), np.uint8)).save(buffer, format="JPEG", progressive=True)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + data[-2:]


def gif(width: int, height: int) -> bytes:
    """A GIF of one pixel that claims a screen."""
    screen = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return b"GIF89a" + screen + b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def png16(width: int, height: int) -> bytes:
    """A grey PNG of 16 bits, of one value."""
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((height, width), np.uint16)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (scans(800), "8[0-9][0-9] scans, more than the 100"),
        (gif(6000, 6000), "6,000 x 6,000 pixels are more than 35 bytes can hold"),
        (gif(60000, 60000), "over the limit of 40,000,000"),
        (b"", "empty"),
        (b"no picture", "no image"),
        (images.encode(np.zeros((64, 64, 3), np.uint8))[:60], "broken"),
    ],
)
def test_what_costs_too_much_is_refused_at_once(data, says):
    began = time.monotonic()
    with pytest.raises(ImageError, match=says):
        decoder_process.check(data, LIMITS)
    assert time.monotonic() - began < 1


def test_ordinary_pictures_pass():
    noise = np.random.default_rng(0).integers(0, 255, (300, 200, 3), dtype=np.uint8)
    for format in ("PNG", "JPEG", "WEBP"):
        assert decoder_process.check(images.encode(noise, format=format), LIMITS) == 60_000
    assert decoder_process.check(scans(20), LIMITS) == 65_536


@pytest.fixture(scope="module")
def guard() -> Iterator[ImageGuard]:
    guard = ImageGuard(LIMITS, ImageGuardConfig(seconds=2.0, pixels=3_000_000))
    yield guard
    guard.close()


def check(guard: ImageGuard, *files: bytes) -> None:
    asyncio.run(guard.check("photos", files))


def test_the_pixels_of_a_request_are_counted_together(guard):
    check(guard, png16(1000, 1000), png16(1000, 1000))
    with pytest.raises(ImageError, match="3,000,000 pixels together"):
        check(guard, *[png16(1000, 1000)] * 2, png16(1200, 1000), png16(10, 10))
    with pytest.raises(ImageError, match="3,000,000 pixels together"):
        check(guard, png16(1500, 1000), png16(1500, 1000), png16(10, 10))


def test_what_takes_too_long_is_killed_and_the_next_is_decoded():
    """A JPEG of as many scans as are taken, so large that decoding takes longer than it may."""
    slow = scans(90, side=4000)
    guard = ImageGuard(LIMITS, ImageGuardConfig(seconds=0.2))
    check(guard, png16(10, 10))  # the process has started
    before = guard._queues["photos"].process._process
    began = time.monotonic()
    with pytest.raises(ImageError, match=r"within 0\.2 seconds"):
        check(guard, slow)
    assert time.monotonic() - began < 1.5
    assert before is not None
    assert before.poll() is not None  # it is gone, and with it its work
    check(guard, png16(10, 10))
    guard.close()


def test_memory_has_an_end():
    guard = ImageGuard(LIMITS, ImageGuardConfig(seconds=20.0, memory_mb=512))
    bomb = png16(6000, 6000)
    with pytest.raises(ImageError, match=r"memory|broken|within"):
        asyncio.run(guard.check("predictions", [compressed_rgba(12_000, 3_300), bomb]))
    check(guard, png16(10, 10))
    guard.close()


def compressed_rgba(width: int, height: int) -> bytes:
    """A PNG with transparency, of one colour: 4 bytes a pixel, several times over when it is laid on white."""
    rows = zlib.compress((b"\0" + b"\1\2\3\4" * width) * height, 1)
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x06\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
        for kind, body in ((b"IHDR", head), (b"IDAT", rows), (b"IEND", b""))
    )


def test_a_process_that_can_not_decode_says_so_in_a_line():
    process = HelperProcess(decoder_process.__name__, "512")
    head = {"max_bytes": 10, "max_pixels": 10}
    told = "the file is no image of a known format (" + ", ".join(images.FORMATS) + ")"
    assert process.ask(head, b"abc", 5.0) == {"error": told, "kind": "UnknownImageFormat"}
    process.stop()
