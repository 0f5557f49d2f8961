"""StyleFeatureEditor's networks: read from a file in their layout, and the edit that the paper's formulas give."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import reference_encoder, reference_features
from torch import Tensor
from torch.nn import functional

from beholder.editing import generator_store
from beholder.editing.checkpoints import checkpoint, rosinality
from beholder.editing.directions import Direction
from beholder.editing.features.detail_drawing import DetailDrawing
from beholder.editing.features.published_features import PublishedFeatures
from beholder.editing.generator import Drawing, Generator, GeneratorConfig, to_rgb
from beholder.editing.latent import Detail, Latent
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.errors import WeightsError
from beholder.storage import Place
from beholder.workspace import Workspace

SIZES = GeneratorConfig(resolution=128, z_dim=16, w_dim=16, mapping_layers=2, channel_base=512, channel_max=8)


def generator() -> Generator:
    torch.manual_seed(3)
    made = Generator(SIZES)
    for name, parameter in made.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data += 0.1
    return made.eval().requires_grad_(False)


def published(state: Mapping[str, Tensor], *, decoder: Generator | None = None, prefix: str = "", **more: Any) -> bytes:
    """A file as the authors' training saves it, with the generator in it or not."""
    whole = {f"{prefix}{name}": value for name, value in state.items()}
    if decoder is not None:
        theirs = torch.load(io.BytesIO(rosinality.write(decoder)), weights_only=True)
        whole |= {f"{prefix}decoder.{name}": value for name, value in theirs["g_ema"].items()}
    file = io.BytesIO()
    torch.save({"state_dict": whole, **more}, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def state() -> reference_features.State:
    return reference_features.random_state(rows=12, w_dim=16, features=8)


def read(tmp_path: Path, data: bytes) -> PublishedFeatures:
    place = Place.at(tmp_path / "sfe.pt")
    place.write_bytes(data)
    return checkpoint.read_features(place, generator())[0]


def test_an_edit_is_that_of_the_formulas(tmp_path: Path, state: reference_features.State) -> None:
    made, mean = generator(), torch.randn(12, 16, generator=torch.Generator().manual_seed(1))
    networks = read(tmp_path, published(state, latent_avg=mean))
    rng = torch.Generator().manual_seed(2)
    image = functional.interpolate(torch.rand(1, 3, 16, 16, generator=rng) * 2 - 1, (128, 128), mode="bilinear")
    editable, step = torch.randn(1, 12, 16, generator=rng), torch.randn(16, generator=rng)
    direction = Direction.along(step, name="d", space="w", layers=(0, 12))

    with torch.no_grad():
        offsets, content = reference_features.backbone(state, functional.interpolate(image, (256, 256), mode="bilinear"))
        ws = offsets + mean

        def features_of(rows: Tensor) -> Tensor:
            return made.synthesis.begin(made.synthesis.styles(rows), at=64).features

        kept = reference_features.fuse(state, "inverter.fuser", content, features_of(ws))
        delta = features_of(editable) - features_of(editable + 0.7 * direction.step)
        edited = reference_features.fuse(state, "encoder", kept, delta)
        styles = made.synthesis.styles(ws + 0.7 * direction.step)
        below = made.synthesis.begin(styles, at=64).image
        wanted = made.synthesis.finish(Drawing(edited, below), styles, at=64)

        own, features = networks.keep(made, image, editable)
    latent = Latent(own, details=(Detail(editable[0], features[0]),))
    drawn = DetailDrawing(made, networks, {"d": direction}, latent).draw({"d": 0.7})
    assert torch.allclose(own, ws, atol=1e-4)
    assert torch.allclose(features, kept, atol=1e-4)
    assert torch.allclose(drawn, wanted, atol=1e-4)
    unedited = DetailDrawing(made, networks, {"d": direction}, latent).draw({})
    assert (drawn - unedited).abs().max() > 0.05  # so that an edit of nothing would be seen


def test_features_do_not_move_where_a_place_is_held(tmp_path: Path, state: reference_features.State) -> None:
    made, networks = generator(), read(tmp_path, published(state))
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(2)) * 2 - 1
    own, features = networks.keep(made, image, torch.zeros(1, 12, 16))
    direction = Direction.along(torch.ones(16), name="d", space="w", layers=(0, 12))
    drawing = DetailDrawing(made, networks, {"d": direction}, Latent(own, details=(Detail(torch.zeros(12, 16), features[0]),)))
    with torch.no_grad():
        styles = made.synthesis.styles(own + 3 * direction.step)
        below = made.synthesis.begin(styles, at=64).image
        unmoved = reference_features.fuse(state, "encoder", features, torch.zeros_like(features))
        wanted = made.synthesis.finish(Drawing(unmoved, below), styles, at=64)
    assert torch.allclose(drawing.draw({"d": 3.0}, still=torch.ones(1, 1, 128, 128)), wanted, atol=1e-4)
    assert not torch.allclose(drawing.draw({"d": 3.0}), wanted, atol=0.1)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_one_file_with_its_generator_is_imported_whole(tmp_path: Path, state: reference_features.State, prefix: str) -> None:
    place, workspace = Place.at(tmp_path / "whole.pt"), Workspace(str(tmp_path / "w"))
    place.write_bytes(published(state, decoder=generator(), prefix=prefix, latent_avg=torch.zeros(16)))
    found = checkpoint.read(place)
    assert found.features is not None
    assert found.encoder is None
    generator_store.write(workspace, "faces", found.generator, card={}, features=found.features)
    again = generator_store.read_features("faces", workspace)
    assert again is not None
    assert again.config == found.features.config
    assert all(torch.equal(again.state_dict()[name], value) for name, value in found.features.state_dict().items())


def test_networks_alone_are_put_beside_a_generator(tmp_path: Path, state: reference_features.State) -> None:
    workspace = Workspace(str(tmp_path / "w"))
    generator_store.write(workspace, "faces", generator(), card={"source": "a test"})
    assert generator_store.read_features("faces", workspace) is None
    generator_store.add_features(workspace, "faces", read(tmp_path, published(state)), source={"file": "sfe.pt"})
    assert generator_store.read_features("faces", workspace) is not None
    assert generator_store.card("faces", workspace)["source"] == "a test"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda state: state.pop("inverter.fs_backbone.conv.0.weight"), "no inverter.fs_backbone"),
        (lambda state: state.pop("encoder.body.4.body.1.weight"), r"body.4.body.1.weight is nothing, expected \[8, 8, 3, 3\]"),
        (lambda state: state.update({"encoder.conv.weight": torch.zeros(8, 9, 1, 1)}), r"\[8, 9, 1, 1\], expected \[8, 16, 1, 1\]"),
        (lambda state: state.pop("inverter.fs_backbone.styles.11.weight"), "for w\\+ of 11 x 16 and 8 features at 64 px"),
        (lambda state: state.update({"encoder.conv.bias": torch.full((8,), torch.nan)}), "not finite"),
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, state: reference_features.State, change: Any, says: str) -> None:
    own = dict(state)
    change(own)
    with pytest.raises(WeightsError, match=says):
        read(tmp_path, published(own))


WIDE = GeneratorConfig(resolution=128, z_dim=128, w_dim=128, mapping_layers=1, channel_base=512, channel_max=8)


def test_by_commands_a_photo_is_inverted_and_edited_through_them(beholder: Callable[..., Any], tmp_path: Path) -> None:
    torch.manual_seed(3)
    made, here = Generator(WIDE), f"workspace={tmp_path / 'ws'}"
    encoder = {f"e4e_encoder.{name}": value for name, value in reference_encoder.random_state("ir_se", rows=12).items()}
    networks = reference_features.random_state(rows=12, w_dim=128, features=8)
    (tmp_path / "whole.pt").write_bytes(published(networks | encoder, decoder=made))
    (tmp_path / "alone.pt").write_bytes(published(networks))
    (tmp_path / "plain.pt").write_bytes(rosinality.write(made))

    said = beholder("import", f"generator={tmp_path / 'whole.pt'}", "name=faces", here)
    assert said.code == 0, said.err
    assert any("keep what w+ loses" in line for line in said.out)
    editor = StyleGAN.load("faces", Workspace(str(tmp_path / "ws")), config=StyleGANConfig(device="cpu"))
    assert editor.inverter is not None
    picture = np.random.default_rng(1).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
    latent = editor.invert(picture)
    detail = latent.details[0]
    assert detail is not None
    assert torch.allclose(detail.editable, editor.inverter(to_rgb(picture))[0])
    assert not torch.allclose(latent.ws[0], detail.editable)

    assert beholder("import", f"generator={tmp_path / 'plain.pt'}", "name=plain", here).code == 0
    refused = beholder("import", f"features={tmp_path / 'alone.pt'}", "name=plain", here)
    assert refused.code == 2
    assert "has no encoder, and feature networks need one" in refused.err[-1]
    assert beholder("import", f"features={tmp_path / 'alone.pt'}", "name=faces", here).code == 0
    again = StyleGAN.load("faces", Workspace(str(tmp_path / "ws")), config=StyleGANConfig(device="cpu"))
    assert np.array_equal(again.edit(latent, [{}]), editor.edit(latent, [{}]))
    without = StyleGAN.load("faces", Workspace(str(tmp_path / "ws")), config=StyleGANConfig(device="cpu", features=False))
    assert without.features is None
