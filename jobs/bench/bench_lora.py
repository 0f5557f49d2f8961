"""`beholder bench lora`: a fit of taste=lora with the frozen blocks' outputs kept and computed anew, and judging beside fitting.

Everything runs in this process, on the device that the taste takes. Images and choices are random: what they cost does not depend
on them. Kept and anew take turns, so that both meet the machine as it is.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from beholder import evaluation
from beholder.config import setting
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError
from beholder.jobs.train import judge
from beholder.progress import Progress
from beholder.reports.markup import markdown_table
from beholder.runs import Run
from beholder.taste import lora, shrinkage, splits, taste_factory, validation
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.taste_factory import TasteConfig

ATTRIBUTES = ("attractive", "smart", "trustworthy")


@dataclass(frozen=True)
class BenchLoraSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench lora",
        "beholder bench lora images=100 people=4 repeats=1",
    )
    images: int = setting(200, "random images")
    people: int = setting(8, "people who compare them")
    comparisons: int = setting(40, "comparisons of each person on each attribute")
    repeats: int = setting(2, "fits of either sort, in turn")
    taste: TasteConfig = setting(TasteConfig(), "taste=lora and its settings")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that is adapted")
    seed: int = setting(0, "seed of images, choices and fits")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.taste.kind != "lora":
            raise ConfigError(f"bench lora measures taste=lora, not taste={self.taste.kind}")
        if min(self.images, self.people, self.comparisons) < 2 or self.repeats < 1:
            raise ConfigError("expected images, people and comparisons >= 2, and repeats >= 1")


def main(settings: BenchLoraSettings, run: Run) -> None:
    items, dataset = made_up(settings)
    train, held_out = splits.by_image(dataset, seed=settings.seed, shares=(0.7, 0.3))
    encoder_id = settings.encoder.encoder_id()
    fitted: dict[str, Taste] = {}
    rows = []

    def fit(name: str, cache_mib: int) -> None:
        config = replace(settings.taste.lora, cache_mib=cache_mib)
        fitted[name] = lora.fit(train, held_out, items, config, encoder_id=encoder_id, seed=settings.seed)

    kept = settings.taste.lora.cache_mib or 2048
    work: dict[str, Callable[[], Any]] = {"kept": lambda: fit("kept", kept), "anew": lambda: fit("anew", 0)}
    with Progress("bench lora", total=settings.repeats * len(work) + 2, unit="measurements") as progress:
        for number in range(settings.repeats):
            for name, step in work.items():
                rows.append({"what": f"fit, frozen outputs {name}", "repeat": number, "seconds": seconds(step)})
                progress.advance()
        taste = fitted["kept"]
        population = taste_factory.fit(
            train, held_out, items, replace(settings.taste, kind="population"), encoder_id=encoder_id, seed=settings.seed
        )
        judging: dict[str, Callable[[], Any]] = {
            "judging in large batches": lambda: judge(taste, population, held_out, items, settings.seed),
            "judging pair by pair": lambda: one_by_one(taste, population, held_out, items, settings.seed),
        }
        for name, step in judging.items():
            rows.append({"what": name, "repeat": 0, "seconds": seconds(step)})
            progress.advance()
    table = pd.DataFrame(rows)
    median = table.groupby("what", sort=False)["seconds"].median()
    one, other = fitted["kept"].tensors(), fitted["anew"].tensors()
    ratios = {
        "anew / kept": float(median["fit, frozen outputs anew"] / median["fit, frozen outputs kept"]),
        "pair by pair / batches": float(median["judging pair by pair"] / median["judging in large batches"]),
        "judging / fitting": float(median["judging in large batches"] / median["fit, frozen outputs kept"]),
        "largest difference, kept - anew": float(max(np.abs(one[name] - other[name]).max() for name in one)),
    }
    run.results(table)
    run.metrics({f"seconds/{name}": float(value) for name, value in median.items()} | ratios | {"device": device(settings)})
    lines = markdown_table(["what", "seconds, median"], [(name, f"{value:.2f}") for name, value in median.items()], align="lr")
    lines += ["", *markdown_table(["ratio", ""], [(name, f"{value:.3g}") for name, value in ratios.items()], align="lr")]
    run.summary("\n".join([f"# taste=lora on {device(settings)}", "", *lines, ""]))
    print("\n".join(lines))


def made_up(settings: BenchLoraSettings) -> tuple[np.ndarray, JudgementDataset]:
    """Return random pixels uint8 [N, S, S, 3], and random choices between them."""
    rng = np.random.default_rng(settings.seed)
    size, count = settings.encoder.size, settings.people * settings.comparisons * len(ATTRIBUTES)
    items = rng.integers(0, 256, (settings.images, size, size, 3), dtype=np.uint8)
    person = np.repeat(np.arange(settings.people), settings.comparisons * len(ATTRIBUTES))
    attribute = np.tile(np.arange(len(ATTRIBUTES)), count // len(ATTRIBUTES))
    left = rng.integers(0, settings.images, count)
    right = (left + rng.integers(1, settings.images, count)) % settings.images
    none = np.zeros(0, np.int64)
    return items, JudgementDataset(
        tuple(f"person {number}" for number in range(settings.people)),
        tuple(f"{number:06d}" for number in range(settings.images)),
        ATTRIBUTES,
        RatingTable(none, none, none, np.zeros(0, np.float32)),
        ComparisonTable(person, left, right, attribute, rng.integers(0, 2, count).astype(np.float32)),
    )


def one_by_one(taste: Taste, population: Taste, held_out: JudgementDataset, items: np.ndarray, seed: int) -> None:
    """Judge as `train.judge` does, but ask the tastes for each person's pairs on each attribute by their pixels."""
    evaluation.agree(taste, population, held_out, validation.pairs(held_out, seed=seed), items)
    shrinkage.weigh(taste, held_out, items, seed=seed)


def seconds(step: Callable[[], Any]) -> float:
    """Return how long a step takes; on a GPU its results are on the host when it returns."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def device(settings: BenchLoraSettings) -> str:
    """Return the name of the device that fits."""
    import torch

    place = settings.taste.lora.fit.place()
    return torch.cuda.get_device_name(place) if place.startswith("cuda") else f"{torch.get_num_threads()} cores"
