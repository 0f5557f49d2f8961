"""clip_weights: the ways in which people keep a CLIP, each with the vectors of the plain file, or one line that says what it is."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from beholder import clip_weights, light_import
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import EncoderError
from beholder.storage import Place

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (2, 64, 64, 3), np.uint8)


def config(model, weights):
    return EncoderConfig(name="small", model=model, weights=str(weights), size=64, device="cpu")


@pytest.fixture(scope="module")
def state(small_clip):
    torch.manual_seed(3)
    model = light_import.open_clip(small_clip).create_model(small_clip)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.fixture(scope="module")
def plain(small_clip, state, tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "plain.pt"
    torch.save(state, path)
    return Encoder.load(config(small_clip, path)).images(PIXELS)


def renamed(state, prefix):
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


WAYS: dict[str, Any] = {
    "compiled.pt": lambda state: {"state_dict": renamed(state, "_orig_mod.")},
    "both.pt": lambda state: {"state_dict": renamed(state, "module._orig_mod."), "epoch": 3},
    "lightning.ckpt": lambda state: {"state_dict": renamed(state, "model."), "hyper_parameters": {"lr": 1e-3}},
    "averaged.pt": lambda state: {"state_dict_ema": state},
    "model.pt": lambda state: {"model": state},
    "settings.pt": lambda state: {"state_dict": state, "args": argparse.Namespace(lr=1e-4)},
    "compiled.safetensors": lambda state: renamed(state, "_orig_mod."),
}


@pytest.mark.parametrize("name", WAYS)
def test_weights_wrapped_by_a_trainer(small_clip, state, plain, tmp_path, name):
    content, path = WAYS[name](state), tmp_path / name
    if name.endswith(".safetensors"):
        save_file(content, path)
    else:
        torch.save(content, path)
    np.testing.assert_array_equal(Encoder.load(config(small_clip, path)).images(PIXELS), plain)


def test_a_folder_as_hubs_have_it_brings_its_preprocessing(small_clip, state, tmp_path, monkeypatch):
    save_file(state, tmp_path / "open_clip_model.safetensors")
    said = {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.5, 0.2], "interpolation": "bilinear", "resize_mode": "squash"}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {}, "preprocess_cfg": said}))
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    ways = [tmp_path, f"local-dir:{tmp_path}", tmp_path / "open_clip_model.safetensors", f"~/{tmp_path.name}"]
    configs = [config(small_clip, weights).resolved() for weights in ways]
    for found in configs:
        assert (found.mean, found.std, found.interpolation, found.resize) == tuple(said.values())
        assert found.weights == str(tmp_path / "open_clip_model.safetensors")
    assert len({each.encoder_id() for each in configs}) == 1
    assert Encoder.load(configs[0]).images(PIXELS).shape == (2, 32)


def test_what_is_no_clip_is_named(small_clip, state, tmp_path):
    tower = {name.removeprefix("visual."): tensor for name, tensor in state.items() if name.startswith("visual.")}
    cut = {name: tensor for name, tensor in state.items() if not name.startswith("token_embedding")}
    broken = {name: tensor.clone() for name, tensor in state.items()}
    broken["visual.proj"][0] = float("nan")
    contents = {
        "tower.pt": (tower, "an image tower alone"),
        "hf.pt": ({"vision_model.x": torch.zeros(1)}, "a CLIP of transformers"),
        "cut.pt": (cut, 'state_dict for CLIP: Missing key(s) in state_dict: "token_embedding.weight"'),
        "nan.pt": (broken, "visual.proj has numbers that are not finite"),
    }
    for name, (content, says) in contents.items():
        torch.save(content, tmp_path / name)
        with pytest.raises(EncoderError) as raised:
            Encoder.load(config(small_clip, tmp_path / name))
        assert says in str(raised.value)
        assert "\n" not in str(raised.value)


def test_what_would_have_to_be_run_is_not(small_clip, tmp_path):
    model = light_import.open_clip(small_clip).create_model(small_clip)
    torch.save(model, tmp_path / "module.pt")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    (tmp_path / "lfs.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n")
    says = {
        "module.pt": "save its state_dict() and give that",
        "script.pt": "Missing key(s) in state_dict",
        "lfs.bin": "git lfs pull",
    }
    for name, expected in says.items():
        with pytest.raises(EncoderError) as raised:
            Encoder.load(config(small_clip, tmp_path / name))
        assert expected in str(raised.value)
        assert str(raised.value).isprintable()


class QuickGELU(torch.nn.Module):
    """As OpenAI's programs have it."""

    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Traced(torch.nn.Module):
    """A CLIP and its sizes, as OpenAI's programs have them."""

    def __init__(self, model):
        super().__init__()
        for name, part in model.named_children():
            setattr(self, name, part)
        for name, part in model.named_parameters(recurse=False):
            setattr(self, name, part)
        self.register_buffer("input_resolution", torch.tensor(64))
        self.register_buffer("vocab_size", torch.tensor(49408))
        self.gelu = QuickGELU()

    def forward(self, image):
        return self.gelu(self.get_submodule("visual")(image))


@pytest.mark.filterwarnings("ignore")  # of tracing
def test_a_program_of_torchscript_gives_its_weights_and_is_not_run(small_clip, state, plain, tmp_path):
    model = light_import.open_clip(small_clip).create_model(small_clip)
    model.load_state_dict(state)
    path = tmp_path / "ViT-S.pt"
    torch.jit.save(torch.jit.trace(Traced(model.half().float()), torch.zeros(1, 3, 64, 64), check_trace=False), path)
    found = clip_weights._program(str(path))
    assert found is not None
    assert set(found) == {name for name in state if not name.endswith("attn_mask")}
    resolved = config(small_clip, path).resolved()
    assert resolved.quick_gelu  # told from the code
    halved = {name: tensor.half().float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    torch.save(halved, tmp_path / "halved.pt")
    expected = Encoder.load(replace(config(small_clip, tmp_path / "halved.pt"), quick_gelu=True)).images(PIXELS)
    np.testing.assert_array_equal(Encoder.load(config(small_clip, path)).images(PIXELS), expected)


def test_weights_of_a_bucket_are_fetched_once_for_each_version(small_clip, state, plain, tmp_path, s3, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    save_file(state, tmp_path / "plain.safetensors")
    uri = f"{s3}/weights/clip.safetensors"
    Place.at(uri).write_bytes((tmp_path / "plain.safetensors").read_bytes())
    np.testing.assert_array_equal(Encoder.load(config(small_clip, uri)).images(PIXELS), plain)
    first = clip_weights.find(uri)
    assert clip_weights.find(uri) == first
    Place.at(uri).write_bytes(b"another")
    assert (clip_weights.find(uri) != first, Path(clip_weights.find(uri)).read_bytes()) == (True, b"another")
    with pytest.raises(EncoderError, match="there is no such file"):
        clip_weights.find(f"{s3}/weights/none.pt")


def test_places_that_hold_no_weights(tmp_path):
    with pytest.raises(EncoderError, match=r"expected one of open_clip_model\.safetensors"):
        clip_weights.find(str(tmp_path))
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(EncoderError, match="an adapter of peft"):
        clip_weights.find(str(tmp_path))
    assert clip_weights.find("laion2b_s34b_b79k") == "laion2b_s34b_b79k"
