"""RankNet's network, its training, and the ranker around it: what of `ranknet` needs torch."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, silu

from beholder.errors import ChoiceError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers.history import ChoiceHistory, ComparisonPairs
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import EditRegressors, fit_regressors
from beholder.recommending.rankers.ranknet import RankNetConfig

_NETWORK = "network."  # before the names of its tensors
_CHECK_STEPS, _PATIENCE = 10, 10  # steps between two looks at the validation loss; looks without a better one, then it stops


class RankNetwork(nn.Module):
    """(regressors [N, F], people's vectors [N, V]) -> scores [N]."""

    def __init__(self, width: int, config: RankNetConfig) -> None:
        super().__init__()
        self.first = nn.Linear(width, config.hidden)
        self.person = nn.Linear(config.person_size, config.hidden, bias=False)
        self.second = nn.Linear(config.hidden, config.hidden)
        self.last = nn.Linear(config.hidden, 1, bias=False)

    @classmethod
    def empty(cls, width: int, config: RankNetConfig) -> "RankNetwork":
        """Return a network whose weights are undefined, and that leaves torch's own random numbers alone."""
        with torch.device("meta"):
            network = cls(width, config)
        return network.to_empty(device="cpu")

    def draw_weights(self, rng: torch.Generator) -> None:
        """Draw the weights that training starts from; biases are 0."""
        for layer in (self.first, self.person, self.second, self.last):
            spread = 0.3 if layer is self.person else layer.in_features**-0.5
            nn.init.normal_(layer.weight, std=spread, generator=rng)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, regressors: Tensor, vectors: Tensor) -> Tensor:
        return self.score(self.first(regressors), vectors)

    def score(self, first: Tensor, vectors: Tensor) -> Tensor:
        """Return scores [N] where the first layer's output [N, H] is known. vectors: [N, V], or [1, V] for all."""
        hidden = silu(first + self.person(vectors))
        result: Tensor = self.last(silu(self.second(hidden)))[:, 0]
        return result


class RankNet(Ranker):
    """Implements Ranker; a person's vector is fitted when it is first asked for."""

    def __init__(
        self, info: RankerInfo, regressors: EditRegressors, network: RankNetwork, history: ChoiceHistory, config: RankNetConfig
    ) -> None:
        self.info, self.regressors, self.history, self.config = info, regressors, history, config
        self.network = network.eval().requires_grad_(False)
        self._vectors: dict[str, tuple[int, Tensor]] = {}  # user_id -> the number of choices that it was fitted to, the vector

    def update(self, comparison: Comparison) -> None:
        self.info.check(comparison.left)
        self.info.check(comparison.right)
        self.history.add(comparison, self.regressors)

    def remove_person(self, user_id: str) -> bool:
        self._vectors.pop(user_id, None)
        return self.history.rows.pop(user_id, None) is not None

    def of_person(self, user_id: str | None) -> "RankNet":
        copy = RankNet(self.info, self.regressors, self.network, self.history.of_person(user_id), self.config)
        copy._vectors = {name: vector for name, vector in self._vectors.items() if name == user_id}
        return copy

    def joint(self, user_id: str, edit_set: EditSet) -> JointNormal:
        self.info.check(edit_set)
        rows = torch.from_numpy(self.regressors.of(edit_set).astype(np.float32))
        with torch.no_grad():
            mean = self.network(rows, self._vector(user_id)).double().numpy()
        return JointNormal(mean, np.zeros((len(mean), 0)))

    def tensors(self) -> Mapping[str, np.ndarray]:
        weights = {f"{_NETWORK}{name}": value.numpy() for name, value in self.network.state_dict().items()}
        return {**self.regressors.tensors(), **self.history.tensors(), **weights}

    def settings(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "people": list(self.history.rows)}

    def _vector(self, user_id: str) -> Tensor:
        """Return a person's vector [1, V], fitted from 0 to all their choices."""
        config, count = self.config, len(self.history.rows.get(user_id, ()))
        if not count:
            return torch.zeros(1, config.person_size)
        if user_id in self._vectors and self._vectors[user_id][0] == count:
            return self._vectors[user_id][1]
        left, right, outcome = _tensors(self.history.of([user_id]))
        first_left, first_right = self.network.first(left), self.network.first(right)
        vector = torch.zeros(1, config.person_size, requires_grad=True)
        optimiser = torch.optim.Adam([vector], lr=config.own_rate)
        with torch.enable_grad():
            for _ in range(config.own_steps):
                logits = self.network.score(first_left, vector) - self.network.score(first_right, vector)
                loss = _losses(logits, outcome).sum() + config.own_penalty * vector.square().sum() / 2
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        self._vectors[user_id] = count, vector.detach()
        return self._vectors[user_id][1]


def fit(comparisons: Sequence[Comparison], config: RankNetConfig, *, seed: int = 0) -> RankNet:
    """Train the network on everybody's choices; a tenth of them, held out, say when to stop."""
    regressors = fit_regressors(comparisons, components=0)
    history = ChoiceHistory(regressors.width)
    for comparison in comparisons:
        history.add(comparison, regressors)
    network = _train(history, config, torch.Generator().manual_seed(seed))
    info = RankerInfo("ranknet", comparisons[0].left.directions, comparisons[0].left.embeddings.shape[1])
    return RankNet(info, regressors, network, history, config)


def load(info: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> RankNet:
    """Rebuild a ranker from what `tensors()` and `settings()` gave. Raises ChoiceError for the weights of another network."""
    regressors, config = EditRegressors.of_tensors(tensors), RankNetConfig(**settings["config"])
    network = RankNetwork.empty(regressors.width, config)
    weights = {name.removeprefix(_NETWORK): torch.tensor(each) for name, each in tensors.items() if name.startswith(_NETWORK)}
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ChoiceError(f"these are no weights of this RankNet: {str(error).splitlines()[-1].strip()}") from None
    return RankNet(info, regressors, network, ChoiceHistory.of_tensors(tensors, settings["people"]), config)


def _train(history: ChoiceHistory, config: RankNetConfig, rng: torch.Generator) -> RankNetwork:
    """Return the network with the weights of its lowest validation loss."""
    left, right, outcome = _tensors(history.of(history.rows))
    person = torch.repeat_interleave(torch.arange(len(history.rows)), torch.tensor(history.counts()))
    held_out = torch.rand(len(outcome), generator=rng) < 0.1
    if not bool(held_out.any()) or bool(held_out.all()):
        held_out = torch.arange(len(outcome)) == 0
    train, test = torch.nonzero(~held_out)[:, 0], torch.nonzero(held_out)[:, 0]
    network = RankNetwork.empty(history.width, config)
    network.draw_weights(rng)
    vectors = (0.1 * torch.randn(len(history.rows), config.person_size, generator=rng)).requires_grad_()
    groups = [
        {"params": list(network.parameters()), "weight_decay": config.weight_decay},
        {"params": [vectors], "weight_decay": 0.0, "lr": 10 * config.learning_rate},
    ]
    optimiser = torch.optim.AdamW(groups, lr=config.learning_rate)

    def losses(rows: Tensor, keep: Tensor) -> Tensor:
        """Return the losses of choices. keep [N, 1]: 1, or 0 where the person is left out."""
        own = vectors[person[rows]] * keep
        return _losses(network(left[rows], own) - network(right[rows], own), outcome[rows])

    best, best_weights, waited = float("inf"), _copy(network), 0
    for step in range(1, config.steps + 1):
        rows = train[torch.randint(len(train), (min(512, len(train)),), generator=rng)]
        keep = (torch.rand(len(rows), 1, generator=rng) >= config.person_dropout).float()
        loss = losses(rows, keep).mean() + config.own_penalty * vectors.square().sum() / 2 / len(train)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % _CHECK_STEPS == 0:
            with torch.no_grad():
                validation = float(losses(test, torch.ones(len(test), 1)).mean())
            waited = 0 if validation < best else waited + 1
            if validation < best:
                best, best_weights = validation, _copy(network)
            if waited >= _PATIENCE:
                break
    network.load_state_dict(best_weights)
    return network


def _copy(network: RankNetwork) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _losses(logits: Tensor, outcome: Tensor) -> Tensor:
    """Return -log P of choices, [N]. logits: of the left side being chosen."""
    return binary_cross_entropy_with_logits(logits, outcome, reduction="none")


def _tensors(pairs: ComparisonPairs) -> tuple[Tensor, Tensor, Tensor]:
    """Return the regressors of both sides [N, F] and the outcomes [N], float32."""
    return torch.from_numpy(pairs.left), torch.from_numpy(pairs.right), torch.from_numpy(pairs.outcome.astype(np.float32))
