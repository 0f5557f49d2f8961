"""The training loop: what it keeps, when it stops, and that a fit that was interrupted ends as one that was not."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from beholder.errors import ConfigError, TasteError
from beholder.taste.batch_limit import SharedWorkTooLargeError
from beholder.taste.training import FitTask, TrainingConfig, TrainingHooks, fit, trainable_state

CONFIG = TrainingConfig(epochs=8, batch=16, learning_rate=0.05, patience=3, device="cpu")
DICE = np.random.default_rng(0)
X = torch.tensor(DICE.normal(size=(50, 4)), dtype=torch.float32)
Y = X @ torch.tensor([1.0, -2.0, 0.5, 0.0]) + 0.1 * torch.tensor(DICE.normal(size=50), dtype=torch.float32)


class Regression(nn.Module):
    """forward(rows) is the mean squared error there; half the inputs are dropped in training."""

    steps: torch.Tensor

    def __init__(self, dropout: float = 0.5):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(4))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)
        self.register_buffer("steps", torch.zeros(1))
        self.dropout = dropout

    def forward(self, rows):
        self.steps += self.training
        x = nn.functional.dropout(X[rows], self.dropout, self.training)
        return (x @ self.weights - Y[rows]).square().mean()


def task(module=None, validate=None, **options) -> FitTask:
    module = module or Regression()
    return FitTask(module, len(X), torch.from_numpy, validate or (lambda: float(module(torch.arange(len(X))))), **options)


def weights_of(job: FitTask) -> torch.Tensor:
    return job.module.get_parameter("weights")


def steps_of(job: FitTask) -> torch.Tensor:
    return job.module.get_buffer("steps")


def scripted(*losses):
    """A judge that says these, whatever the module."""
    said = iter(losses)
    return lambda: next(said)


def test_a_known_relation_is_found():
    job = task(Regression(dropout=0.0))
    found = fit(job, replace(CONFIG, epochs=40, patience=0), seed=0)
    np.testing.assert_allclose(weights_of(job).detach(), [1, -2, 0.5, 0], atol=0.1)
    assert found.epochs == 40
    assert found.loss < 0.03
    assert not job.module.training


def test_the_best_epochs_weights_come_back_not_the_last_ones():
    """Keeping references to the weights instead of copies returns the last epoch's."""
    job = task(validate=scripted(3.0, 1.0, 2.0, 2.5, 2.6))
    seen = []
    found = fit(
        job, CONFIG, seed=0, hooks=TrainingHooks(after=lambda driver, figures: seen.append(weights_of(job).detach().clone()))
    )
    assert (found.epochs, found.best_epoch, found.loss) == (5, 2, 1.0)
    assert torch.equal(weights_of(job), seen[1])
    assert not torch.equal(seen[1], seen[4])
    assert steps_of(job).item() == 2 * math.ceil(50 / 16)


def test_it_stops_after_as_many_epochs_without_progress_as_patience_allows():
    assert fit(task(validate=scripted(1, 2, 2, 2, 9)), CONFIG, seed=0).epochs == 4
    assert fit(task(validate=scripted(*range(8))), replace(CONFIG, patience=0), seed=0).epochs == 8


def test_with_nothing_held_out_every_epoch_is_run_and_the_last_trainable_state():
    job = FitTask(Regression(), 50, torch.from_numpy, None)
    found = fit(job, CONFIG, seed=0)
    assert (found.epochs, found.best_epoch) == (8, 8)
    assert math.isnan(found.loss)
    assert steps_of(job).item() == 8 * 4


class Interrupt(Exception):
    pass


@pytest.mark.parametrize("at", [1, 3, 5])
def test_interrupted_is_the_same_as_uninterrupted(at):
    whole = task()
    expected = fit(whole, CONFIG, seed=7)

    def stop(driver: TrainingHooks, figures: dict[str, float]) -> None:
        if figures["epoch"] == at:
            torch.save(driver.states, file)
            raise Interrupt

    file = io.BytesIO()
    with pytest.raises(Interrupt):
        fit(task(), CONFIG, seed=7, hooks=TrainingHooks(after=stop))
    torch.rand(3)  # chance elsewhere plays no part
    states = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    resumed = task()
    assert fit(resumed, CONFIG, seed=7, hooks=TrainingHooks(states=states)) == expected
    assert torch.equal(weights_of(resumed), weights_of(whole))
    assert torch.equal(steps_of(resumed), steps_of(whole))


def test_a_finished_fit_is_not_run_again():
    driver = TrainingHooks()
    expected = fit(task(), CONFIG, seed=1, hooks=driver)

    def refuse(rows):
        raise AssertionError("it took a batch")

    again = replace(task(), take=refuse)
    assert fit(again, CONFIG, seed=1, hooks=TrainingHooks(states=driver.states)) == expected
    assert "optimizer" not in driver.states["fit"]


def test_a_kept_state_does_not_change_when_the_fit_goes_on():
    states = []
    fit(task(), CONFIG, seed=0, hooks=TrainingHooks(after=lambda driver, figures: states.append(driver.states["fit"])))
    first = states[0]["optimizer"]["state"][0]["exp_avg"]
    assert not torch.equal(first, states[1]["optimizer"]["state"][0]["exp_avg"])
    assert not torch.equal(states[0]["module"]["weights"], states[1]["module"]["weights"])


def test_workers_share_each_batch_and_their_mean_gradient_is_that_of_the_whole():
    """50 judgements on 3 workers: shares of 17, 17 and 16."""
    config = replace(CONFIG, epochs=1, batch=50)

    def gradient(rank: int, workers: int) -> tuple[torch.Tensor, set[int]]:
        rows: list[int] = []
        job = task(Regression(dropout=0.0))

        def take(some: np.ndarray) -> torch.Tensor:
            rows.extend(some.tolist())
            return torch.from_numpy(some)

        job = replace(job, take=take)
        fit(job, config, seed=2, hooks=TrainingHooks(rank=rank, workers=workers))
        grad = weights_of(job).grad
        assert grad is not None
        return grad, set(rows)

    whole, everything = gradient(0, 1)
    parts = [gradient(rank, 3) for rank in range(3)]
    torch.testing.assert_close(sum(part for part, _ in parts) / 3, whole)
    assert sorted(row for _, rows in parts for row in rows) == sorted(everything) == list(range(50))


def test_the_same_seed_gives_the_same_and_another_another_and_chance_outside_is_left_alone():
    before = torch.random.get_rng_state()
    weights = []
    for seed in (3, 3, 4):
        job = task()
        fit(job, CONFIG, seed=seed)
        weights.append(weights_of(job).detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert torch.equal(before, torch.random.get_rng_state())


def test_only_what_is_fitted_is_trainable_state():
    assert set(trainable_state(Regression())) == {"weights", "steps"}


def test_each_group_decays_as_it_is_told():
    class Flat(Regression):
        """No row has a gradient."""

        def __init__(self):
            super().__init__()
            self.other = nn.Parameter(torch.ones(4))

        def forward(self, rows):
            return 0 * (self.weights + self.other).sum()

    module = Flat()
    with torch.no_grad():
        module.weights.fill_(1.0)
    groups = [{"params": [module.weights], "weight_decay": 0.5}, {"params": [module.other], "weight_decay": 0.0}]
    fit(FitTask(module, 50, torch.from_numpy, None, groups), replace(CONFIG, epochs=1, batch=50), seed=0)
    torch.testing.assert_close(module.weights.detach(), torch.full((4,), 1 - 0.05 * 0.5))
    assert torch.equal(module.other, torch.ones(4))


def test_bf16_is_near_fp32():
    exact, rough = task(Regression(dropout=0.0)), task(Regression(dropout=0.0))
    fit(exact, CONFIG, seed=0)
    fit(rough, replace(CONFIG, precision="bf16"), seed=0)
    torch.testing.assert_close(weights_of(rough), weights_of(exact), atol=0.05, rtol=0)
    assert not torch.equal(weights_of(rough), weights_of(exact))


def test_a_loss_that_is_no_number_is_told_with_its_remedy():
    module = Regression()
    with torch.no_grad():
        module.weights.fill_(math.inf)
    with pytest.raises(TasteError, match="learning_rate"):
        fit(task(module), CONFIG, seed=0)


def test_too_few_judgements_for_the_workers_are_refused():
    with pytest.raises(TasteError, match="3 judgements"):
        fit(replace(task(), examples=3), CONFIG, seed=0, hooks=TrainingHooks(workers=2))


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch": -1}, "batch"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"patience": -1}, "patience"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"precision": "fp8"}, "fp8"),
    ],
)
def test_settings_out_of_range_are_refused(values, named):
    with pytest.raises(ConfigError, match=named):
        TrainingConfig(**values)


class Narrow(Regression):
    """A module on a device whose memory holds so many rows at once and no more."""

    def __init__(self, most: int):
        super().__init__(dropout=0.0)
        self.most = most
        self.seen: list[int] = []

    def forward(self, rows):
        self.seen.append(len(rows))
        if len(rows) > self.most:
            raise torch.OutOfMemoryError(f"tried to allocate room for {len(rows)} rows")
        return super().forward(rows)


def test_a_batch_that_does_not_fit_is_halved_said_once_and_gives_the_same_fit(caplog):
    module = Narrow(13)
    wide, narrow = task(Regression(dropout=0.0)), task(module, validate=lambda: 0.0)
    fit(replace(wide, validate=None), replace(CONFIG, batch=50, epochs=4), seed=1)
    fit(replace(narrow, validate=None), replace(CONFIG, batch=50, epochs=4), seed=1, name="a fit")
    torch.testing.assert_close(narrow.module.weights, wide.module.weights, rtol=1e-5, atol=1e-6)
    assert module.seen[:3] == [50, 25, 13]  # whole, halved, halved again, and never more than that afterwards
    assert max(module.seen[3:]) == 13
    halved = [record.getMessage() for record in caplog.records if "too many" in record.getMessage()]
    assert halved == [
        "a fit: 50 at once are too many for the GPU's memory; going on with 25",
        "a fit: 25 at once are too many for the GPU's memory; going on with 13",
    ]


def test_a_row_that_does_not_fit_alone_is_a_mistake_of_the_users():
    with pytest.raises(TasteError, match=r"a fit: the GPU's memory does not hold 1 at once .*smaller encoder"):
        fit(task(Narrow(0), validate=lambda: 0.0), CONFIG, seed=1, name="a fit")


def test_workers_that_wait_for_each_other_do_not_halve():
    hooks = TrainingHooks(rank=0, workers=2)
    with pytest.raises(SharedWorkTooLargeError, match=r"does not hold 25 at once .*take a smaller fit\.batch"):
        fit(task(Narrow(20), validate=lambda: 0.0), replace(CONFIG, batch=50), seed=1, hooks=hooks)


@pytest.mark.parametrize("batch", [50, 51, 7, 5])
def test_workers_compute_their_shares_in_as_many_parts_each(batch):
    """Else one of them would wait for ever for the others' gradients."""
    seen = []
    for rank in range(3):
        module = Narrow(50)
        hooks = TrainingHooks(rank=rank, workers=3, parts=4)
        fit(replace(task(module), validate=None), replace(CONFIG, batch=batch, epochs=1), seed=1, hooks=hooks)
        seen.append(module.seen)
    assert len({len(each) for each in seen}) == 1
    assert min(map(min, seen)) >= 1
    assert max(map(max, seen)) <= max(-(-batch // 12), 2)


def test_a_batch_of_zero_is_256_where_there_is_no_gpu():
    rows = []

    def take(numbers):
        rows.append(len(numbers))
        return torch.from_numpy(numbers % 50)

    fit(FitTask(Regression(), 1000, take, None), replace(CONFIG, batch=0, epochs=1), seed=0)
    assert rows == [250] * 4  # of nearly equal length, 256 at most


def test_a_device_that_is_not_there_is_said_in_one_line():
    with pytest.raises(ConfigError, match=r"fit\.device=cuda:77 is not there: .*; set it to auto or cpu"):
        TrainingConfig(device="cuda:77").place()


@pytest.mark.parametrize(
    ("precision", "device", "expected"), [("auto", "cpu", False), ("fp32", "cuda", False), ("bf16", "cpu", True)]
)
def test_auto_is_bf16_on_gpus_only(precision, device, expected):
    assert TrainingConfig(precision=precision).bf16(device) == expected
