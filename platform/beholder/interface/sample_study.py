"""Sample: the study that ships with the project, as DataFrames: 600 drawn portraits and what 24 simulated people said of them."""

import functools
import importlib.resources
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

_COLUMNS = {
    "ratings": ["user_id", "image_id", "attribute", "score", "at"],
    "comparisons": ["user_id", "left_id", "right_id", "attribute", "choice", "at"],
}


@dataclass(frozen=True, eq=False)
class SampleStudy:
    """Judgements of drawn portraits by simulated people, whose tastes are known.

    ratings: user_id, image_id, attribute, score 1..4, at. comparisons: user_id, left_id, right_id, attribute, choice, at. images:
    a Series image_id -> path of its file. traits: what is true of each portrait, 0..1, by image_id. truth: the weight of each
    trait in each person's taste, and their kind.
    """

    ratings: pd.DataFrame
    comparisons: pd.DataFrame
    images: pd.Series
    traits: pd.DataFrame
    truth: pd.DataFrame

    def __repr__(self) -> str:
        people = self.truth["user_id"].nunique()
        return (
            f"<SampleStudy: {len(self.images)} drawn portraits, {len(self.ratings):,} ratings and "
            f"{len(self.comparisons):,} comparisons "
            f"by {people} simulated people on {', '.join(sorted(self.ratings['attribute'].unique()))}>"
        )

    def of(self, attribute: str) -> "SampleStudy":
        """Return the judgements on one attribute alone: attractive, smart or trustworthy."""
        ratings, comparisons = (
            table[table["attribute"] == attribute].reset_index(drop=True) for table in (self.ratings, self.comparisons)
        )
        return SampleStudy(ratings, comparisons, self.images, self.traits, self.truth)


@functools.lru_cache(maxsize=1)
def sample() -> SampleStudy:
    """Read the study that ships with the project: nobody real is in it.

    >>> study = sample()
    >>> study.of("smart")
    <SampleStudy: 600 drawn portraits, 4,000 ratings and 6,000 comparisons by 24 simulated people on smart>
    >>> sorted(study.comparisons["choice"].unique())
    ['left', 'right']
    """
    from beholder import spreadsheets
    from beholder.storage import Place

    folder = Path(str(importlib.resources.files("beholder.data"))) / "sample"
    files = spreadsheets.find(Place.at(str(folder)))
    listed = spreadsheets.read_images(files)
    found = spreadsheets.read_judgements(files, listed, refused={})
    ids = sorted(listed.paths)
    images = pd.Series([str(folder / listed.paths[each]) for each in ids], index=pd.Index(ids, name="image_id"), name="path")
    traits = pd.read_csv(folder / "traits.csv").set_index("name").loc[[Path(listed.paths[each]).stem for each in ids]]
    return SampleStudy(
        pd.DataFrame(found.ratings)[_COLUMNS["ratings"]],
        pd.DataFrame(found.comparisons)[_COLUMNS["comparisons"]],
        images,
        traits.set_index(images.index),
        pd.read_csv(folder / "truth.csv"),
    )
