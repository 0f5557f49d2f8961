"""Learning: what a label follows in W is found from few examples, and strangers are told."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from beholder.editing.directions.learning import (
    LearnedDirection,
    TextDirectionConfig,
    embed_pictures,
    from_labels,
    from_texts,
    least_squares_moves,
    ridge_regression,
)
from beholder.editing.directions.scaling import projection_spread
from beholder.editing.generator import Generator
from beholder.editing.latent import from_seeds
from beholder.errors import ConfigError, EditError


def examples(generator: Generator, count: int, *, noise: float = 0.0) -> tuple[Tensor, Tensor]:
    """w, and two labels that follow w in ways of their own."""
    w = from_seeds(generator, range(count)).ws[:, 0]
    rng = torch.Generator().manual_seed(8)
    labels = w @ torch.randn(12, 2, generator=rng)
    return w, labels + noise * labels.std(dim=0) * torch.randn(count, 2, generator=rng)


def learn(generator: Generator, w: Tensor, labels: Tensor) -> LearnedDirection:
    return from_labels(generator, w, labels, column=0, name="up", fingerprint="abc", model="toy", ends=("less", "more"))


def slopes(w: Tensor, labels: Tensor, vector: Tensor) -> Tensor:
    """How much each label, read exactly, changes along a vector, in its standard deviations."""
    exact = torch.linalg.lstsq((w - w.mean(dim=0)).double(), (labels - labels.mean(dim=0)).double()).solution
    return (vector @ exact) / labels.std(dim=0).double()


def test_a_label_is_raised_and_the_other_stays(generator: Generator) -> None:
    w, labels = examples(generator, 60)
    made = learn(generator, w, labels)
    own, other = slopes(w, labels, made.direction.vector * made.direction.scale)
    assert own > 0.5
    assert abs(other) < 0.02 * own
    assert made.explained > 0.99
    assert (made.direction.fingerprint, made.direction.labels, made.direction.layers) == ("abc", ("less", "more"), (0, 8))


def test_alpha_one_is_one_standard_deviation(generator: Generator) -> None:
    made = learn(generator, *examples(generator, 60)).direction
    assert made.scale == pytest.approx(projection_spread(generator, made))


def test_noisy_labels_give_nearly_the_same_direction(generator: Generator) -> None:
    clean = learn(generator, *examples(generator, 400)).direction.vector
    noisy = learn(generator, *examples(generator, 400, noise=1.0))
    assert float(clean @ noisy.direction.vector) > 0.95
    assert 0.3 < noisy.explained < 0.7


def test_each_example_left_out_is_told_by_the_others() -> None:
    """The residuals in closed form are those of really leaving each example out."""
    rng = torch.Generator().manual_seed(1)
    w = torch.randn(30, 5, generator=rng, dtype=torch.float64)
    labels = w[:, :1] + 0.5 * torch.randn(30, 1, generator=rng, dtype=torch.float64)
    weights, residuals = ridge_regression(w, labels)
    kept = w - w.mean(dim=0)
    gram = kept.T @ kept
    # the strength that was chosen, from the weights themselves: (gram + s) weights = kept' labels
    strength = float(((kept.T @ (labels - labels.mean(dim=0)) - gram @ weights) / weights).mean())
    for row in (0, 7, 29):
        others = torch.arange(30) != row
        mean_w, mean_label = w[others].mean(dim=0), labels[others].mean(dim=0)
        part = w[others] - mean_w
        fitted = torch.linalg.solve(part.T @ part + strength * torch.eye(5), part.T @ (labels[others] - mean_label))
        assert float(labels[row] - mean_label - (w[row] - mean_w) @ fitted) == pytest.approx(float(residuals[row]), abs=1e-6)


def test_what_can_not_be_learned(generator: Generator) -> None:
    w, labels = examples(generator, 60)
    rng = torch.Generator().manual_seed(5)
    for wrong, says in (
        ((w[:10], labels[:10]), "at least 20 labelled pictures, got 10"),
        ((w, labels * torch.tensor([1.0, 0.0])), "label 1 is the same in all examples"),
        ((w, labels / 0), "not finite"),
        ((w, torch.randn(60, 2, generator=rng)), "can't be told from w better than by chance"),
    ):
        with pytest.raises(EditError, match=says):
            learn(generator, *wrong)


class Reds:
    """An encoder of one word: how red a picture is."""

    size = 8

    def images(self, pixels: np.ndarray) -> np.ndarray:
        red = pixels[..., :1].mean(axis=(1, 2)).astype(np.float32) / 255
        return np.concatenate([red, 1 - red], axis=1)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1.0, 0.0] if "red" in text else [0.0, 1.0] for text in texts], np.float32)


def test_texts_lead_from_the_first_to_the_second(generator: Generator) -> None:
    seen = embed_pictures(generator, Reds(), TextDirectionConfig(120))
    made = from_texts(generator, seen, Reds(), ("pale", "red"), name="red", fingerprint="", model="").direction
    ws = from_seeds(generator, range(30)).ws

    def redness(at: Tensor) -> float:
        return float(generator.synthesis(at).clamp(-1, 1)[:, 0].mean())

    assert redness(ws + made.step) > redness(ws) > redness(ws - made.step)
    with pytest.raises(EditError, match="'dark' and 'pale' are the same to this encoder"):
        from_texts(generator, seen, Reds(), ("dark", "pale"), name="red", fingerprint="", model="")


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match="pictures >= 20"):
        TextDirectionConfig(5)


def hidden(count: int = 4000) -> tuple[Tensor, Tensor, Tensor]:
    """w, labels that go together (0.5), and the moves by which the labels act on w."""
    rng = torch.Generator().manual_seed(2)
    moves = torch.randn(3, 32, generator=rng)
    labels = torch.randn(count, 3, generator=rng) @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    w = 5 + labels @ moves + 0.5 * torch.randn(count, 32, generator=rng)
    return w, labels, moves


def test_moves_are_found_though_labels_go_together() -> None:
    w, labels, moves = hidden()
    assert torch.allclose(least_squares_moves(w, labels), moves * labels.std(dim=0)[:, None], atol=0.06)


def test_too_little_is_refused() -> None:
    w, labels, _ = hidden(5)
    with pytest.raises(EditError, match="need more than 4 examples, got 4"):
        least_squares_moves(w[:4], labels[:4])
    with pytest.raises(EditError, match="label 1 is the same"):
        least_squares_moves(w, labels * torch.tensor([1.0, 0.0, 1.0]))
