"""Stacked networks: one for each of many people, all fitted at once as one batched computation.

What comes out is what `mlp.fit` gives for each person alone, with that person's own seed, shuffles, dropout and batch statistics,
early stopping and best epoch. People with different numbers of judgements share steps through padded, masked rows. Fitting
small networks one after another mostly waits for the machinery around each; a batched product does not.
"""

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from beholder.errors import ConfigError, EmbeddingError
from beholder.taste.batch_limit import BatchLimit
from beholder.taste.contract import TasteInfo
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.mlp import Mlp, MlpConfig
from beholder.taste.training import batches, chance
from beholder.tuning.stacked_batch import (
    Noise,
    StackedBatch,
    StackedComparisons,
    StackedMember,
    Weights,
    forward,
    pad,
    standardised,
)


def own(config: MlpConfig) -> MlpConfig:
    """Return the config of a network that belongs to one person: it needs no other input to tell whose it is.

    Raises ConfigError for a `person` that would: only "none" and the default, a vector, which is left out, make sense.
    """
    if config.person == "one_hot":
        raise ConfigError("person=one_hot tells people apart in a network that they share; a network of one's own takes none")
    return replace(config, person="none", person_dropout=0.0)


def only(dataset: JudgementDataset, people: np.ndarray) -> JudgementDataset:
    """Return the judgements of the people in a mask, bool [P], as if nobody else were there."""
    mine, number = dataset.of_people(people), np.cumsum(people) - 1
    return replace(
        mine,
        people=tuple(user_id for user_id, kept in zip(dataset.people, people, strict=True) if kept),
        ratings=replace(mine.ratings, person=number[mine.ratings.person]),
        comparisons=replace(mine.comparisons, person=number[mine.comparisons.person]),
        weights=None if mine.weights is None else mine.weights[people],
    )


def alone(dataset: JudgementDataset, person: int) -> JudgementDataset:
    """Return one person's judgements, as if nobody else were there: nothing is weighed against them."""
    return replace(only(dataset, np.arange(len(dataset.people)) == person), weights=None)


def seed_of(user_id: str, seed: int) -> int:
    """Return each person's own seed: it does not change with who else is fitted."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{user_id}".encode()).digest()[:4], "big") >> 1


class Stacked:
    """The networks of P people: how far each has come, and its weights of the best epoch so far.

    epoch: passes made. epochs, best_epoch int64 [P] and loss float64 [P]: of each person's network, the mean over an ensemble; the
    loss is the best held-out one, nan where nothing is held out, inf where every epoch's was not a number.
    """

    def __init__(self, people: tuple[str, ...], attributes: tuple[str, ...], groups: "list[_Group]", items: Tensor):
        self.people, self.attributes, self.epoch = people, attributes, 0
        self._groups, self._items = groups, items
        self._members = sorted((member for group in groups for member in group.members), key=lambda m: (m.person, m.number))

    @property
    def epochs(self) -> np.ndarray:
        return self._mean("epoch").astype(np.int64)

    @property
    def best_epoch(self) -> np.ndarray:
        return self._mean("best_epoch").astype(np.int64)

    @property
    def loss(self) -> np.ndarray:
        return self._mean("loss")

    def differences(self, comparisons: ComparisonTable) -> np.ndarray:
        """Return u(left) - u(right) of each comparison for its own person, float32 [C], not yet scaled to logits."""
        differences = np.zeros(len(comparisons), np.float32)
        counts = np.zeros(len(self.people))
        for group in self._groups:
            rows = [np.flatnonzero(comparisons.person == member.person) for member in group.members]
            stack = StackedComparisons.of([comparisons[own_rows] for own_rows in rows])
            of_group = group.differences(group.best, group.members, stack, self._items)
            for member, own_rows, at in zip(group.members, rows, stack.parts, strict=True):
                differences[own_rows] += of_group[at]
                counts[member.person] += 1
        return np.asarray(differences / np.maximum(counts, 1)[comparisons.person].astype(np.float32))

    def taste(self, person: int, *, encoder_id: str) -> Mlp:
        """Return one person's network as a taste of its own, like the one that `mlp.fit` returns."""
        mine = [(group, row) for group in self._groups for row, m in enumerate(group.members) if m.person == person]
        mine.sort(key=lambda place: place[0].members[place[1]].number)
        info = TasteInfo("mlp", encoder_id, self.attributes, (self.people[person],))
        config, networks = mine[0][0].config, []
        for group, row in mine:
            network = copy.deepcopy(group.members[row].network)
            network.load_state_dict({k: v[row].cpu() for k, v in group.best.items() if not k.startswith("likelihood.")})
            networks.append(network)
        member = mine[0][0].members[mine[0][1]]
        validation = member.validation
        differences = self.differences(replace(validation.comparisons, person=np.full(len(validation), person)))
        tensors = {
            "mean": member.mean.cpu().numpy(),
            "spread": member.spread.cpu().numpy(),
            "slope": validation.logit_scales(differences).astype(np.float32),
        }
        return Mlp(info, networks, config=config, tensors=tensors)

    def _mean(self, name: str) -> np.ndarray:
        values = np.array([getattr(member, name) for member in self._members], np.float64)
        return np.asarray(values.reshape(len(self.people), -1).mean(axis=1))


def fit(
    train: JudgementDataset,
    held_out: JudgementDataset,
    items: np.ndarray,
    config: MlpConfig,
    *,
    seed: int = 0,
    block: int = 64,
    after: Callable[[Stacked], None] = lambda stacked: None,
) -> Stacked:
    """Fit every person a network on their own judgements in `train`; their own in `held_out` stop it.

    items: embeddings float32 [N, D], one for each of train.images. block: networks in one product. after: called when each epoch
    has ended; whatever it raises ends the fit. A person's network whose loss is no longer a number ends with its best epoch so far.
    Where the device's memory does not hold a product of so many, it is computed in halves.
    Raises TasteError for a person with fewer than two judgements, EmbeddingError for items that don't fit.
    """
    if items.ndim != 2 or len(items) != len(train.images):
        raise EmbeddingError(f"expected embeddings [{len(train.images)}, D], got {list(items.shape)}")
    config = own(config)
    if config.fit.precision != "fp32":
        raise ConfigError(f"stacked networks are fitted in fp32, got precision={config.fit.precision}")
    device = config.fit.place()
    x = torch.as_tensor(items, dtype=torch.float32, device=device)
    members: list[StackedMember] = []
    for person, user_id in enumerate(train.people):
        members += StackedMember.of(
            person, alone(train, person), alone(held_out, person), items, config, seed=seed_of(user_id, seed)
        )
    limit = BatchLimit(block, name="stacked networks")
    groups = [_Group(some, config, device, limit) for some in _alike(members, config, block)]
    stacked = Stacked(train.people, train.attributes, groups, x)
    while any(not member.done for member in members):
        for group in groups:
            group.step(x)
        stacked.epoch += 1
        after(stacked)
    return stacked


def _alike(members: Sequence[StackedMember], config: MlpConfig, block: int) -> list[list[StackedMember]]:
    """Group members that can share every step: as many batches in an epoch, a band and cuts or none; at most `block` together."""
    kinds: dict[tuple[int, tuple[str, ...]], list[StackedMember]] = {}
    for member in sorted(members, key=len):
        count = math.ceil(len(member) / max(config.fit.size, 2))
        kinds.setdefault((count, tuple(member.likelihood.state_dict())), []).append(member)
    return [some[start : start + block] for some in kinds.values() for start in range(0, len(some), block)]


class _Group:
    """Members that step together. The active ones' weights are being fitted; `best` has every member's best.

    limit: how many the device's memory holds at once. No row of a product depends on another, so that they are the same in parts.
    """

    def __init__(self, members: list[StackedMember], config: MlpConfig, device: str, limit: BatchLimit):
        self.members, self.config, self.device, self._limit = members, config, device, limit
        self._active = list(range(len(members)))
        whole = pad([member.weights() for member in members])
        self.best = {name: tensor.to(device, copy=True) for name, tensor in whole.items()}
        trained = {name for name, _ in members[0].network.named_parameters()}
        fitted = trained | {name for name in whole if name.startswith("likelihood.")}
        self._weights = {
            name: nn.Parameter(tensor.to(device)) if name in fitted else tensor.to(device) for name, tensor in whole.items()
        }
        self._optimizer = self._new_optimizer()
        for member in members:
            member.mean, member.spread = member.mean.to(device), member.spread.to(device)
        self._held_out = StackedComparisons.of([member.validation.comparisons for member in members])

    def step(self, items: Tensor) -> None:
        """Pass once over the judgements of whoever has not stopped."""
        if not self._active:
            return
        members = [self.members[row] for row in self._active]
        seeds = [torch.Generator().manual_seed(chance(member.seed, member.epoch)) for member in members]
        size = max(self.config.fit.size, 2)
        orders = [batches(len(member), size, seed=member.seed, epoch=member.epoch) for member in members]
        for parts in zip(*orders, strict=True):
            self._limit.run(np.arange(len(members)), self._gradients(members, parts, seeds, items))
            if self.config.fit.clip:
                self._clip()
            self._optimizer.step()
        self._validate(members, items)

    def differences(
        self, weights: Weights, members: Sequence[StackedMember], comparisons: StackedComparisons, items: Tensor
    ) -> np.ndarray:
        """Return u(left) - u(right) of comparisons of these members' rows, float32 [C], in eval mode."""

        def of(rows: np.ndarray) -> np.ndarray:
            some = _slice(rows)
            return comparisons.of_rows(some).differences(_some(weights, some), members[some], items, self.config)

        parts = self._limit.each(np.arange(len(members)), of)
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def _gradients(
        self, members: list[StackedMember], parts: Sequence[np.ndarray], seeds: Sequence[torch.Generator], items: Tensor
    ) -> Callable[[list[np.ndarray]], None]:
        """Return what computes the gradients of a step for some rows after the others, also when it is begun anew."""
        drawn = [seed.get_state() for seed in seeds]
        statistics = {name: tensor.clone() for name, tensor in self._weights.items() if not isinstance(tensor, nn.Parameter)}

        def gradients(rows: list[np.ndarray]) -> None:
            self._optimizer.zero_grad(set_to_none=True)
            for seed, state in zip(seeds, drawn, strict=True):
                seed.set_state(state)
            for name, tensor in statistics.items():
                self._weights[name].copy_(tensor)
            for each in rows:
                some = _slice(each)
                batch = StackedBatch.of(members[some], parts[some], self._weights["heads.weight"].shape[1], self.device)
                weights = self._weights if len(rows) == 1 else _some(self._weights, some)
                x = standardised(items, batch.image, members[some])
                noise = Noise(seeds[some], batch.counts, self.config.dropout)
                utility = forward(weights, x, self.config, valid=batch.valid, noise=noise)
                batch.loss(utility, weights).backward()  # torch leaves it without types

        return gradients

    def _validate(self, members: list[StackedMember], items: Tensor) -> None:
        losses = self._held_out.losses(self.differences(self._weights, members, self._held_out, items), members)
        finite = torch.stack([t.detach().flatten(1).isfinite().all(dim=1) for t in self._weights.values()]).all(dim=0).tolist()
        better = [member.end_epoch(loss, self.config) for member, loss in zip(members, losses, strict=True)]
        better = [one and sound for one, sound in zip(better, finite, strict=True)]
        for member, sound in zip(members, finite, strict=True):
            member.done |= not sound
        now = torch.tensor([row for row, one in enumerate(better) if one], dtype=torch.long, device=self.device)
        if len(now):
            at = torch.tensor([row for row, one in zip(self._active, better, strict=True) if one], device=self.device)
            for name, tensor in self._weights.items():
                self.best[name][at] = tensor.detach()[now]
        kept = [row for row, member in enumerate(members) if not member.done]
        if len(kept) < len(members):
            self._keep(kept)

    def _keep(self, kept: list[int]) -> None:
        """Keep some of the active rows only; the optimizer's moments go with them."""
        self._active = [self._active[row] for row in kept]
        self._held_out = StackedComparisons.of([self.members[row].validation.comparisons for row in self._active])
        rows = torch.tensor(kept, dtype=torch.long, device=self.device)
        moments = {name: self._optimizer.state.get(tensor, {}) for name, tensor in self._weights.items()}
        self._weights = {
            name: nn.Parameter(tensor.detach()[rows]) if isinstance(tensor, nn.Parameter) else tensor[rows]
            for name, tensor in self._weights.items()
        }
        self._optimizer = self._new_optimizer()
        for name, state in moments.items():
            if state:
                moved = {key: value if key == "step" else value[rows] for key, value in state.items()}
                self._optimizer.state[self._weights[name]] = moved

    def _new_optimizer(self) -> torch.optim.AdamW:
        """Return AdamW with parameter groups as in `mlp`: weights, each person's own cuts, and the rest, which does not decay."""
        decays: dict[float, list[Tensor]] = {}
        for name, tensor in self._weights.items():
            if isinstance(tensor, nn.Parameter):
                is_own, is_weight = name.endswith((".shift", ".stretch")), name.endswith(".weight") and tensor.ndim == 3
                decay = self.config.person_decay if is_own else self.config.fit.weight_decay if is_weight else 0.0
                decays.setdefault(decay, []).append(tensor)
        groups = [{"params": tensors, "weight_decay": decay} for decay, tensors in decays.items()]
        return torch.optim.AdamW(groups, lr=self.config.fit.learning_rate, fused=True)

    def _clip(self) -> None:
        """Clip each row's gradient, over all its weights, to the longest that is allowed; after nn.utils.clip_grad_norm_."""
        gradients = [tensor.grad for tensor in self._weights.values() if tensor.grad is not None]
        length = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
        factor = (self.config.fit.clip / (length + 1e-6)).clamp(max=1)
        for gradient in gradients:
            gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))


def _slice(rows: np.ndarray) -> slice:
    """Return consecutive rows as a slice, which leaves what it takes of a tensor in place."""
    return slice(int(rows[0]), int(rows[-1]) + 1)


def _some(weights: Weights, rows: slice) -> Weights:
    return {name: tensor[rows] for name, tensor in weights.items()}
