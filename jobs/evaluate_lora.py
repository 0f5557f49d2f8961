"""`beholder evaluate lora`: how well taste=lora answers what it was never trained on.

Each attribute in turn is held out: the taste learns the others, and is asked the held-out one in words, of images that it never
saw. Beside it stand CLIP as it is, asked the same, and the same taste asked words without meaning: what these reach too is not
understood but common to all attributes (a halo). An attribute is said once by its name and, where `words` has it, once in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from beholder import evaluation
from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError
from beholder.jobs import _workspace_dataset
from beholder.progress import Progress
from beholder.runs import Run, log
from beholder.taste import lora, splits
from beholder.taste.clip_text import PromptTemplates
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.taste_factory import TasteConfig
from beholder.workspace import Workspace

NAMES = {
    "asked": "taste=lora, own taste",
    "population": "taste=lora, population's",
    "clip": "CLIP as it is",
    "nonsense": "taste=lora, asked nonsense",
}


@dataclass(frozen=True)
class EvaluateLoraSettings:
    taste: TasteConfig = setting(TasteConfig(), "taste=lora and its knobs")
    attributes: list[str] = setting([], "to be held out, one after the other; empty: every one that was judged")
    ways: list[str] = setting(["name", "words"], "how attributes are said, in training and when asked: name, words")
    words: dict[str, str] = setting({}, "each attribute in words that the encoder knows")
    templates: list[str] = setting(
        ["a portrait of a person {}", "a picture of a person {}", "a photo of a person {}", "a person {}", "a face {}"],
        "with ways=[words]: an attribute is the mean over these",
    )
    nonsense: list[str] = setting(["blorp", "fensic", "quandle", "trivvy"], "words without meaning")
    pairs: int = setting(200, "test pairs that ratings imply, at most, for a person")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that is adapted")
    seed: int = setting(0, "of splits, fits and test pairs")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.taste.kind != "lora":
            raise ConfigError(f"only taste=lora answers what it was never trained on, not taste={self.taste.kind}")
        if not self.ways or set(self.ways) - {"name", "words"} or not self.nonsense:
            raise ConfigError(f"expected ways of name, words and at least one word of nonsense, got {self.ways}, {self.nonsense}")


@dataclass(frozen=True)
class PromptVariant:
    """One way to say attributes: what each is called, and the taste's config that says them so."""

    name: str
    texts: Mapping[str, str]
    config: lora.LoraConfig


def main(settings: EvaluateLoraSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    material = _workspace_dataset.from_workspace(workspace, settings.encoder, encoder_id=None, attributes=[], takes="pixels")
    known = material.evidence.attributes
    if len(known) < 2:
        raise ConfigError(f"holding one attribute out needs at least two that were judged, not {', '.join(known)}")
    held = settings.attributes or list(known)
    if strange := [name for name in held if name not in known]:
        raise ConfigError(f"nobody judged {', '.join(strange)}; attributes judged: {', '.join(known)}")
    encoder, rows = Encoder.load(settings.encoder), []
    ways = [way(name, settings, known) for name in settings.ways if name == "name" or set(known) <= set(settings.words)]
    steps = len(ways) * len(held)
    with Progress("evaluate lora", total=steps, unit="fits") as progress:
        for each in ways:
            for name in held:
                table = zero_shot(material, encoder, name, each, settings)
                log.info("%s by %s: %s", name, each.name, {key: round(float(table[key].mean()), 4) for key in NAMES})
                rows.append(table.assign(way=each.name, attribute=name))
                progress.advance()
    report(run, pd.concat(rows, ignore_index=True), settings)


def way(name: str, settings: EvaluateLoraSettings, attributes: tuple[str, ...]) -> PromptVariant:
    """By name an attribute is its own text, in the taste's templates."""
    config = settings.taste.lora
    if name == "name":
        return PromptVariant(name, {attribute: config.texts.get(attribute, attribute) for attribute in attributes}, config)
    return PromptVariant(name, settings.words, replace(config, texts=dict(settings.words), templates=settings.templates))


def zero_shot(
    material: _workspace_dataset.DatasetWithItems, encoder: Encoder, held: str, way: PromptVariant, settings: EvaluateLoraSettings
) -> pd.DataFrame:
    """Fit to all attributes but one and ask for that one: a row per person, accuracy in each of NAMES' ways of answering."""
    whole = material.evidence
    others = without(whole, held)
    train, val, _ = splits.by_image(others, seed=settings.seed, shares=(0.5, 0.1, 0.4))
    test = splits.by_image(whole.on(whole.attributes.index(held)), seed=settings.seed, shares=(0.5, 0.1, 0.4))[2]
    asked = evaluation.questions(test, at_most=settings.pairs, seed=settings.seed)
    taste = lora.fit(train, val, material.items, way.config, encoder_id=material.encoder_id, seed=settings.seed)
    at, where = np.unique(np.concatenate([asked.left, asked.right]), return_inverse=True)
    pixels, left, right = material.items[at], *np.split(where.reshape(-1), 2)
    everybody = [*whole.people, ""]
    own = taste.utilities(pixels, everybody, way.texts[held])
    nobody = np.full(len(asked), len(whole.people))
    text = PromptTemplates(encoder, way.config.templates).texts([way.texts[held]])[0]
    plain = (encoder.images(pixels) @ text)[None]

    def right_share(utility: np.ndarray, person: np.ndarray) -> np.ndarray:
        return evaluation.right_or_not(utility[person, left] - utility[person, right], asked.choice)

    frame = pd.DataFrame({"user_id": np.array(whole.people, dtype=object)[asked.person]})
    frame["asked"] = right_share(own, asked.person)
    frame["population"] = right_share(own, nobody)
    frame["clip"] = right_share(plain, np.zeros(len(asked), np.int64))
    words = [right_share(taste.utilities(pixels, [""], word), np.zeros(len(asked), np.int64)) for word in settings.nonsense]
    frame["nonsense"] = np.mean(words, axis=0)
    groups = frame.groupby("user_id")
    return groups.mean().assign(pairs=groups.size()).reset_index()


def without(evidence: JudgementDataset, held: str) -> JudgementDataset:
    """The judgements on every attribute but one, which is forgotten even by name."""
    names = tuple(name for name in evidence.attributes if name != held)
    number = np.array([names.index(name) if name in names else -1 for name in evidence.attributes])
    kept = evidence.where(number[evidence.ratings.attribute] >= 0, number[evidence.comparisons.attribute] >= 0)
    ratings = replace(kept.ratings, attribute=number[kept.ratings.attribute])
    comparisons: ComparisonTable = replace(kept.comparisons, attribute=number[kept.comparisons.attribute])
    return replace(kept, attributes=names, ratings=ratings, comparisons=comparisons)


def report(run: Run, rows: pd.DataFrame, settings: EvaluateLoraSettings) -> None:
    """results.csv has a row per person, attribute and way; the table has means over people with their intervals."""
    metrics: dict[str, float | int] = {"people": int(rows["user_id"].nunique())}
    lines = ["| said by | held out | answered by | accuracy over people |", "|---|---|---|---:|"]
    for (way, attribute), part in [*rows.groupby(["way", "attribute"], sort=False), *_together(rows)]:
        for key, title in NAMES.items():
            found = evaluation.bootstrap(part[key].to_numpy(), seed=settings.seed)
            lines.append(f"| {way} | {attribute} | {title} | {found.mean:.3f} [{found.low:.3f}, {found.high:.3f}] |")
            metrics |= {f"{way}/{attribute}/{key}": found.mean, f"{way}/{attribute}/{key}.low": found.low}
            metrics[f"{way}/{attribute}/{key}.high"] = found.high
        gap = evaluation.bootstrap((part["asked"] - part["nonsense"]).to_numpy(), seed=settings.seed)
        lines.append(f"| {way} | {attribute} | own taste less nonsense | {gap} |")
        metrics |= {f"{way}/{attribute}/over_nonsense": gap.mean, f"{way}/{attribute}/over_nonsense.low": gap.low}
    run.metrics(metrics)
    run.results(rows)
    run.summary("\n".join(["# taste=lora on attributes that it was never trained on", "", *lines, ""]))
    print("\n".join(lines))


def _together(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """Each person's mean over the attributes."""
    numbers = list(NAMES)
    return [((way, "all"), part.groupby("user_id")[numbers].mean()) for way, part in rows.groupby("way", sort=False)]
