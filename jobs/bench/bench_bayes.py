"""`beholder bench bayes`: what one choice costs: a person's posterior updated, and 1,000 images scored for them.

With people=[10000,100000] instead: what a fit to so many simulated people costs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.jobs.bench import many_people
from beholder.reports.markup import markdown_table
from beholder.runs import Run
from beholder.taste.bayes import BayesTaste, PopulationPrior
from beholder.taste.contract import TasteInfo
from beholder.taste.person_features import PersonFeatures


@dataclass(frozen=True)
class BenchBayesSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench bayes",
        "beholder bench bayes dimensions=768 images=10000",
    )
    dimensions: int = setting(512, "length of the embeddings, which are random")
    components: int = setting(64, "principal directions that a person weighs")
    images: int = setting(1000, "images that are scored")
    repeats: int = setting(300, "repeats of each measurement")
    people: list[int] = setting([], "instead of that: numbers of simulated people whose tastes are fitted, for their cost")
    judgements: list[int] = setting([20, 100], "with people: the fewest and the most images that one of them rates")
    seed: int = setting(0, "seed of the embeddings and choices")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if min(self.dimensions, self.components, self.images) < 2 or self.repeats < 1 or self.components > self.dimensions:
            raise ConfigError("expected dimensions >= components >= 2, images >= 2 and repeats >= 1")
        if len(self.judgements) != 2 or not 1 <= self.judgements[0] <= self.judgements[1] or min([1, *self.people]) < 1:
            raise ConfigError(f"expected people >= 1, and judgements=[fewest,most]; got {self.people} and {self.judgements}")


def main(settings: BenchBayesSettings, run: Run) -> None:
    if settings.people:
        many_people.measure(settings, run)
        return
    rng = np.random.default_rng(settings.seed)
    taste = untaught(settings, rng)
    images = rng.normal(size=(settings.images, settings.dimensions)).astype(np.float32)
    prior = taste.priors[0]
    known = prior.features.of(images)
    pairs = iter(np.tile(rng.integers(0, settings.images, (1000, 2)), (settings.repeats // 500 + 2, 1)).tolist())

    def update() -> None:
        one, other = next(pairs)
        posterior = taste.posterior("ana", "attractive")
        taste.posteriors[0]["ana"] = posterior.update(known[one] - known[other], 1.0, temper=prior.temper)

    def choose() -> None:
        one, other = next(pairs)
        taste.update(images[one], images[other], 1.0, "ana", "attractive")

    work: dict[str, Callable[[], object]] = {
        "update": update,
        "update from embeddings": choose,
        f"score {settings.images}": lambda: taste.utilities(images, ["ana"], "attractive"),
        f"score {settings.images} with variance": lambda: taste.posterior("ana", "attractive").project(known),
    }
    rows = []
    for name, step in work.items():
        step()
        times = []
        for _ in range(settings.repeats):
            began = time.perf_counter()
            step()
            times.append((time.perf_counter() - began) * 1e6)
        low, median, high = np.quantile(times, [0.1, 0.5, 0.9])
        rows.append({"what": name, "microseconds": median, "tenth": low, "ninetieth": high})
    table = pd.DataFrame(rows)
    run.results(table)
    run.metrics({f"{row['what']}/microseconds": float(row["microseconds"]) for row in rows})
    cells = [(row["what"], *(f"{row[key]:,.0f}" for key in ("microseconds", "tenth", "ninetieth"))) for row in rows]
    lines = markdown_table(["what", "median, microseconds", "10 %", "90 %"], cells, align="lrrr")
    run.summary("\n".join(["# The Bayesian taste, one choice at a time", "", *lines, ""]))
    print("\n".join(lines))


def untaught(settings: BenchBayesSettings, rng: np.random.Generator) -> BayesTaste:
    """A taste of the real shape whose numbers mean nothing: what an update costs does not depend on them."""
    axes = np.linalg.qr(rng.normal(size=(settings.dimensions, settings.components)))[0].T
    features = PersonFeatures(np.zeros(settings.dimensions), axes, rng.normal(size=settings.dimensions), 1.0)
    about = TasteInfo("bayes", "random", ("attractive",), ())
    return BayesTaste(about, [PopulationPrior(features, 0.02 * np.eye(features.width), 1.0, 1.0)], [{}], [])
