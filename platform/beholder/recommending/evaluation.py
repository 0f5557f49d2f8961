"""Evaluation: a perception beside the truth, on images under all candidates that were drawn, encoded and read."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.editing.stylegan import StyleGAN
from beholder.recommending import exact
from beholder.recommending.exact import Embedder
from beholder.recommending.gallery import Gallery
from beholder.recommending.perception import Perception

GOALS: dict[str, tuple[str, float]] = {
    "rank_correlation": (">=", 0.9),
    "regret": ("<=", 0.02),
    "seconds": ("<=", 0.5),
    "share_of_exact": ("<=", 1 / 20),
}
FINAL = 8  # candidates that are drawn, encoded and scored exactly


@dataclass(frozen=True, eq=False)
class Tastes:
    """Tastes that are linear in embeddings: weights float64 [U, E]."""

    kind: str
    weights: np.ndarray

    def utilities(self, embeddings: np.ndarray) -> np.ndarray:
        """[C, E] -> [U, C]."""
        return self.weights @ embeddings.T.astype(np.float64)


def linear_tastes(gallery: Gallery, count: int, *, seed: int) -> Tastes:
    """Tastes with any weights: random ones, with no direction of the embeddings before another."""
    return Tastes("linear", np.random.default_rng(seed).normal(size=(count, gallery.embeddings.shape[-1])))


def people_tastes(gallery: Gallery, weights: np.ndarray) -> Tastes:
    """Tastes over traits, weights [U, T], as a linear reading of embeddings sees them: ridge regression on the gallery."""
    vectors = gallery.embeddings.reshape(-1, gallery.embeddings.shape[-1]).astype(np.float64)
    traits = gallery.traits.reshape(len(vectors), -1).astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    gram = centred.T @ centred
    ridge = 1e-4 * np.trace(gram) / len(gram) * np.eye(len(gram))
    reading = np.linalg.solve(gram + ridge, centred.T @ (traits - traits.mean(axis=0)))
    return Tastes("people", weights @ reading.T)


def told(perception: Perception, gallery: Gallery) -> np.ndarray:
    """What a perception tells of every image under every candidate, [I, C, E]; it is given the true embedding of the original."""
    alphas, names = gallery.candidates.alphas, gallery.candidates.directions
    rows = [
        perception.embeddings(gallery.latents[row], alphas, directions=names, original=gallery.base_embeddings[row])
        for row in range(len(gallery))
    ]
    return np.stack(rows)


def compare(guesses: np.ndarray, gallery: Gallery, tastes: Sequence[Tastes], *, final: int = FINAL) -> dict[str, np.ndarray]:
    """<kind>/rank_correlation and <kind>/regret of each kind of tastes, [I * U] each.

    guesses: `told`. rank_correlation: Spearman's, of the candidates' utilities. regret: how much worse the best of the `final`
    candidates with the highest guesses is than the best of all, as a share of the range of utilities of that image.
    """
    found = {}
    for each in tastes:
        pairs = [(each.utilities(g), each.utilities(e)) for g, e in zip(guesses, gallery.embeddings, strict=True)]
        found[f"{each.kind}/rank_correlation"] = np.concatenate([rank_correlations(guess, true) for guess, true in pairs])
        found[f"{each.kind}/regret"] = np.concatenate([regrets(guess, true, final=final) for guess, true in pairs])
    return found


def rank_correlations(guesses: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of each row, [U, C] and [U, C] -> [U]; ties are taken in order."""
    first, second = (np.argsort(np.argsort(scores, axis=1, kind="stable"), axis=1).astype(float) for scores in (guesses, truths))
    middle = (first.shape[1] - 1) / 2
    return ((first - middle) * (second - middle)).sum(axis=1) / ((first - middle) ** 2).sum(axis=1)


def regrets(guesses: np.ndarray, truths: np.ndarray, *, final: int) -> np.ndarray:
    """(the best - the best of the `final` with the highest guesses) / (the best - the worst), [U, C] and [U, C] -> [U]."""
    rows = np.arange(len(truths))[:, None]
    picked = truths[rows, np.argsort(-guesses, axis=1, kind="stable")[:, :final]].max(axis=1)
    best, worst = truths.max(axis=1), truths.min(axis=1)
    return (best - picked) / np.maximum(best - worst, 1e-12)


def seconds(
    editor: StyleGAN, encoder: Embedder, perception: Perception, gallery: Gallery, *, drawn: int, repeats: int = 3
) -> Mapping[str, float]:
    """How long a recommendation takes, warm: `seconds` with the perception, `seconds_exact` with every candidate drawn.

    With the perception: the original drawn and encoded, all candidates told and scored, the best few drawn and encoded. The exact
    way is timed on `drawn` candidates and counted up to all.
    """
    taste = linear_tastes(gallery, 1, seed=0)
    candidates, latent = gallery.candidates, gallery.latents[0]

    def recommend() -> None:
        original = exact.draw(editor, encoder, latent, [{}]).embeddings[0]
        guesses = perception.embeddings(latent, candidates.alphas, directions=candidates.directions, original=original)
        best = np.argsort(-taste.utilities(guesses)[0])[:FINAL]
        taste.utilities(exact.draw(editor, encoder, latent, candidates[best].edits()).embeddings)

    recommend()
    fast = min(_timed(recommend) for _ in range(repeats))
    some = candidates[np.linspace(0, len(candidates) - 1, min(drawn, len(candidates))).astype(int)].edits()
    slow = _timed(lambda: exact.draw(editor, encoder, latent, some)) * len(candidates) / len(some)
    return {"seconds": fast, "seconds_exact": slow, "share_of_exact": fast / slow}


def reached(name: str, value: float) -> bool | None:
    """Whether a figure reaches its goal; None where it has none."""
    goal = GOALS.get(name.rpartition("/")[2])
    if goal is None:
        return None
    sign, limit = goal
    return value >= limit if sign == ">=" else value <= limit


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
