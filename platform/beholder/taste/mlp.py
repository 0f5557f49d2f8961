"""The frozen-CLIP decoder: embedding + person -> trunk -> one head per attribute, after *Decoding Subjectivity*.

utilities are the mean of `ensemble` networks that differ in their seed only, scaled so that a difference of 1 is odds of e to 1
on held-out judgements.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from beholder.config import setting
from beholder.errors import ConfigError, EmbeddingError, TasteError, nearest
from beholder.taste.contract import Normal, Progress, TasteInfo, TasteSettings, finite_embeddings, no_progress
from beholder.taste.dataset import JudgementDataset
from beholder.taste.likelihood import JudgementTensors, Likelihood, Objective, RatingLevels
from beholder.taste.training import FitTask, TrainingConfig, TrainingHooks, with_progress
from beholder.taste.training import fit as run_fit
from beholder.taste.validation import HeldOut, ratings_as_pairs

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}
PERSONS = ("vector", "one_hot", "none")
_ROWS = 16_384  # rows that go through the network at once


@dataclass(frozen=True)
class MlpConfig:
    """Settings of the network and of its fit."""

    widths: list[int] = setting([384, 256, 128, 64, 32], "widths of the hidden layers; [] is linear")
    activation: str = setting("relu", "relu, gelu, silu or tanh")
    batchnorm: bool = setting(True, "whether each hidden layer has its batch's mean and spread taken out")
    dropout: float = setting(0.1, "share of a hidden layer's outputs dropped in training")
    person: str = setting("vector", "vector: learned; one_hot; none: the population's taste")
    person_size: int = setting(32, "length of a learned vector")
    person_dropout: float = setting(0.2, "share of judgements whose person is left out in training, for people it will not know")
    person_decay: float = setting(0.01, "weight decay of person vectors and of each person's own cuts")
    ensemble: int = setting(1, "networks of different seeds whose utilities are averaged")
    ratings_as: str = setting("cuts", "cuts: an ordered logit with each person's own cuts; pairs: the comparisons that they imply")
    pairs: int = setting(500, "with ratings_as=pairs: pairs of a person and attribute, at most")
    fit: TrainingConfig = setting(TrainingConfig(), "the training loop")

    def __post_init__(self) -> None:
        if any(width < 1 for width in self.widths):
            raise ConfigError(f"widths must be 1 or more each, got {self.widths}")
        for name, known in (("activation", list(ACTIVATIONS)), ("person", list(PERSONS)), ("ratings_as", ["cuts", "pairs"])):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name}={getattr(self, name)} is not known{nearest(getattr(self, name), known)}")
        for name in ("dropout", "person_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} must be in 0..1 and below 1, got {getattr(self, name)}")
        for name in ("person_size", "ensemble", "pairs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.person_decay < 0:
            raise ConfigError(f"person_decay must be 0 or more, got {self.person_decay}")


class BatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) of [N, D]; where training is spread over processes, a batch is all of them.

    torch's own works on one process's share only, or needs GPUs.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, size: int, *, momentum: float = 0.1, epsilon: float = 1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.momentum, self.epsilon = momentum, epsilon

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()  # sums over a batch are too coarse in bf16
        mean, variance = self._moments(x) if self.training else (self.mean, self.variance)
        return (x - mean) * torch.rsqrt(variance + self.epsilon) * self.weight + self.bias

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        sums = torch.cat([x.sum(dim=0), x.square().sum(dim=0), x.new_tensor([float(len(x))])])
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            from torch.distributed.nn.functional import all_reduce

            sums = all_reduce(sums)  # torch leaves it without types
        count = sums[-1].clamp(min=1)
        mean, square = (sums[:-1] / count).chunk(2)
        variance = (square - mean.square()).clamp(min=0)
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(variance * count / (count - 1).clamp(min=1), self.momentum)
        return mean, variance


class MlpNetwork(nn.Module):
    """The network: embedding [N, D] + person [N] -> utilities of every attribute [N, A]."""

    def __init__(self, config: MlpConfig, *, dims: int, people: int, attributes: int):
        super().__init__()
        size = {"vector": config.person_size, "one_hot": people, "none": 0}[config.person]
        self.people = nn.Parameter(0.1 * torch.randn(people, size)) if config.person == "vector" else None
        self.person_inputs, self.one_hot = size, config.person == "one_hot"
        sizes = [dims + size, *config.widths]
        # A bias that changes no judgement has a gradient of rounding errors only, which AdamW makes full steps of.
        self.layers = nn.ModuleList(nn.Linear(a, b, bias=not config.batchnorm) for a, b in itertools.pairwise(sizes))
        norms = [BatchNorm(width) if config.batchnorm else nn.Identity() for width in config.widths]
        self.norms = nn.ModuleList(norms)
        self.heads = nn.Linear(sizes[-1], attributes, bias=False)
        self.activation, self.dropout = ACTIVATIONS[config.activation], config.dropout

    def forward(self, x: Tensor, person: Tensor) -> Tensor:
        if self.person_inputs:
            x = torch.cat([x, self._person(person)], dim=1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = functional.dropout(self.activation(norm(layer(x))), self.dropout, self.training)
        utilities: Tensor = self.heads(x)
        return utilities

    def _person(self, person: Tensor) -> Tensor:
        """Return each person's vector; that of person -1 is zero."""
        known = (person >= 0)[:, None]
        row = person.clamp(min=0)
        if self.people is None:
            return functional.one_hot(row, self.person_inputs).float() * known
        return self.people[row] * known


class _Lookup(nn.Module):
    """The network on items by number."""

    def __init__(self, network: MlpNetwork, items: Tensor):
        super().__init__()
        self.inner = network
        self._items = [items]  # in a list, so that it is no buffer: it is neither fitted nor kept

    def forward(self, image: Tensor, person: Tensor, attribute: Tensor) -> Tensor:
        utilities: Tensor = self.inner(self._items[0][image], person)
        return utilities.gather(1, attribute[:, None])[:, 0]


class Mlp:
    """A taste that is the mean of fitted networks, on the CPU."""

    def __init__(self, info: TasteInfo, networks: Sequence[MlpNetwork], *, config: MlpConfig, tensors: Mapping[str, np.ndarray]):
        """tensors: mean and spread of each dimension float32 [D], slope float32 [A], and whatever else was fitted."""
        self.info, self.config = info, config
        self._networks = [network.eval().requires_grad_(False) for network in networks]
        self._tensors = dict(tensors)

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        column = self.info.attribute(attribute)
        mean = self._tensors["mean"]
        people = torch.as_tensor(self.info.rows(user_ids))
        x = torch.as_tensor((finite_embeddings(items, len(mean)).astype(np.float32) - mean) / self._tensors["spread"])
        utilities = np.zeros((len(people), len(x)), np.float32)
        step = max(_ROWS // max(len(x), 1), 1)
        with torch.inference_mode():
            for start in range(0, len(people), step):
                some = people[start : start + step]
                rows = x.repeat(len(some), 1), some.repeat_interleave(len(x))
                total = sum(network(*rows)[:, column] for network in self._networks)
                utilities[start : start + step] = torch.as_tensor(total).reshape(len(some), len(x)).numpy()
        return np.asarray(utilities * (self._tensors["slope"][column] / len(self._networks)))

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        utility = self.utilities(np.concatenate([left, right]), [user_id], attribute)[0]
        mean = utility[: len(left)] - utility[len(left) :]
        return Normal(mean, np.zeros_like(mean))

    def tensors(self) -> Mapping[str, np.ndarray]:
        return self._tensors | {
            f"{number}.{name}": tensor.numpy()
            for number, network in enumerate(self._networks)
            for name, tensor in network.state_dict().items()
        }

    def settings(self) -> TasteSettings:
        return dataclasses.asdict(self.config)


def fit(
    train: JudgementDataset,
    held_out: JudgementDataset,
    items: np.ndarray,
    config: MlpConfig,
    *,
    encoder_id: str,
    seed: int = 0,
    progress: Progress = no_progress,
    hooks: TrainingHooks | None = None,
) -> Mlp:
    """Fit to `train`; `held_out` stops it and sets the scale.

    items: embeddings float32 [N, D], one for each of train.images. hooks: how the training loop runs. Raises TasteError for too
    few judgements, EmbeddingError for items that don't fit.
    """
    if len(finite_embeddings(items, None)) != len(train.images):
        raise EmbeddingError(f"expected an embedding for each of {len(train.images)} images, got {len(items)}")
    if not len(train):
        raise TasteError("expected at least one judgement to fit to, got none")
    train = as_fitted(train, config, seed=seed)
    mean, spread = standard(items, train)
    x = torch.as_tensor((items.astype(np.float32) - mean) / spread, device=config.fit.place())
    validation = HeldOut.of(held_out)
    networks, differences = [], np.zeros(len(validation))
    epochs = config.fit.epochs
    for number in range(config.ensemble):
        task, network = prepare(train, validation, x, config, seed=seed * 1000 + number)
        reporting = with_progress(hooks, progress, done=number * epochs, total=config.ensemble * epochs)
        run_fit(task, config.fit, seed=seed * 1000 + number, name=f"network {number}", hooks=reporting)
        differences += validation.differences(_utility(network, x)) / config.ensemble
        networks.append(network.cpu())
    info = TasteInfo("mlp", encoder_id, train.attributes, train.people)
    scales = validation.logit_scales(differences).astype(np.float32)
    return Mlp(info, networks, config=config, tensors={"mean": mean, "spread": spread, "slope": scales})


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Mlp:
    """Rebuild what `tensors()` and `settings()` gave. Raises TasteError where they don't fit each other."""
    try:
        config = MlpConfig(**{**settings, "fit": TrainingConfig(**settings["fit"])})
        networks = []
        for number in range(config.ensemble):
            network = _network(config, dims=len(tensors["mean"]), info=info)
            prefix = f"{number}."
            own = {k.removeprefix(prefix): torch.as_tensor(v) for k, v in tensors.items() if k.startswith(prefix)}
            network.load_state_dict(own)
            networks.append(network)
        own_tensors = {name: np.asarray(tensors[name]) for name in ("mean", "spread", "slope")}
    except (TypeError, KeyError, RuntimeError) as error:
        raise TasteError(f"the tensors of this mlp taste don't fit its settings: {str(error).splitlines()[0]}") from None
    return Mlp(info, networks, config=config, tensors=own_tensors)


def without_person(
    info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str
) -> tuple[dict[str, np.ndarray], TasteSettings]:
    """Return tensors and settings without a person's vector, or their column."""
    row, left, dims = info.people.index(user_id), dict(tensors), len(tensors["mean"])
    first = ".layers.0.weight" if settings["widths"] else ".heads.weight"
    for name, value in tensors.items():
        if name.endswith(".people"):
            left[name] = np.delete(value, row, axis=0)
        elif settings["person"] == "one_hot" and name.endswith(first):
            left[name] = np.delete(value, dims + row, axis=1)
    return left, dict(settings)


def prepare(train: JudgementDataset, validation: HeldOut, x: Tensor, config: MlpConfig, *, seed: int) -> tuple[FitTask, MlpNetwork]:
    """Return one network's task for the training loop, and the network in it.

    x: standardised embeddings float32 [N, D] of train.images, on the device to fit on.
    """
    levels = RatingLevels.of(train)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MlpNetwork(config, dims=x.shape[1], people=len(train.people), attributes=len(train.attributes))
    likelihood = Likelihood(train, levels)
    objective = Objective(_Lookup(network, x), likelihood, person_dropout=config.person_dropout).to(x.device)
    judgements = JudgementTensors(train, levels=levels, device=str(x.device))

    def validate() -> float:
        return validation.loss(validation.differences(_utility(network, x)))

    groups = _groups(objective, config)
    task = FitTask(objective, len(judgements), judgements.take, validate if len(validation) else None, groups)
    return task, network


def as_fitted(train: JudgementDataset, config: MlpConfig, *, seed: int) -> JudgementDataset:
    """Return the judgements as this config takes them: with ratings_as=pairs, comparisons in the place of ratings."""
    if config.ratings_as == "cuts":
        return train
    return ratings_as_pairs(train, at_most=config.pairs, seed=seed)


def standard(items: np.ndarray, train: JudgementDataset) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and spread of each dimension over the images that `train` has judgements of, float32 [D] each."""
    judged = items[train.judged_images()].astype(np.float64)
    spread = np.maximum(judged.std(axis=0), 1e-6)
    return judged.mean(axis=0).astype(np.float32), spread.astype(np.float32)


def _network(config: MlpConfig, *, dims: int, info: TasteInfo) -> MlpNetwork:
    return MlpNetwork(config, dims=dims, people=len(info.people), attributes=len(info.attributes))


def _utility(network: MlpNetwork, x: Tensor) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Return utility(image, person, attribute) of a network in eval mode, for held-out judgements."""

    def utility(image: np.ndarray, person: np.ndarray, attribute: np.ndarray) -> np.ndarray:
        utilities = np.zeros(len(image), np.float32)
        with torch.inference_mode():
            for start in range(0, len(image), _ROWS):
                rows = slice(start, start + _ROWS)
                at, who, on = (torch.as_tensor(numbers[rows], device=x.device) for numbers in (image, person, attribute))
                utilities[rows] = network(x[at], who).gather(1, on[:, None])[:, 0].float().cpu().numpy()
        return utilities

    return utility


def _groups(objective: Objective, config: MlpConfig) -> list[dict[str, Any]]:
    """Return parameter groups: weights decay by fit.weight_decay, what is a person's own by person_decay, the rest not at all."""
    own, weights, rest = [], [], []
    for name, parameter in objective.named_parameters():
        if name.endswith((".people", ".shift", ".stretch")):
            own.append(parameter)
        elif name.endswith(".weight") and parameter.ndim == 2:
            weights.append(parameter)
        else:
            rest.append(parameter)
    decays = ((own, config.person_decay), (weights, config.fit.weight_decay), (rest, 0.0))
    return [{"params": parameters, "weight_decay": decay} for parameters, decay in decays if parameters]
