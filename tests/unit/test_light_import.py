"""light_import: open_clip without what it imports for others' sake, and with it where an architecture needs it.

Each test looks at a process of its own: here everything is imported already.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch._dynamo", "timm", "transformers")


def heavy_after(code: str) -> list[str]:
    """Which of HEAVY a fresh process has imported once it has run the code."""
    code = f"{code}\nimport json, sys\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "platform")}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


EMBED = """
import numpy as np
from beholder import images
from beholder.encoder import Encoder, EncoderConfig
encoder = Encoder.load(EncoderConfig(name="small", model={model!r}, weights="random", size=64))
pixels = images.decode(images.encode(np.zeros((80, 80, 3), np.uint8), format="JPEG"))
assert encoder.images(pixels[None]).shape == (1, 32)
assert encoder.texts(["a smile"]).shape == (1, 32)
"""


@pytest.fixture(scope="module")
def small_model(tmp_path_factory) -> str:
    towers = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 64, "layers": 1, "width": 32, "head_width": 32, "patch_size": 32},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 1, "layers": 1},
    }
    path = tmp_path_factory.mktemp("model") / "small.json"
    path.write_text(json.dumps(towers))
    return str(path)


def test_a_clip_decodes_and_embeds_without_the_heavy_packages(small_model):
    assert heavy_after(EMBED.format(model=small_model)) == []


def test_the_heavy_packages_can_be_imported_afterwards(small_model):
    others = "import timm, transformers, torch._dynamo.utils\nassert torch._dynamo.utils.counters is not None"
    assert heavy_after(f"{EMBED.format(model=small_model)}\n{others}") == list(HEAVY)


def test_an_architecture_of_others_gets_them_also_after_one_that_needs_none(small_model):
    code = f"""
from beholder import light_import
assert light_import.open_clip("ViT-B-32").timm_model.timm is None
light_import.open_clip().add_model_config({small_model!r})
whole = light_import.open_clip("ViT-B-16-SigLIP")
assert whole.timm_model.timm is not None and whole.hf_model.transformers is not None
assert light_import.open_clip("ViT-B-32") is whole
assert "small" in whole.list_models()  # what it was told of before is known still
"""
    assert {"timm", "transformers"} <= set(heavy_after(code))
