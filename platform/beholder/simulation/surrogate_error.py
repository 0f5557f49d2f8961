"""Surrogate error: predicted embeddings compared with those of images that were drawn and encoded, by what people would say."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from beholder.editing.stylegan import StyleGAN
from beholder.encoder import ImageEncoder
from beholder.recommending import edit_features, ranking
from beholder.recommending.candidates import Candidates
from beholder.recommending.edit_features import EditableImage, EditFeatures
from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.ranker import Ranker
from beholder.recommending.ranking import RankingConfig
from beholder.recommending.surrogate.surrogate_model import Surrogate
from beholder.simulation import simulated_people
from beholder.simulation.ground_truth import GroundTruth
from beholder.simulation.simulated_people import SimulatedPeopleConfig
from beholder.statistics import spearman

GOALS: dict[str, tuple[str, float]] = {
    "rank_correlation": (">=", 0.9),
    "regret": ("<=", 0.02),
    "seconds": ("<=", 0.5),
    "share_of_exact": ("<=", 1 / 20),
}
FINAL = 8  # candidates that are drawn, encoded and scored exactly


class Scorers(Protocol):
    """U people who score edits. kind: which people they are."""

    @property
    def kind(self) -> str: ...

    def utilities(self, edits: EditSet) -> np.ndarray:
        """Return utilities of C edits, float64 [U, C]."""


@dataclass(frozen=True, eq=False)
class TasteScorers:
    """Tastes that are linear in embeddings: weights float64 [U, E]."""

    kind: str
    weights: np.ndarray

    def utilities(self, edits: EditSet) -> np.ndarray:
        utilities: np.ndarray = self.weights @ edits.embeddings.T.astype(np.float64)
        return utilities


@dataclass(frozen=True, eq=False)
class RankerScorers:
    """People as a ranker knows them."""

    kind: str
    ranker: Ranker
    user_ids: tuple[str, ...]

    def utilities(self, edits: EditSet) -> np.ndarray:
        return np.stack([self.ranker.joint(user_id, edits).mean for user_id in self.user_ids])


def any_tastes(width: int, count: int, *, seed: int) -> TasteScorers:
    """Return tastes with random weights on embeddings [width]: no direction in embedding space counts more than another."""
    return TasteScorers("any", np.random.default_rng(seed).normal(size=(count, width)))


def people_tastes(truth: GroundTruth, count: int, *, seed: int) -> TasteScorers:
    """Fit tastes that are linear in embeddings to the utilities of simulated people, by ridge regression on the ground truth."""
    groups = [simulated_people.people(_steady(count), truth, [image], seed=seed) for image in range(len(truth))]
    utilities = np.concatenate([np.stack([person.first[1:] for person in group], axis=1) for group in groups])
    vectors = truth.embeddings.reshape(len(utilities), -1).astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    gram = centred.T @ centred
    ridge = 1e-4 * np.trace(gram) / len(gram) * np.eye(len(gram))
    return TasteScorers("people", np.linalg.solve(gram + ridge, centred.T @ (utilities - utilities.mean(axis=0))).T)


def people_ranked(
    truth: GroundTruth, count: int, *, choices: int, seed: int, config: BayesRankerConfig | None = None
) -> RankerScorers:
    """Fit a ranker to the choices of simulated people among drawn edits. choices: of each person."""
    people = simulated_people.people(_steady(count), truth, range(len(truth)), seed=seed)
    comparisons = simulated_people.comparisons(truth, people, each=choices, seed=seed)
    ranker = bayes_ranker.fit(comparisons, config or BayesRankerConfig())
    return RankerScorers("bayes", ranker, tuple(person.user_id for person in people))


def predict(surrogate: Surrogate, truth: GroundTruth) -> list[EditSet]:
    """Return every image under every candidate as a surrogate predicts it from the true embedding of the original."""
    names, alphas = truth.candidates.directions, truth.candidates.alphas
    return [
        EditSet(alphas, surrogate.predict(truth.latents[row], alphas, directions=names, original=original), names, original)
        for row, original in enumerate(truth.original_embeddings)
    ]


@dataclass(frozen=True, eq=False)
class SurrogateErrors:
    """Figures of predicted utilities by image and person, float64 [I, U] each.

    rank_correlation: Spearman's, with the true utilities of the candidates. regret: how much worse the best of the few candidates
    with the highest predicted utilities is than the best of all, as a share of the range of utilities of that image.
    """

    rank_correlation: np.ndarray
    regret: np.ndarray


def compare(predicted: Sequence[EditSet], truth: GroundTruth, scorers: Scorers, *, final: int = FINAL) -> SurrogateErrors:
    """Compare the utilities that people give to predicted embeddings with those that they give to true ones."""
    pairs = [
        (scorers.utilities(edits), scorers.utilities(simulated_people.edit_set(truth, image)))
        for image, edits in enumerate(predicted)
    ]
    return SurrogateErrors(
        np.stack([spearman(guesses, true) for guesses, true in pairs]),
        np.stack([regrets(guesses, true, final=final) for guesses, true in pairs]),
    )


def missed(predicted: Sequence[EditSet], truth: GroundTruth) -> dict[str, float]:
    """Return for each direction by itself the squared error of the embedding, as a share of how much it changes."""
    guesses, original = np.stack([edits.embeddings for edits in predicted]), truth.original_embeddings[:, None]
    moves = truth.candidates.alphas != 0
    shares = {}
    for column, name in enumerate(truth.candidates.directions):
        rows = moves[:, column] & (moves.sum(axis=1) == 1)
        error, change = guesses[:, rows] - truth.embeddings[:, rows], truth.embeddings[:, rows] - original
        if rows.any():
            shares[name] = float((error**2).sum() / max((change**2).sum(), 1e-12))
    return shares


def regrets(guesses: np.ndarray, true: np.ndarray, *, final: int) -> np.ndarray:
    """Return (best - best of the `final` with the highest guesses) / (best - worst), [U, C] and [U, C] -> [U]."""
    rows = np.arange(len(true))[:, None]
    picked = true[rows, np.argsort(-guesses, axis=1, kind="stable")[:, :final]].max(axis=1)
    best, worst = true.max(axis=1), true.min(axis=1)
    return np.asarray((best - picked) / np.maximum(best - worst, 1e-12))


def seconds(
    editor: StyleGAN,
    encoder: ImageEncoder,
    surrogate: Surrogate,
    candidates: Candidates,
    *,
    drawn: int,
    final: int = FINAL,
    repeats: int = 5,
    seed: int = 0,
) -> Mapping[str, float]:
    """Measure how long a recommendation takes, warm, the median of `repeats`: `seconds`, `seconds_exact` and their ratio.

    `processor_seconds` and `processor_seconds_exact` are the processor's, all threads together: others who use the machine at the
    same time do not count.
    With the surrogate: the image drawn and encoded, all candidates predicted and ranked, the best few drawn, encoded and ranked
    again. The exact way is timed on `drawn` of the candidates, drawn, encoded and ranked, and multiplied up to all.
    """
    features, latent = EditFeatures(surrogate, candidates), editor.generate([seed])

    def encode() -> EditableImage:
        return EditableImage("warm", latent, edit_features.draw(editor, encoder, latent, [{}]).embeddings[0])

    warm, config = features.edit_set(encode()), RankingConfig(exact=final)
    ranker = bayes_ranker.begin(warm, BayesRankerConfig())
    some = candidates[np.linspace(0, len(candidates) - 1, min(drawn, len(candidates))).astype(int)]

    def recommend() -> None:
        image = encode()
        edits = [candidates.edit(int(row)) for row in ranking.shortlist(ranker, "ana", features.edit_set(image), config)]
        embeddings = edit_features.draw(editor, encoder, latent, edits).embeddings
        ranking.rank(ranker, "ana", features.drawn(image, edits, embeddings), edits)

    def rank_exactly() -> None:
        embeddings = edit_features.draw(editor, encoder, latent, some.edits()).embeddings
        ranker.joint("ana", EditSet(some.alphas, embeddings, some.directions, warm.original))

    recommend()
    clock, processor = np.median([_timed(recommend) for _ in range(repeats)], axis=0)
    clock_exact, processor_exact = np.array(_timed(rank_exactly)) * len(candidates) / len(some)
    figures = {"seconds": clock, "seconds_exact": clock_exact, "share_of_exact": clock / clock_exact}
    figures |= {"processor_seconds": processor, "processor_seconds_exact": processor_exact}
    return {name: float(value) for name, value in figures.items()}


def reached(name: str, value: float) -> bool | None:
    """Tell whether a figure reaches its goal; None where it has none. name: ends in the figure's own, after the last slash."""
    goal = GOALS.get(name.rpartition("/")[2])
    if goal is None:
        return None
    sign, limit = goal
    return value >= limit if sign == ">=" else value <= limit


def _steady(count: int) -> SimulatedPeopleConfig:
    return SimulatedPeopleConfig(steady=count, noisy=0, drifting=0)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return seconds by the clock, and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor
