"""A photo written again: upright, in the colours of its own profile, with its EXIF."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from beholder import images
from beholder.errors import ImageError

PIXELS = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo(format: str, **more) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    exif[0x0112] = more.pop("orientation", 1)
    Image.fromarray(more.pop("pixels", PIXELS)).save(buffer, format=format, exif=exif, icc_profile=PROFILE, **more)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("format", "more"), [("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 100, "subsampling": 0})]
)
def test_exif_and_profile_are_kept(format, more):
    pixels, metadata = images.decode_photo(photo(format, **more))
    assert metadata.format == format
    written = Image.open(io.BytesIO(images.encode_photo(pixels, metadata)))
    assert written.format == format
    assert written.info["icc_profile"] == PROFILE
    assert written.getexif()[0x010F] == "a camera"


def test_pixels_are_upright_and_exif_says_so():
    pixels, metadata = images.decode_photo(photo("PNG", orientation=6))
    np.testing.assert_array_equal(pixels, np.rot90(PIXELS, 3))
    written = images.encode_photo(pixels, metadata)
    assert Image.open(io.BytesIO(written)).getexif().get(0x0112, 1) == 1
    np.testing.assert_array_equal(images.decode_photo(written)[0], pixels)


def test_what_is_not_8_bit_rgb_is_decoded_without_its_profile():
    wide = Image.fromarray(np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000)
    buffer = io.BytesIO()
    wide.save(buffer, format="PNG", icc_profile=PROFILE)
    pixels, metadata = images.decode_photo(buffer.getvalue())
    assert pixels.shape == (6, 8, 3)
    assert metadata.icc_profile is None
    tiff = io.BytesIO()
    Image.fromarray(PIXELS).save(tiff, format="TIFF")
    assert images.decode_photo(tiff.getvalue())[1].format == "JPEG"


@pytest.mark.parametrize("data", [b"", b"no picture", photo("PNG")[:150]])
def test_what_is_broken_is_refused_in_one_line(data):
    with pytest.raises(ImageError) as refused:
        images.decode_photo(data)
    assert "\n" not in str(refused.value)
