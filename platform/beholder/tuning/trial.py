"""A trial: one setting of a search, fitted for everybody and judged on each person's own pairs.

Fitting everybody at once is what makes a search over many small models cheap: a trial starts once, not once per person.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from beholder import statistics
from beholder.errors import ConfigError
from beholder.taste import taste_factory, utility_table, validation
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.taste_factory import TasteConfig
from beholder.tuning import selection, stacked
from beholder.tuning.stacked import Stacked


@dataclass(frozen=True)
class TrialResult:
    """The result of one setting after `epoch` passes.

    loss float64: the best held-out one, of each person [P] or of the model that all share [1]. choosing [C] and reporting [R]:
    correctness on the pairs of the trial, float16, empty where there is none yet.
    """

    epoch: int
    loss: np.ndarray
    choosing: np.ndarray
    reporting: np.ndarray

    def objective(self) -> float:
        """Return what a search makes small: the mean loss over people; one that is no number counts as a bad one."""
        finite = self.loss[~np.isnan(self.loss)]
        return float(np.minimum(finite, 10).mean()) if len(finite) else 10.0

    def accuracy(self, pairs: ComparisonTable, people: int) -> float:
        """Return the mean over people of the share of choosing pairs that it gets right."""
        return float(np.nanmean(selection.accuracies(self.choosing[None], pairs, people)))

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{field.name: getattr(self, field.name) for field in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "TrialResult":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            columns = {field.name: arrays[field.name] for field in fields(cls)}
        return cls(**columns | {"epoch": int(columns["epoch"])})


@dataclass(frozen=True)
class Trial:
    """The judgements and pairs that every setting is tried on.

    train: to fit to; held_out: stops the fit, and what the search chooses by. chosen_by: pairs of held_out. reported: pairs of
    judgements that the search is not given. apart: fit each person a network of their own, stacked; else one model for all.
    """

    train: JudgementDataset
    held_out: JudgementDataset
    chosen_by: ComparisonTable
    reported: ComparisonTable
    encoder_id: str
    seed: int = 0
    apart: bool = True
    block: int = 64

    @classmethod
    def of(
        cls, parts: list[JudgementDataset], *, least: int, encoder_id: str, seed: int = 0, apart: bool = True, block: int = 64
    ) -> "Trial":
        """Make a trial of judgements in three parts: to fit to, to choose by, to report on.

        Who has fewer than `least` judgements to fit to is left out. Raises ConfigError where nobody is left.
        """
        people = (parts[0].counts() >= max(least, 2)) & (parts[1].counts() > 0)
        if not people.any():
            raise ConfigError(f"nobody has {least} judgements to fit to and any to choose by; lower tune.least")
        train, held_out, unseen = (stacked.only(part, people) for part in parts)
        pairs = [validation.pairs(part, seed=seed) for part in (held_out, unseen)]
        return cls(train, held_out, pairs[0], pairs[1], encoder_id, seed, apart, block)

    def run(
        self, items: np.ndarray, config: TasteConfig, *, rungs: tuple[int, ...], after: Callable[[TrialResult], None]
    ) -> TrialResult:
        """Fit one setting. after: called with the result after each epoch in `rungs`; whatever it raises ends the fit."""
        if self.apart:
            return self._stacked(items, config, rungs, after)
        return self._shared(items, config, rungs, after)

    def _stacked(
        self, items: np.ndarray, config: TasteConfig, rungs: tuple[int, ...], after: Callable[[TrialResult], None]
    ) -> TrialResult:
        def after_epoch(so_far: Stacked) -> None:
            if so_far.epoch in rungs:
                after(self._result(so_far))

        fitted = stacked.fit(self.train, self.held_out, items, config.mlp, seed=self.seed, block=self.block, after=after_epoch)
        return self._result(fitted)

    def _result(self, fitted: Stacked) -> TrialResult:
        choosing, reporting = (_correctness(fitted.differences(pairs), pairs) for pairs in (self.chosen_by, self.reported))
        weights, loss = self.train.weights, fitted.loss
        if weights is not None and weights.any():
            loss = loss * weights / weights.mean()  # so that their mean is the one by weights
        return TrialResult(fitted.epoch, loss, choosing, reporting)

    def _shared(
        self, items: np.ndarray, config: TasteConfig, rungs: tuple[int, ...], after: Callable[[TrialResult], None]
    ) -> TrialResult:
        last = TrialResult(0, np.array([np.nan]), np.zeros(0, np.float16), np.zeros(0, np.float16))

        def progress(step: int, steps: int, figures: dict[str, float]) -> None:
            nonlocal last
            last = replace(last, epoch=step, loss=np.array([figures.get("best_loss", np.nan)]))
            if step in rungs:
                after(last)

        taste = taste_factory.fit(
            self.train, self.held_out, items, config, encoder_id=self.encoder_id, seed=self.seed, progress=progress
        )
        chosen, reported = (self._differences(taste, items, pairs) for pairs in (self.chosen_by, self.reported))
        if np.isnan(last.loss).all():  # a kind that reports no loss on its way
            last = replace(
                last, loss=np.array([statistics.log_loss(chosen, self.chosen_by.choice, self.held_out.weights_of(self.chosen_by))])
            )
        return replace(last, choosing=_correctness(chosen, self.chosen_by), reporting=_correctness(reported, self.reported))

    def _differences(self, taste: Taste, items: np.ndarray, pairs: ComparisonTable) -> np.ndarray:
        """Return u(left) - u(right) of each pair for its own person, float32 [C]: each person's images are asked for once."""
        taste, items = utility_table.on_rows(taste, items, self.held_out, pairs), np.arange(len(items))
        differences = np.zeros(len(pairs), np.float32)
        for key in np.unique(np.stack([pairs.person, pairs.attribute]), axis=1).T:
            rows = np.flatnonzero((pairs.person == key[0]) & (pairs.attribute == key[1]))
            once, where = np.unique(np.stack([pairs.left[rows], pairs.right[rows]]), return_inverse=True)
            names = self.train.people[key[0]], self.train.attributes[key[1]]
            utility = taste.utilities(items[once], [names[0]], names[1])[0][where.reshape(2, -1)]
            differences[rows] = utility[0] - utility[1]
        return differences


def _correctness(differences: np.ndarray, pairs: ComparisonTable) -> np.ndarray:
    """Return it as float16, which holds 0, 0.5 and 1: a search keeps it for every setting."""
    return validation.correctness(differences, pairs.choice).astype(np.float16)
