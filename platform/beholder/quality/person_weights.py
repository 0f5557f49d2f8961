"""Person weights: what the log-likelihood of each person's judgements is multiplied by in a fit, from the table that `quality`
wrote."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from beholder import tables
from beholder.config import setting
from beholder.errors import ConfigError, nearest
from beholder.runs import log
from beholder.taste.dataset import JudgementDataset
from beholder.workspace import Workspace

KINDS = ("none", "quality")


@dataclass(frozen=True)
class JudgementsConfig:
    """How judgements enter a fit."""

    weights: str = setting("none", "weights of people's judgements: none, or quality: those that beholder quality found")

    def __post_init__(self) -> None:
        if self.weights not in KINDS:
            raise ConfigError(
                f"judgements.weights={self.weights}: expected {' or '.join(KINDS)}{nearest(self.weights, list(KINDS))}"
            )


@dataclass(frozen=True)
class PersonWeights:
    """Weights by user_id, of those whose judgements don't count in full. known: how many people were looked at."""

    below_one: dict[str, float]
    known: int

    @classmethod
    def read(cls, workspace: Workspace) -> "PersonWeights":
        """Return the weights that `beholder quality` left in a workspace. Raises ConfigError where it has not run there."""
        table = workspace.read("quality")
        if not table.num_rows:
            raise ConfigError(
                f"judgements.weights=quality needs what beholder quality finds, and {workspace.place.uri} has nothing of it; "
                f"run beholder quality workspace={workspace.place.uri} first"
            )
        pairs = zip(table["user_id"].to_pylist(), table["weight"].to_pylist(), strict=True)
        return cls({user_id: weight for user_id, weight in pairs if weight < 1}, table.num_rows)

    def of(self, people: Sequence[str]) -> np.ndarray:
        """Return the weight of each person, float64 [P]; 1 for somebody who was not looked at."""
        return np.array([self.below_one.get(user_id, 1.0) for user_id in people], np.float64)

    def on(self, dataset: JudgementDataset) -> JudgementDataset:
        """Return judgements that have these weights."""
        return replace(dataset, weights=self.of(dataset.people))


def read_weights(config: JudgementsConfig, workspace: Workspace) -> PersonWeights | None:
    """Return the weights that a config asks for; None: all judgements count in full."""
    if config.weights == "none":
        return None
    weights = PersonWeights.read(workspace)
    log.info("judgements of %d of %d people count less than in full", len(weights.below_one), weights.known)
    return weights


def write_weights(workspace: Workspace, people: pd.DataFrame) -> None:
    """Let a workspace have the verdicts on these people, and no others. people: with user_id, verdict and weight."""
    rows = pa.Table.from_pandas(people[tables.QUALITY.names], preserve_index=False)
    workspace.write("quality", tables.conform(rows, tables.QUALITY, name="verdicts"))
