"""Evaluation: how often a taste is right about judgements that it never saw, person by person, beside what everybody shares."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from beholder import evaluation
from beholder.encoder import EncoderConfig
from beholder.errors import InputError
from beholder.evaluation import Confidences
from beholder.interface import new_people
from beholder.interface.embedding_input import EmbeddedImages
from beholder.interface.fitted_taste import FittedTaste
from beholder.interface.fitting import fit_dataset, known_images, seen_images, weighted
from beholder.interface.image_embedding import read_pixels
from beholder.interface.judgement_input import read_judgements
from beholder.interface.labels import Labels
from beholder.interface.named_settings import ENCODER, TASTE, Settings, taste_config
from beholder.interface.table_input import Columns
from beholder.taste import splits, taste_factory, utility_table, warm_images
from beholder.taste.contract import Normal, Taste, TasteInfo, TasteSettings
from beholder.taste.dataset import JudgementDataset, join
from beholder.taste.shrinkage import POPULATION, ShrunkTaste
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.validation import pairs
from beholder.taste.warm_images import WarmTest

SPLITS = ("image", "pair", "person")
SHOTS = (0, 5, 10, 20, 50, 100)
_FOLDS = 10  # of people, by what those of other folds said of an image


@dataclass(frozen=True, eq=False)
class TasteEvaluation:
    """How a taste did. table: a row for each person and attribute; figures: means over people and intervals of 95 %.

    accuracy: of the person's own taste, population: of what everybody shares, both on the same pairs; gain: their difference;
    calibration_error: how far probabilities are from frequencies. learning, of split="person": a row for each number of
    comparisons of somebody new, with accuracy and gain after them; table and figures are those after the most. crowd: how the taste
    did together with what others had said of the images, where that was asked for.
    """

    kind: str
    split: str
    table: pd.DataFrame
    figures: dict[str, float]
    learning: pd.DataFrame | None = None
    crowd: "TasteEvaluation | None" = None

    @property
    def accuracy(self) -> float:
        """The share of pairs that the people's own tastes are right about, mean over people."""
        return self.figures["accuracy.personal"]

    @property
    def population(self) -> float:
        """The same of the taste that everybody shares."""
        return self.figures["accuracy.population"]

    @property
    def gain(self) -> tuple[float, float, float]:
        """The difference of the two, and the ends of its interval over people."""
        return self.figures["gain.mean"], self.figures["gain.low"], self.figures["gain.high"]

    @property
    def calibration_error(self) -> float:
        """The mean distance of probabilities from frequencies, over bins of as many pairs."""
        return self.figures["calibration.error"]

    def __repr__(self) -> str:
        mean, low, high = self.gain
        return (
            f"<TasteEvaluation {self.kind}, split by {self.split}: right in {self.accuracy:.1%} of {self.figures['pairs']:,.0f} "
            f"pairs of {self.figures['people']:.0f} people; everybody's taste in {self.population:.1%}; gain "
            f"{100 * mean:+.1f} points "
            f"[{100 * low:+.1f}, {100 * high:+.1f}]{self._more()}>"
        )

    def _more(self) -> str:
        after = "" if self.learning is None else f", after {self.learning['judgements'].iloc[-1]} comparisons of somebody new"
        return after + ("" if self.crowd is None else f"; with what others said of the images in {self.crowd.accuracy:.1%}")

    def _repr_html_(self) -> str:
        shown = self.table[["user_id", "attribute", "pairs", "accuracy.personal", "accuracy.population", "gain"]]
        return f"<p>{escape(repr(self)[1:-1])}</p>{shown.round(3).to_html(index=False, max_rows=50)}"


def evaluate(
    judgements: Any = None,
    *,
    ratings: Any = None,
    comparisons: Any = None,
    embeddings: Any = None,
    images: Any = None,
    taste: "str | TasteConfig | FittedTaste" = TASTE,
    settings: Settings | None = None,
    split: str = "image",
    crowd: bool = False,
    shots: Sequence[int] = SHOTS,
    folds: int = 4,
    attribute: str | None = None,
    columns: Columns | None = None,
    weights: Any = None,
    encoder: str | EncoderConfig = ENCODER,
    seed: int = 0,
) -> TasteEvaluation:
    """Measure how often a taste is right about judgements that it never saw.

    Tables, embeddings and settings are those of `bh.fit`. taste: a kind, which is fitted to four fifths and judged on one; or a
    taste that was fitted already, judged on all of these judgements: give it such as it has not learned from. split: "image", so
    that no image of the test was trained on; "pair": judgements are divided at random, which flatters; "person": everybody is new
    once, to a taste that was fitted to the people of other folds, and is judged after so many of their comparisons (shots). crowd:
    also judge the taste with what other people said of the test's images, as `.crowd`. A rating is judged by the pairs that it
    implies; ties are left out.

    Raises InputError for tables that can't be used, and where there are no pairs to judge on.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> vectors = rng.normal(size=(60, 4))
    >>> table = [dict(user_id="ana", image_id=i, score=float(vectors[i, 0])) for i in range(60)]
    >>> evaluate(ratings=table, embeddings=vectors).accuracy > 0.8
    True
    """
    if split not in SPLITS:
        raise InputError(f"split={split!r}: expected {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    if crowd and split == "pair":
        raise InputError("crowd=True judges images that others have judged: it goes with split='image' or 'person'")
    if not len(shots) or min(shots) < 0:
        raise InputError(f"shots: expected numbers of comparisons, 0 or more, got {list(shots)}")
    judged = read_judgements(judgements, ratings=ratings, comparisons=comparisons, columns=columns, attribute=attribute)
    fitted = taste if isinstance(taste, FittedTaste) else None
    if fitted is not None and (crowd or split == "person"):
        asked_for = "crowd=True" if crowd else "split='person'"
        raise InputError(f"{asked_for} fits tastes to some of the judgements: give a kind, such as taste={fitted.kind!r}")
    config: TasteConfig | None = None
    if fitted is not None:
        known = _images_of(fitted, embeddings, images, encoder, columns)
    else:
        config = taste_config(taste, settings)  # type: ignore[arg-type]  # no FittedTaste here
        config, known = seen_images(embeddings, images, config, encoder=encoder, columns=columns)
    dataset = weighted(judged.on(list(known.ids)), weights)
    if config is not None and split == "person":
        return _of_new_people(dataset, known, config, judged.people, shots=shots, folds=folds, crowd=crowd, seed=seed)
    warm: Taste | None = None
    if config is None or fitted is not None:
        assert fitted is not None
        own: Taste = fitted._served
        shared: Taste = _Shared(fitted.taste)
        test, kind, split = dataset, fitted.kind, "the caller"
        _check_attributes(fitted, dataset)
    else:
        train, chooser, test = (splits.by_image if split == "image" else splits.by_pair)(dataset, seed=seed)
        if not len(train):
            raise InputError(f"{len(dataset):,} judgements are too few to be divided by {split}; give more, or split='pair'")
        learned = fit_dataset(join(train, chooser), known, config, held_out=0.25, seed=seed + 1)
        own, kind = ShrunkTaste(learned.taste, learned.trust), config.kind
        everybody = replace(config, kind="population")
        shared = taste_factory.fit(train, chooser, known.vectors, everybody, encoder_id=known.encoder_id, seed=seed)
    asked = pairs(test, seed=seed)
    if crowd and len(asked):
        fitted_to = np.isin(np.arange(len(dataset.images)), join(train, chooser).judged_images())
        warm_test = WarmTest(dataset, fitted_to, test, asked, _FOLDS, seed)
        warm = warm_images.of_known_people(learned.taste, known.vectors, warm_test)
    if not len(asked):
        raise InputError(f"nobody judged two images of the test differently: {len(test):,} judgements are too few, or all alike")
    rows = np.arange(len(known))
    own, shared = (utility_table.on_rows(each, known.vectors, test, asked) for each in (own, shared))
    table = evaluation.agree(own, shared, test, asked, rows)
    confident = evaluation.confidences(own, test, asked, rows)
    result = partial(_result, kind, split, judged.people, seed=seed)
    if warm is None:
        return result(table, confident)
    others = evaluation.agree(warm, shared, test, asked, rows)
    return result(table, confident, crowd=result(others, evaluation.confidences(warm, test, asked, rows)))


def _images_of(
    fitted: FittedTaste, embeddings: Any, images: Any, encoder: str | EncoderConfig, columns: Columns | None
) -> EmbeddedImages:
    """Return the images that a fitted taste is judged on: those that were given, else those that it knows."""
    if embeddings is None and images is None:
        return fitted._known()
    if fitted.taste.info.takes == "pixels":
        if images is None:
            raise InputError(f"taste={fitted.kind!r} looks at pictures: give images=, and no embeddings")
        return read_pixels(images, EncoderConfig(**dict(fitted.taste.settings())["encoder"]))
    return known_images(embeddings, images, encoder=encoder, columns=columns)


def _of_new_people(
    dataset: JudgementDataset,
    known: EmbeddedImages,
    config: TasteConfig,
    people: Labels,
    *,
    shots: Sequence[int],
    folds: int,
    crowd: bool,
    seed: int,
) -> TasteEvaluation:
    """Return how a taste does on new people, with the figures of those who gave the most comparisons."""
    judged = new_people.judge(dataset, known, config, shots=sorted(set(shots)), folds=folds, crowd=crowd, seed=seed)
    results: list[TasteEvaluation] = []
    for part in judged:
        if not part.tables:
            continue
        tables, most = part.by_count(), max(part.tables)
        together = evaluation.together(part.confidences[most])
        made = _result(config.kind, "person", people, tables[most], together, seed=seed)
        results.append(replace(made, learning=evaluation.learning_curve(tables)))
    return replace(results[0], crowd=results[1]) if len(results) > 1 else results[0]


def _result(
    kind: str,
    split: str,
    people: Labels,
    table: pd.DataFrame,
    sure: Confidences,
    *,
    seed: int,
    crowd: TasteEvaluation | None = None,
) -> TasteEvaluation:
    """Return what was found, with the people's ids as they were given."""
    figures = evaluation.figures(table, seed=seed) | {"calibration.error": sure.calibration_error()}
    return TasteEvaluation(kind, split, table.assign(user_id=people.all(table["user_id"])), figures, crowd=crowd)


def _check_attributes(fitted: FittedTaste, dataset: JudgementDataset) -> None:
    for name in dataset.attributes:
        if name not in fitted.attributes:
            raise InputError(
                f"{name!r} was judged, but the taste was fitted to {', '.join(fitted.attributes)}; "
                f"give attribute={fitted.attributes[0]!r}, or a column attribute"
            )


class _Shared:
    """What everybody shares of a taste, as a taste of its own."""

    def __init__(self, taste: Taste) -> None:
        self.taste = taste

    @property
    def info(self) -> TasteInfo:
        return self.taste.info

    def utilities(self, items: np.ndarray, user_ids: Any, attribute: str) -> np.ndarray:
        return self.taste.utilities(items, [POPULATION] * len(user_ids), attribute)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        return self.taste.differences(left, right, POPULATION, attribute)

    def tensors(self) -> Any:
        return self.taste.tensors()

    def settings(self) -> TasteSettings:
        return self.taste.settings()
