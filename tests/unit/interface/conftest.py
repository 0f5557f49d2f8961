"""A small world for the library's public functions: vectors by image, and people whose taste is one of their numbers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import beholder as bh


@dataclass(frozen=True)
class SmallStudy:
    """40 images as vectors [40, 4]. ana likes the first number, ben dislikes it."""

    vectors: np.ndarray
    ratings: pd.DataFrame
    comparisons: pd.DataFrame


@pytest.fixture(scope="session")
def study() -> SmallStudy:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 4))
    user = rng.choice(["ana", "ben"], 600)
    left, right = rng.integers(0, 20, 600), rng.integers(20, 40, 600)
    likes_left = (vectors[left, 0] > vectors[right, 0]) == (user == "ana")
    choice = np.where(likes_left, "left", "right")
    comparisons = pd.DataFrame({"user_id": user, "left_id": left, "right_id": right, "choice": choice})
    rows = [("ana", image, round(float(vectors[image, 0]), 1)) for image in range(40)]
    rows += [("ben", image, round(float(-vectors[image, 0]), 1)) for image in range(40)]
    return SmallStudy(vectors, pd.DataFrame(rows, columns=["user_id", "image_id", "score"]), comparisons)


@pytest.fixture
def taste(study: SmallStudy) -> bh.FittedTaste:
    """A taste of one's own: tests may let it learn on."""
    return bh.fit(ratings=study.ratings, comparisons=study.comparisons, embeddings=study.vectors)
