"""The registry keeps a generator's directions, and knows whose they are."""

from pathlib import Path

import pytest
import torch

from beholder import weights
from beholder.editing import generator_store
from beholder.editing.directions import Direction, direction_registry
from beholder.editing.generator_store import fingerprint
from beholder.errors import EditError
from beholder.portraits.trait_directions import NAMES
from beholder.storage import Place
from beholder.workspace import Workspace


def along(name: str, maker: str = "abc") -> Direction:
    return Direction.along(torch.ones(12), name=name, space="w", layers=(0, 8), fingerprint=maker, generator="toy")


def test_directions_are_kept_by_generator(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    assert direction_registry.read(workspace, "toy", fingerprint="abc") == {}
    places = direction_registry.write(workspace, "toy", [along("older"), along("smile")])
    assert places[0].uri == str(tmp_path / "models/directions/toy/older.safetensors")
    found = direction_registry.read(workspace, "toy", fingerprint="abc")
    assert list(found) == ["older", "smile"]
    assert direction_registry.read(workspace, "other", fingerprint="abc") == {}


def test_a_generator_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    direction_registry.write(workspace, "toy", [along("older")])
    with pytest.raises(EditError, match=r"older was made for toy \(abc\), not for toy \(new\)"):
        direction_registry.read(workspace, "toy", fingerprint="new")
    assert list(direction_registry.read(workspace, "toy", fingerprint="new", force=True)) == ["older"]


def test_broken_files_are_named(tmp_path: Path) -> None:
    workspace = Workspace(str(tmp_path))
    Place.at(tmp_path / "models/directions/toy/bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(EditError, match=r"bad\.safetensors"):
        direction_registry.read(workspace, "toy", fingerprint="abc")


def test_the_shipped_ones_are_always_there(tmp_path: Path) -> None:
    maker = fingerprint(generator_store.read(generator_store.SHIPPED))
    assert tuple(direction_registry.read(None, generator_store.SHIPPED, fingerprint=maker)) == tuple(NAMES.values())
    workspace = Workspace(str(tmp_path))
    direction_registry.write(workspace, generator_store.SHIPPED, [along("mine", maker)])
    assert tuple(direction_registry.read(workspace, generator_store.SHIPPED, fingerprint=maker)) == (*NAMES.values(), "mine")
    with pytest.raises(EditError, match="smile is the name of a direction that ships with portraits"):
        direction_registry.write(workspace, generator_store.SHIPPED, [along("smile")])
    with pytest.raises(EditError, match="expected a direction's name"):
        direction_registry.write(workspace, "../up", [along("mine")])
    assert weights.shipped("portraits-directions").is_file()
