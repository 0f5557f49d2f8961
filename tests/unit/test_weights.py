"""Weights: what is written comes back, with its card, and what is missing is said."""

from pathlib import Path

import pytest
import torch

from beholder import weights
from beholder.errors import WeightsError


def test_tensors_settings_and_card_come_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "some.safetensors"
    tensors = {"a.weight": torch.randn(3, 4), "a.bias": torch.randn(4)}
    weights.write(path, tensors, card={"what": "a test"}, network={"width": 4}, half_from=2)
    found, network = weights.read(path)
    assert network == {"width": 4}
    assert found["a.weight"].dtype == torch.float32
    assert torch.equal(found["a.weight"], tensors["a.weight"].half().float())
    assert torch.equal(found["a.bias"], tensors["a.bias"])
    assert weights.card(path) == {"what": "a test"}


def test_missing_and_broken_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights nobody are shipped"):
        weights.shipped("nobody")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"not a header")
    with pytest.raises(WeightsError, match=r"broken\.safetensors"):
        weights.read(broken)
