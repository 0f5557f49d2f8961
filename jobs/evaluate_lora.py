"""`beholder evaluate lora`: how well taste=lora answers what it was never trained on.

Each attribute in turn is held out: the taste learns the others, and is asked the held-out one in words, of images that it never
saw. Beside it stand CLIP as it is and the adapted CLIP alone, asked the same, and the same taste asked words without meaning: what
these reach too is not understood but common to all attributes (a halo). An attribute is said once by its name and, where `words`
has it, once in words. Each fit, of a prompt variant with an attribute held out, is a Ray task.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import ray

from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig, fetch
from beholder.errors import ConfigError
from beholder.jobs import _placement, _reservation, _workspace_dataset
from beholder.jobs._reservation import ClusterRoom, Reservation, Reserved
from beholder.jobs._workspace_dataset import DatasetWithItems
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.statistics import bootstrap
from beholder.taste import lora, splits, validation
from beholder.taste.clip_text import PromptTemplates
from beholder.taste.taste_factory import TasteConfig
from beholder.taste.zero_shot import ZeroShotWeights
from beholder.workspace import Workspace

NAMES = {
    "asked": "taste=lora, own taste",
    "population": "taste=lora, population's",
    "adapted": "the adapted CLIP alone, own taste",
    "clip": "CLIP as it is",
    "nonsense": "taste=lora, asked nonsense",
}
# Pairs of these whose difference is shown, on the same pairs of images: (name of the figure, one, other, title).
_LEADS = (
    ("over_clip", "asked", "clip", "own taste less CLIP as it is"),
    ("over_population", "asked", "population", "own taste less population's"),
    ("over_nonsense", "asked", "nonsense", "own taste less nonsense"),
)


@dataclass(frozen=True)
class EvaluateLoraSettings:
    common: ClassVar[tuple[str, ...]] = (
        "taste",
        "attributes",
        "ways",
        "pairs",
        "encoder",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder evaluate lora",
        "beholder evaluate lora attributes=[attractive] pairs=400",
    )
    taste: TasteConfig = setting(TasteConfig(), "taste=lora and its settings")
    attributes: list[str] = setting([], "attributes to hold out, each in a fit of its own; empty: every one that was judged")
    ways: list[str] = setting(["name", "words"], "prompts of an attribute, in training and when asked: name, words")
    words: dict[str, str] = setting({}, "with ways=[words]: the prompt of each attribute, in words that the encoder knows")
    templates: list[str] = setting(
        ["a portrait of a person {}", "a picture of a person {}", "a photo of a person {}", "a person {}", "a face {}"],
        "with ways=[words]: an attribute is the mean over these",
    )
    nonsense: list[str] = setting(["blorp", "fensic", "quandle", "trivvy"], "words without meaning, which are asked beside")
    pairs: int = setting(200, "most test pairs that a person's ratings imply")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that is adapted")
    seed: int = setting(0, "seed of splits, fits and test pairs")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.taste.kind != "lora":
            raise ConfigError(f"only taste=lora answers what it was never trained on, not taste={self.taste.kind}")
        if not self.ways or set(self.ways) - {"name", "words"} or not self.nonsense:
            raise ConfigError(f"expected ways of name, words and at least one word of nonsense, got {self.ways}, {self.nonsense}")


@dataclass(frozen=True)
class PromptVariant:
    """One way to prompt for attributes: the text of each, and the taste's config with these texts."""

    name: str
    texts: Mapping[str, str]
    config: lora.LoraConfig


def main(settings: EvaluateLoraSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    material = _workspace_dataset.from_workspace(workspace, settings.encoder, encoder_id=None, attributes=[], takes="pixels")
    known = material.dataset.attributes
    if len(known) < 2:
        raise ConfigError(f"holding one attribute out needs at least two that were judged, not {', '.join(known)}")
    held_out = settings.attributes or list(known)
    if strange := [name for name in held_out if name not in known]:
        raise ConfigError(f"nobody judged {', '.join(strange)}; attributes judged: {', '.join(known)}")
    fetch(settings.encoder.resolved())
    names = [name for name in settings.ways if name == "name" or set(known) <= set(settings.words)]
    variants = [prompt_variant(name, settings, known) for name in names]
    cells = [(variant, attribute) for variant in variants for attribute in held_out]
    tables: dict[int, pd.DataFrame] = {}
    with connect(settings.ray), Progress("evaluate lora", total=len(cells), unit="fits") as progress:
        reservation = ClusterRoom.now().reserve(settings.taste, items=material.items.nbytes, beside=len(cells))
        task, items = zero_shot_task.options(**reservation.options), ray.put(material.items)
        dataset = ray.put(replace(material, items=np.empty(0, np.uint8)))
        pending = [
            task.remote(number, dataset, items, attribute, placed(variant, reservation), settings)
            for number, (variant, attribute) in enumerate(cells)
        ]
        for number, table, reserved in _placement.as_completed(pending):
            log.info("fit %d had %s", number, reserved)
            variant, attribute = cells[number]
            log.info("%s by %s: %s", attribute, variant.name, {key: round(float(table[key].mean()), 4) for key in NAMES})
            tables[number] = table.assign(way=variant.name, attribute=attribute)
            progress.advance()
    report(run, pd.concat([tables[number] for number in range(len(cells))], ignore_index=True), settings)


def prompt_variant(name: str, settings: EvaluateLoraSettings, attributes: tuple[str, ...]) -> PromptVariant:
    """Return the prompts of a way. By name an attribute is its own text, in the taste's templates."""
    config = settings.taste.lora
    if name == "name":
        return PromptVariant(name, {attribute: config.texts.get(attribute, attribute) for attribute in attributes}, config)
    return PromptVariant(name, settings.words, replace(config, texts=dict(settings.words), templates=settings.templates))


def placed(variant: PromptVariant, reservation: Reservation) -> PromptVariant:
    """Return the variant with the device that is reserved for its fit."""
    return replace(variant, config=reservation.place(TasteConfig(kind="lora", lora=variant.config)).lora)


@ray.remote
def zero_shot_task(
    number: int,
    dataset: DatasetWithItems,
    items: np.ndarray,
    held_out: str,
    variant: PromptVariant,
    settings: EvaluateLoraSettings,
) -> tuple[int, pd.DataFrame, Reserved]:
    """Fit and ask for one held-out attribute in one variant. items: apart from their dataset, as tasks share them in memory."""
    reserved = _reservation.begin()
    table = zero_shot(replace(dataset, items=items), Encoder.load(settings.encoder), held_out, variant, settings)
    return number, table, reserved


def zero_shot(
    material: DatasetWithItems, encoder: Encoder, held_out: str, variant: PromptVariant, settings: EvaluateLoraSettings
) -> pd.DataFrame:
    """Fit to all attributes but one and ask for that one: a row per person, accuracy in each of NAMES' ways of answering."""
    whole = material.dataset
    others = whole.without_attribute(held_out)
    train, val, _ = splits.by_image(others, seed=settings.seed, shares=(0.5, 0.1, 0.4))
    test = splits.by_image(whole.on_attribute(whole.attributes.index(held_out)), seed=settings.seed, shares=(0.5, 0.1, 0.4))[2]
    asked = validation.pairs(test, at_most=settings.pairs, seed=settings.seed)
    taste = lora.fit(train, val, material.items, variant.config, encoder_id=material.encoder_id, seed=settings.seed)
    at, where = np.unique(np.concatenate([asked.left, asked.right]), return_inverse=True)
    pixels, left, right = material.items[at], *np.split(where.reshape(-1), 2)
    everybody = [*whole.people, ""]
    own = taste.utilities(pixels, everybody, variant.texts[held_out])
    nobody = np.full(len(asked), len(whole.people))
    text = PromptTemplates(encoder, variant.config.templates).embed([variant.texts[held_out]])[0]
    plain = (encoder.images(pixels) @ text)[None]

    def right_share(utility: np.ndarray, person: np.ndarray) -> np.ndarray:
        return validation.correctness(utility[person, left] - utility[person, right], asked.choice)

    frame = pd.DataFrame({"user_id": np.array(whole.people, dtype=object)[asked.person]})
    frame["asked"] = right_share(own, asked.person)
    frame["population"] = right_share(own, nobody)
    adapted = taste.answer(pixels, everybody, variant.texts[held_out], ZeroShotWeights.of_adapted())
    frame["adapted"] = right_share(adapted, asked.person)
    frame["clip"] = right_share(plain, np.zeros(len(asked), np.int64))
    words = [right_share(taste.utilities(pixels, [""], word), np.zeros(len(asked), np.int64)) for word in settings.nonsense]
    frame["nonsense"] = np.mean(words, axis=0)
    groups = frame.groupby("user_id")
    return groups.mean().assign(pairs=groups.size()).reset_index()


def report(run: Run, rows: pd.DataFrame, settings: EvaluateLoraSettings) -> None:
    """results.csv has a row per person, attribute and way; the table has means over people with their intervals."""
    metrics: dict[str, float | int] = {"people": int(rows["user_id"].nunique())}
    cells: list[tuple[object, ...]] = []
    for (way, attribute), part in [*_parts(rows), *_together(rows)]:
        for key, title in NAMES.items():
            share = bootstrap(part[key].to_numpy(), seed=settings.seed)
            cells.append((way, attribute, title, f"{share.mean:.3f} [{share.low:.3f}, {share.high:.3f}]"))
            metrics |= {f"{way}/{attribute}/{key}": share.mean, f"{way}/{attribute}/{key}.low": share.low}
            metrics[f"{way}/{attribute}/{key}.high"] = share.high
        for name, one, other, title in _LEADS:
            gap = bootstrap((part[one] - part[other]).to_numpy(), seed=settings.seed)
            cells.append((way, attribute, title, gap))
            metrics |= {f"{way}/{attribute}/{name}": gap.mean, f"{way}/{attribute}/{name}.low": gap.low}
            metrics[f"{way}/{attribute}/{name}.high"] = gap.high
    lines = markdown_table(["said by", "held out", "answered by", "accuracy over people"], cells, align="lllr")
    run.metrics(metrics)
    run.results(rows)
    run.summary("\n".join(["# taste=lora on attributes that it was never trained on", "", *lines, ""]))
    print("\n".join(lines))


def _parts(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Return the rows of each way and attribute."""
    groups = rows.groupby(["way", "attribute"], sort=False)
    return [((str(key[0]), str(key[1])), part) for key, part in groups]


def _together(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Return each person's mean over the attributes, by way."""
    numbers = list(NAMES)
    return [((str(way), "all"), part.groupby("user_id")[numbers].mean()) for way, part in rows.groupby("way", sort=False)]
