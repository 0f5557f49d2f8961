"""Image metrics: values that are known, and an independent formula."""

import numpy as np
import pytest

from beholder.editing.image_metrics import frechet_distance, l2, ms_ssim


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)


def test_l2_is_in_units_of_the_generator() -> None:
    black, white = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 255, np.uint8)
    assert l2(black, white).tolist() == [4.0]
    assert l2(white, white).tolist() == [0.0]


def test_ms_ssim_is_one_of_the_same_and_less_of_others(pictures: np.ndarray) -> None:
    assert ms_ssim(pictures, pictures) == pytest.approx([1, 1])
    shuffled = pictures[:, ::-1]
    assert (ms_ssim(pictures, shuffled) < 0.3).all()
    smoother = (0.5 * pictures + 0.25 * np.roll(pictures, 1, axis=1) + 0.25 * np.roll(pictures, -1, axis=1)).astype(np.uint8)
    assert (ms_ssim(pictures, shuffled) < ms_ssim(pictures, smoother)).all()


def test_one_scale_is_ssim(pictures: np.ndarray) -> None:
    x, y = (each[:1, :16, :16].astype(float) / 255 for each in (pictures, pictures[::-1]))
    row = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    row /= row.sum()

    def mean(z: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(z, (11, 11), axis=(1, 2))
        return np.einsum("nhwcij,i,j->nhwc", windows, row, row)

    a, b = mean(x), mean(y)
    spread = (mean(x * x) - a * a) + (mean(y * y) - b * b)
    value = (2 * a * b + 1e-4) * (2 * (mean(x * y) - a * b) + 9e-4) / ((a * a + b * b + 1e-4) * (spread + 9e-4))
    expected = np.clip(value.mean(axis=(1, 2)), 0, None).mean()
    assert ms_ssim(pictures[:1, :16, :16], pictures[1:, :16, :16]) == pytest.approx([expected], abs=1e-9)


def test_pictures_that_no_window_fits_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 11 px, got 10"):
        ms_ssim(np.zeros((1, 10, 10, 3), np.uint8), np.zeros((1, 10, 10, 3), np.uint8))


def test_the_frechet_distance_is_that_of_the_formula() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(200, 5)), rng.normal(size=(150, 5)) @ rng.normal(size=(5, 5)) + 1
    c, d = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    expected = (
        np.square(one.mean(axis=0) - other.mean(axis=0)).sum() + np.trace(c + d) - 2 * np.sqrt(np.linalg.eigvals(c @ d).real).sum()
    )
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(one, one + 2) == pytest.approx(20, rel=1e-6)
    with pytest.raises(ValueError, match="at least two pictures on each side, got 1 and 150"):
        frechet_distance(one[:1], other)
