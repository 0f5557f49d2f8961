"""`beholder evaluate surrogate`: edits told without drawing them beside the same edits drawn: ranks, the final pick, the time.

Who judges: tastes with any weights on embeddings, simulated people's tastes as embeddings show them, and rankers fitted to what
simulated people chose. What they judge: pictures that the generator makes of seeds the perception never saw, and pictures that
were inverted.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from beholder import plots
from beholder.config import setting
from beholder.editing import generator_store
from beholder.editing.inversion import Refinement
from beholder.editing.latent import Latent
from beholder.editing.stylegan import StyleGAN, StyleGANConfig
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError
from beholder.progress import Progress
from beholder.recommending.candidates import CandidatesConfig, candidates
from beholder.recommending.edit_set import EditSet
from beholder.recommending.surrogate import surrogate_model
from beholder.recommending.surrogate.surrogate_model import Surrogate, SurrogateInfo
from beholder.runs import Run, log
from beholder.simulation import simulated_people, surrogate_error
from beholder.simulation.ground_truth import GroundTruth, Read, open_ground_truth
from beholder.simulation.surrogate_error import FINAL, GOALS, Scorers
from beholder.storage import Place
from beholder.workspace import Workspace

SAID = {
    "any": "any taste of embeddings",
    "people": "people's tastes in embeddings",
    "bayes": "rankers fitted to people's choices",
}
_PHOTOS = 5_000_011  # seed of the drawings that are inverted
_MOST = 1000  # of them


@dataclass(frozen=True)
class EvaluateSurrogateSettings:
    generator: str = setting(generator_store.SHIPPED, "a generator of the workspace, or portraits, which ships with the project")
    drawing: StyleGANConfig = setting(StyleGANConfig(), "how its pictures are drawn")
    candidates: CandidatesConfig = setting(CandidatesConfig(), "the edits that are told and drawn")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that looks at edited images")
    perception: str | None = setting(None, "a file to measure; null: the one that recommendations use")
    images: int = setting(8, "pictures of the generator, of seeds 0, 1, ..., each drawn under every candidate")
    inverted: int = setting(4, "pictures that are inverted, each drawn under every candidate")
    refinement: Refinement = setting(Refinement(stay=1.0), "how closely they are inverted")
    people: int = setting(24, "of each kind that judge; those of the portrait world are simulated")
    choices: int = setting(20, "that each person makes, to fit rankers to")
    final: int = setting(FINAL, "of the candidates with the highest guesses, so many are drawn, encoded and scored exactly")
    timed: int = setting(200, "candidates that are drawn to see how long all of them would take")
    threads: int = setting(0, "torch threads; 0: one for each core this process may use")
    card: bool = setting(False, "put the figures on the card of the file given as perception")
    seed: int = setting(0, "of the people")
    workspace: str = setting(
        "workspace", "folder or URI that holds tables, models and runs; what is drawn is kept in its galleries"
    )

    def __post_init__(self) -> None:
        if self.images < 1 or not 0 <= self.inverted <= _MOST:
            raise ConfigError(f"images must be at least 1 and inverted 0..{_MOST}, got {self.images} and {self.inverted}")
        if min(self.people, self.choices, self.final, self.timed) < 1:
            raise ConfigError("people, choices, final and timed must be at least 1")
        if self.card and self.perception is None:
            raise ConfigError("card=true needs perception=FILE: only the card of a file that is named is written to")


def main(settings: EvaluateSurrogateSettings, run: Run) -> None:
    import torch

    torch.set_num_threads(settings.threads or len(os.sched_getaffinity(0)))
    workspace = Workspace(settings.workspace)
    editor = StyleGAN.load(settings.generator, workspace, config=settings.drawing)
    encoder = Encoder.load(settings.encoder)
    info = SurrogateInfo.of(editor, generator=settings.generator, encoder_id=settings.encoder.encoder_id())
    known = find(settings, info, workspace)
    galleries = hang(settings, editor, encoder, info, workspace)
    told = {name: surrogate_error.perceive(known, gallery) for name, gallery in galleries.items()}
    rows = [
        row
        for name, gallery in galleries.items()
        for judges in judge(settings, gallery)
        for row in compare(settings, name, judges, told[name], gallery)
    ]
    times = surrogate_error.seconds(
        editor, encoder, known, candidates(editor.directions, settings.candidates), drawn=settings.timed, final=settings.final
    )
    rows += [{"figure": name, "mean": value, "low": None, "high": None} for name, value in times.items()]
    lost = {name: surrogate_error.missed(told[name], gallery) for name, gallery in galleries.items()}
    report(settings, run, pd.DataFrame(rows), lost)
    plots.save(run.place, "perception", picture(settings, galleries, told, lost))
    if settings.card:
        write_card(str(settings.perception), rows)


def find(settings: EvaluateSurrogateSettings, info: SurrogateInfo, workspace: Workspace) -> Surrogate:
    """The perception that is measured. Raises WeightsError where it is of something else."""
    if settings.perception is None:
        return surrogate_model.find(info, workspace)
    found = Surrogate.load(Place.at(settings.perception))
    found.check(info)
    return found


def hang(
    settings: EvaluateSurrogateSettings, editor: StyleGAN, encoder: Encoder, info: SurrogateInfo, workspace: Workspace
) -> dict[str, GroundTruth]:
    """Images under all candidates: `seeds` and, where there are any, `inverted`."""
    edits = candidates(editor.directions, settings.candidates)
    read = _reading(settings.generator)
    total = (settings.images + settings.inverted) * (len(edits) + 1)
    with Progress("perception", total=total, unit="pictures") as progress:
        hung = partial(
            open_ground_truth, workspace.place / "galleries", editor, encoder, read, candidates=edits, progress=progress.advance
        )
        found = {"seeds": hung(seeds=range(settings.images), made_for=info.made_for)}
        if settings.inverted:
            how = f"{info.made_for} inverted {asdict(settings.refinement)}"
            inverted = partial(_invert, editor, settings)
            found["inverted"] = hung(seeds=range(settings.inverted), made_for=how, latents=inverted)
    return found


def judge(settings: EvaluateSurrogateSettings, gallery: GroundTruth) -> list[Scorers]:
    """Who judges a gallery: people only where there are traits for them to like."""
    found: list[Scorers] = [surrogate_error.any_tastes(gallery.embeddings.shape[-1], settings.people, seed=settings.seed)]
    if gallery.traits.shape[-1]:
        found.append(surrogate_error.people_tastes(gallery, settings.people, seed=settings.seed))
        found.append(surrogate_error.people_ranked(gallery, settings.people, choices=settings.choices, seed=settings.seed))
    return found


def compare(
    settings: EvaluateSurrogateSettings, name: str, judges: Scorers, told: Sequence[EditSet], gallery: GroundTruth
) -> list[dict[str, str | float | None]]:
    """A row for each figure, with its interval over images and people."""
    found = surrogate_error.compare(told, gallery, judges, final=settings.final)
    rows: list[dict[str, str | float | None]] = []
    for figure in ("rank_correlation", "regret"):
        mean = surrogate_error.interval(getattr(found, figure), seed=settings.seed)
        rows.append({"figure": f"{name}/{judges.kind}/{figure}", "mean": mean.mean, "low": mean.low, "high": mean.high})
    return rows


def report(settings: EvaluateSurrogateSettings, run: Run, table: pd.DataFrame, lost: dict[str, dict[str, float]]) -> None:
    """The run's tables, and what is printed."""
    goals = {row.figure: surrogate_error.reached(row.figure, row.mean) for row in table.itertuples()}
    run.results(table)
    run.metrics(
        {row.figure: row.mean for row in table.itertuples()}
        | {f"{faces}/missed/{name}": share for faces, shares in lost.items() for name, share in shares.items()}
    )
    lines = ["| figure | mean | 95 % | goal | |", "|---|---:|---|---|---|"]
    for row in table.itertuples():
        goal = GOALS.get(row.figure.rpartition("/")[2])
        between = "" if pd.isna(row.low) else f"{_said(row.figure, row.low)} .. {_said(row.figure, row.high)}"
        wanted = f"{goal[0]} {_said(row.figure, goal[1])}" if goal else ""
        word = {True: "reached", False: "missed", None: ""}[goals[row.figure]]
        lines.append(f"| {_name(row.figure)} | {_said(row.figure, row.mean)} | {between} | {wanted} | {word} |")
    known = [ok for ok in goals.values() if ok is not None]
    head = (
        f"{settings.candidates.count} candidates told without drawing them, the best {settings.final} drawn and scored exactly, "
        "beside drawing and scoring all"
    )
    run.summary("\n".join(["# Perception, measured", "", head, "", *lines, "", "![perception](figures/perception.png)", ""]))
    print(head, "", *lines, sep="\n")
    log.info("%d of %d goals reached", sum(known), len(known))


def picture(
    settings: EvaluateSurrogateSettings,
    galleries: dict[str, GroundTruth],
    told: dict[str, list[EditSet]],
    lost: dict[str, dict[str, float]],
) -> Any:
    """One person's scores, told and exact, on an image of each gallery, and what is missed of each direction."""
    scores = {}
    for name, gallery in galleries.items():
        judges = judge(settings, gallery)[-1]
        exact = judges.utilities(simulated_people.edit_set(gallery, 0))[0]
        scores[f"{SAID[judges.kind]}, {_FACES[name]}"] = judges.utilities(told[name][0])[0], exact
    return plots.surrogate_errors(scores, {_FACES[name]: shares for name, shares in lost.items()}, final=settings.final)


def write_card(uri: str, rows: Sequence[dict[str, Any]]) -> None:
    """Put the figures on the card beside a file of weights, what is there already kept.

    How long it took by the clock says more of this machine, and of who else uses it, than of the weights, and is left out.
    """
    figures = {str(row["figure"]): round(float(row["mean"]), 5) for row in rows if row["figure"] not in _CLOCK}
    surrogate_model.add_figures(Place.at(uri), figures)


_CLOCK = ("seconds", "seconds_exact")
_TIMES = {
    "seconds": "time, told",
    "seconds_exact": "time, all drawn",
    "share_of_exact": "time, told / all drawn",
    "processor_seconds": "processor's time, told",
    "processor_seconds_exact": "processor's time, all drawn",
}
_FACES = {"seeds": "pictures of seeds", "inverted": "inverted pictures"}


def _name(figure: str) -> str:
    words = figure.split("/")
    if len(words) == 1:
        return _TIMES[figure]
    faces, kind, what = words
    return f"{what.replace('_', ' ')}, {SAID[kind]}, {_FACES[faces]}"


def _said(figure: str, value: float) -> str:
    what = figure.rpartition("/")[2]
    if what in ("regret", "share_of_exact"):
        return f"{value:.2%}"
    return f"{value:.2f} s" if "seconds" in what else f"{value:.3f}"


def _reading(generator: str) -> Read:
    """What is read off pictures: the traits of the portrait world, and nothing off other pictures."""
    if generator == generator_store.SHIPPED:
        from beholder.portraits.reader import reading

        return reading()
    return lambda pixels: np.zeros((len(pixels), 0), np.float32)


def _invert(editor: StyleGAN, settings: EvaluateSurrogateSettings, seeds: Sequence[int]) -> Latent:
    """Latents of pictures that are not the generator's own where there are such, and else of its own."""
    if settings.generator == generator_store.SHIPPED:
        from beholder.portraits import renderer, traits

        pictures = renderer.draw(traits.sample(_MOST, seed=_PHOTOS)[list(seeds)], editor.resolution)
    else:
        pictures = editor.edit(editor.generate([_PHOTOS + seed for seed in seeds]), [{}] * len(seeds))
    return Latent(editor.inversion(pictures, refinement=settings.refinement).ws)
