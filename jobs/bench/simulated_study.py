"""Simulated studies whose raters' kinds are known: raters of the portrait world judge portraits that are traits alone, undrawn.

The steady look and have a taste of their own; others are planted: who answers at random, always takes the first of a pair, or
gives every picture the same score.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from beholder import tables
from beholder.embedding import embeddings
from beholder.portraits import raters, traits
from beholder.portraits.raters import ATTRIBUTES, Kind, Rater, RatersConfig
from beholder.workspace import Workspace

ENCODER = "traits"
PLANTED: tuple[tuple[Kind, int], ...] = (("random", 2), ("first", 1), ("flat", 1))


@dataclass(frozen=True)
class SimulatedStudy:
    """Who judges how many portraits how much. steady: people who look; planted: kinds and numbers of those who don't.

    comparisons and ratings: of all together, each on three attributes, spread as unevenly as real labelling; fewest: judgements
    (of an attribute each) that a planted one makes at least.
    """

    seed: int
    steady: int = 24
    planted: tuple[tuple[Kind, int], ...] = PLANTED
    images: int = 600
    comparisons: int = 7000
    ratings: int = 3500
    fewest: int = 100

    def tables(self) -> tuple[pa.Table, pa.Table, pd.Series]:
        """Return ratings and comparisons, as tables.RATINGS and tables.COMPARISONS have them, and each person's kind by user_id."""
        values = self.values()
        people = self.people(values)
        names = [f"portrait-{number:04d}" for number in range(self.images)]
        sheets = raters.judge(people, values, names, seed=self.seed)
        image_of = dict(zip(sheets["data"]["data_image_part"], sheets["data"]["name"], strict=True))
        pairs = sheets["compare_data"].set_index("_id")
        rated, compared = (_long(sheets[name]) for name in ("label", "compare_label"))
        data = sheets["data"].set_index("_id")["name"]
        rated["image_id"], rated["score"] = data.loc[rated["item_id"]].to_numpy(), rated["value"].astype(np.float32)
        for side, column in (("left_id", "im1_path"), ("right_id", "im2_path")):
            compared[side] = pairs[column].map(image_of).loc[compared["item_id"]].to_numpy()
        compared["choice"] = np.where(compared["value"] == 1, tables.LEFT, tables.RIGHT)
        kinds = pd.Series({rater.user_id: rater.kind for rater in people}, name="kind")
        return _table(rated, tables.RATINGS), _table(compared, tables.COMPARISONS), kinds

    def values(self) -> np.ndarray:
        """Return the portraits' standardised traits, float64 [N, T]."""
        return raters.standardised(traits.sample(self.images, seed=self.seed))

    def vectors(self) -> np.ndarray:
        """Return embeddings that are the traits, float32 [N, T], rows of length 1."""
        values = self.values().astype(np.float32)
        return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))

    def people(self, values: np.ndarray) -> list[Rater]:
        """Return the raters; the planted ones judge enough to be judged."""
        config = RatersConfig(
            (("steady", self.steady), *self.planted), comparisons=self.comparisons, ratings=self.ratings, seed=self.seed
        )
        least = -(-self.fewest // (2 * len(ATTRIBUTES)))
        people = raters.people(config, values)
        busy = [replace(each, comparisons=max(each.comparisons, least), ratings=max(each.ratings, least)) for each in people]
        return [one if one.kind == "steady" else other for one, other in zip(people, busy, strict=True)]

    def write(self, workspace: Workspace) -> pd.Series:
        """Write tables and embeddings, which are the traits, into a workspace; return each person's kind by user_id."""
        ratings, comparisons, kinds = self.tables()
        workspace.write("ratings", ratings)
        workspace.write("comparisons", comparisons)
        names = [f"portrait-{number:04d}" for number in range(self.images)]
        vectors = self.vectors()
        folder = workspace.embeddings(ENCODER)
        embeddings.write_shard(folder, encoder_id=ENCODER, image_ids=names, sha256=[None] * len(names), vectors=vectors)
        return kinds


def first_judgements(table: pa.Table, share: pd.Series) -> pa.Table:
    """Return the first judgements of each person, so many that they are a share 0..1 of theirs, by user_id; all of others' ones."""
    frame = table.select(["user_id", "at", "judgement_id"]).to_pandas().sort_values(["at", "judgement_id"], kind="stable")
    own = frame.groupby("user_id")
    kept = own.cumcount() < (frame["user_id"].map(share).fillna(1.0) * own["at"].transform("size")).round()
    return table.take(pa.array(np.sort(kept[kept].index.to_numpy())))


def _long(sheet: pd.DataFrame) -> pd.DataFrame:
    """Return a sheet with a row for each judgement of an attribute."""
    columns = ["_id", "user_id", "item_id", "lang", "insert_time"]
    long = sheet.melt(id_vars=columns, value_vars=list(ATTRIBUTES), var_name="attribute", value_name="value")
    return long.rename(columns={"_id": "judgement_id"}).assign(at=long["insert_time"].dt.floor("us").dt.tz_localize("UTC"))


def _table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    return tables.conform(pa.Table.from_pandas(frame[schema.names], preserve_index=False), schema, name="a simulated study")
