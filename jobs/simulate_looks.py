"""`beholder simulate looks`: simulated people with known preferences about looks answer questions about landscapes; how often what
is recommended to them is liked better than the photo as it is, whether what they are told of that is true, and what the photos that
they edited say of those that they have yet to edit."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import ray

from beholder.config import setting
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, closest
from beholder.jobs import _placement
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect
from beholder.recommending import acquisition
from beholder.recommending.candidates import CandidatesConfig
from beholder.recommending.edit_set import Comparison
from beholder.recommending.own_photos.look_service import look_candidates, look_encoder, look_ranker
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRanker, BayesRankerConfig
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.recommending.ranking import PROBABILITY, RANKED_BY
from beholder.reports.markup import markdown_table
from beholder.runs import Run
from beholder.simulation import look_examples, look_people, rounds, simulated_people, summary
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.look_examples import LookExamples
from beholder.simulation.rounds import Trajectory
from beholder.simulation.simulated_people import SimulatedChooser, SimulatedPeopleConfig
from beholder.statistics import bootstrap_clusters

ALONE = "bayes alone"  # before anybody else has chosen anything
_SHOWN = (0, 5, 10, 20)
_GOAL_AFTER, _GOAL = 10, 0.85
_TOLD = (5, 10, 20)  # choices after which what is told is compared with what is true
_AT_ONCE = 10  # people in a task
_USUAL_PHOTOS = 8  # that others edited, from which the usual taste is learned


@dataclass(frozen=True)
class SimulateLooksSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder simulate looks",
        "beholder simulate looks rounds=10 images=4",
    )
    strategies: list[str] = setting(["eubo", "random"], f"of {', '.join(acquisition.STRATEGIES)}")
    rounds: int = setting(20, "questions that everybody is asked")
    people: SimulatedPeopleConfig = setting(SimulatedPeopleConfig(), "who is asked")
    others: SimulatedPeopleConfig = setting(SimulatedPeopleConfig(), "other people, by whose choices the prior is learned")
    each: int = setting(40, "choices of each of the others")
    images: int = setting(16, "landscapes, half of them before the people and half before the others")
    first_image: int = setting(100, "seed of the first landscape; the others follow")
    candidates: CandidatesConfig = setting(CandidatesConfig(), "the looks that people choose among")
    encoder: EncoderConfig = setting(EncoderConfig(), "what looks are told apart by: looks, or a CLIP with encoder.looks=true")
    bayes: BayesRankerConfig = setting(BayesRankerConfig(), "the model of who would choose which look")
    by: str = setting(PROBABILITY, f"as components.ranking.by: by what a look is recommended, {' or '.join(RANKED_BY)}")
    edited: int = setting(20, "photos that somebody edited, from which their taste is learned; 0: that is not measured")
    held_out: int = setting(10, "photos that they edited as well, on which that taste is judged")
    editors: int = setting(24, "people who edited photos, and as many others, of whom the usual taste is learned")
    seed: int = setting(0, "seed of the people and their answers")
    ray: RayConfig = setting(RayConfig(), "where people are asked")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        known = list(acquisition.STRATEGIES)
        for each in self.strategies:
            if each not in known:
                near = closest(each, known)
                raise ConfigError(f"strategies: {each} is none of {', '.join(known)}{f'; did you mean {near}?' if near else ''}")
        if self.by not in RANKED_BY:
            raise ConfigError(f"by={self.by} is none of {', '.join(RANKED_BY)}")
        if self.images < 2 or min(self.rounds, self.each, len(self.strategies)) < 1:
            raise ConfigError("expected images >= 2, rounds and each >= 1, and a strategy")
        if self.edited < 0 or min(self.held_out, self.editors) < 1:
            raise ConfigError("expected edited >= 0, and held_out and editors >= 1")


def main(settings: SimulateLooksSettings, run: Run) -> None:
    bayes = look_ranker(RankerConfig(bayes=settings.bayes)).bayes
    settings = replace(settings, bayes=bayes, encoder=look_encoder(settings.encoder))
    with connect(settings.ray):
        truth: GroundTruth = ray.get(_draw.remote(settings, settings.first_image, settings.images))
        half = settings.images // 2
        people = look_people.look_people(settings.people, truth, range(half, settings.images), seed=2 * settings.seed)
        others = look_people.look_people(settings.others, truth, range(half), seed=2 * settings.seed + 1)
        comparisons = simulated_people.comparisons(truth, others, each=settings.each, seed=settings.seed)
        results = ask(settings, truth, people, comparisons)
        examples = learn(settings) if settings.edited else None
    report(settings, results, people, examples, run)


def ask(
    settings: SimulateLooksSettings, truth: GroundTruth, people: Sequence[SimulatedChooser], others: Sequence[Comparison]
) -> dict[tuple[str, str], list[Trajectory]]:
    """Return everybody's trajectory with the learned prior and with none, by strategy. others: the choices that the prior is of."""
    shared, comparisons = ray.put(truth), ray.put(others)
    cells = list(itertools.product(("bayes", ALONE), settings.strategies))
    parts = [range(start, min(start + _AT_ONCE, len(people))) for start in range(0, len(people), _AT_ONCE)]
    tasks = {
        (cell, part.start): _play.remote(cell, [people[i] for i in part], list(part), shared, comparisons, settings)
        for cell in cells
        for part in parts
    }
    with Progress("simulate", total=len(people) * len(cells), unit="people") as progress:
        for trajectories in _placement.as_completed(tasks.values()):
            progress.advance(len(trajectories))
    return {cell: list(itertools.chain(*(ray.get(tasks[cell, part.start]) for part in parts))) for cell in cells}


def learn(settings: SimulateLooksSettings) -> np.ndarray:
    """Return how often what each editor made of held-out photos is rated above other looks: by their own taste, learned from their
    other photos, and by the usual one, float64 [P, 2]."""
    count = settings.edited + settings.held_out
    truth: GroundTruth = ray.get(_draw.remote(settings, settings.first_image + settings.images, count))
    examples, others = (
        LookExamples(
            truth,
            tuple(f"editor-{seed}-{number}" for number in range(settings.editors)),
            look_people.liked_everywhere(truth, settings.editors, seed=seed),
        )
        for seed in (2 * settings.seed, 2 * settings.seed + 1)
    )
    shared, ranker = ray.put(examples), _usual_editor.remote(others, settings)
    tasks = [_learn.remote(ranker, shared, number, settings) for number in range(settings.editors)]
    with Progress("learn", total=len(tasks), unit="people") as progress:
        for _ in _placement.as_completed(tasks):
            progress.advance(1)
    return np.array(ray.get(tasks))


def report(
    settings: SimulateLooksSettings,
    results: dict[tuple[str, str], list[Trajectory]],
    people: Sequence[SimulatedChooser],
    examples: np.ndarray | None,
    run: Run,
) -> None:
    """Write the table of everybody and of each kind of people, and the goals. examples: as `learn` returns them."""
    shown = [count for count in _SHOWN if count <= settings.rounds]
    kinds = {"everybody": list(range(len(people)))}
    for known in dict.fromkeys(person.kind for person in people):
        kinds[known] = [number for number, person in enumerate(people) if person.kind == known]
    rows, records = [], []
    for cell, trajectories in results.items():
        for kind, numbers in kinds.items():
            means = summary.means([trajectories[number] for number in numbers], "preferred")
            rows.append(
                (*cell, kind, len(numbers), *(f"{means[n].mean:.3f} [{means[n].low:.3f}, {means[n].high:.3f}]" for n in shown))
            )
            records += [
                {"ranker": cell[0], "strategy": cell[1], "people": kind, "choices": n, "preferred": means[n].mean}
                for n in range(len(means))
            ]
    run.results(pd.DataFrame(records))
    possible = [1 / (1 + np.exp(-float(person.first.max()))) for person in people]
    lines = ["P(the recommended look is preferred to the photo as it is), after so many choices", ""]
    lines += [
        *markdown_table(["prior", "questions", "people", "how many", *map(str, shown)], rows, align="lllr" + "r" * len(shown)),
        "",
    ]
    lines.append(f"with the best of the {settings.candidates.count} candidates: {np.mean(possible):.3f}")
    steady, best = kinds.get("steady", []), ("bayes", settings.strategies[0])
    told = summary.calibration(results[best], people, [count for count in _TOLD if count <= settings.rounds])
    cells = [(each.kind, each.people, each.rounds, f"{each.told:.3f}", f"{each.true:.3f}", str(each.error)) for each in told]
    lines += ["", f"{' '.join(best)}: told that the recommended look is preferred to the photo as it is, and what is true", ""]
    lines += [*markdown_table(["people", "how many", "choices", "told", "true", "told - true"], cells, align="lrrrrr"), ""]
    metrics: dict[str, float] = {"people": len(people), "possible": float(np.mean(possible))}
    metrics |= {f"told - true/{each.kind}/{each.rounds}": each.error.mean for each in told}
    if steady and settings.rounds >= _GOAL_AFTER:
        reached = summary.means([results[best][number] for number in steady], "preferred")[_GOAL_AFTER]
        word = "reached" if reached.mean >= _GOAL else "MISSED"
        lines.append(
            f"- {word}: steady people prefer it after {_GOAL_AFTER} choices with P >= {_GOAL}: "
            f"{reached.mean:.3f} [{reached.low:.3f}, {reached.high:.3f}]"
        )
        metrics |= {"steady": reached.mean, "steady.low": reached.low, "steady.high": reached.high}
    if examples is not None:
        own, usual, ahead = bootstrap_clusters(
            np.column_stack([examples, examples[:, 0] - examples[:, 1]]), np.arange(len(examples))
        )
        word = "reached" if ahead.low > 0 else "MISSED"
        lines.append(
            f"- {word}: what {len(examples)} people made of {settings.held_out} photos is rated above other looks more often by a "
            f"taste learned from {settings.edited} photos before and after than by the usual one: {own.mean:.3f} against "
            f"{usual.mean:.3f}, {ahead}"
        )
        metrics |= {"examples/own": own.mean, "examples/usual": usual.mean, "examples/ahead.low": ahead.low}
    run.metrics(metrics)
    run.summary("# Looks for simulated people\n\n" + "\n".join(lines) + "\n")
    print("\n".join(lines))


@ray.remote(num_cpus=1)
def _draw(settings: SimulateLooksSettings, first: int, count: int) -> GroundTruth:
    """Return landscapes under every candidate look."""
    encoder, edits = Encoder.load(settings.encoder), look_candidates(settings.candidates)
    return look_people.ground_truth(encoder, edits, range(first, first + count))


@ray.remote(num_cpus=1)
def _usual_editor(others: LookExamples, settings: SimulateLooksSettings) -> BayesRanker:
    """Return a ranker whose prior is learned from what the others made of as many photos as fit into a few thousand choices."""
    shown = range(min(settings.edited, _USUAL_PHOTOS))
    return look_examples.population(others, Encoder.load(settings.encoder), shown, settings.bayes)


@ray.remote(num_cpus=1)
def _learn(ranker: BayesRanker, examples: LookExamples, person: int, settings: SimulateLooksSettings) -> tuple[float, float]:
    """Return how often what a person made of held-out photos is rated above other looks: by their own taste and the usual one."""
    shown, held_out = range(settings.edited), range(settings.edited, settings.edited + settings.held_out)
    encoder = Encoder.load(settings.encoder)
    return look_examples.learned_and_usual(ranker, encoder, examples, person, shown=shown, held_out=held_out)


@ray.remote(num_cpus=1)
def _play(
    cell: tuple[str, str],
    people: Sequence[SimulatedChooser],
    numbers: Sequence[int],
    truth: GroundTruth,
    comparisons: Sequence[Comparison],
    settings: SimulateLooksSettings,
) -> list[Trajectory]:
    """Return the trajectories of some people. numbers: theirs among all."""
    kind, strategy = cell
    if kind == ALONE:
        ranker = bayes_ranker.begin(simulated_people.edit_set(truth, people[0].image), settings.bayes)
    else:
        ranker = bayes_ranker.fit(comparisons, settings.bayes)
    seeds = [int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0]) for number in numbers]
    return [
        rounds.play(ranker, strategy, person, truth, rounds=settings.rounds, seed=seed, by=settings.by)
        for person, seed in zip(people, seeds, strict=True)
    ]
