"""The training of a surrogate: its network fitted to a dataset, with checkpoints, and its error on held-out samples."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from beholder import artifacts
from beholder.config import setting
from beholder.editing.directions import Direction
from beholder.editing.stylegan import StyleGAN
from beholder.errors import ArtifactError, ConfigError, WeightsError
from beholder.recommending.surrogate.surrogate_dataset import SurrogateDataset
from beholder.recommending.surrogate.surrogate_model import Surrogate, SurrogateInfo, SurrogateNetwork, SurrogateSizes
from beholder.storage import Place

_COUNTS = "told"  # the tensor of a checkpoint that holds epoch and step, as version 0.1.0 named it
_EVERY = 5  # epochs between two checkpoints


@dataclass(frozen=True)
class SurrogateTrainingConfig:
    """The network and its training."""

    parts: int = setting(64, "principal components of w+ that the network sees")
    width: int = setting(512, "width of the network's layers")
    blocks: int = setting(2, "residual blocks of the network")
    epochs: int = setting(60, "epochs of training")
    batch: int = setting(128, "samples in a batch")
    learning_rate: float = setting(2e-3, "learning rate at its highest; it falls to 0 along a cosine")
    weight_decay: float = setting(0.05, "weight decay of AdamW")
    whitening: float = setting(
        0.1, "share of the mean variance of embeddings that is added to each principal one when errors are whitened"
    )
    held_out: float = setting(0.06, "share of the samples that only measure the error")
    seed: int = setting(5, "seed of the first weights and the order of samples")

    def __post_init__(self) -> None:
        for name in ("parts", "width", "blocks", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training.{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.held_out < 1:
            raise ConfigError(f"training.held_out is a share between 0 and 1, got {self.held_out}")
        if self.learning_rate <= 0 or self.weight_decay < 0 or self.whitening <= 0:
            raise ConfigError("training.learning_rate and whitening must be above 0, weight_decay at least 0")


def fit(
    editor: StyleGAN,
    info: SurrogateInfo,
    dataset: SurrogateDataset,
    config: SurrogateTrainingConfig,
    *,
    checkpoints: Place | None = None,
    progress: Callable[[int, int], None] = lambda epoch, epochs: None,
) -> tuple[Surrogate, dict[str, float]]:
    """Fit a surrogate to a dataset; returns it and its figures on held-out samples, `error` and `cosine`.

    error: the squared error of embeddings as a share of their variance: 0 for a perfect surrogate, 1 for one that always predicts
    the mean. cosine: of predicted and true embeddings, on average. checkpoints: a folder for a checkpoint every few epochs, from
    which a stopped training goes on to the very same end; it is removed at the end.
    """
    held_out = max(1, round(config.held_out * len(dataset)))
    ws, alphas, embeddings = (torch.from_numpy(part) for part in (dataset.ws, dataset.alphas, dataset.embeddings))
    train, test = slice(0, len(dataset) - held_out), slice(len(dataset) - held_out, None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = _initial(editor, dataset, embeddings.shape[1], config, ws[train], alphas[train])
    components = network.components(ws)
    training = SurrogateTraining(network, config, _whitening(embeddings[train], config.whitening), len(components[train]))
    place = None if checkpoints is None else checkpoints / f"{_key(info, dataset, config)}.safetensors"
    if place is not None and place.is_file():
        training.resume(place)
    network.train()
    for epoch in range(training.epoch, config.epochs):
        training.run(components[train], alphas[train], embeddings[train])
        if place is not None and training.epoch % _EVERY == 0:
            training.write(place)
        progress(epoch + 1, config.epochs)
    if place is not None and place.is_file():
        place.delete()
    with torch.no_grad():
        figures = _figures(network(components[test], alphas[test]), embeddings[test], embeddings[train].mean(dim=0))
    return Surrogate(info, network), figures


class SurrogateTraining:
    """A training in progress: a network, its optimiser, and how many epochs are done. whitening: what errors are multiplied by."""

    def __init__(self, network: SurrogateNetwork, config: SurrogateTrainingConfig, whitening: Tensor, count: int) -> None:
        self.network, self.config, self.whitening, self.count = network, config, whitening, count
        self.steps = config.epochs * math.ceil(count / config.batch)
        self.weights = list(network.parameters())
        self.optimiser = torch.optim.AdamW(self.weights, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.epoch = self.step = 0

    def run(self, components: Tensor, alphas: Tensor, embeddings: Tensor) -> None:
        """Train for an epoch: every sample once, in an order that the seed and the epoch decide."""
        order = torch.randperm(self.count, generator=torch.Generator().manual_seed(1_000_003 * self.config.seed + self.epoch))
        for rows in order.split(self.config.batch):
            for group in self.optimiser.param_groups:
                group["lr"] = self.config.learning_rate * _rate(self.step, self.steps)
            errors = self.network(components[rows], alphas[rows]) - embeddings[rows]
            loss = (errors @ self.whitening).square().sum(dim=1).mean()
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
            self.optimiser.step()
            self.step += 1
        self.epoch += 1

    def write(self, place: Place) -> None:
        """Write a checkpoint."""
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for number, weight in enumerate(self.weights):
            state = self.optimiser.state[weight]
            tensors |= {f"{name}.{number}": state[name] for name in ("exp_avg", "exp_avg_sq", "step")}
        tensors[_COUNTS] = torch.tensor([self.epoch, self.step])
        place.write_bytes(artifacts.dump(tensors))

    def resume(self, place: Place) -> None:
        """Go on from what `write` wrote. Raises WeightsError for a file that is broken."""
        try:
            tensors = artifacts.parse_tensors(place.read_bytes()).tensors
            self.epoch, self.step = (int(value) for value in tensors[_COUNTS])
            self.network.load_state_dict({name: tensors[f"network.{name}"] for name in self.network.state_dict()})
            for number, weight in enumerate(self.weights):
                self.optimiser.state[weight] = {name: tensors[f"{name}.{number}"] for name in ("exp_avg", "exp_avg_sq", "step")}
        except (ArtifactError, KeyError, ValueError, RuntimeError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise WeightsError(f"{place.uri} is no checkpoint to go on from ({reason}): delete it to begin anew") from None


def _key(info: SurrogateInfo, dataset: SurrogateDataset, config: SurrogateTrainingConfig) -> str:
    """Return a checkpoint's name, which changes with what is trained on and how; as version 0.1.0 wrote it."""
    parts = [info.made_for, dict(info.directions), len(dataset), float(dataset.ws.sum()), asdict(config)]
    return f"perceiving-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


def _rate(step: int, steps: int) -> float:
    """Return the learning rate of a step as a share of the highest: a linear warm-up, then a cosine."""
    warm = min(100, steps // 10 + 1)
    return min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * step / steps)))


def _initial(
    editor: StyleGAN, dataset: SurrogateDataset, embedding: int, config: SurrogateTrainingConfig, ws: Tensor, alphas: Tensor
) -> SurrogateNetwork:
    """Return the network before training, its buffers set to the principal components of edited latents."""
    rows, w_dim = ws.shape[1:]
    directions = [editor.directions[name] for name in dataset.directions]
    steps = torch.stack([_step(each, rows, w_dim) for each in directions])
    flat = ws.flatten(1) + alphas @ steps
    parts = min(config.parts, *flat.shape)
    network = SurrogateNetwork(SurrogateSizes(rows, w_dim, len(directions), embedding, parts, config.width, config.blocks))
    centre = flat.mean(dim=0)
    _, values, axes = torch.svd_lowrank(flat - centre, q=parts, niter=4)
    variances = values.square() / len(flat)
    network.centre.copy_(centre)
    network.seeing.copy_(axes / (variances + 1e-3 * variances[0]).sqrt())
    network.seeing.copy_(network.seeing.half())  # as it will be stored
    network.steps.copy_((steps @ network.seeing).half())
    network.span.copy_(torch.tensor([max(abs(end) for end in each.range) for each in directions]))
    return network


def _step(direction: Direction, rows: int, w_dim: int) -> Tensor:
    """Return what alpha 1 adds to w+, flat; zeros for a move in z or s, of which a network sees the alpha alone."""
    step = torch.zeros(rows, w_dim)
    if direction.space in ("w", "w+"):
        step[slice(*direction.layers)] += direction.step
    return step.flatten()


def _whitening(embeddings: Tensor, share: float) -> Tensor:
    """Return the whitening matrix of errors [E, E]: directions in which embeddings hardly differ count more than by size."""
    values, axes = torch.linalg.eigh(torch.cov(embeddings.T))
    values = values.clamp(min=0)
    scales = (values + share * values.mean()).rsqrt()
    result: Tensor = axes * (scales / scales.square().mul(values).sum().sqrt())
    return result


def _figures(predicted: Tensor, true: Tensor, mean: Tensor) -> dict[str, float]:
    error = (predicted - true).square().sum() / (true - mean).square().sum()
    return {"error": float(error), "cosine": float((predicted * true).sum(dim=1).mean())}
