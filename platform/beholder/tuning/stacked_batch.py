"""Many people's judgements and small networks as padded rows of the same tensors, so that one product serves them all.

A row's result is what `mlp.MlpNetwork`, `mlp.BatchNorm`, dropout and the likelihood give for that person alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder import statistics
from beholder.errors import TasteError
from beholder.taste import mlp
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.likelihood import Likelihood, RatingLevels
from beholder.taste.mlp import ACTIVATIONS, MlpConfig
from beholder.taste.validation import HeldOut, logit_scales

_FAR = 1e4  # a cut that no utility reaches: who uses fewer levels than others of the stack has some of these
_EPSILON, _MOMENTUM = 1e-5, 0.1  # mlp.BatchNorm's
Weights = dict[str, Tensor]  # by name, with a leading dimension of one per network


class StackedMember:
    """One network of one person: its judgements, where it begins, how far it has come."""

    def __init__(
        self,
        person: int,
        number: int,
        seed: int,
        train: JudgementDataset,
        validation: HeldOut,
        items: np.ndarray,
        config: MlpConfig,
    ):
        self.person, self.number, self.seed, self.validation = person, number, seed, validation
        mean, spread = mlp.standard(items, train)
        self.mean, self.spread = torch.as_tensor(mean), torch.as_tensor(spread)
        # prepare only needs to know how wide the items are
        task, self.network = mlp.prepare(train, validation, torch.empty(0, items.shape[1]), config, seed=seed)
        self.likelihood: Likelihood = task.module.likelihood  # type: ignore[assignment]  # of nn.Module, which may hold anything
        rated, compared = train.ratings, train.comparisons
        self.rated = len(rated)
        self.left = np.concatenate([rated.image, compared.left])
        self.right = np.concatenate([rated.image, compared.right])
        self.attribute = np.concatenate([rated.attribute, compared.attribute])
        self.level = RatingLevels.of(train).level
        self.choice = compared.choice.astype(np.float32)
        self.epoch = self.best_epoch = 0
        self.loss, self.done = math.inf, False

    @classmethod
    def of(
        cls, person: int, train: JudgementDataset, held_out: JudgementDataset, items: np.ndarray, config: MlpConfig, *, seed: int
    ) -> "list[StackedMember]":
        """Return the networks of a person's ensemble."""
        train = mlp.as_fitted(train, config, seed=seed)
        if len(train) < 2:
            raise TasteError(
                f"{train.people[0]} has {len(train)} judgements to fit to; at least 2 are needed for a network of one's own"
            )
        validation = HeldOut.of(held_out)
        return [cls(person, number, seed * 1000 + number, train, validation, items, config) for number in range(config.ensemble)]

    def __len__(self) -> int:
        return len(self.left)

    def weights(self) -> Weights:
        """Return what is fitted, and the running statistics, by name."""
        network = {name: tensor.detach() for name, tensor in self.network.state_dict().items()}
        return network | {f"likelihood.{name}": tensor.detach() for name, tensor in self.likelihood.state_dict().items()}

    def end_epoch(self, loss: float, config: MlpConfig) -> bool:
        """Take in an epoch's held-out loss; return whether it was the best."""
        self.epoch += 1
        better = math.isnan(loss) if not len(self.validation) else loss < self.loss
        if better:
            self.loss, self.best_epoch = loss, self.epoch
        waited = self.epoch - self.best_epoch
        self.done = self.epoch >= config.fit.epochs or bool(config.fit.patience and waited >= config.fit.patience)
        return better


@dataclass(frozen=True)
class StackedBatch:
    """A step's judgements of P rows. image [P, M], padded, with `counts` valid ones in each row; the rest are flat positions in
    [P * M * A] utilities, and which row's which attribute (a number below P * A) each judgement is on."""

    image: Tensor
    valid: Tensor  # float32 [P, M]: 1 for a judged image, 0 for padding
    counts: list[int]
    rated: Tensor
    rated_on: Tensor
    rated_weight: Tensor  # 1 / judgements of its row
    level: Tensor
    left: Tensor
    right: Tensor
    compared_on: Tensor
    compared_weight: Tensor
    choice: Tensor

    @classmethod
    def of(cls, members: Sequence[StackedMember], parts: Sequence[np.ndarray], attributes: int, device: str) -> "StackedBatch":
        taken = [(rows[rows < m.rated], rows[rows >= m.rated]) for m, rows in zip(members, parts, strict=True)]
        counts = [len(rated) + 2 * len(compared) for rated, compared in taken]
        image = np.zeros((len(members), max(counts)), np.int64)
        columns: list[list[np.ndarray]] = [[] for _ in range(9)]
        for row, (member, (rated, compared)) in enumerate(zip(members, taken, strict=True)):
            both = [member.left[rated], member.left[compared], member.right[compared]]
            image[row, : counts[row]] = np.concatenate(both)
            on, over = member.attribute[rated], member.attribute[compared]
            base = row * max(counts) + np.arange(counts[row])
            first, last = len(rated), len(rated) + len(compared)
            weight = 1 / (len(rated) + len(compared))
            for column, values in zip(
                columns,
                (
                    base[:first] * attributes + on,
                    row * attributes + on,
                    np.full(len(rated), weight, np.float32),
                    member.level[rated],
                    base[first:last] * attributes + over,
                    base[last:] * attributes + over,
                    row * attributes + over,
                    np.full(len(compared), weight, np.float32),
                    member.choice[compared - member.rated],
                ),
                strict=True,
            ):
                column.append(values)
        flat = [torch.as_tensor(np.concatenate(column), device=device) for column in columns]
        valid = (np.arange(max(counts)) < np.array(counts)[:, None]).astype(np.float32)
        return cls(torch.as_tensor(image, device=device), torch.as_tensor(valid, device=device), counts, *flat)

    def loss(self, utility: Tensor, weights: Weights) -> Tensor:
        """Return the sum over rows of each row's mean -log P: no row's gradient knows of another's. utility: [P, M, A]."""
        likelihood, flat = _Likelihoods(weights), utility.flatten()
        nobody = torch.zeros_like(self.rated_on)
        ratings = likelihood.rating(flat[self.rated], nobody, self.rated_on, self.level) * self.rated_weight
        comparisons = likelihood.comparison(flat[self.left] - flat[self.right], self.compared_on, self.choice)
        return ratings.sum() + (comparisons * self.compared_weight).sum()


class _Likelihoods(Likelihood):
    """The likelihoods of P rows as one whose attributes are every row's."""

    def __init__(self, weights: Weights):
        nn.Module.__init__(self)
        given = {name.removeprefix("likelihood."): t for name, t in weights.items() if name.startswith("likelihood.")}
        self.levels = given["gaps"].shape[-1] + 2 if "gaps" in given else 0
        self.band = None
        for name, tensor in given.items():
            flat = tensor.reshape(1, -1) if name in ("shift", "stretch") else tensor.flatten(0, 1)
            object.__setattr__(self, name, flat)  # a plain tensor in a parameter's place


class Noise:
    """Dropout as each row's own generator draws it: what functional.dropout draws for that row alone."""

    def __init__(self, seeds: Sequence[torch.Generator], counts: Sequence[int], share: float):
        self._seeds, self._counts, self._share = seeds, counts, share

    def __call__(self, x: Tensor) -> Tensor:
        if not self._share:
            return x
        noise = torch.zeros(x.shape)
        for row, (seed, count) in enumerate(zip(self._seeds, self._counts, strict=True)):
            noise[row, :count].bernoulli_(1 - self._share, generator=seed)
        return x * noise.div_(1 - self._share).to(x.device)


@dataclass(frozen=True)
class StackedComparisons:
    """Comparisons of P rows: each row's images once, padded, int64 [P, U], and where each comparison's are."""

    image: np.ndarray
    row: np.ndarray
    left: np.ndarray
    right: np.ndarray
    attribute: np.ndarray
    choice: np.ndarray
    parts: list[slice]

    @classmethod
    def of(cls, tables: Sequence[ComparisonTable]) -> "StackedComparisons":
        images, places, parts, start = [], [], [], 0
        for one in tables:
            once, where = np.unique(np.stack([one.left, one.right]), return_inverse=True)
            images.append(once)
            places.append(where.reshape(2, -1))
            parts.append(slice(start, start + len(one)))
            start += len(one)
        image = np.zeros((len(tables), max(map(len, images), default=0)), np.int64)
        for row, once in enumerate(images):
            image[row, : len(once)] = once
        sides = np.concatenate(places, axis=1) if places else np.zeros((2, 0), np.int64)
        rows = np.repeat(np.arange(len(tables)), [len(one) for one in tables])
        attribute = np.concatenate([one.attribute for one in tables]) if tables else np.zeros(0, np.int64)
        choice = np.concatenate([one.choice for one in tables]) if tables else np.zeros(0, np.float32)
        return cls(image, rows, sides[0], sides[1], attribute, choice, parts)

    def of_rows(self, rows: slice) -> "StackedComparisons":
        """Return the comparisons of consecutive rows, at least one."""
        parts = self.parts[rows]
        mine, start = slice(parts[0].start, parts[-1].stop), parts[0].start
        shifted = [slice(part.start - start, part.stop - start) for part in parts]
        left, right, attribute, choice = (column[mine] for column in (self.left, self.right, self.attribute, self.choice))
        return StackedComparisons(self.image[rows], self.row[mine] - rows.start, left, right, attribute, choice, shifted)

    def differences(self, weights: Weights, members: Sequence[StackedMember], items: Tensor, config: MlpConfig) -> np.ndarray:
        """Return u(left) - u(right), float32 [C], in eval mode."""
        if not len(self.row):
            return np.zeros(0, np.float32)
        with torch.no_grad():
            x = standardised(items, torch.as_tensor(self.image, device=items.device), members)
            utility = forward(weights, x, config).cpu().numpy()
        return np.asarray(utility[self.row, self.left, self.attribute] - utility[self.row, self.right, self.attribute])

    def losses(self, differences: np.ndarray, members: Sequence[StackedMember]) -> list[float]:
        """Return the held-out loss of each row, as HeldOut.loss has it; nan for a row without comparisons."""
        difference = differences.astype(np.float64)
        attributes = members[0].validation.attributes
        cell = self.row * attributes + self.attribute
        logits = logit_scales(difference, self.choice, cell, len(members) * attributes)[cell] * difference
        totals = np.bincount(self.row, -statistics.log_likelihood(logits, self.choice), minlength=len(members))
        count = np.bincount(self.row, minlength=len(members))
        return [float(total / many) if many else math.nan for total, many in zip(totals, count, strict=True)]


def standardised(items: Tensor, image: Tensor, members: Sequence[StackedMember]) -> Tensor:
    """Return each row's images in its own units, float32 [P, M, D]."""
    mean, spread = (torch.stack([getattr(member, name) for member in members])[:, None] for name in ("mean", "spread"))
    return items[image].sub_(mean).div_(spread)  # in place: these are the largest arrays of a step


def forward(
    weights: Mapping[str, Tensor],
    x: Tensor,
    config: MlpConfig,
    *,
    valid: Tensor | None = None,
    noise: Callable[[Tensor], Tensor] = lambda x: x,
) -> Tensor:
    """Run mlp.MlpNetwork for P rows, [P, M, D] -> [P, M, A]; with `valid` in training, which moves the running statistics."""
    for layer in range(len(config.widths)):
        x = _linear(weights, f"layers.{layer}", x)
        if config.batchnorm:
            x = _normalised(weights, f"norms.{layer}", x, valid)
        x = noise(ACTIVATIONS[config.activation](x))
    return _linear(weights, "heads", x)


def _linear(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    turned, bias = weights[f"{name}.weight"].transpose(1, 2), weights.get(f"{name}.bias")
    return torch.bmm(x, turned) if bias is None else torch.baddbmm(bias[:, None], x, turned)


def _normalised(weights: Mapping[str, Tensor], name: str, x: Tensor, valid: Tensor | None) -> Tensor:
    """Run mlp.BatchNorm with each row's moments over its valid entries."""
    if valid is None:
        mean, variance = weights[f"{name}.mean"][:, None], weights[f"{name}.variance"][:, None]
    else:
        count = valid.sum(dim=1)[:, None, None]
        kept = x * valid[:, :, None]
        mean = kept.sum(dim=1, keepdim=True) / count
        variance = ((kept * x).sum(dim=1, keepdim=True) / count - mean.square()).clamp(min=0)
        with torch.no_grad():
            weights[f"{name}.mean"].lerp_(mean[:, 0], _MOMENTUM)
            weights[f"{name}.variance"].lerp_((variance * count / (count - 1).clamp(min=1))[:, 0], _MOMENTUM)
    scaled = (x - mean) * torch.rsqrt(variance + _EPSILON)
    return scaled * weights[f"{name}.weight"][:, None] + weights[f"{name}.bias"][:, None]


def pad(members: list[Weights]) -> Weights:
    """Return the weights of many as one, [P, ...]; cuts that some have and others have not lie far out of reach."""
    whole = {}
    for name in members[0]:
        tensors = [weights[name] for weights in members]
        width = max(tensor.shape[-1] for tensor in tensors)
        whole[name] = torch.stack([functional.pad(t, (0, width - t.shape[-1]), value=_FAR) for t in tensors])
    return whole
