"""Finishing: the latents it learns from, and that a generator comes closer to the drawings without being changed itself."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from beholder.editing.generator import GeneratorConfig, upsample
from beholder.portraits import traits
from beholder.portraits.generator_finetuning import (
    FAVOURS,
    Finish,
    FinishStage,
    cropped,
    enlarged,
    finish_generator,
    latents,
    pictures,
)
from beholder.portraits.generator_training import new_generator, settle, unsettle
from beholder.portraits.renderer import draw

FINISH = Finish(
    stages=(FinishStage(16, 60, 4, 0.08), FinishStage(32, 4, 2, 0.02), FinishStage(64, 4, 2, 0.02, trained="new")),
    until=64,
    base=16,
    channel_min=12,
    ema=0.8,
    bfloat16=False,
)
NETWORK = GeneratorConfig(resolution=16, w_dim=32, mapping_layers=1, channel_base=256, channel_max=16)


def test_hard_portraits_are_pushed_where_edits_lead() -> None:
    config = Finish()
    z = latents(config, 3, 4000)
    assert torch.equal(z, latents(config, 3, 4000))
    assert not torch.equal(z, latents(config, 4, 4000))
    scores = z @ traits.axes().T
    spread = dict(zip(traits.NAMES, scores.std(dim=0).tolist(), strict=True))
    favoured = {name for favour in FAVOURS for name, _, _ in favour}
    assert min(spread[name] for name in favoured) > 1.08
    assert max(value for name, value in spread.items() if name not in favoured) < 1.3
    dark, light = (scores[:, traits.column(name)] for name in ("skin", "hair_lightness"))
    both = ((dark > 1.5) & (light > 1.5)).float().mean()
    plain = latents(replace(config, pushed=0.0, hard=0.0), 3, 4000) @ traits.axes().T
    assert both > 0.03
    assert ((plain[:, traits.column("skin")] > 1.5) & (plain[:, traits.column("hair_lightness")] > 1.5)).float().mean() < 0.01


def test_a_larger_generator_begins_with_the_old_picture_and_a_cropped_one_is_the_old() -> None:
    generator = unsettle(settle(new_generator(NETWORK, seed=1)))
    for parameter in generator.synthesis.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    larger = enlarged(generator, replace(NETWORK, resolution=64, channel_min=12))
    assert larger.config.channels(64) == 12
    ws = torch.randn(2, larger.config.num_ws, 32, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        old = generator.synthesis(ws[:, : NETWORK.num_ws], noise="none")
        found = pictures(larger, ws, {16, 64})
        torch.testing.assert_close(found[16], old)
        torch.testing.assert_close(found[64], upsample(upsample(old)))
        torch.testing.assert_close(cropped(larger, 16).synthesis(ws[:, : NETWORK.num_ws], noise="none"), old)


def test_to_unsettle_is_the_way_back() -> None:
    generator = settle(new_generator(NETWORK, seed=1))
    again = settle(unsettle(generator))
    for (name, one), (_, other) in zip(generator.named_parameters(), again.named_parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=name)


def test_a_finish_comes_closer_and_leaves_the_first_as_it_was() -> None:
    generator = settle(new_generator(NETWORK, seed=1))
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    better = finish_generator(generator, replace(FINISH, until=16))
    assert all(torch.equal(value, before[name]) for name, value in generator.state_dict().items())
    z = torch.randn(32, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(0))
    drawn = torch.from_numpy(draw(traits.from_latents(z), 16)).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        errors = [float((network(z) - drawn).abs().mean()) for network in (generator, better)]
    assert errors[1] < 0.8 * errors[0]


def test_a_finish_goes_on_to_larger_sizes_from_its_checkpoint_and_new_layers_leave_the_smaller_picture(tmp_path: Path) -> None:
    generator, checkpoint = settle(new_generator(NETWORK, seed=1)), tmp_path / "finish.pt"
    short = replace(FINISH, stages=(FinishStage(16, 3, 2), *FINISH.stages[1:]))
    steps: list[int] = []
    small, larger, largest = (
        finish_generator(
            generator, replace(short, until=size), checkpoint=checkpoint, progress=lambda step, of, losses: steps.append(step)
        )
        for size in (16, 32, 64)
    )
    assert [each.config.resolution for each in (small, larger, largest)] == [16, 32, 64]
    assert steps == [3, 7, 11]
    z = torch.randn(2, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cropped(largest, 32)(z), larger(z), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(cropped(larger, 16)(z), small(z), atol=1e-3)
    whole = finish_generator(generator, short)
    torch.testing.assert_close(whole(z), largest(z), atol=1e-4, rtol=1e-4)


def test_stages_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="stages of growing resolution"):
        Finish(stages=(FinishStage(32, 1), FinishStage(16, 1)))
    with pytest.raises(ValueError, match="until must be at least"):
        Finish(until=64)
    with pytest.raises(ValueError, match="all or new"):
        FinishStage(32, 1, trained="none")
    with pytest.raises(ValueError, match="at most 16 px to finish, got 32"):
        finish_generator(new_generator(replace(NETWORK, resolution=32), seed=1), FINISH)
