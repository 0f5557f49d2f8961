"""Files of directions keep everything, and what is no such file gets one line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from beholder.editing.directions import Direction, direction_file
from beholder.errors import EditError

FIRST = Direction.along(
    torch.randn(8), name="smile", space="w", layers=(0, 4), fingerprint="abc", generator="toy",
    labels=("frowning", "smiling"), range=(-5.0, 7.0),
)  # fmt: skip
SECOND = Direction.along(torch.randn(2, 8), name="age", space="w+", layers=(1, 3))


def test_files_keep_everything(tmp_path: Path) -> None:
    path = tmp_path / "new" / "some.safetensors"
    direction_file.save(path, [FIRST, SECOND])
    found = direction_file.load(path)
    assert list(found) == ["smile", "age"]
    for before, after in zip((FIRST, SECOND), found.values(), strict=True):
        assert torch.equal(before.step, after.step)
        assert {k: v for k, v in vars(before).items() if k != "vector"} == {k: v for k, v in vars(after).items() if k != "vector"}


def lying(**changed: object) -> bytes:
    """A file whose metadata says something else of a good vector."""
    about = {
        "name": "a", "space": "w", "scale": 1.0, "layers": [0, 4], "fingerprint": "", "generator": "", "says": ["", ""],
        "range": [-3, 3],
    }  # fmt: skip
    vector = torch.eye(8, dtype=torch.float64)[0].contiguous()
    metadata = {"format": "beholder directions 2", "directions": json.dumps([about | changed])}
    return save({"a": vector}, metadata=metadata)


def test_the_good_form_of_the_lies_is_read() -> None:
    assert list(direction_file.parse(lying(), name="x")) == ["a"]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"nothing", b"\xff" * 100, (2**60).to_bytes(8, "little") + b"{}", b"\x02" + bytes(7) + b"[]",
        (8).to_bytes(8, "little") + b"[" * 8, (100_000).to_bytes(8, "little") + b"[" * 100_000,
        save({"a": torch.ones(3)}), direction_file.dump([FIRST])[:-3],
        lying(name="b"), lying(name="../a"), lying(space="x"), lying(space=None), lying(scale="nan"), lying(scale=-1),
        lying(layers=[0]), lying(layers=[0, None]), lying(range=[0, float("inf")]), lying(says=["no"]), lying(space="w+"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_directions(data: bytes) -> None:
    with pytest.raises(EditError) as told:
        direction_file.parse(data, name="some.safetensors")
    assert "some.safetensors" in str(told.value)
    assert "\n" not in str(told.value)


def test_missing_and_huge_files(tmp_path: Path) -> None:
    with pytest.raises(EditError, match="can't be read: No such file"):
        direction_file.load(tmp_path / "nothing.safetensors")
    with open(tmp_path / "huge.safetensors", "wb") as huge:
        huge.truncate(10**12)
    with pytest.raises(EditError, match="more than the"):
        direction_file.load(tmp_path / "huge.safetensors")
