"""`beholder simulate`: simulated people of the portrait world answer questions; how good recommendations become, and how fast."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import ray

from beholder import plots
from beholder.config import setting
from beholder.editing import generator_store
from beholder.editing.stylegan import StyleGANConfig
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, nearest
from beholder.jobs import _ground_truth_tasks, _placement
from beholder.jobs._ground_truth_tasks import ImageSource
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect
from beholder.recommending import acquisition
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.edit_set import Comparison
from beholder.recommending.rankers import bayes_ranker, ranker_factory
from beholder.recommending.rankers.ranker import Ranker
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.reports.markup import markdown_table
from beholder.reports.simulation_report import TITLES, courses, simulation_report
from beholder.runs import Run
from beholder.simulation import rounds, simulated_people, summary
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.rounds import Trajectory
from beholder.simulation.simulated_people import SimulatedChooser, SimulatedPeopleConfig
from beholder.simulation.summary import Cell, Results

ALONE = "bayes alone"  # the Bayesian ranker before anybody else has chosen anything
_SHOWN = (0, 5, 10, 20, 50)
_AT_ONCE = 10  # people in a task


@dataclass(frozen=True)
class SimulateSettings:
    rankers: list[str] = setting(
        [*ranker_factory.KINDS, ALONE], f"of {', '.join(ranker_factory.KINDS)}; {ALONE}: without others' choices"
    )
    strategies: list[str] = setting(list(acquisition.STRATEGIES), f"of {', '.join(acquisition.STRATEGIES)}")
    rounds: int = setting(50, "questions that everybody is asked")
    people: SimulatedPeopleConfig = setting(SimulatedPeopleConfig(), "who is asked")
    others: SimulatedPeopleConfig = setting(
        SimulatedPeopleConfig(), "other people, whose choices about other images the rankers are fitted to"
    )
    each: int = setting(40, "choices of each of the others")
    images: int = setting(8, "portraits, half of them before the people and half before the others")
    first_image: int = setting(100, "seed of the first portrait; the others follow")
    candidates: CandidatesConfig = setting(CandidatesConfig(), "the edits that people choose among")
    ranker: RankerConfig = setting(RankerConfig(), "the settings of each kind of ranker")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that embeds edited images")
    seed: int = setting(0, "seed of the people and their answers")
    ray: RayConfig = setting(RayConfig(), "where people are asked")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        for name, known in (("rankers", [*ranker_factory.KINDS, ALONE]), ("strategies", list(acquisition.STRATEGIES))):
            chosen = getattr(self, name)
            if not chosen:
                raise ConfigError(f"{name}: expected at least one of {', '.join(known)}")
            for each in chosen:
                if each not in known:
                    raise ConfigError(f"{name}: {each} is none of {', '.join(known)}{nearest(each, known)}")
        if self.images < 2 or self.rounds < 1 or self.each < 1:
            raise ConfigError("expected images >= 2, and rounds and each >= 1")


def main(settings: SimulateSettings, run: Run) -> None:
    with connect(settings.ray):
        truth = draw(settings)
        half = settings.images // 2
        people = simulated_people.people(settings.people, truth, range(half, settings.images), seed=2 * settings.seed)
        others = simulated_people.people(settings.others, truth, range(half), seed=2 * settings.seed + 1)
        comparisons = simulated_people.comparisons(truth, others, each=settings.each, seed=settings.seed)
        results = ask(settings, truth, people, comparisons)
    report(results, people, run)


def draw(settings: SimulateSettings) -> GroundTruth:
    """Return the portraits under every candidate, from the workspace or drawn by tasks and kept there."""
    source = ImageSource(generator_store.SHIPPED, StyleGANConfig(), settings.encoder, settings.candidates, settings.workspace)
    return _ground_truth_tasks.draw(source, range(settings.first_image, settings.first_image + settings.images))


def ask(
    settings: SimulateSettings, truth: GroundTruth, people: Sequence[SimulatedChooser], others: Sequence[Comparison]
) -> dict[Cell, list[Trajectory]]:
    """Return everybody's trajectory with every ranker and strategy. others: the choices that rankers are fitted to."""
    shared, comparisons = ray.put(truth), ray.put(others)
    rankers = {kind: _fit.remote(kind, settings, comparisons, shared, people[0].image) for kind in settings.rankers}
    parts = [range(start, min(start + _AT_ONCE, len(people))) for start in range(0, len(people), _AT_ONCE)]
    tasks = {
        (cell, part.start): _play.remote(rankers[cell[0]], cell, [people[i] for i in part], shared, settings, part)
        for part in parts
        for cell in _cells(settings)
    }
    with Progress("simulate", total=len(people) * len(_cells(settings)), unit="people") as progress:
        for trajectories in _placement.as_completed(tasks.values()):
            progress.advance(len(trajectories))
    return {cell: list(itertools.chain(*(ray.get(tasks[cell, part.start]) for part in parts))) for cell in _cells(settings)}


def report(results: Results, people: Sequence[SimulatedChooser], run: Run) -> None:
    """Write the table, the figure and the goals."""
    run.results(summary.table(results, people))
    means = {(cell, figure): summary.means(results[cell], figure) for cell in results for figure in rounds.FIGURES}
    last = len(means[next(iter(means))]) - 1
    shown = [count for count in _SHOWN if count <= last]
    run.metrics(
        {"people": len(people)}
        | {
            f"{'/'.join(cell)}/{count}/{figure}{end}": getattr(means[cell, figure][count], part)
            for (cell, figure), count in itertools.product(means, shown)
            for end, part in (("", "mean"), (".low", "low"), (".high", "high"))
        }
    )
    lines = []
    for figure, title in {**TITLES, "regret_logits": "regret, in logits"}.items():
        rows = [
            (*cell, *(f"{each.mean:.3f} [{each.low:.3f}, {each.high:.3f}]" for each in (means[cell, figure][n] for n in shown)))
            for cell in results
        ]
        header = ["ranker", "questions", *map(str, shown)]
        lines += [f"{title}, after so many choices", "", *markdown_table(header, rows, align="ll" + "r" * len(shown)), ""]
    if summary.BEST in results:
        kinds = summary.by_kind(results[summary.BEST], people, "preferred")
        counts = [(kind, many, *(f"{values[n]:.3f}" for n in shown)) for kind, (many, values) in kinds.items()]
        header = ["people", "how many", *map(str, shown)]
        lines += [f"{' '.join(summary.BEST)}, {TITLES['preferred']}, by kind of people", ""]
        lines += [*markdown_table(header, counts, align="lr" + "r" * len(shown)), ""]
    words = {True: "reached", False: "MISSED", None: "CAN'T BE TOLD"}
    lines += [f"- {words[goal.reached]}: {goal.claim}: {goal.measured}" for goal in summary.goals(results)]
    plots.save(run.place, "courses", courses(results, len(people)))
    page = simulation_report(results, people, shown=shown)
    page.write(run)
    run.summary(
        "\n".join([f"# {len(people)} simulated people", "", page.verdict, "", *lines, "", "![courses](figures/courses.png)", ""])
    )
    print("\n".join(lines))
    print(f"\n{run.place.uri}/report.html")


def _cells(settings: SimulateSettings) -> list[Cell]:
    """Return rankers with strategies; those without uncertainty do the same with every strategy but `random`."""
    cells: list[Cell] = []
    for kind, strategy in itertools.product(settings.rankers, settings.strategies):
        uncertain = kind in ("bayes", ALONE)
        cells.append((kind, strategy if uncertain or strategy == "random" else acquisition.CHAMPION))
    return list(dict.fromkeys(cells))


@ray.remote(num_cpus=1)
def _fit(kind: str, settings: SimulateSettings, comparisons: Sequence[Comparison], truth: GroundTruth, image: int) -> Ranker:
    """Fit a kind of ranker. image: by whose candidates the regressors of ALONE are scaled."""
    if kind == ALONE:
        return bayes_ranker.begin(simulated_people.edit_set(truth, image), settings.ranker.bayes)
    return ranker_factory.fit(comparisons, replace(settings.ranker, kind=kind), seed=settings.seed)


@ray.remote(num_cpus=1)
def _play(
    ranker: Ranker,
    cell: Cell,
    people: Sequence[SimulatedChooser],
    truth: GroundTruth,
    settings: SimulateSettings,
    numbers: Sequence[int],
) -> list[Trajectory]:
    """Return the trajectories of some people. numbers: theirs among all."""
    strategy = "eubo" if cell[1] == acquisition.CHAMPION else cell[1]
    return [
        rounds.play(ranker, strategy, person, truth, rounds=settings.rounds, seed=_seed(settings.seed, number))
        for person, number in zip(people, numbers, strict=True)
    ]


def _seed(seed: int, number: int) -> int:
    """Return the seed of a person's questions and answers, the same with every ranker."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
