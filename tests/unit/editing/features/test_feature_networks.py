"""Compact feature networks: what they leave alone, whatever they learned, and pictures drawn through them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.editor_suite import EditorContract

from beholder.editing.directions import Direction
from beholder.editing.features.detail_drawing import refine
from beholder.editing.features.feature_networks import CompactConfig, CompactFeatureNetworks
from beholder.editing.generator import Generator, GeneratorConfig, to_rgb
from beholder.editing.inversion import Inverter, InverterConfig, Refinement, loss
from beholder.editing.latent import Detail, Latent
from beholder.editing.saved_inversion import SavedInversion
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.errors import EditError
from beholder.portraits.generator_finetuning import cropped
from beholder.storage import Place

SIZES = GeneratorConfig(resolution=32, z_dim=16, w_dim=16, channel_base=256, channel_max=16)


def networks(*, at: int = 16, seed: int = 1) -> CompactFeatureNetworks:
    """Networks with random numbers everywhere, as if they had learned something."""
    torch.manual_seed(seed)
    made = CompactFeatureNetworks(CompactConfig.of(SIZES, at=at, width=8))
    for parameter in made.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return made.eval().requires_grad_(False)


def small(**more: object) -> StyleGAN:
    torch.manual_seed(5)
    generator = Generator(SIZES)
    rng = torch.Generator().manual_seed(6)
    directions = {
        "plain": Direction.along(torch.randn(16, generator=rng), name="plain", space="w", layers=(0, 8)),
        "late": Direction.along(torch.randn(4, 16, generator=rng), name="late", space="w+", layers=(4, 8)),
        "channel": Direction.along(torch.randn(16, generator=rng), name="channel", space="s", layers=(8, 9)),
    }
    inverter = Inverter(InverterConfig(resolution=32, num_ws=8, w_dim=16, widths=(8, 16, 16), hidden=32))
    return StyleGAN(
        generator, inverter=inverter, features=networks(), directions=directions,
        refinement=Refinement(steps=0, feature_steps=15), config=StyleGANConfig(device="cpu"),
    )  # fmt: skip


class TestStyleGANWithFeatures(EditorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def editor(cls) -> StyleGAN:
        return small()


@pytest.fixture(scope="module")
def editor() -> StyleGAN:
    return small()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("at", [8, 16])
def test_networks_that_learned_nothing_are_the_identity(at: int) -> None:
    torch.manual_seed(0)
    generator, made = Generator(SIZES).requires_grad_(False), CompactFeatureNetworks(CompactConfig.of(SIZES, at=at))
    ws = torch.randn(2, 8, 16)
    styles = generator.synthesis.styles(ws)
    drawing = generator.synthesis.begin(styles, at=at)
    own, features = made.keep(generator, torch.rand(2, 3, 32, 32), ws)
    assert torch.equal(own, ws)
    assert torch.equal(features, drawing.features)
    assert torch.allclose(generator.synthesis.finish(drawing, styles, at=at), generator.synthesis(ws), atol=1e-6)
    after = generator.synthesis.begin(generator.synthesis.styles(ws + 1), at=at).features
    assert torch.allclose(made.edits(features, drawing.features)(after), after, atol=1e-5)


def test_where_nothing_moves_nothing_changes_whatever_was_learned() -> None:
    features, before = torch.randn(2, 16, 16, 16), torch.randn(2, 16, 16, 16)
    made = networks()
    assert torch.equal(made.edits(features, before)(before), features)
    moved = made.edits(features, before)(before + torch.randn(2, 16, 1, 1))
    assert not torch.allclose(moved, features - before + before, atol=0.1)


def test_a_larger_generator_keeps_what_its_smaller_pictures_keep() -> None:
    large = Generator(replace(SIZES, resolution=64)).eval().requires_grad_(False)
    small, made = cropped(large, 32), networks()
    made.check(large.config)
    images, ws = torch.rand(2, 3, 64, 64) * 2 - 1, torch.randn(2, large.config.num_ws, 16)
    _, found = made.keep(large, images, ws, noise="none")
    _, wanted = made.keep(small, torch.nn.functional.avg_pool2d(images, 2), ws[:, : small.config.num_ws], noise="none")
    torch.testing.assert_close(found, wanted)
    assert CompactConfig.of(large.config, at=16, resolution=32, width=8) == made.config
    close, same = (
        refine(generator, found, rows, pictures, at=16, steps=3, edges=0.5, noise="none", until=made.seen)
        for generator, rows, pictures in (
            (large, ws, images), (small, ws[:, : small.config.num_ws], torch.nn.functional.avg_pool2d(images, 2))
        )
    )  # fmt: skip
    torch.testing.assert_close(close, same)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(EditError, match=r"for 16 features at 16 px of 32, the generator has 8 of 32"):
        networks().check(replace(SIZES, channel_max=8))
    with pytest.raises(EditError, match=r"for 16 features at 8 px of 32, the generator has 16 of 16"):
        networks(at=8).check(replace(SIZES, resolution=16))
    with pytest.raises(ValueError, match="larger than features"):
        CompactConfig(resolution=32, at=32)


def test_refinement_brings_pictures_closer_and_nothing_further(editor: StyleGAN, pictures: np.ndarray) -> None:
    images, ws = to_rgb(pictures), torch.zeros(3, 8, 16)
    styles = editor.generator.synthesis.styles(ws)
    start = editor.generator.synthesis.begin(styles, at=16)
    refined = refine(editor.generator, start.features, ws, images, at=16, steps=30, edges=0.5)
    drawn = [editor.generator.synthesis.finish(replace(start, features=each), styles, at=16) for each in (start.features, refined)]
    before, after = (loss(each - images, 0.5) for each in drawn)
    assert (after < 0.9 * before).all()
    assert refine(editor.generator, start.features, ws, images, at=16, steps=0, edges=0.5) is start.features


def test_an_inversion_keeps_detail_and_says_how_close_it_comes(editor: StyleGAN, pictures: np.ndarray) -> None:
    found = editor.inversion(pictures)
    assert found.kept is not None
    assert (found.kept < found.after).all()
    latent = found.latent
    in_w = editor.edit(Latent(latent.ws), [{}] * 3)
    kept = editor.edit(latent, [{}] * 3)
    error = [np.abs(each.astype(float) - pictures).mean() for each in (in_w, kept)]
    assert error[1] < error[0]


def test_edits_of_what_was_measured_are_drawn_of_w_alone(editor: StyleGAN, pictures: np.ndarray) -> None:
    latent = editor.invert(pictures[:1])
    edits = [{"plain": 1.0}]
    assert np.array_equal(editor.edit(latent, edits, size=16), editor.edit(Latent(latent.ws), edits, size=16))
    assert np.array_equal(editor.edit(latent, edits, size=32), editor.edit(Latent(latent.ws), edits, size=32))
    assert not np.array_equal(editor.edit(latent, edits), editor.edit(Latent(latent.ws), edits))


def test_rows_with_and_without_detail_are_drawn_beside_each_other(editor: StyleGAN, pictures: np.ndarray) -> None:
    photo, seed = editor.invert(pictures[:1]), editor.generate([4])
    both = Latent.join([seed, photo])
    drawn = editor.edit(both, [{"plain": 0.5}, {"plain": 0.5}])
    assert np.array_equal(drawn[:1], editor.edit(seed, [{"plain": 0.5}]))
    assert np.array_equal(drawn[1:], editor.edit(photo, [{"plain": 0.5}]))
    assert both[1].details[0] is photo.details[0]
    assert both[[0]].details == (None,)


@pytest.mark.parametrize("edit", [{}, {"plain": 1.0}, {"late": -2.0, "channel": 1.0}])
def test_sliders_draw_what_edit_draws(editor: StyleGAN, pictures: np.ndarray, edit: dict[str, float]) -> None:
    latent = editor.invert(pictures[:1])
    sliders = editor.sliders(latent)
    sliders.draw({"late": 1.0})
    assert np.array_equal(sliders.draw(edit), editor.edit(latent, [edit])[0])


def test_detail_is_kept_in_a_file(tmp_path: Path, editor: StyleGAN, pictures: np.ndarray) -> None:
    latent = editor.invert(pictures[:1])
    place = Place.at(tmp_path / "one.safetensors")
    SavedInversion(latent, "abc", "faces", "0" * 64, None).write(place)
    again = SavedInversion.read(place).latent
    one, other = again.details[0], latent.details[0]
    assert one is not None
    assert other is not None
    assert torch.equal(one.editable, other.editable)
    assert torch.equal(one.features, other.features)
    assert np.array_equal(editor.edit(again, [{"plain": 1.0}]), editor.edit(latent, [{"plain": 1.0}]))


def test_a_latent_with_detail_needs_networks_for_it(editor: StyleGAN, pictures: np.ndarray) -> None:
    latent = editor.invert(pictures[:1])
    plain = StyleGAN(editor.generator, directions=editor.directions, config=StyleGANConfig(device="cpu"))
    assert np.array_equal(plain.edit(latent, [{}]), plain.edit(Latent(latent.ws), [{}]))
    with pytest.raises(EditError, match="no networks for them"):
        plain.detail_drawing(latent)


def test_details_belong_to_rows() -> None:
    detail = Detail(torch.zeros(8, 16), torch.zeros(16, 16, 16))
    with pytest.raises(EditError, match="details of 2 rows beside w\\+, got 1"):
        Latent(torch.zeros(2, 8, 16), details=(detail,))


@pytest.mark.parametrize("detailed", [True, False])
def test_an_edit_leaves_places_as_they_are(editor: StyleGAN, pictures: np.ndarray, detailed: bool) -> None:
    latent = editor.invert(pictures[:1])
    latent = latent if detailed else Latent(latent.ws)
    still = np.zeros((8, 8), np.float32)
    still[:, :4] = 1
    made, plain = editor.edit_around(latent, {"plain": 2.0}, still), editor.edit(latent, [{}])[0]
    assert np.array_equal(made[:, :12], plain[:, :12])
    assert np.abs(made[:, 20:].astype(int) - plain[:, 20:]).mean() > 5
    assert np.array_equal(editor.edit_around(latent, {"plain": 2.0}, np.zeros((4, 4))), editor.edit(latent, [{"plain": 2.0}])[0])
    for wrong in (np.zeros((8, 8, 3)), np.full((8, 8), 2.0)):
        with pytest.raises(EditError, match=r"expected places \[H, W\] with values in 0..1"):
            editor.edit_around(latent, {}, wrong)
