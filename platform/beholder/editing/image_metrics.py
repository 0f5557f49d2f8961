"""Image metrics: how far pictures are from others, as papers on inversion and editing report it.

LPIPS is not here: its weights (a VGG's or an AlexNet's) come inside no package, they are fetched when it is first used.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales
_SIDE, _SIGMA = 11, 1.5  # of the window


def l2(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the mean squared difference of pictures, uint8 RGB [N, H, W, 3], with values taken as -1..1: float64 [N]."""
    difference = (one.astype(np.float64) - other) / 127.5
    result: np.ndarray = np.square(difference).mean(axis=(1, 2, 3))
    return result


@torch.no_grad()
def ms_ssim(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the multi-scale structural similarity of pictures, uint8 RGB [N, S, S, 3], float64 [N], 1 where they are the same.

    Wang et al., "Multiscale structural similarity for image quality assessment", 2003: five scales, and of pictures below 176 px as
    many as their window fits, with the weights of these. Raises ValueError for pictures below 11 px.
    """
    side = min(one.shape[1:3])
    scales = sum(side >> scale >= _SIDE for scale in range(len(_WEIGHTS)))
    if not scales:
        raise ValueError(f"expected pictures of at least {_SIDE} px, got {side}")
    weights = np.array(_WEIGHTS[:scales]) / sum(_WEIGHTS[:scales])
    x, y = (torch.from_numpy(each.astype(np.float64) / 255).permute(0, 3, 1, 2) for each in (one, other))
    result = torch.ones(len(one), dtype=torch.float64)
    for scale in range(scales):
        luminance, contrast = _ssim(x, y)
        last = scale == scales - 1
        value = luminance * contrast if last else contrast
        result = result * value.mean(dim=(2, 3)).clamp_min(0).pow(weights[scale]).mean(dim=1)
        x, y = functional.avg_pool2d(x, 2), functional.avg_pool2d(y, 2)
    return result.numpy()


def _ssim(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at every place: [N, 3, h, w] each."""
    ticks = torch.arange(_SIDE, dtype=x.dtype) - _SIDE // 2
    window = torch.exp(-ticks.square() / (2 * _SIGMA**2))
    window /= window.sum()

    def mean(z: Tensor) -> Tensor:
        # rows, then columns, as sums of shifted pictures: torch's convolution of float64 on a CPU takes many times as long
        for axis in (2, 3):
            total = torch.zeros_like(z.narrow(axis, 0, z.shape[axis] - _SIDE + 1))
            for at, weight in enumerate(window.tolist()):
                total.add_(z.narrow(axis, at, total.shape[axis]), alpha=weight)
            z = total
        return z

    a, b = mean(x), mean(y)
    variance_a, variance_b, covariance = mean(x * x) - a * a, mean(y * y) - b * b, mean(x * y) - a * b
    luminance = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    return luminance, (2 * covariance + 9e-4) / (variance_a + variance_b + 9e-4)


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Fréchet distance between Gaussians fitted to two sets of features, [N, D] and [M, D], at least two each.

    Heusel et al., "GANs trained by a two time-scale update rule", 2017, call it FID where the features are Inception's. It is
    biased upwards for few pictures.
    """
    if min(len(one), len(other)) < 2:
        raise ValueError(f"expected at least two pictures on each side, got {len(one)} and {len(other)}")
    means, covariances = [], []
    for each in (one, other):
        each = each.astype(np.float64)
        means.append(each.mean(axis=0))
        covariances.append(np.atleast_2d(np.cov(each, rowvar=False)))
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ covariances[1] @ root).clip(min=0)).sum()
    gap = float(np.square(means[0] - means[1]).sum())
    return gap + float(np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared)
