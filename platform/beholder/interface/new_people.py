"""New people: a taste judged on those whom it meets with a handful of comparisons, as `beholder evaluate split=person` does."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from beholder import evaluation
from beholder.errors import InputError
from beholder.evaluation import Confidences
from beholder.interface.embedding_input import EmbeddedImages
from beholder.taste import few_shots, splits, taste_factory, utility_table, warm_images
from beholder.taste.dataset import JudgementDataset
from beholder.taste.splits import Split
from beholder.taste.taste_factory import TasteConfig

_PAIRS = 200  # most test pairs that a person's ratings imply for an attribute


@dataclass
class JudgedShots:
    """By number of comparisons: what `evaluation.agree` found, a table for each fold, and how sure the taste was."""

    tables: dict[int, list[pd.DataFrame]] = field(default_factory=dict)
    confidences: dict[int, list[Confidences]] = field(default_factory=dict)

    def add(self, count: int, table: pd.DataFrame, sure: Confidences) -> None:
        """Add a fold."""
        self.tables.setdefault(count, []).append(table)
        self.confidences.setdefault(count, []).append(sure)

    def by_count(self) -> dict[int, pd.DataFrame]:
        """Return the folds of each count as one table."""
        return {count: pd.concat(parts, ignore_index=True) for count, parts in self.tables.items()}


def judge(
    dataset: JudgementDataset,
    known: EmbeddedImages,
    config: TasteConfig,
    *,
    shots: Sequence[int],
    folds: int,
    crowd: bool,
    seed: int,
) -> tuple[JudgedShots, JudgedShots]:
    """Return how a taste did on each person as a new one, and with what others said of the images of the test (crowd).

    Raises InputError for fewer people than folds.
    """
    if not 2 <= folds <= len(dataset.people):
        raise InputError(f"folds={folds}: expected 2 or more, and as many people; {len(dataset.people)} judged these images")
    split = Split(*splits.by_image(dataset, seed=seed))
    fitted_to = np.isin(np.arange(len(dataset.images)), split.train.judged_images())
    everybody, vectors, rows = replace(config, kind="population"), known.vectors, np.arange(len(dataset.images))
    cold, warm = JudgedShots(), JudgedShots()
    enough = np.ones(len(dataset.people), bool)
    for fold in few_shots.divide(dataset, split, folds=folds, enough=enough, at_most=_PAIRS, seed=seed):
        if not len(fold.train) or not len(fold.asked):
            continue
        test, asked, encoder_id = fold.test, fold.asked, known.encoder_id
        shared = taste_factory.fit(fold.train, fold.held_out, vectors, everybody, encoder_id=encoder_id, seed=seed)
        population = utility_table.on_rows(shared, vectors, test, asked)
        fitted = taste_factory.fit(fold.train, fold.held_out, vectors, config, encoder_id=encoder_id, seed=seed)
        for count in shots:
            few = evaluation.first(fold.theirs, count, seed=seed)
            met = few_shots.meet(fitted, fold.train, fold.held_out, few, vectors, config, encoder_id=encoder_id, seed=seed)
            own = utility_table.on_rows(met, vectors, test, asked)
            cold.add(count, evaluation.agree(own, population, test, asked, rows), evaluation.confidences(own, test, asked, rows))
            if crowd:
                heated = warm_images.of_new_people(met, vectors, fold.judged, fitted_to, test, asked)
                sure = evaluation.confidences(heated, test, asked, rows)
                warm.add(count, evaluation.agree(heated, population, test, asked, rows), sure)
    if not cold.tables:
        raise InputError(f"{len(dataset):,} judgements are too few to judge new people by; give more, or split='image'")
    return cold, warm
