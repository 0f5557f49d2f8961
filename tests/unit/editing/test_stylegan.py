"""The StyleGAN editor: the contract, on a small generator with directions in every space; slider moves; the shipped one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from support.editor_suite import EditorContract

from beholder.editing.directions import Direction, edited_styles
from beholder.editing.directions.direction import Space
from beholder.editing.generator import Generator, GeneratorConfig, to_pixels
from beholder.editing.inversion import Inverter, InverterConfig, Refinement
from beholder.editing.latent import Latent
from beholder.editing.layer_cache import LayerCache
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.errors import ConfigError, EditError, WeightsError

SIZES = GeneratorConfig(resolution=32, z_dim=16, w_dim=16, channel_base=256, channel_max=16)


def small(**more: Any) -> StyleGAN:
    """A generator of random weights, an inverter, and directions: in w on all rows, in w+ on rows 4.., in s on layer 8."""
    torch.manual_seed(5)
    generator = Generator(SIZES)
    for name, parameter in generator.named_parameters():
        if name.endswith(("bias", "noise_strength")) and "affine" not in name:
            parameter.data += 0.1 * torch.randn_like(parameter)
    rng = torch.Generator().manual_seed(6)
    some: tuple[tuple[str, Space, tuple[int, ...], tuple[int, int]], ...] = (
        ("plain", "w", (16,), (0, 8)),
        ("late", "w+", (4, 16), (4, 8)),
        ("channel", "s", (16,), (8, 9)),
    )
    directions = {
        name: Direction.along(torch.randn(shape, generator=rng), name=name, space=space, layers=layers)
        for name, space, shape, layers in some
    }
    inverter = Inverter(InverterConfig(resolution=32, num_ws=8, w_dim=16, widths=(8, 16, 16), hidden=32))
    return StyleGAN(generator, inverter=inverter, directions=directions, config=StyleGANConfig(device="cpu", **more))


class TestStyleGAN(EditorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def editor(cls) -> StyleGAN:
        return small()


class TestPortraits(EditorContract):
    returns = 12.0

    @pytest.fixture(scope="class")
    @classmethod
    def editor(cls) -> StyleGAN:
        whole = StyleGAN.load(config=StyleGANConfig(device="cpu"))
        some = {name: whole.directions[name] for name in ("smile", "glasses", "older")}  # all of them have a test of their own
        return StyleGAN(whole.generator, inverter=whole.inverter, features=whole.features, directions=some, config=whole.config)


@pytest.fixture(scope="module")
def editor() -> StyleGAN:
    return small()


def test_pictures_are_rounded_and_cut_off(editor: StyleGAN) -> None:
    latent = editor.generate([1, 2])
    rgb = torch.cat([editor.generator.synthesis(latent[row].ws) for row in (0, 1)]).numpy()
    expected = np.clip(np.rint((rgb + 1) * 127.5), 0, 255).transpose(0, 2, 3, 1)
    assert (rgb.max() > 1) or (rgb.min() < -1)
    np.testing.assert_array_equal(editor.edit(latent, [{}, {}]), expected)


def test_batches_draw_the_same_to_one_level(editor: StyleGAN) -> None:
    latent, edits = editor.generate(range(5)), [{"plain": 0.5 * at, "late": 1.0} for at in range(5)]
    alone, together = editor.edit(latent, edits).astype(int), small(batch=3).edit(latent, edits).astype(int)
    assert np.abs(alone - together).max() <= 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="it takes a GPU to draw on one")
def test_a_gpu_draws_the_same_each_time_and_what_a_cpu_draws(editor: StyleGAN) -> None:
    latent, edits = editor.generate(range(5)), [{"plain": 0.5 * at, "late": 1.0} for at in range(5)]
    fast = StyleGAN(small().generator, directions=editor.directions, config=StyleGANConfig(device="cuda"))
    drawn = fast.edit(fast.generate(range(5)), edits)
    alone = [fast.edit(fast.generate([seed]), [edit])[0] for seed, edit in enumerate(edits)]
    np.testing.assert_array_equal(drawn, fast.edit(fast.generate(range(5)), edits))
    np.testing.assert_array_equal(drawn, np.stack(alone))
    assert np.abs(drawn.astype(int) - editor.edit(latent, edits).astype(int)).max() <= 1


@pytest.mark.parametrize(("name", "drawn"), [("plain", 11), ("late", 5), ("channel", 3)])
def test_a_slider_draws_what_changed_and_gets_the_same_bits(editor: StyleGAN, name: str, drawn: int) -> None:
    latent = editor.generate([3])
    cache = LayerCache(editor.generator.synthesis)
    cache.draw(edited_styles(editor.generator, latent, {"plain": 1.0}, editor.directions))
    for alpha in (0.5, 2.0, -1.0):
        styles = edited_styles(editor.generator, latent, {"plain": 1.0, name: 1.0 + alpha}, editor.directions)
        assert torch.equal(cache.draw(styles), editor.generator.synthesis.draw(styles))
        assert cache.layers_drawn == drawn
    assert torch.equal(cache.draw(styles), editor.generator.synthesis.draw(styles))
    assert cache.layers_drawn == 0


def test_a_cache_takes_other_pictures_and_other_counts(editor: StyleGAN) -> None:
    cache, synthesis = LayerCache(editor.generator.synthesis, noise="none"), editor.generator.synthesis
    for seeds in ([1], [2], [1, 2], [1]):
        styles = synthesis.styles(editor.generate(seeds).ws)
        assert torch.equal(cache.draw(styles), synthesis.draw(styles, noise="none"))
    with pytest.raises(ValueError, match="11 layers, got 10"):
        cache.draw(styles[:-1])


def test_sliders_draw_what_edit_draws(editor: StyleGAN) -> None:
    latent = editor.generate([3])
    sliders = editor.sliders(latent)
    for edit in ({}, {"late": 1.0}, {"late": -1.0}, {"plain": 1.0, "channel": 2.0}, {}):
        np.testing.assert_array_equal(sliders.draw(edit), editor.edit(latent, [edit])[0])
    with pytest.raises(EditError, match="an edit for each of 2 latents"):
        editor.sliders(editor.generate([1, 2]))


def test_refinement_brings_an_inversion_closer(editor: StyleGAN) -> None:
    picture = editor.edit(editor.generate([4]), [{}])
    told: list[int] = []
    found = editor.inversion(picture, refinement=Refinement(steps=30), progress=lambda step: told.append(step.number))
    assert found.after < 0.6 * found.before
    assert told == list(range(1, 31))
    refining = StyleGAN(editor.generator, inverter=editor.inverter, refinement=Refinement(steps=30), config=editor.config)
    assert torch.equal(refining.invert(picture).ws, found.ws)


def test_a_move_in_z_of_a_photo_is_refused(editor: StyleGAN) -> None:
    up = Direction.along(torch.ones(16), name="up", space="z", layers=(0, 8))
    own = StyleGAN(editor.generator, directions={"up": up}, config=editor.config)
    latent = own.generate([1])
    assert not np.array_equal(*own.edit(latent, [{}, {"up": 1.0}]))
    with pytest.raises(EditError, match="up moves z"):
        own.edit(Latent(latent.ws), [{"up": 1.0}])


def test_a_direction_of_another_shape_is_refused(editor: StyleGAN) -> None:
    wide = replace(editor.directions["plain"], vector=torch.eye(32).double()[0])
    with pytest.raises(EditError, match="plain"):
        StyleGAN(editor.generator, directions={"plain": wide}, config=editor.config)


def test_what_is_loaded_is_what_ships() -> None:
    found = StyleGAN.load("portraits", config=StyleGANConfig(device="cpu"))
    assert found.resolution == 512
    assert "smile" in found.directions
    assert found.inverter is not None
    with pytest.raises(WeightsError, match="portrait"):
        StyleGAN.load("portrait")


def test_impossible_settings_are_refused() -> None:
    for wrong in ({"noise": "random"}, {"batch": 0}, {"truncation": 1.5}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            StyleGANConfig(**wrong)
    nowhere = StyleGANConfig(device="cuda:77")
    with pytest.raises(ConfigError, match="device=cuda:77 is not there"):
        StyleGAN(Generator(SIZES), config=nowhere)


def test_a_small_picture_is_the_one_at_the_generators_first_layers(editor: StyleGAN) -> None:
    latent = editor.generate([3, 4])
    styles = editor.generator.synthesis.styles(latent.ws[:1])
    for needed, drawn in ((8, 8), (9, 16), (16, 16), (17, 32), (33, 32), (None, 32)):
        assert editor.drawn_size(needed) == drawn
        expected = to_pixels(editor.generator.synthesis.draw(styles, until=drawn))
        np.testing.assert_array_equal(editor.edit(latent[:1], [{}], size=needed), expected)
    several = StyleGAN(editor.generator, directions=editor.directions, config=StyleGANConfig(batch=2))
    assert several.edit(latent, [{}, {}], size=16).shape == (2, 16, 16, 3)


def test_a_cache_draws_small_and_whole_in_turn(editor: StyleGAN) -> None:
    cache, latent = editor.layer_cache(), editor.generate([3])
    styles = editor.styles(latent, {})
    for until, drawn in ((None, 11), (8, 0), (32, 6), (16, 0), (None, 3)):
        expected = editor.generator.synthesis.draw(styles, until=until)
        torch.testing.assert_close(cache.draw(styles, until=until), expected, rtol=0, atol=0)
        assert cache.layers_drawn == drawn
