"""Evaluation: a perception beside the truth, on images under all candidates that were drawn, encoded and read."""

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
    """U people who score edits. kind: what they are called."""

    @property
    def kind(self) -> str: ...

    def utilities(self, seen: EditSet) -> np.ndarray:
        """Of C edits, float64 [U, C]."""


@dataclass(frozen=True, eq=False)
class TasteScorers:
    """Tastes that are linear in embeddings: weights float64 [U, E]."""

    kind: str
    weights: np.ndarray

    def utilities(self, seen: EditSet) -> np.ndarray:
        found: np.ndarray = self.weights @ seen.embeddings.T.astype(np.float64)
        return found


@dataclass(frozen=True, eq=False)
class RankerScorers:
    """People as a ranker knows them."""

    kind: str
    ranker: Ranker
    user_ids: tuple[str, ...]

    def utilities(self, seen: EditSet) -> np.ndarray:
        return np.stack([self.ranker.joint(user_id, seen).mean for user_id in self.user_ids])


def any_tastes(width: int, count: int, *, seed: int) -> TasteScorers:
    """Tastes with random weights on embeddings [width]: no way for embeddings to differ counts before another."""
    return TasteScorers("any", np.random.default_rng(seed).normal(size=(count, width)))


def people_tastes(gallery: GroundTruth, count: int, *, seed: int) -> TasteScorers:
    """What simulated people like, as a linear reading of embeddings sees it: ridge regression on the gallery."""
    crowds = [simulated_people.people(_crowd(count), gallery, [image], seed=seed) for image in range(len(gallery))]
    liked = np.concatenate([np.stack([person.first[1:] for person in crowd], axis=1) for crowd in crowds])
    vectors = gallery.embeddings.reshape(len(liked), -1).astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    gram = centred.T @ centred
    ridge = 1e-4 * np.trace(gram) / len(gram) * np.eye(len(gram))
    return TasteScorers("people", np.linalg.solve(gram + ridge, centred.T @ (liked - liked.mean(axis=0))).T)


def people_ranked(
    gallery: GroundTruth, count: int, *, choices: int, seed: int, config: BayesRankerConfig | None = None
) -> RankerScorers:
    """Rankers fitted to what simulated people chose among drawn edits, so many times each."""
    crowd = simulated_people.people(_crowd(count), gallery, range(len(gallery)), seed=seed)
    comparisons = simulated_people.everybody(gallery, crowd, each=choices, seed=seed)
    ranker = bayes_ranker.fit(comparisons, config or BayesRankerConfig())
    return RankerScorers("bayes", ranker, tuple(person.user_id for person in crowd))


def perceive(perception: Surrogate, gallery: GroundTruth) -> list[EditSet]:
    """Every image under every candidate as a perception tells it; it is given the true embedding of the original."""
    names, alphas, originals = gallery.candidates.directions, gallery.candidates.alphas, gallery.base_embeddings
    return [
        EditSet(alphas, perception.predict(gallery.latents[row], alphas, directions=names, original=known), names, known)
        for row, known in enumerate(originals)
    ]


@dataclass(frozen=True, eq=False)
class SurrogateErrors:
    """How well guesses do, float64 [I, U] each.

    rank_correlation: Spearman's, of the candidates' utilities. regret: how much worse the best of the few candidates with the
    highest guesses is than the best of all, as a share of the range of utilities of that image.
    """

    rank_correlation: np.ndarray
    regret: np.ndarray


def compare(perceived: Sequence[EditSet], gallery: GroundTruth, judges: Scorers, *, final: int = FINAL) -> SurrogateErrors:
    """What judges say of `perceive` beside what they say of the drawn images."""
    pairs = [
        (judges.utilities(seen), judges.utilities(simulated_people.edit_set(gallery, image)))
        for image, seen in enumerate(perceived)
    ]
    return SurrogateErrors(
        np.stack([spearman(guess, true) for guess, true in pairs]),
        np.stack([regrets(guess, true, final=final) for guess, true in pairs]),
    )


def missed(perceived: Sequence[EditSet], gallery: GroundTruth) -> dict[str, float]:
    """Of each direction by itself: the squared error of the embedding, as a share of how much it changes."""
    guesses, original = np.stack([seen.embeddings for seen in perceived]), gallery.base_embeddings[:, None]
    moves = gallery.candidates.alphas != 0
    found = {}
    for column, name in enumerate(gallery.candidates.directions):
        rows = moves[:, column] & (moves.sum(axis=1) == 1)
        error, change = guesses[:, rows] - gallery.embeddings[:, rows], gallery.embeddings[:, rows] - original
        if rows.any():
            found[name] = float((error**2).sum() / max((change**2).sum(), 1e-12))
    return found


def regrets(guesses: np.ndarray, truths: np.ndarray, *, final: int) -> np.ndarray:
    """(the best - the best of the `final` with the highest guesses) / (the best - the worst), [U, C] and [U, C] -> [U]."""
    rows = np.arange(len(truths))[:, None]
    picked = truths[rows, np.argsort(-guesses, axis=1, kind="stable")[:, :final]].max(axis=1)
    best, worst = truths.max(axis=1), truths.min(axis=1)
    return np.asarray((best - picked) / np.maximum(best - worst, 1e-12))


def seconds(
    editor: StyleGAN,
    encoder: ImageEncoder,
    perception: Surrogate,
    candidates: Candidates,
    *,
    drawn: int,
    final: int = FINAL,
    repeats: int = 5,
    seed: int = 0,
) -> Mapping[str, float]:
    """How long a recommendation takes, warm, the median of `repeats`: `seconds` and `seconds_exact`, and their ratio.

    `processor_seconds` and `processor_seconds_exact` are what the processor worked, all threads together: others who use the
    machine at the same time do not count.
    With the perception: the image drawn and encoded, all candidates perceived and ranked, the best few drawn, encoded and ranked
    again. The exact way is timed on `drawn` of the candidates, drawn, encoded and ranked, and counted up to all.
    """
    features, latent = EditFeatures(perception, candidates), editor.generate([seed])

    def encode() -> EditableImage:
        return EditableImage("warm", latent, edit_features.draw(editor, encoder, latent, [{}]).embeddings[0])

    warm = features.edit_set(encode())
    ranker = bayes_ranker.begin(warm, BayesRankerConfig())

    def fast() -> None:
        image = encode()
        edits = [candidates.edit(int(row)) for row in ranking.shortlist(ranker, "ana", features.edit_set(image), chosen)]
        drawn = edit_features.draw(editor, encoder, latent, edits)
        ranking.rank(ranker, "ana", features.drawn(image, edits, drawn.embeddings), edits)

    chosen = RankingConfig(exact=final)

    some = candidates[np.linspace(0, len(candidates) - 1, min(drawn, len(candidates))).astype(int)]

    def slow() -> None:
        seen = edit_features.draw(editor, encoder, latent, some.edits())
        ranker.joint("ana", EditSet(some.alphas, seen.embeddings, some.directions, warm.original))

    fast()
    told, worked = np.median([_timed(fast) for _ in range(repeats)], axis=0)
    whole, all_worked = np.array(_timed(slow)) * len(candidates) / len(some)
    found = {"seconds": told, "seconds_exact": whole, "share_of_exact": told / whole}
    found |= {"processor_seconds": worked, "processor_seconds_exact": all_worked}
    return {name: float(value) for name, value in found.items()}


def reached(name: str, value: float) -> bool | None:
    """Whether a figure reaches its goal; None where it has none. name: ends in the figure's own, after the last slash."""
    goal = GOALS.get(name.rpartition("/")[2])
    if goal is None:
        return None
    sign, limit = goal
    return value >= limit if sign == ">=" else value <= limit


def _crowd(count: int) -> SimulatedPeopleConfig:
    return SimulatedPeopleConfig(steady=count, noisy=0, drifting=0)


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of the processor."""
    began, worked = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - worked
