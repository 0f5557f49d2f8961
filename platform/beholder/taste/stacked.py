"""Stacked: a network of their own for each of many people, all fitted at once as one batched computation.

What comes out is what `mlp.fit` gives for each person alone, with that person's own seed, shuffles, dropout and batch statistics,
early stopping and best epoch. People with different numbers of judgements share steps through padded, masked rows. Fitting
small networks one after another mostly waits for the machinery around each; a batched product does not.
"""

import copy
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder.errors import ConfigError, EmbeddingError, TasteError
from beholder.taste import mlp
from beholder.taste.contract import About
from beholder.taste.evidence import Comparisons, Evidence
from beholder.taste.fit import batches, chance
from beholder.taste.held_out import HeldOut, slopes
from beholder.taste.likelihood import Likelihood, scale
from beholder.taste.mlp import ACTIVATIONS, Mlp, MlpConfig

_FAR = 1e4  # a cut that no utility reaches: who uses fewer levels than others of the stack has some of these
_EPSILON, _MOMENTUM = 1e-5, 0.1  # mlp.BatchNorm's
Weights = dict[str, Tensor]  # by name, with a leading dimension of one per network


def own(config: MlpConfig) -> MlpConfig:
    """The config of a network that belongs to one person: it needs no other input to tell whose it is.

    Raises ConfigError for a `person` that would: only "none" and the default, a vector, which is left out, make sense.
    """
    if config.person == "one_hot":
        raise ConfigError("person=one_hot tells people apart in a network that they share; a network of one's own takes none")
    return replace(config, person="none", person_dropout=0.0)


def only(evidence: Evidence, people: np.ndarray) -> Evidence:
    """The judgements of the people in a mask, bool [P], as if nobody else were there."""
    mine, number = evidence.by(people), np.cumsum(people) - 1
    return replace(
        mine,
        people=tuple(user_id for user_id, kept in zip(evidence.people, people, strict=True) if kept),
        ratings=replace(mine.ratings, person=number[mine.ratings.person]),
        comparisons=replace(mine.comparisons, person=number[mine.comparisons.person]),
    )


def alone(evidence: Evidence, person: int) -> Evidence:
    """One person's judgements, as if nobody else were there."""
    return only(evidence, np.arange(len(evidence.people)) == person)


def seed_of(user_id: str, seed: int) -> int:
    """Each person's own seed: it does not change with who else is fitted."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{user_id}".encode()).digest()[:4], "big") >> 1


class Stacked:
    """The networks of P people: how far each has come, and what each says with the weights of its best epoch so far.

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

    def differences(self, comparisons: Comparisons) -> np.ndarray:
        """u(left) - u(right) of each comparison for its own person, float32 [C], not yet scaled to logits."""
        found = np.zeros(len(comparisons), np.float32)
        counts = np.zeros(len(self.people))
        for group in self._groups:
            rows = [np.flatnonzero(comparisons.person == member.person) for member in group.members]
            asked = _Asked.of([comparisons[own_rows] for own_rows in rows])
            found_here = asked.differences(group.best, group.members, self._items, group.config)
            for member, own_rows, at in zip(group.members, rows, asked.parts, strict=True):
                found[own_rows] += found_here[at]
                counts[member.person] += 1
        return found / np.maximum(counts, 1)[comparisons.person].astype(np.float32)

    def taste(self, person: int, *, encoder_id: str) -> Mlp:
        """One person's network as a taste of its own, like the one that `mlp.fit` returns."""
        mine = [(group, row) for group in self._groups for row, m in enumerate(group.members) if m.person == person]
        mine.sort(key=lambda found: found[0].members[found[1]].number)
        about = About("mlp", encoder_id, self.attributes, (self.people[person],))
        config, networks = mine[0][0].config, []
        for group, row in mine:
            network = copy.deepcopy(group.members[row].network)
            network.load_state_dict({k: v[row].cpu() for k, v in group.best.items() if not k.startswith("likelihood.")})
            networks.append(network)
        member = mine[0][0].members[mine[0][1]]
        judged = member.judged
        differences = self.differences(replace(judged.comparisons, person=np.full(len(judged), person)))
        tensors = {
            "mean": member.mean.cpu().numpy(),
            "spread": member.spread.cpu().numpy(),
            "slope": judged.slopes(differences).astype(np.float32),
        }
        return Mlp(about, networks, config=config, tensors=tensors)

    def _mean(self, name: str) -> np.ndarray:
        values = np.array([getattr(member, name) for member in self._members], np.float64)
        return values.reshape(len(self.people), -1).mean(axis=1)


def fit(
    train: Evidence,
    held_out: Evidence,
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
    Raises TasteError for a person with fewer than two judgements, EmbeddingError for items that don't fit.
    """
    if items.ndim != 2 or len(items) != len(train.images):
        raise EmbeddingError(f"expected embeddings [{len(train.images)}, D], got {list(items.shape)}")
    config = own(config)
    if config.fit.precision != "fp32":
        raise ConfigError(f"stacked networks are fitted in fp32, got precision={config.fit.precision}")
    device = config.fit.place()
    x = torch.as_tensor(items, dtype=torch.float32, device=device)
    members: list[_Member] = []
    for person, user_id in enumerate(train.people):
        members += _Member.of(person, alone(train, person), alone(held_out, person), items, config, seed=seed_of(user_id, seed))
    groups = [_Group(some, config, device) for some in _alike(members, config, block)]
    stacked = Stacked(train.people, train.attributes, groups, x)
    while any(not member.done for member in members):
        for group in groups:
            group.step(x)
        stacked.epoch += 1
        after(stacked)
    return stacked


class _Member:
    """One network of one person: its judgements, where it begins, how far it has come."""

    def __init__(self, person: int, number: int, seed: int, train: Evidence, judged: HeldOut, items: np.ndarray, config: MlpConfig):
        self.person, self.number, self.seed, self.judged = person, number, seed, judged
        mean, spread = mlp.standard(items, train)
        self.mean, self.spread = torch.as_tensor(mean), torch.as_tensor(spread)
        # prepare only needs to know how wide the items are
        task, self.network = mlp.prepare(train, judged, torch.empty(0, items.shape[1]), config, seed=seed)
        self.likelihood: Likelihood = task.module.likelihood  # type: ignore[assignment]
        rated, compared = train.ratings, train.comparisons
        self.rated = len(rated)
        self.left = np.concatenate([rated.image, compared.left])
        self.right = np.concatenate([rated.image, compared.right])
        self.attribute = np.concatenate([rated.attribute, compared.attribute])
        self.level = np.searchsorted(scale(rated.score), rated.score)
        self.choice = compared.choice.astype(np.float32)
        self.epoch = self.best_epoch = 0
        self.loss, self.done = math.inf, False

    @classmethod
    def of(
        cls, person: int, train: Evidence, held_out: Evidence, items: np.ndarray, config: MlpConfig, *, seed: int
    ) -> "list[_Member]":
        """A person's ensemble."""
        train = mlp.as_fitted(train, config, seed=seed)
        if len(train) < 2:
            raise TasteError(
                f"{train.people[0]} has {len(train)} judgements to fit to; at least 2 are needed for a network of one's own"
            )
        judged = HeldOut.of(held_out)
        return [cls(person, number, seed * 1000 + number, train, judged, items, config) for number in range(config.ensemble)]

    def __len__(self) -> int:
        return len(self.left)

    def weights(self) -> Weights:
        """What is fitted, and the running statistics, by name."""
        network = {name: tensor.detach() for name, tensor in self.network.state_dict().items()}
        return network | {f"likelihood.{name}": tensor.detach() for name, tensor in self.likelihood.state_dict().items()}

    def judge(self, loss: float, config: MlpConfig) -> bool:
        """Take in an epoch's held-out loss; whether it was the best."""
        self.epoch += 1
        better = math.isnan(loss) if not len(self.judged) else loss < self.loss
        if better:
            self.loss, self.best_epoch = loss, self.epoch
        waited = self.epoch - self.best_epoch
        self.done = self.epoch >= config.fit.epochs or bool(config.fit.patience and waited >= config.fit.patience)
        return better


def _alike(members: Sequence[_Member], config: MlpConfig, block: int) -> list[list[_Member]]:
    """Members that can share every step: as many batches in an epoch, a band and cuts or none; at most `block` together."""
    kinds: dict[tuple[int, tuple[str, ...]], list[_Member]] = {}
    for member in sorted(members, key=len):
        count = math.ceil(len(member) / max(config.fit.batch, 2))
        kinds.setdefault((count, tuple(member.likelihood.state_dict())), []).append(member)
    return [some[start : start + block] for some in kinds.values() for start in range(0, len(some), block)]


class _Group:
    """Members that step together. The active ones' weights are being fitted; `best` has every member's best."""

    def __init__(self, members: list[_Member], config: MlpConfig, device: str):
        self.members, self.config, self.device = members, config, device
        self._active = list(range(len(members)))
        whole = _pad([member.weights() for member in members])
        self.best = {name: tensor.to(device, copy=True) for name, tensor in whole.items()}
        trained = {name for name, _ in members[0].network.named_parameters()}
        fitted = trained | {name for name in whole if name.startswith("likelihood.")}
        self._weights = {
            name: nn.Parameter(tensor.to(device)) if name in fitted else tensor.to(device) for name, tensor in whole.items()
        }
        self._optimizer = self._new_optimizer()
        for member in members:
            member.mean, member.spread = member.mean.to(device), member.spread.to(device)
        self._held_out = _Asked.of([member.judged.comparisons for member in members])

    def step(self, items: Tensor) -> None:
        """One epoch for whoever has not stopped."""
        if not self._active:
            return
        members = [self.members[row] for row in self._active]
        seeds = [torch.Generator().manual_seed(chance(member.seed, member.epoch)) for member in members]
        size = max(self.config.fit.batch, 2)
        orders = [batches(len(member), size, seed=member.seed, epoch=member.epoch) for member in members]
        for parts in zip(*orders, strict=True):
            self._optimizer.zero_grad(set_to_none=True)
            batch = _Batch.of(members, parts, self._weights["heads.weight"].shape[1], self.device)
            x = _standardised(items, batch.image, members)
            noise = _Noise(seeds, batch.counts, self.config.dropout)
            utility = _forward(self._weights, x, self.config, valid=batch.valid, noise=noise)
            batch.loss(utility, self._weights).backward()
            if self.config.fit.clip:
                self._clip()
            self._optimizer.step()
        self._judge(members, items)

    def _judge(self, members: list[_Member], items: Tensor) -> None:
        losses = self._held_out.losses(self._weights, members, items, self.config)
        finite = torch.stack([t.detach().flatten(1).isfinite().all(dim=1) for t in self._weights.values()]).all(dim=0).tolist()
        better = [member.judge(loss, self.config) for member, loss in zip(members, losses, strict=True)]
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
        """Go on with some of the active rows only; the optimizer's moments go with them."""
        self._active = [self._active[row] for row in kept]
        self._held_out = _Asked.of([self.members[row].judged.comparisons for row in self._active])
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
        """Who decays how is as in `mlp`: weights, each person's own cuts, and not the rest."""
        decays: dict[float, list[Tensor]] = {}
        for name, tensor in self._weights.items():
            if isinstance(tensor, nn.Parameter):
                is_own, is_weight = name.endswith((".shift", ".stretch")), name.endswith(".weight") and tensor.ndim == 3
                decay = self.config.person_decay if is_own else self.config.fit.weight_decay if is_weight else 0.0
                decays.setdefault(decay, []).append(tensor)
        groups = [{"params": tensors, "weight_decay": decay} for decay, tensors in decays.items()]
        return torch.optim.AdamW(groups, lr=self.config.fit.learning_rate, fused=True)

    def _clip(self) -> None:
        """Each row's gradient, over all its weights, to the longest that is allowed; after nn.utils.clip_grad_norm_."""
        gradients = [tensor.grad for tensor in self._weights.values() if tensor.grad is not None]
        length = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
        factor = (self.config.fit.clip / (length + 1e-6)).clamp(max=1)
        for gradient in gradients:
            gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))


@dataclass(frozen=True)
class _Batch:
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
    def of(cls, members: Sequence[_Member], parts: Sequence[np.ndarray], attributes: int, device: str) -> "_Batch":
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
        """The sum over rows of each row's mean -log P: no row's gradient knows of another's. utility: [P, M, A]."""
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


class _Noise:
    """Dropout as each row's own chance has it: what functional.dropout draws for that row alone."""

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
class _Asked:
    """Comparisons of P rows to be answered: each row's images once, padded, int64 [P, U], and where each comparison's are."""

    image: np.ndarray
    row: np.ndarray
    left: np.ndarray
    right: np.ndarray
    attribute: np.ndarray
    choice: np.ndarray
    parts: list[slice]

    @classmethod
    def of(cls, asked: Sequence[Comparisons]) -> "_Asked":
        images, places, parts, start = [], [], [], 0
        for one in asked:
            once, where = np.unique(np.stack([one.left, one.right]), return_inverse=True)
            images.append(once)
            places.append(where.reshape(2, -1))
            parts.append(slice(start, start + len(one)))
            start += len(one)
        image = np.zeros((len(asked), max(map(len, images), default=0)), np.int64)
        for row, once in enumerate(images):
            image[row, : len(once)] = once
        sides = np.concatenate(places, axis=1) if places else np.zeros((2, 0), np.int64)
        rows = np.repeat(np.arange(len(asked)), [len(one) for one in asked])
        attribute = np.concatenate([one.attribute for one in asked]) if asked else np.zeros(0, np.int64)
        choice = np.concatenate([one.choice for one in asked]) if asked else np.zeros(0, np.float32)
        return cls(image, rows, sides[0], sides[1], attribute, choice, parts)

    def differences(self, weights: Weights, members: Sequence[_Member], items: Tensor, config: MlpConfig) -> np.ndarray:
        """u(left) - u(right), float32 [C], in eval mode."""
        if not len(self.row):
            return np.zeros(0, np.float32)
        with torch.no_grad():
            x = _standardised(items, torch.as_tensor(self.image, device=items.device), members)
            utility = _forward(weights, x, config).cpu().numpy()
        found: np.ndarray = utility[self.row, self.left, self.attribute] - utility[self.row, self.right, self.attribute]
        return found

    def losses(self, weights: Weights, members: Sequence[_Member], items: Tensor, config: MlpConfig) -> list[float]:
        """The held-out loss of each row, as HeldOut.loss has it; nan for a row that is asked nothing."""
        difference = self.differences(weights, members, items, config).astype(np.float64)
        attributes = members[0].judged.attributes
        cell = self.row * attributes + self.attribute
        x = slopes(difference, self.choice, cell, len(members) * attributes)[cell] * difference
        said = np.bincount(self.row, np.logaddexp(0, x) - self.choice * x, minlength=len(members))
        count = np.bincount(self.row, minlength=len(members))
        return [float(total / many) if many else math.nan for total, many in zip(said, count, strict=True)]


def _standardised(items: Tensor, image: Tensor, members: Sequence[_Member]) -> Tensor:
    """Each row's images in its own units, float32 [P, M, D]."""
    mean, spread = (torch.stack([getattr(member, name) for member in members])[:, None] for name in ("mean", "spread"))
    return items[image].sub_(mean).div_(spread)  # in place: these are the largest arrays of a step


def _forward(
    weights: Mapping[str, Tensor],
    x: Tensor,
    config: MlpConfig,
    *,
    valid: Tensor | None = None,
    noise: Callable[[Tensor], Tensor] = lambda x: x,
) -> Tensor:
    """mlp.Network for P rows at once, [P, M, D] -> [P, M, A]; with `valid` in training, which moves the running statistics."""
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
    """mlp.BatchNorm, with each row's moments over its valid entries."""
    if valid is None:
        mean, variance = weights[f"{name}.mean"][:, None], weights[f"{name}.variance"][:, None]
    else:
        count = valid.sum(dim=1)[:, None, None]
        seen = x * valid[:, :, None]
        mean = seen.sum(dim=1, keepdim=True) / count
        variance = ((seen * x).sum(dim=1, keepdim=True) / count - mean.square()).clamp(min=0)
        with torch.no_grad():
            weights[f"{name}.mean"].lerp_(mean[:, 0], _MOMENTUM)
            weights[f"{name}.variance"].lerp_((variance * count / (count - 1).clamp(min=1))[:, 0], _MOMENTUM)
    scaled = (x - mean) * torch.rsqrt(variance + _EPSILON)
    return scaled * weights[f"{name}.weight"][:, None] + weights[f"{name}.bias"][:, None]


def _pad(members: list[Weights]) -> Weights:
    """The weights of many as one, [P, ...]; cuts that some have and others have not lie far out of reach."""
    whole = {}
    for name in members[0]:
        tensors = [weights[name] for weights in members]
        width = max(tensor.shape[-1] for tensor in tensors)
        whole[name] = torch.stack([functional.pad(t, (0, width - t.shape[-1]), value=_FAR) for t in tensors])
    return whole
