"""Directions: what was hidden is found, strengths mean what they say, zero is nothing."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from beholder.editing import directions
from beholder.editing.directions import Direction
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
    found = directions.find(w, labels)
    assert torch.allclose(found, moves * labels.std(dim=0)[:, None], atol=0.06)


def test_too_little_is_refused() -> None:
    w, labels, _ = hidden(5)
    with pytest.raises(EditError, match="need more than 4 examples, got 4"):
        directions.find(w[:4], labels[:4])
    with pytest.raises(EditError, match="label 1 is the same"):
        directions.find(w, labels * torch.tensor([1.0, 0.0, 1.0]))


def test_alpha_one_is_one_standard_deviation() -> None:
    ws = torch.randn(50, 4, 8)
    rough = Direction("up", torch.eye(8)[2], "toy", (0, 4))
    done = directions.calibrate(rough, ws, lambda at: 0.25 * at[:, :, 2].mean(dim=1), 0.5, tolerance=1e-4)
    assert done.vector[2] == pytest.approx(2.0, abs=1e-3)
    with pytest.raises(EditError, match="up raises its trait by"):
        directions.calibrate(rough, ws, lambda at: at[:, :, 3].mean(dim=1), 0.5)


def test_edits_add_up_on_their_layers_and_zero_is_the_identity() -> None:
    known = {"a": Direction("a", torch.ones(8), "toy", (0, 2)), "b": Direction("b", 2 * torch.ones(8), "toy", (1, 4))}
    ws = torch.zeros(3, 4, 8)
    assert directions.apply(ws, {"a": 0.0, "b": 0.0}, known) is ws
    moved = directions.apply(ws, {"a": 1.5, "b": -1.0}, known)
    assert moved[1, :, 0].tolist() == [1.5, -0.5, -2.0, -2.0]
    assert (ws == 0).all()
    with pytest.raises(EditError, match="c is not a direction"):
        directions.apply(ws, {"c": 1.0}, known)


def test_files_keep_everything(tmp_path: Path) -> None:
    path = tmp_path / "some.safetensors"
    first = Direction("smile", torch.randn(8), "toy", (0, 4), ("frowning", "smiling"))
    second = Direction("age", torch.randn(8), "toy", (1, 3))
    directions.save(path, [first, second])
    found = directions.load(path)
    assert list(found) == ["smile", "age"]
    assert found["smile"].says == ("frowning", "smiling")
    assert found["age"].layers == (1, 3)
    assert torch.equal(found["age"].vector, second.vector)


def test_what_is_no_file_of_directions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.safetensors").write_text("nothing")
    with pytest.raises(EditError, match=r"other\.safetensors"):
        directions.load(tmp_path / "other.safetensors")
