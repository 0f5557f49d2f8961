"""PreferenceRankNet: a small network that scores an edit for a person, trained on pairs with the logistic loss.

score(edit, person) = net([features of the edit, the person's vector]). Everybody's choices train the network and their vectors;
somebody new has the vector 0, and their own choices then move their vector alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers import ranker_features
from beholder.recommending.rankers.history import ChoiceHistory, ComparisonPairs
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import EditRegressors, TastePrior

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class RankNetConfig:
    hidden: int = setting(48, "width of the two hidden layers")
    person_size: int = setting(8, "numbers of a person's vector")
    learning_rate: float = setting(0.003, "of AdamW, for the network")
    weight_decay: float = setting(0.03, "of the network")
    steps: int = setting(400, "of training at most; it stops where kept-out choices do")
    person_dropout: float = setting(0.2, "share of choices shown without the person, so that somebody new is served too")
    own_steps: int = setting(40, "steps for a person's own vector after new choices")
    own_rate: float = setting(0.05, "learning rate of those")
    own_penalty: float = setting(0.5, "of a person's squared vector, in choices")

    def __post_init__(self) -> None:
        if min(self.hidden, self.person_size, self.steps, self.own_steps) < 1 or min(self.learning_rate, self.own_rate) <= 0:
            raise ConfigError("ranker.ranknet: hidden, person_size, steps and own_steps must be at least 1, the rates above 0")
        if not 0 <= self.person_dropout < 1 or self.own_penalty < 0 or self.weight_decay < 0:
            raise ConfigError("ranker.ranknet.person_dropout must be in 0..1, own_penalty and weight_decay at least 0")


class RankNet(Ranker):
    """Signs the contract; a person's vector is found when it is first asked for."""

    def __init__(
        self,
        info: RankerInfo,
        regressors: EditRegressors,
        layers: Mapping[str, "Tensor"],
        history: ChoiceHistory,
        config: RankNetConfig,
    ):
        self.info, self.regressors, self.layers, self.history, self.config = info, regressors, dict(layers), history, config
        self._own: dict[str, tuple[int, Tensor]] = {}

    def update(self, comparison: Comparison) -> None:
        self.info.check(comparison.left)
        self.info.check(comparison.right)
        self.history.add(comparison, self.regressors)

    def remove_person(self, user_id: str) -> bool:
        self._own.pop(user_id, None)
        return self.history.rows.pop(user_id, None) is not None

    def of_person(self, user_id: str | None) -> "RankNet":
        copy = RankNet(self.info, self.regressors, self.layers, self.history.of_person(user_id), self.config)
        copy._own = {name: own for name, own in self._own.items() if name == user_id}
        return copy

    def joint(self, user_id: str, edit_set: EditSet) -> JointNormal:
        import torch

        self.info.check(edit_set)
        rows = torch.from_numpy(self.regressors.of(edit_set).astype(np.float32))
        with torch.no_grad():
            mean = _score(self.layers, rows, self._vector(user_id).expand(len(rows), -1)).double().numpy()
        return JointNormal(mean, np.zeros((len(mean), 0)))

    def tensors(self) -> Mapping[str, np.ndarray]:
        layers = {f"layers.{name}": value.numpy() for name, value in self.layers.items()}
        return {**self.regressors.tensors(), **self.history.tensors(), **layers}

    def settings(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "people": list(self.history.rows)}

    def _vector(self, user_id: str) -> "Tensor":
        """A person's vector [1, V], from 0 by all their choices."""
        import torch

        config, count = self.config, len(self.history.rows.get(user_id, ()))
        if not count:
            return torch.zeros(1, config.person_size)
        if user_id in self._own and self._own[user_id][0] == count:
            return self._own[user_id][1]
        left, right, outcome = _tensors(self.history.of([user_id]))
        vector = torch.zeros(1, config.person_size, requires_grad=True)
        optimiser = torch.optim.Adam([vector], lr=config.own_rate)
        parts = {"left": left @ self.layers["first"].T, "right": right @ self.layers["first"].T}
        with torch.enable_grad():
            for _ in range(config.own_steps):
                moved = vector @ self.layers["person"].T
                gap = _rest(self.layers, parts["left"] + moved) - _rest(self.layers, parts["right"] + moved)
                loss = _loss(gap, outcome).sum() + config.own_penalty * vector.square().sum() / 2
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        self._own[user_id] = count, vector.detach()
        return self._own[user_id][1]


def fit(
    comparisons: Sequence[Comparison], config: RankNetConfig, *, taste_prior: TastePrior | None = None, seed: int = 0
) -> RankNet:
    """Train the network on everybody's choices; a tenth of them, kept out, say when to stop."""
    import torch

    regressors = ranker_features.find(comparisons, components=0)
    history = ChoiceHistory(regressors.width)
    for comparison in comparisons:
        history.add(comparison, regressors)
    rng = torch.Generator().manual_seed(seed)
    left, right, outcome = _tensors(history.of(history.rows))
    person = torch.repeat_interleave(torch.arange(len(history.rows)), torch.tensor(history.counts()))
    out = torch.rand(len(outcome), generator=rng) < 0.1
    out = out if bool(out.any()) and not bool(out.all()) else torch.arange(len(outcome)) == 0
    layers = _start(regressors.width, config, rng)
    vectors = torch.zeros(len(history.rows), config.person_size, requires_grad=True)
    with torch.no_grad():
        vectors += 0.1 * torch.randn(vectors.shape, generator=rng)
    groups = [
        {"params": list(layers.values()), "weight_decay": config.weight_decay},
        {"params": [vectors], "weight_decay": 0.0, "lr": 10 * config.learning_rate},
    ]
    optimiser = torch.optim.AdamW(groups, lr=config.learning_rate)
    best, patience = (float("inf"), {name: value.detach().clone() for name, value in layers.items()}), 0

    def gap(rows: "Tensor", keep: "Tensor") -> "Tensor":
        own = vectors[person[rows]] * keep
        return _score(layers, left[rows], own) - _score(layers, right[rows], own)

    kept, tested = torch.nonzero(~out)[:, 0], torch.nonzero(out)[:, 0]
    for step in range(config.steps):
        rows = kept[torch.randint(len(kept), (min(512, len(kept)),), generator=rng)]
        keep = (torch.rand(len(rows), 1, generator=rng) >= config.person_dropout).float()
        own = config.own_penalty * vectors.square().sum() / 2 / len(kept)
        loss = _loss(gap(rows, keep), outcome[rows]).mean() + own
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 10 == 9:
            with torch.no_grad():
                now = float(_loss(gap(tested, torch.ones(len(tested), 1)), outcome[tested]).mean())
            patience = 0 if now < best[0] else patience + 1
            if now < best[0]:
                best = now, {name: value.detach().clone() for name, value in layers.items()}
            if patience >= 10:
                break
    info = RankerInfo("ranknet", comparisons[0].left.directions, comparisons[0].left.embeddings.shape[1])
    return RankNet(info, regressors, best[1], history, config)


def load(
    info: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, taste_prior: TastePrior | None = None
) -> RankNet:
    """From what `tensors()` and `settings()` gave."""
    import torch

    layers = {name.removeprefix("layers."): torch.tensor(value) for name, value in tensors.items() if name.startswith("layers.")}
    history = ChoiceHistory.of_tensors(tensors, settings["people"])
    return RankNet(info, EditRegressors.of_tensors(tensors), layers, history, RankNetConfig(**settings["config"]))


def _start(width: int, config: RankNetConfig, rng: Any) -> dict[str, "Tensor"]:
    import torch

    def weights(rows: int, columns: int, spread: float) -> "Tensor":
        return (spread * torch.randn(rows, columns, generator=rng)).requires_grad_()

    hidden = config.hidden
    found = {
        "first": weights(hidden, width, 1 / width**0.5), "person": weights(hidden, config.person_size, 0.3),
        "second": weights(hidden, hidden, 1 / hidden**0.5), "last": weights(1, hidden, 1 / hidden**0.5),
    }  # fmt: skip
    return found | {f"{name}_bias": torch.zeros(hidden, requires_grad=True) for name in ("first", "second")}


def _score(layers: Mapping[str, "Tensor"], rows: "Tensor", own: "Tensor") -> "Tensor":
    """Scores [N] of edits [N, F] for people [N, V]."""
    return _rest(layers, rows @ layers["first"].T + own @ layers["person"].T)


def _rest(layers: Mapping[str, "Tensor"], reached: "Tensor") -> "Tensor":
    """From before the first bend."""
    from torch.nn import functional

    hidden = functional.silu(reached + layers["first_bias"])
    hidden = functional.silu(hidden @ layers["second"].T + layers["second_bias"])
    return (hidden @ layers["last"].T)[:, 0]


def _loss(gap: "Tensor", outcome: "Tensor") -> "Tensor":
    from torch.nn import functional

    return functional.binary_cross_entropy_with_logits(gap, outcome, reduction="none")


def _tensors(pairs: ComparisonPairs) -> tuple["Tensor", "Tensor", "Tensor"]:
    import torch

    return torch.from_numpy(pairs.left), torch.from_numpy(pairs.right), torch.from_numpy(pairs.outcome.astype(np.float32))
