"""`beholder evaluate surrogate`: edits predicted without drawing them beside the same edits drawn: ranks, the final pick, the time.

Who judges: tastes with any weights on embeddings, simulated people's tastes as embeddings show them, and rankers fitted to what
simulated people chose. What they judge: pictures that the generator makes of seeds the surrogate never saw, and pictures that
were inverted. Each image is drawn by a task, each kind of people judges in one, and the time is measured by one alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypedDict

import numpy as np
import pandas as pd
import ray

from beholder import plots
from beholder.config import setting
from beholder.editing import generator_store
from beholder.editing.inversion import Refinement
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError
from beholder.jobs import _ground_truth_tasks, _placement
from beholder.jobs._ground_truth_tasks import MOST_INVERTED, ImageSource
from beholder.ray_connection import RayConfig, connect
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.recommending.edit_set import EditSet
from beholder.recommending.surrogate import surrogate_model
from beholder.recommending.surrogate.surrogate_model import Surrogate, SurrogateInfo
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.simulation import simulated_people, surrogate_error
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.surrogate_error import FINAL, GOALS, Scorers
from beholder.statistics import bootstrap_two_way
from beholder.storage import Place
from beholder.workspace import Workspace


class Row(TypedDict):
    """A figure, with 95 % of where it lies where that is known."""

    figure: str
    mean: float
    low: float | None
    high: float | None


SCORERS = {
    "any": "any taste of embeddings",
    "people": "people's tastes in embeddings",
    "bayes": "rankers fitted to people's choices",
}


@dataclass(frozen=True)
class EvaluateSurrogateSettings:
    common: ClassVar[tuple[str, ...]] = (
        "generator",
        "encoder",
        "surrogate",
        "images",
        "people",
        "choices",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder evaluate surrogate",
        "beholder evaluate surrogate images=4 people=8 choices=10",
    )
    generator: str = setting(generator_store.SHIPPED, "a generator of the workspace, or portraits, which ships with the project")
    drawing: StyleGANConfig = setting(StyleGANConfig(), "how its pictures are drawn")
    candidates: CandidatesConfig = setting(CandidatesConfig(), "the edits that are predicted and drawn")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that embeds edited images")
    surrogate: str | None = setting(None, "a .safetensors file to measure; null: the surrogate that recommendations use")
    images: int = setting(8, "pictures of the generator, of seeds 0, 1, ..., each drawn under every candidate")
    inverted: int = setting(4, "pictures that are inverted, each drawn under every candidate")
    refinement: Refinement = setting(Refinement(stay=1.0), "how closely they are inverted")
    people: int = setting(24, "of each kind that judge; those of the portrait world are simulated")
    choices: int = setting(20, "that each person makes, to fit rankers to")
    final: int = setting(FINAL, "of the candidates with the highest guesses, so many are drawn, encoded and scored exactly")
    timed: int = setting(200, "candidates that are drawn to see how long all of them would take")
    threads: int = setting(0, "torch threads while the time is measured; 0: all cores of the largest machine")
    card: bool = setting(False, "put the figures on the card of the file given as surrogate")
    seed: int = setting(0, "of the people")
    actors: int = setting(0, "processes that draw and encode images; 0 is one per GPU, or one per core where there is no GPU")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting(
        "workspace", "folder or URI that holds tables, models and runs; what is drawn is kept in its galleries"
    )

    def __post_init__(self) -> None:
        if self.images < 1 or not 0 <= self.inverted <= MOST_INVERTED:
            raise ConfigError(f"images must be at least 1 and inverted 0..{MOST_INVERTED}, got {self.images} and {self.inverted}")
        if min(self.people, self.choices, self.final, self.timed) < 1:
            raise ConfigError("people, choices, final and timed must be at least 1")
        if self.card and self.surrogate is None:
            raise ConfigError("card=true needs surrogate=FILE: only the card of a file that is named is written to")
        if self.actors < 0:
            raise ConfigError(f"actors must be 0 or more, got {self.actors}")

    def sources(self) -> list[tuple[str, ImageSource, int]]:
        """Return the images that are judged, and how many: `seeds` and, where there are any, `inverted`."""
        seeds = ImageSource(self.generator, self.drawing, self.encoder, self.candidates, self.workspace)
        both = [("seeds", seeds, self.images), ("inverted", replace(seeds, refinement=self.refinement), self.inverted)]
        return [each for each in both if each[2]]

    def scorers(self, truth: GroundTruth) -> list[str]:
        """Name the kinds of people who judge: those of the portrait world only where there are traits for them to like."""
        return list(SCORERS) if truth.traits.shape[-1] else ["any"]


def main(settings: EvaluateSurrogateSettings, run: Run) -> None:
    surrogate = find(settings)
    with connect(settings.ray):
        truths = {
            name: _ground_truth_tasks.draw(source, range(count), actors=settings.actors)
            for name, source, count in settings.sources()
        }
        predicted: dict[str, Sequence[EditSet]] = {
            name: surrogate_error.predict(surrogate, truth) for name, truth in truths.items()
        }
        shared = {name: (ray.put(predicted[name]), ray.put(truth)) for name, truth in truths.items()}
        scorers = {name: settings.scorers(truth) for name, truth in truths.items()}
        tasks = {}
        for name, kind in [(name, kind) for name, kinds in scorers.items() for kind in kinds]:
            guesses, truth = shared[name]
            tasks[name, kind] = compare.remote(settings, name, kind, guesses, truth)
        results = dict(zip(tasks, ray.get(list(tasks.values())), strict=True))
        cores = int(_placement.largest_node())  # alone there: what is measured is the time
        alone = {"num_cpus": cores, **_placement.one_gpu(settings.encoder.device)}
        times = ray.get(seconds.options(**alone).remote(settings, surrogate, settings.threads or cores))
    rows = [row for result in results.values() for row in result.rows]
    rows += [{"figure": name, "mean": value, "low": None, "high": None} for name, value in times.items()]
    missed = {name: surrogate_error.missed(predicted[name], truth) for name, truth in truths.items()}
    report(settings, run, rows, missed)
    shown = {f"{SCORERS[kinds[-1]]}, {_IMAGES[name]}": results[name, kinds[-1]].example for name, kinds in scorers.items()}
    figure = plots.surrogate_errors(shown, {_IMAGES[name]: shares for name, shares in missed.items()}, final=settings.final)
    plots.save(run.place, "surrogate", figure)
    if settings.card:
        write_card(str(settings.surrogate), rows)


def find(settings: EvaluateSurrogateSettings) -> Surrogate:
    """Return the surrogate that is measured. Raises WeightsError where it is of something else."""
    workspace = Workspace(settings.workspace)
    editor = StyleGAN.load(settings.generator, workspace, config=settings.drawing)
    info = SurrogateInfo.of(editor, generator=settings.generator, encoder_id=settings.encoder.encoder_id())
    if settings.surrogate is None:
        return surrogate_model.find(info, workspace)
    surrogate = Surrogate.load(Place.at(settings.surrogate))
    surrogate.check(info)
    return surrogate


@dataclass(frozen=True, eq=False)
class ScoredTruth:
    """How a surrogate does by people of one kind. example: one person's utilities of an image's edits, predicted and true."""

    rows: list[Row]
    example: tuple[np.ndarray, np.ndarray]


@ray.remote(num_cpus=1)
def compare(
    settings: EvaluateSurrogateSettings, name: str, kind: str, predicted: Sequence[EditSet], truth: GroundTruth
) -> ScoredTruth:
    """Compare what people of a kind say of predicted and of drawn edits: rows of figures, with intervals over images and people."""
    people = scorers_of(settings, kind, truth)
    errors = surrogate_error.compare(predicted, truth, people, final=settings.final)
    rows: list[Row] = []
    for figure in ("rank_correlation", "regret"):
        mean = bootstrap_two_way(getattr(errors, figure), seed=settings.seed)
        rows.append({"figure": f"{name}/{kind}/{figure}", "mean": mean.mean, "low": mean.low, "high": mean.high})
    exact = people.utilities(simulated_people.edit_set(truth, 0))[0]
    return ScoredTruth(rows, (people.utilities(predicted[0])[0], exact))


def scorers_of(settings: EvaluateSurrogateSettings, kind: str, truth: GroundTruth) -> Scorers:
    """Return the people of a kind."""
    if kind == "any":
        return surrogate_error.any_tastes(truth.embeddings.shape[-1], settings.people, seed=settings.seed)
    if kind == "people":
        return surrogate_error.people_tastes(truth, settings.people, seed=settings.seed)
    return surrogate_error.people_ranked(truth, settings.people, choices=settings.choices, seed=settings.seed)


@ray.remote
def seconds(settings: EvaluateSurrogateSettings, surrogate: Surrogate, threads: int) -> dict[str, float]:
    """Measure how long recommending takes with the surrogate, and how long drawing all would take."""
    import torch

    torch.set_num_threads(threads)
    editor = StyleGAN.load(settings.generator, Workspace(settings.workspace), config=settings.drawing)
    edits = candidates(editor.directions, settings.candidates)
    encoder = Encoder.load(settings.encoder)
    return dict(surrogate_error.seconds(editor, encoder, surrogate, edits, drawn=settings.timed, final=settings.final))


def report(settings: EvaluateSurrogateSettings, run: Run, rows: Sequence[Row], missed: dict[str, dict[str, float]]) -> None:
    """Write the run's tables, and print them."""
    run.results(pd.DataFrame(rows))
    run.metrics(
        {row["figure"]: row["mean"] for row in rows}
        | {f"{images}/missed/{name}": share for images, shares in missed.items() for name, share in shares.items()}
    )
    cells, reached = [], []
    for row in rows:
        figure = row["figure"]
        goal = GOALS.get(figure.rpartition("/")[2])
        low, high = row["low"], row["high"]
        between = "" if low is None or high is None else f"{_number(figure, low)} .. {_number(figure, high)}"
        reached.append(surrogate_error.reached(figure, row["mean"]))
        word = {True: "reached", False: "missed", None: ""}[reached[-1]]
        cells.append(
            (_name(figure), _number(figure, row["mean"]), between, f"{goal[0]} {_number(figure, goal[1])}" if goal else "", word)
        )
    lines = markdown_table(["figure", "mean", "95 %", "goal", ""], cells, align="lrlll")
    head = (
        f"{settings.candidates.count} candidates predicted without drawing them, the best {settings.final} drawn and scored "
        "exactly, beside drawing and scoring all"
    )
    run.summary("\n".join(["# The surrogate, measured", "", head, "", *lines, "", "![surrogate](figures/surrogate.png)", ""]))
    print(head, "", *lines, sep="\n")
    known = [ok for ok in reached if ok is not None]
    log.info("%d of %d goals reached", sum(known), len(known))


def write_card(uri: str, rows: Sequence[Row]) -> None:
    """Put the figures on the card beside a file of weights, what is there already kept.

    How long it took by the clock says more of this machine, and of who else uses it, than of the weights, and is left out.
    """
    figures = {row["figure"]: round(row["mean"], 5) for row in rows if row["figure"] not in _CLOCK}
    surrogate_model.add_figures(Place.at(uri), figures)


_CLOCK = ("seconds", "seconds_exact")
_TIMES = {
    "seconds": "time, predicted",
    "seconds_exact": "time, all drawn",
    "share_of_exact": "time, predicted / all drawn",
    "processor_seconds": "processor's time, predicted",
    "processor_seconds_exact": "processor's time, all drawn",
}
_IMAGES = {"seeds": "pictures of seeds", "inverted": "inverted pictures"}


def _name(figure: str) -> str:
    words = figure.split("/")
    if len(words) == 1:
        return _TIMES[figure]
    images, kind, what = words
    return f"{what.replace('_', ' ')}, {SCORERS[kind]}, {_IMAGES[images]}"


def _number(figure: str, value: float) -> str:
    what = figure.rpartition("/")[2]
    if what in ("regret", "share_of_exact"):
        return f"{value:.2%}"
    return f"{value:.2f} s" if "seconds" in what else f"{value:.3f}"
