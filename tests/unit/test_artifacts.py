"""artifacts: what is written comes back to the bit; what is cut off, foreign or not finite is refused in one line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from beholder import artifacts
from beholder.errors import ArtifactError, BeholderError
from beholder.storage import Place

ARRAYS: dict[str, np.ndarray] = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, 2], np.int64)}


def test_arrays_and_metadata_come_back():
    read = artifacts.parse_arrays(artifacts.dump(ARRAYS, {"format": "plain text", "about": {"x": [1, None]}}))
    assert read.tensors.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        assert read.tensors[name].dtype == value.dtype
        assert np.array_equal(read.tensors[name], value)
    assert read.metadata == {"format": "plain text", "about": '{"x": [1, null]}'}
    assert read.record("about") == {"x": [1, None]}


def test_tensors_come_back_in_their_dtypes():
    tensors = {
        "w": torch.randn(4, 3, requires_grad=True).T,
        "half": torch.ones(2, dtype=torch.bfloat16),
        "n": torch.tensor(3),
    }
    read = artifacts.parse_tensors(artifacts.dump(tensors))
    assert torch.equal(read.tensors["w"], tensors["w"])
    assert (read.tensors["half"].dtype, read.tensors["n"].dtype) == (torch.bfloat16, torch.int64)
    assert read.metadata == {}


def test_the_bytes_are_those_of_safetensors():
    """Files are named for a digest of their bytes, so the bytes of what is stored already must not change."""
    assert artifacts.dump(ARRAYS) == save(ARRAYS)


def test_arrays_are_read_without_torch():
    code = (
        "import sys, numpy as np; from beholder import artifacts as a;"
        "a.parse_arrays(a.dump({'x': np.ones(2)})); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("parse", [artifacts.parse_arrays, artifacts.parse_tensors])
def test_what_is_not_finite_is_refused_unless_it_is_wanted(parse):
    for value in (np.nan, np.inf, -np.inf):
        data = artifacts.dump({"fine": np.ones(2), "bad": np.array([0.0, value])})
        with pytest.raises(ArtifactError, match="bad has values that are not finite numbers"):
            parse(data)
        assert parse(data, finite=False).tensors.keys() == {"fine", "bad"}


def header(text: bytes) -> bytes:
    return len(text).to_bytes(8, "little") + text


HOSTILE = {
    "empty": b"",
    "short": b"1234",
    "text": b"not a header at all",
    "huge": b"\xff" * 8 + b"{}",
    "longer than the file": (1000).to_bytes(8, "little") + b"{}",
    "deep": header(b"[" * 100_000),
    "a list": header(b"[]"),
    "metadata of numbers": header(b'{"__metadata__": {"a": 1}}'),
    "metadata that is a list": header(b'{"__metadata__": []}'),
    "no utf-8": header(b'{"\xff": 1}'),
    "outside": header(b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'),
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.",
    "zip": b"PK\x03\x04" + bytes(60),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("parse", [artifacts.parse_arrays, artifacts.parse_tensors])
def test_foreign_bytes_are_refused_in_one_line(parse, data):
    with pytest.raises(ArtifactError) as error:
        parse(data)
    assert len(str(error.value).splitlines()) == 1
    assert isinstance(error.value, BeholderError)


@given(st.integers(0, len(artifacts.dump(ARRAYS, {"about": {}})) - 1))
def test_a_file_cut_off_anywhere_is_refused(length):
    data = artifacts.dump(ARRAYS, {"about": {}})[:length]
    for parse in (artifacts.parse_arrays, artifacts.parse_tensors):
        with pytest.raises(ArtifactError):
            parse(data)


def test_metadata_are_read_without_the_tensors():
    data = artifacts.dump(ARRAYS, {"about": {"x": 1}})
    size = 8 + int.from_bytes(data[:8], "little")
    assert artifacts.read_metadata(data[:size]) == {"about": '{"x": 1}'}
    with pytest.raises(ArtifactError, match="cut off"):
        artifacts.read_metadata(data[: size - 1])


@pytest.mark.parametrize("text", ["[1]", "{", "1" * 5000, "[" * 100_000])
def test_records_that_are_none(text):
    with pytest.raises(ArtifactError, match="its about is no JSON"):
        artifacts.record({"about": text}, "about")
    with pytest.raises(ArtifactError, match="says nothing of 'other'"):
        artifacts.record({"about": text}, "other")


def test_cards_lie_beside_their_files(tmp_path: Path):
    assert artifacts.card_of(Place.at(tmp_path / "a.b.safetensors")).path == str(tmp_path / "a.b.json")
    there = artifacts.card_of(Place.at("s3://bucket/models/x.safetensors?region=eu-west-1"))
    assert there.uri == "s3://bucket/models/x.json?region=eu-west-1"
    assert there.path == "bucket/models/x.json"


def test_cards_keep_what_is_on_them(tmp_path: Path):
    place = Place.at(tmp_path / "x.json")
    artifacts.write_card(place, {"name": "x", "figures": {"a": 1, "b": 2}})
    artifacts.add_figures(place, {"b": 3})
    assert artifacts.read_card(place) == {"name": "x", "figures": {"a": 1, "b": 3}}
    assert place.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_cards_that_are_none(tmp_path: Path, data: bytes):
    place = Place.at(tmp_path / "card.json")
    place.write_bytes(data)
    with pytest.raises(ArtifactError, match="its card is no JSON"):
        artifacts.read_card(place)


def test_a_folder_comes_back(tmp_path: Path):
    root = Place.at(tmp_path)
    folder = artifacts.replace(root / "deep/one", "taste", ARRAYS, {"about": 1})
    card = artifacts.read_card(folder / artifacts.CARD)
    assert card["about"] == 1
    assert card["tensors"].startswith("taste-")
    assert np.array_equal(artifacts.read_folder(folder, card)["a"], ARRAYS["a"])
    assert artifacts.names(root) == ["deep/one"]
    assert artifacts.names(root / "nowhere") == []


def test_a_folder_is_swapped_by_its_card(tmp_path: Path):
    folder = Place.at(tmp_path / "one")
    artifacts.replace(folder, "taste", ARRAYS, {"version": 1})
    first = artifacts.read_card(folder / artifacts.CARD)
    with pytest.raises(TypeError):  # JSON can't hold the card: nothing is written
        artifacts.replace(folder, "taste", {"a": np.zeros(1)}, {"version": object()})
    assert sorted(entry.path for entry in folder.files()) == sorted([artifacts.CARD, first["tensors"]])
    artifacts.replace(folder, "taste", {"a": np.zeros(1)}, {"version": 2})
    second = artifacts.read_card(folder / artifacts.CARD)
    assert second["version"] == 2
    assert sorted(entry.path for entry in folder.files()) == sorted([artifacts.CARD, second["tensors"]])
    assert second["tensors"] != first["tensors"]


@pytest.mark.parametrize("named", [None, 3, "", "../other/taste-1.safetensors", "/etc/passwd", "card.json"])
def test_a_card_names_tensors_of_its_own_folder(tmp_path: Path, named):
    folder = Place.at(tmp_path / "one")
    artifacts.replace(folder, "taste", ARRAYS, {})
    with pytest.raises(ArtifactError, match="names no tensors"):
        artifacts.read_folder(folder, json.loads(json.dumps({"tensors": named})))
