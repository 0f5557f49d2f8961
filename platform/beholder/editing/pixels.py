"""Pixels: uint8 pictures <-> the RGB in -1..1 that networks take and make."""

import numpy as np
import torch
from torch import Tensor


def to_rgb(pixels: np.ndarray) -> Tensor:
    """uint8 RGB [N, H, W, 3] -> float32 RGB in -1..1 [N, 3, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_pixels(rgb: Tensor) -> np.ndarray:
    """RGB [N, 3, H, W], what leaves -1..1 cut off -> uint8 RGB [N, H, W, 3]: (x + 1) * 127.5, rounded."""
    return ((rgb.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
