"""Pixels go there and back, and what no pixel can show is cut off."""

import numpy as np
import torch

from beholder.editing.pixels import to_pixels, to_rgb


def test_pixels_go_there_and_back() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    rgb = to_rgb(pixels)
    assert rgb.shape == (2, 3, 4, 5)
    assert (to_pixels(rgb) == pixels).all()


def test_the_ends_and_what_lies_beyond() -> None:
    assert to_rgb(np.array([0, 255], np.uint8).reshape(1, 1, 2, 1).repeat(3, axis=3))[0, 0].tolist() == [[-1, 1]]
    assert to_pixels(torch.tensor([-7.0, -0.999, 0.0, 0.999, 7.0]).expand(1, 3, 1, 5))[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255]
