"""Training: interrupted and continued is the same as never interrupted; the parts learn something in a few steps."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from beholder.editing.generator import GeneratorConfig
from beholder.portraits import traits
from beholder.portraits.generator_training import GeneratorTraining, Stage, new_generator, settle, train_generator
from beholder.portraits.pool import Pool, PoolConfig, open_pool
from beholder.portraits.reader import ReaderTraining, train_reader
from beholder.portraits.training_loop import cosine, rows, train

POOL = PoolConfig(count=64, size=32)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return open_pool(tmp_path_factory.mktemp("pool"), POOL)


def test_a_pool_is_drawn_once_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = open_pool(tmp_path, POOL)
    again = open_pool(tmp_path, POOL, progress=lambda done, total: pytest.fail("drawn again"))
    assert (first.pixels == again.pixels).all()
    assert torch.equal(first.traits, traits.from_scores(first.latents @ traits.axes().T))
    assert first.batch(torch.tensor([3, 5]), 16).shape == (2, 3, 16, 16)


def line(weights: torch.nn.Linear, step: int) -> dict[str, Tensor]:
    x = torch.randn(16, 2, generator=torch.Generator().manual_seed(step))
    return {"fit": (weights(x) - x @ torch.tensor([[2.0], [-1.0]])).square().mean()}


def test_interrupted_is_the_same_as_not(tmp_path: Path) -> None:
    def learn(steps: int, checkpoint: Path | None) -> torch.nn.Linear:
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 1)
        optimiser = torch.optim.Adam(model.parameters())
        rate = 0.1
        train({"line": model}, optimiser, lambda s: line(model, s), steps=steps, rate=lambda s: rate, checkpoint=checkpoint)
        return model

    whole = learn(100, None)
    learn(45, tmp_path / "line.pt")
    resumed = learn(100, tmp_path / "line.pt")
    assert torch.equal(whole.weight, resumed.weight)
    assert whole.weight.tolist()[0] == pytest.approx([2.0, -1.0], abs=0.05)


def test_the_rate_climbs_and_comes_down() -> None:
    rates = [cosine(step, 100, peak=1.0, warmup=10) for step in range(101)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert max(rates) == pytest.approx(0.98, abs=0.05)
    assert rates[100] == pytest.approx(0.01)


def test_held_out_portraits_are_never_seen(pool: Pool) -> None:
    seen = torch.cat([rows(pool, 100, seed=1, step=step, held_out=20) for step in range(20)])
    assert seen.max() == 43
    assert seen.min() == 0


def test_settling_changes_no_image() -> None:
    config = GeneratorConfig(resolution=16, channel_base=128, channel_max=16)
    generator = new_generator(config, seed=1)
    for block in (4, 8, 16):
        torch.nn.init.normal_(generator.synthesis.get_parameter(f"b{block}.torgb.weight"))
    ws = generator.mapping(torch.randn(3, traits.LATENT_SIZE))
    before = generator.synthesis(ws - generator.mapping.w_avg)
    assert torch.allclose(settle(generator).synthesis(ws), before, atol=1e-3)


def test_w_is_straight_in_the_scores() -> None:
    generator = new_generator(GeneratorConfig(resolution=16, channel_base=128, channel_max=16), seed=1)
    z = traits.normalise(torch.randn(200, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(3)))
    design = torch.cat([z @ traits.axes().T, torch.ones(200, 1)], dim=1)
    w = generator.mapping.w(z)
    left = w - design @ torch.linalg.lstsq(design, w).solution
    assert left.std() < 0.02 * w.std()


def test_the_generator_and_the_reader_learn(pool: Pool) -> None:
    network = GeneratorConfig(resolution=16, channel_base=256, channel_max=24)
    errors: list[float] = []
    config = GeneratorTraining(network=network, stages=(Stage(8, 10, 8), Stage(16, 140, 8)), held_out=4, bfloat16=False)
    train_generator(pool, config, progress=lambda step, steps, figures: errors.append(figures["pixels"]))
    assert errors[-1] < 0.7 * errors[0]
    losses: list[float] = []
    reading = ReaderTraining(steps=100, batch=16, held_out=4)
    train_reader(pool, reading, progress=lambda step, steps, figures: losses.append(figures["reading"]))
    assert losses[1] < losses[0]


def test_the_last_stage_must_be_the_networks() -> None:
    with pytest.raises(ValueError, match="128"):
        GeneratorTraining(stages=(Stage(16, 1, 1),))
