"""Perceiving, learned: a perception's network fitted to lessons, and how far it is off on those it never saw."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from beholder.config import setting
from beholder.editing.directions import Direction
from beholder.editing.stylegan import StyleGAN
from beholder.errors import ConfigError, WeightsError
from beholder.recommending.surrogate.surrogate_dataset import SurrogateDataset
from beholder.recommending.surrogate.surrogate_model import Surrogate, SurrogateInfo, SurrogateNetwork, SurrogateSizes
from beholder.storage import Place

_EVERY = 5  # epochs after which a training is kept


@dataclass(frozen=True)
class SurrogateTrainingConfig:
    """The network and its training."""

    parts: int = setting(64, "principal parts of w+ that it sees")
    width: int = setting(512, "of its layers")
    blocks: int = setting(2, "residual blocks")
    epochs: int = setting(60, "times that it sees every lesson")
    batch: int = setting(128, "lessons in one step")
    learning_rate: float = setting(2e-3, "at its highest; it falls to nothing along a cosine")
    weight_decay: float = setting(0.05, "of AdamW")
    whitening: float = setting(0.1, "errors count by the spread of embeddings in their direction, this share of the mean one added")
    held_out: float = setting(0.06, "share of the lessons that only measure")
    seed: int = setting(5, "of the first weights and the order of lessons")

    def __post_init__(self) -> None:
        for name in ("parts", "width", "blocks", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training.{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.held_out < 1:
            raise ConfigError(f"training.held_out is a share between 0 and 1, got {self.held_out}")
        if self.learning_rate <= 0 or self.weight_decay < 0 or self.whitening <= 0:
            raise ConfigError("training.learning_rate and whitening must be above 0, weight_decay at least 0")


def learn(
    editor: StyleGAN,
    info: SurrogateInfo,
    lessons: SurrogateDataset,
    config: SurrogateTrainingConfig,
    *,
    keep: Place | None = None,
    progress: Callable[[int, int], None] = lambda epoch, epochs: None,
) -> tuple[Surrogate, dict[str, float]]:
    """A perception fitted to lessons, and its figures on the held-out ones: `error` and `cosine`.

    error: the squared error of embeddings as a share of their variance, 0 for a perfect perception and 1 for one that always
    tells the mean. cosine: between told and true, on average. keep: a folder where the training is kept every few epochs; a
    stopped one goes on from there to the very same end, and once it is there nothing stays.
    """
    held_out = max(1, round(config.held_out * len(lessons)))
    ws, alphas, wanted = (torch.from_numpy(part) for part in (lessons.ws, lessons.alphas, lessons.embeddings))
    train, test = slice(0, len(lessons) - held_out), slice(len(lessons) - held_out, None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = _blank(editor, lessons, wanted.shape[1], config, ws[train], alphas[train])
    seen = network.seen(ws)
    course = SurrogateTraining(network, config, _whitening(wanted[train], config.whitening), len(seen[train]))
    place = None if keep is None else keep / f"{_key(info, lessons, config)}.safetensors"
    if place is not None and place.is_file():
        course.resume(place)
    network.train()
    for epoch in range(course.epoch, config.epochs):
        course.run(seen[train], alphas[train], wanted[train])
        if place is not None and course.epoch % _EVERY == 0:
            course.keep(place)
        progress(epoch + 1, config.epochs)
    if place is not None and place.is_file():
        place.delete()
    with torch.no_grad():
        figures = _figures(network(seen[test], alphas[test]), wanted[test], wanted[train].mean(dim=0))
    return Surrogate(info, network), figures


class SurrogateTraining:
    """A training on its way: a network, its optimiser, and how many epochs are done."""

    def __init__(self, network: SurrogateNetwork, config: SurrogateTrainingConfig, weigh: Tensor, count: int) -> None:
        self.network, self.config, self.weigh, self.count = network, config, weigh, count
        self.steps = config.epochs * math.ceil(count / config.batch)
        self.weights = list(network.parameters())
        self.optimiser = torch.optim.AdamW(self.weights, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.epoch = self.step = 0

    def run(self, seen: Tensor, alphas: Tensor, wanted: Tensor) -> None:
        """One epoch: every lesson once, in an order of the seed and the epoch."""
        order = torch.randperm(self.count, generator=torch.Generator().manual_seed(1_000_003 * self.config.seed + self.epoch))
        for rows in order.split(self.config.batch):
            for group in self.optimiser.param_groups:
                group["lr"] = self.config.learning_rate * _rate(self.step, self.steps)
            loss = ((self.network(seen[rows], alphas[rows]) - wanted[rows]) @ self.weigh).square().sum(dim=1).mean()
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
            self.optimiser.step()
            self.step += 1
        self.epoch += 1

    def keep(self, place: Place) -> None:
        """Write where the training stands."""
        from safetensors.torch import save

        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for number, weight in enumerate(self.weights):
            state = self.optimiser.state[weight]
            tensors |= {f"{name}.{number}": state[name] for name in ("exp_avg", "exp_avg_sq", "step")}
        told = torch.tensor([self.epoch, self.step])
        place.write_bytes(save({name: value.clone().contiguous() for name, value in (tensors | {"told": told}).items()}))

    def resume(self, place: Place) -> None:
        """Stand where `keep` wrote. Raises WeightsError for a file that is broken."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            tensors = load(place.read_bytes())
            self.epoch, self.step = (int(value) for value in tensors["told"])
            self.network.load_state_dict({name: tensors[f"network.{name}"] for name in self.network.state_dict()})
            for number, weight in enumerate(self.weights):
                self.optimiser.state[weight] = {name: tensors[f"{name}.{number}"] for name in ("exp_avg", "exp_avg_sq", "step")}
        except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise WeightsError(f"{place.uri} is no training to go on from ({reason}): delete it to begin anew") from None


def _key(info: SurrogateInfo, lessons: SurrogateDataset, config: SurrogateTrainingConfig) -> str:
    """A name that changes with what is trained on and how."""
    told = [info.made_for, dict(info.directions), len(lessons), float(lessons.ws.sum()), asdict(config)]
    return f"perceiving-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"


def _rate(step: int, steps: int) -> float:
    warm = min(100, steps // 10 + 1)
    return min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * step / steps)))


def _blank(
    editor: StyleGAN, lessons: SurrogateDataset, embedding: int, config: SurrogateTrainingConfig, ws: Tensor, alphas: Tensor
) -> SurrogateNetwork:
    """The network before it learns, set up to see what varies in edited latents."""
    rows, w_dim = ws.shape[1:]
    directions = [editor.directions[name] for name in lessons.directions]
    steps = torch.stack([_step(each, rows, w_dim) for each in directions])
    flat = ws.flatten(1) + alphas @ steps
    parts = min(config.parts, *flat.shape)
    network = SurrogateNetwork(SurrogateSizes(rows, w_dim, len(directions), embedding, parts, config.width, config.blocks))
    centre = flat.mean(dim=0)
    _, values, axes = torch.svd_lowrank(flat - centre, q=parts, niter=4)
    variances = values.square() / len(flat)
    network.centre.copy_(centre)
    network.seeing.copy_(axes / (variances + 1e-3 * variances[0]).sqrt())
    network.seeing.copy_(network.seeing.half())  # as it will be kept
    network.steps.copy_((steps @ network.seeing).half())
    network.span.copy_(torch.tensor([max(abs(end) for end in each.range) for each in directions]))
    return network


def _step(direction: Direction, rows: int, w_dim: int) -> Tensor:
    """What alpha 1 adds to w+, flat; zeros for a move in z or s, of which a network knows the alpha alone."""
    found = torch.zeros(rows, w_dim)
    if direction.space in ("w", "w+"):
        found[slice(*direction.layers)] += direction.step
    return found.flatten()


def _whitening(embeddings: Tensor, share: float) -> Tensor:
    """What errors are multiplied by, [E, E]: ways in which embeddings hardly differ count more than by their size."""
    values, axes = torch.linalg.eigh(torch.cov(embeddings.T))
    values = values.clamp(min=0)
    scales = (values + share * values.mean()).rsqrt()
    result: Tensor = axes * (scales / scales.square().mul(values).sum().sqrt())
    return result


def _figures(found: Tensor, wanted: Tensor, mean: Tensor) -> dict[str, float]:
    error = (found - wanted).square().sum() / (wanted - mean).square().sum()
    return {"error": float(error), "cosine": float((found * wanted).sum(dim=1).mean())}
