"""Finding: the moves in W that go with labels, where there are plenty of them."""

import torch
from torch import Tensor

from beholder.errors import EditError


def find(w: Tensor, labels: Tensor) -> Tensor:
    """Find the moves in W that change one label each and leave the others alone.

    w: [N, w_dim], labels: [N, T] (numbers, or 0 and 1). Solves w = mean + labels * moves by least squares over labels in
    their standard deviations, so a label that often comes with another one does not drag it along. It takes thousands of
    examples; `learning.from_labels` makes more of a few.
    Returns float32 [T, w_dim]: the move for one standard deviation of each label. Raises EditError for too few examples.
    """
    if len(w) <= labels.shape[1] + 1:
        raise EditError(f"{labels.shape[1]} labels need more than {labels.shape[1] + 1} examples, got {len(w)}")
    spread = labels.std(dim=0)
    if (spread < 1e-6).any():
        raise EditError(f"label {int((spread < 1e-6).nonzero()[0])} is the same in all examples, so nothing can be found")
    standard = ((labels - labels.mean(dim=0)) / spread).double()
    return torch.linalg.lstsq(standard, (w - w.mean(dim=0)).double()).solution.float()
