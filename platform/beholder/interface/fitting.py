"""Fitting: judgements and embeddings of a Python program -> a taste, in this process."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from beholder.encoder import EncoderConfig
from beholder.errors import InputError
from beholder.interface.embedding_input import EmbeddedImages, read_embeddings
from beholder.interface.fitted_taste import FittedTaste
from beholder.interface.judgement_input import read_judgements
from beholder.interface.labels import text_of
from beholder.interface.named_settings import ENCODER, TASTE, Settings, encoder_config, taste_config
from beholder.interface.table_input import Columns, is_ray_dataset
from beholder.taste import shrinkage, splits, taste_factory, utility_table
from beholder.taste.contract import OnlineTaste, Taste
from beholder.taste.dataset import JudgementDataset
from beholder.taste.shrinkage import Weights
from beholder.taste.taste_factory import PIXEL_KINDS, TasteConfig
from beholder.taste.validation import pairs


def fit(
    judgements: Any = None,
    *,
    ratings: Any = None,
    comparisons: Any = None,
    embeddings: Any = None,
    images: Any = None,
    taste: str | TasteConfig = TASTE,
    settings: Settings | None = None,
    attribute: str | None = None,
    columns: Columns | None = None,
    weights: Any = None,
    encoder: str | EncoderConfig = ENCODER,
    held_out: float = 0.2,
    seed: int = 0,
) -> FittedTaste:
    """Fit a taste for each person to what people said of images.

    ratings: a table with user_id, image_id, score (numbers on any ordered scale) and, where several things were judged, attribute.
    comparisons: a table with user_id, left_id, right_id, choice (left, right, tie or the id of the chosen image) and attribute.
    judgements: one table of either kind. Tables are of pandas, polars, pyarrow, or lists of dicts, or paths; columns={"user_id":
    "rater"} says which of their columns is meant by ours. Ids are texts or whole numbers.

    embeddings: what `bh.embed` returns; a DataFrame, a dict image_id -> vector, or an array [N, D] whose ids are `images` (or
    0, 1, 2, ...). Without embeddings, `images` are pictures as `bh.embed` takes them, and `encoder` embeds them.

    taste: "bayes" (a Gaussian posterior for each person, which goes on learning), "population" (the same for everybody), "mlp",
    "ensemble", "lora" (CLIP itself, adapted: it looks at `images`, and wants a GPU), or a TasteConfig; settings: what differs from
    it, such as {"mlp.fit.epochs": 20}. weights: what each person's judgements count, 0..1: the table of `bh.quality`, or a dict.
    held_out: the share of the images whose judgements choose settings and say how far each person's own taste is to be trusted;
    what can learn on (bayes) then learns from them, too. Nothing is written, and Ray isn't started; where one of the tables is a
    Ray Dataset, the fit is a task of that Ray, with a GPU for lora where there is one.

    Raises InputError (a ValueError), which names the column, row or value, for tables that can't be used.

    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> vectors = rng.normal(size=(40, 4))
    >>> left, right = rng.integers(0, 20, 200), rng.integers(20, 40, 200)
    >>> choice = np.where(vectors[left, 0] > vectors[right, 0], "left", "right")
    >>> table = pd.DataFrame({"user_id": "ana", "left_id": left, "right_id": right, "choice": choice})
    >>> taste = fit(comparisons=table, embeddings=vectors)
    >>> taste
    <FittedTaste bayes: 1 person, 40 images, preference>
    >>> best = taste.predict("ana").idxmax()
    >>> bool(vectors[best, 0] > 1)
    True
    """
    if not 0 <= held_out < 1:
        raise InputError(f"held_out: expected a share of the images from 0 to below 1, got {held_out}")
    config = taste_config(taste, settings)
    judged = read_judgements(judgements, ratings=ratings, comparisons=comparisons, columns=columns, attribute=attribute)
    config, known = seen_images(embeddings, images, config, encoder=encoder, columns=columns)
    dataset = weighted(judged.on(list(known.ids)), weights)
    if any(is_ray_dataset(each) for each in (judgements, ratings, comparisons, embeddings, images)):
        from beholder import ray_connection

        wants_gpu = config.kind in PIXEL_KINDS and config.lora.fit.device != "cpu"
        fitted = ray_connection.run_task(fit_dataset, dataset, known, config, held_out=held_out, seed=seed, gpu=wants_gpu)
    else:
        fitted = fit_dataset(dataset, known, config, held_out=held_out, seed=seed)
    written = {"taste": asdict(config), "held_out": held_out, "seed": seed}
    return FittedTaste(fitted.taste, known, judged.people, trust=fitted.trust, judgements=len(judged), config=written)


@dataclass(frozen=True)
class DatasetFit:
    """A taste that was fitted, and how far each person is to be served their own, by attribute and person."""

    taste: Taste
    trust: Weights


def fit_dataset(dataset: JudgementDataset, known: EmbeddedImages, config: TasteConfig, *, held_out: float, seed: int) -> DatasetFit:
    """Fit a taste to judgements on the images known; held-out images choose, and are learned from afterwards where that goes."""
    for row, name in enumerate(dataset.attributes):
        if len(images := dataset.on_attribute(row).judged_images()) < 2:
            raise InputError(f"{name}: {len(images)} image was judged; expected judgements of at least two")
    train, test = divide(dataset, held_out, seed=seed)
    fitted = taste_factory.fit(train, test, known.vectors, config, encoder_id=known.encoder_id, seed=seed)
    trust: Weights = {}
    if config.kind != "population":
        own = utility_table.on_rows(fitted, known.vectors, test, pairs(test, seed=seed))
        trust = shrinkage.weigh(own, test, np.arange(len(known)), seed=seed)
    if isinstance(fitted, OnlineTaste) and len(test):
        fitted = fitted.learn(dataset, known.vectors)
    return DatasetFit(fitted, trust)


def divide(dataset: JudgementDataset, held_out: float, *, seed: int) -> tuple[JudgementDataset, JudgementDataset]:
    """Return judgements to learn from and to choose by, which share no image; where there are too few images for that, the
    judgements are divided at random, and where there are too few of these nothing is held out."""
    if held_out:
        shares = (1 - held_out, held_out)
        for split in (splits.by_image, splits.by_pair):
            train, test = split(dataset, seed=seed, shares=shares)
            if all(_enough(train, row) and _enough(test, row) for row in range(len(dataset.attributes))):
                return train, test
    nothing = np.zeros(0, np.int64)
    return dataset, dataset.select(nothing, nothing)


def _enough(dataset: JudgementDataset, attribute: int) -> bool:
    """Tell whether somebody decided between two images on an attribute."""
    return len(pairs(dataset.on_attribute(attribute))) >= 2


def seen_images(
    embeddings: Any,
    images: Any,
    config: TasteConfig,
    *,
    encoder: str | EncoderConfig = ENCODER,
    columns: Columns | None = None,
) -> tuple[TasteConfig, EmbeddedImages]:
    """Return what a taste of this kind is fitted to, embeddings or pixels, and its settings with the encoder of pixels.

    Raises InputError where a kind that takes pixels is given embeddings.
    """
    if config.kind not in PIXEL_KINDS:
        return config, known_images(embeddings, images, encoder=encoder, columns=columns)
    if images is None or embeddings is not None:
        raise InputError(
            f"taste={config.kind!r} looks at pictures: give images=FOLDER, or a dict image_id -> picture, and no embeddings"
        )
    from beholder.interface.image_embedding import read_pixels

    own = config.lora.encoder if config.lora.encoder.name else encoder_config(encoder)
    if encoder != ENCODER:
        own = encoder_config(encoder)
    return replace(config, lora=replace(config.lora, encoder=own)), read_pixels(images, own)


def known_images(
    embeddings: Any, images: Any, *, encoder: str | EncoderConfig = ENCODER, columns: Columns | None = None
) -> EmbeddedImages:
    """Return embeddings as they were given, or of the pictures that were given in their place."""
    if embeddings is None and images is not None:
        from beholder.interface.image_embedding import embed

        embeddings, images = embed(images, encoder=encoder), None
    own = {ours: theirs for ours, theirs in (columns or {}).items() if ours in ("image_id", "embedding")}
    if not isinstance(embeddings, pd.DataFrame) or own.get("image_id") not in embeddings.columns:
        own.pop("image_id", None)  # of the judgements alone
    return read_embeddings(embeddings, images, columns=own)


def weighted(dataset: JudgementDataset, weights: Any) -> JudgementDataset:
    """Return judgements with the weight of each person. weights: the table of `quality`, a Series or a dict; None: 1 for all."""
    if weights is None:
        return dataset
    if isinstance(weights, pd.DataFrame):
        if "weight" not in weights.columns:
            raise InputError(
                f"weights: expected a column weight, as bh.quality returns; found: {', '.join(map(str, weights.columns))}"
            )
        weights = weights.set_index("user_id")["weight"] if "user_id" in weights.columns else weights["weight"]
    if not isinstance(weights, (Mapping, pd.Series)):
        raise InputError(f"weights: expected the table of bh.quality or a dict user_id -> 0..1, got {type(weights).__name__}")
    known = {text_of(user, what="weights"): float(weight) for user, weight in weights.items()}
    for user, weight in known.items():
        if not 0 <= weight <= 1:
            raise InputError(f"weights: expected 0..1 for each person, got {weight:g} for {user!r}")
    return replace(dataset, weights=np.array([known.get(user, 1.0) for user in dataset.people]))
