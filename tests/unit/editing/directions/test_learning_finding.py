"""What was hidden among thousands of examples is found."""

import pytest
import torch
from torch import Tensor

from beholder.editing.directions.learning import find
from beholder.errors import EditError


def hidden(count: int = 4000) -> tuple[Tensor, Tensor, Tensor]:
    """w, labels that go together (0.5), and the moves by which the labels act on w."""
    dice = torch.Generator().manual_seed(2)
    moves = torch.randn(3, 32, generator=dice)
    labels = torch.randn(count, 3, generator=dice) @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    w = 5 + labels @ moves + 0.5 * torch.randn(count, 32, generator=dice)
    return w, labels, moves


def test_moves_are_found_though_labels_go_together() -> None:
    w, labels, moves = hidden()
    assert torch.allclose(find(w, labels), moves * labels.std(dim=0)[:, None], atol=0.06)


def test_too_little_is_refused() -> None:
    w, labels, _ = hidden(5)
    with pytest.raises(EditError, match="need more than 4 examples, got 4"):
        find(w[:4], labels[:4])
    with pytest.raises(EditError, match="label 1 is the same"):
        find(w, labels * torch.tensor([1.0, 0.0, 1.0]))
