"""Encoders come with their generators: each kind finds w+ as its authors' formulas do, and one that is not known is left out."""

import io
import re
from typing import Any

import pytest
import torch
from support import reference_encoder, reference_stylegan
from torch import Tensor
from torch.nn import functional

from beholder.editing import generator_store
from beholder.editing.checkpoints import checkpoint
from beholder.editing.checkpoints.state_dict import ReadGenerator
from beholder.editing.generator_store import fingerprint
from beholder.editing.inversion import invert
from beholder.errors import WeightsError
from beholder.workspace import Workspace

DIM, ROWS = 128, 8  # 8 widths of 16; 32 px
MEAN = torch.linspace(-1, 1, DIM)
KINDS = {
    "GradualStyleEncoder": {"trunk": "ir_se", "pyramid": True},
    "Encoder4Editing": {"trunk": "ir_se", "pyramid": True},
    "BackboneEncoder": {"trunk": "ir_se", "pyramid": False, "channels": 6},
    "ResNetProgressiveBackboneEncoder": {"trunk": "resnet", "pyramid": False, "channels": 6},
    "ResNetGradualStyleEncoder": {"trunk": "resnet", "pyramid": True, "channels": 6},
}


@pytest.fixture(scope="module")
def decoder() -> dict[str, Tensor]:
    return reference_stylegan.random_state(32, 256, 16, dim=DIM, layers=2)


def made(decoder: dict[str, Tensor], encoder: dict[str, Tensor], kind: str, **opts: Any) -> ReadGenerator:
    """What is read of a file with a generator and an encoder of a kind."""
    state = {f"decoder.{name}": value for name, value in decoder.items()}
    state |= {f"encoder.{name}": value for name, value in encoder.items()}
    said = {"encoder_type": kind, "start_from_latent_avg": True, "dataset_type": "ffhq_encode", **opts}
    file = io.BytesIO()
    torch.save({"state_dict": state, "latent_avg": MEAN.repeat(ROWS, 1), "opts": said}, file)
    return checkpoint.parse(file.getvalue())[1]


def pictures() -> Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 2 - 1


def seen(images: Tensor) -> Tensor:
    return functional.interpolate(images, (256, 256), mode="bilinear", align_corners=False, antialias=True)


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_are_what_the_authors_formulas_give(decoder: dict[str, Tensor], kind: str) -> None:
    about: dict[str, Any] = KINDS[kind]
    state = reference_encoder.random_state(rows=ROWS, **about)
    found = made(decoder, state, kind)
    assert found.notes == ()
    assert found.encoder is not None
    x = torch.rand(1, about.get("channels", 3), 256, 256, generator=torch.Generator().manual_seed(3)) * 2 - 1
    with torch.no_grad():
        wanted = reference_encoder.offsets(state, x, about["trunk"], summed=kind == "Encoder4Editing" or "Progressive" in kind)
        assert torch.allclose(found.encoder.offsets(x), wanted, atol=1e-4 * float(wanted.abs().max()))
        if found.encoder.config.channels == 3:
            assert torch.equal(found.encoder(pictures()), MEAN + found.encoder.offsets(seen(pictures())))


def test_restyle_looks_at_what_was_drawn_five_times(decoder: dict[str, Tensor]) -> None:
    state = reference_encoder.random_state("resnet", rows=ROWS, pyramid=False, channels=6)
    found = made(decoder, state, "ResNetBackboneEncoder")
    assert found.encoder is not None
    ws = MEAN.expand(1, ROWS, DIM)
    with torch.no_grad():
        for _ in range(5):
            drawn = functional.adaptive_avg_pool2d(found.generator.synthesis(ws), (256, 256))
            ws = ws + found.encoder.offsets(torch.cat([seen(pictures()), drawn], dim=1))
        assert torch.equal(found.encoder.draws_with(found.generator)(pictures()), ws)


def test_photos_are_inverted_in_one_pass(decoder: dict[str, Tensor], tmp_path) -> None:
    state = reference_encoder.random_state("ir_se", rows=ROWS)
    found = made(decoder, state, "Encoder4Editing")
    workspace = Workspace(str(tmp_path))
    generator_store.write(workspace, "faces", found.generator, card={}, encoder=found.encoder)
    generator = generator_store.read("faces", workspace)
    encoder = generator_store.read_encoder("faces", workspace, generator)
    assert encoder is not None
    assert fingerprint(generator) == fingerprint(found.generator)
    inverted = invert(generator, encoder, pictures())
    assert inverted.steps == 0
    with torch.no_grad():
        assert torch.equal(inverted.ws, encoder(pictures()))
    spread = (generator.mapping(torch.randn(4000, DIM))[:, 0] - generator.mapping.w_avg).square().mean().sqrt()
    assert float(encoder.spread) == pytest.approx(float(spread), rel=0.1)
    generator_store.write(workspace, "faces", found.generator, card={})
    assert generator_store.read_encoder("faces", workspace, generator) is None
    generator_store.write(workspace, "faces", found.generator, card={}, encoder=found.encoder)
    (tmp_path / "generators/faces/encoder.safetensors").write_bytes(b"junk")
    with pytest.raises(WeightsError, match=r"encoder\.safetensors can't be read"):
        generator_store.read_encoder("faces", workspace, generator)


def test_cars_are_seen_without_their_borders_and_without_the_mean_where_that_is_said(decoder: dict[str, Tensor]) -> None:
    state = reference_encoder.random_state("ir_se", rows=ROWS)
    found = made(decoder, state, "Encoder4Editing", dataset_type="cars_encode", start_from_latent_avg=False)
    assert found.encoder is not None
    middle = functional.interpolate(pictures()[:, :, 4:28], (192, 256), mode="bilinear", align_corners=False, antialias=True)
    with torch.no_grad():
        wanted = reference_encoder.offsets(state, middle, "ir_se", summed=True)
        assert torch.allclose(found.encoder(pictures()), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "changed", "says"),
    [
        ("SomebodysEncoder", {}, "its kind is SomebodysEncoder"),
        ("", {}, "its kind is not said"),
        ("Encoder4Editing", {"styles.7.linear.weight": None}, "it has heads for 7 rows of w\\+, its generator 8"),
        (
            "Encoder4Editing",
            {"body.3.res_layer.1.weight": torch.ones(2)},
            r"body\.3\.res_layer\.1\.weight is \[2\], expected",
        ),
        ("Encoder4Editing", {"latlayer2.bias": torch.full((DIM,), torch.nan)}, r"latlayer2\.bias has numbers that are not finite"),
        ("Encoder4Editing", {"input_layer.0.weight": torch.ones(4, 3, 3, 3)}, "its first layer is of no known kind"),
    ],
)
def test_an_encoder_that_is_not_known_is_left_out_and_said(
    decoder: dict[str, Tensor], kind: str, changed: dict[str, Tensor | None], says: str
) -> None:
    state: dict[str, Any] = {**reference_encoder.random_state("ir_se", rows=ROWS), **changed}
    found = made(decoder, {name: value for name, value in state.items() if value is not None}, kind)
    assert found.encoder is None
    assert len(found.notes) == 1
    assert re.search(says, found.notes[0])
