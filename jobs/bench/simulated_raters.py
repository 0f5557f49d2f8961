"""Simulated raters by the million, as a workspace: random embeddings, and ratings made and written a part of the people at a time.

Every rater weighs the embedding in their own way: the population's weights, and a deviation along a few directions that all share.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from beholder import tables
from beholder.embedding import embeddings
from beholder.workspace import Workspace

ENCODER = "simulated"
_PEOPLE = 10_000  # made at once
_CUTS = np.array([-1.2, -0.4, 0.4, 1.2])  # between the scores 1 to 5, in standard deviations of utility and noise


@dataclass(frozen=True)
class SimulatedRaters:
    """How many people rate how many images, `fewest` to `most` each, on one attribute.

    deviation: of their tastes from the population's, along `rank` directions; noise: of a rating; both in standard deviations of
    utility. random: share of people who rate at random.
    """

    people: int
    fewest: int
    most: int
    images: int
    dimensions: int
    seed: int
    deviation: float = 0.7
    noise: float = 0.8
    rank: int = 6
    random: float = 0.0

    def vectors(self) -> np.ndarray:
        """Return embeddings, float32 [images, dimensions], rows of length 1, whose directions are of falling variance."""
        rng = np.random.default_rng([self.seed, 0])
        raw = rng.normal(size=(self.images, self.dimensions)) / np.sqrt(1 + np.arange(self.dimensions))
        return np.asarray(raw / np.linalg.norm(raw, axis=1, keepdims=True), np.float32)

    def write(self, workspace: Workspace) -> int:
        """Write embeddings and ratings into a workspace; return how many ratings there are."""
        vectors = self.vectors()
        names = [f"image-{number:07d}" for number in range(self.images)]
        folder = workspace.embeddings(ENCODER)
        embeddings.write_shard(folder, encoder_id=ENCODER, image_ids=names, sha256=[None] * len(names), vectors=vectors)
        listed = {"image_id": names, "uri": [f"{name}.jpg" for name in names]}  # of pictures that nobody will look at
        missing = {name: pa.nulls(len(names), tables.IMAGES.field(name).type) for name in ("sha256", "width", "height")}
        workspace.write("images", pa.table(listed | missing, schema=tables.IMAGES))
        place, count = workspace.place / "ratings.parquet", 0  # written in parts as one file, which a table may be
        place.write_bytes(b"")  # makes the folder
        with place.filesystem.open_output_stream(place.path) as file, pq.ParquetWriter(file, tables.RATINGS) as writer:
            for part in self.parts(vectors.astype(np.float64), pa.array(names), count):
                writer.write_table(part)
                count += part.num_rows
        return count

    def random_people(self) -> list[str]:
        """Return the user_ids of those who rate at random."""
        blocks = ((begin, self._random(begin, min(_PEOPLE, self.people - begin))) for begin in range(0, self.people, _PEOPLE))
        return [f"person-{begin + number:08d}" for begin, dice in blocks for number in np.flatnonzero(dice)]

    def _random(self, begin: int, count: int) -> np.ndarray:
        return np.asarray(np.random.default_rng([self.seed, 3, begin]).random(count) < self.random)

    def parts(self, vectors: np.ndarray, names: pa.Array, first: int) -> Iterator[pa.Table]:
        """Yield the ratings of some people after the other, each a table of the schema tables.RATINGS."""
        rng = np.random.default_rng([self.seed, 1])
        shared, directions = rng.normal(size=self.dimensions), rng.normal(size=(self.rank, self.dimensions))
        utility, own = vectors @ shared, vectors @ directions.T
        utility, own = (utility - utility.mean()) / utility.std(), self.deviation / np.sqrt(self.rank) * own / own.std(axis=0)
        for begin in range(0, self.people, _PEOPLE):
            rng = np.random.default_rng([self.seed, 2, begin])
            count = min(_PEOPLE, self.people - begin)
            person = np.repeat(np.arange(count), rng.integers(self.fewest, self.most + 1, count))
            image = rng.integers(0, self.images, len(person))
            felt = utility[image] + np.einsum("nk,nk->n", own[image], rng.normal(size=(count, self.rank))[person])
            felt = felt + self.noise * rng.normal(size=len(felt)) + 0.3 * rng.normal(size=count)[person]
            score = 1 + np.searchsorted(_CUTS, felt / np.sqrt(1 + self.deviation**2 + self.noise**2))
            dice = self._random(begin, count)[person]
            score[dice] = np.random.default_rng([self.seed, 4, begin]).integers(1, len(_CUTS) + 2, int(dice.sum()))
            users = pa.array([f"person-{begin + number:08d}" for number in range(count)])
            rows = {
                "judgement_id": pa.array(np.arange(first, first + len(person))).cast(pa.string()),
                "user_id": users.take(pa.array(person)),
                "image_id": names.take(pa.array(image)),
                "attribute": pa.repeat("attractive", len(person)),
                "score": pa.array(score.astype(np.float32)),
                "at": pa.nulls(len(person), tables.RATINGS.field("at").type),
                "lang": pa.nulls(len(person), pa.string()),
            }
            first += len(person)
            yield pa.table(rows, schema=tables.RATINGS)
