"""What tastes are fitted to and judged on: from a workspace's tables, or straight from files."""

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from beholder import images, tables
from beholder.embedding import embeddings
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError, ImageError, TableError, TasteError
from beholder.importing import embedding_files
from beholder.jobs import _decoded_images, _judgement_files
from beholder.jobs._decoded_images import DecodedImages
from beholder.runs import log
from beholder.storage import Place
from beholder.taste import judgement_partitions
from beholder.taste.contract import Items
from beholder.taste.dataset import JudgementDataset, from_tables
from beholder.taste.judgement_partitions import KINDS
from beholder.workspace import Workspace


@dataclass(frozen=True)
class DatasetWithItems:
    """Judgements and the items that they are about: items[i] is dataset.images[i]."""

    dataset: JudgementDataset
    items: np.ndarray
    encoder_id: str


@dataclass(frozen=True)
class DatasetWithImages:
    """Judgements and images that lie in Ray's store, as the encoder is shown them: images[i] is dataset.images[i]."""

    dataset: JudgementDataset
    items: DecodedImages
    encoder_id: str


def from_workspace(
    workspace: Workspace,
    encoder: EncoderConfig,
    *,
    encoder_id: str | None,
    attributes: list[str],
    takes: Items,
    people: int = 0,
    seed: int = 0,
) -> DatasetWithItems:
    """The judgements of a workspace on the images that have an embedding (or, for pixels, that can be read).

    encoder_id: embeddings that were imported under this name, instead of the encoder's. people: about so many are drawn by the
    seed where there are more, and nobody else's judgements are held; 0: all. Raises TasteError where nobody judged.
    """
    ratings, comparisons = _judged(workspace, people, seed)
    name = encoder_id or encoder.encoder_id()
    if takes == "pixels":
        ids, items = _pixels(workspace, encoder)
    else:
        table = embeddings.read(workspace.embeddings(name))
        ids, items = table.image_ids, table.vectors
    return DatasetWithItems(_dataset(ratings, comparisons, ids, attributes), items, name)


def pixel_bytes(workspace: Workspace, encoder: EncoderConfig) -> int:
    """Return how many bytes the workspace's images are as the encoder is shown them."""
    images = workspace.read("images").num_rows
    return 3 * encoder.resolved().size ** 2 * int(images)


def with_decoded_images(
    workspace: Workspace, encoder: EncoderConfig, *, encoder_id: str | None, attributes: list[str]
) -> DatasetWithImages:
    """The judgements of a workspace on the images that can be read, which Ray, that has to be connected, decodes and keeps.

    Raises TasteError where nobody judged.
    """
    ratings, comparisons = _judged(workspace, 0, 0)
    ids, items = _decoded_images.decode(workspace.read("images"), encoder.resolved().fit)
    if not ids:
        raise TasteError(f"{workspace.place.uri} has no readable image")
    return DatasetWithImages(_dataset(ratings, comparisons, ids, attributes), items, encoder_id or encoder.encoder_id())


def from_files(
    *, ratings: str | None, comparisons: str | None, vectors: str, encoder_id: str | None, attributes: list[str]
) -> DatasetWithItems:
    """Judgements and embeddings straight from files: Parquet tables with the columns of the workspace's, any ordered scale."""
    table = embedding_files.read(Place.at(vectors))
    judgements = [
        _judgements(path, schema) if path else schema.empty_table()
        for path, schema in ((ratings, tables.RATINGS), (comparisons, tables.COMPARISONS))
    ]
    return DatasetWithItems(
        _dataset(judgements[0], judgements[1], table.image_ids, attributes), table.vectors, encoder_id or Place.at(vectors).name
    )


def parts(path: str, image_ids: tuple[str, ...]) -> list[str]:
    """Which part of a split each image is in, from a Parquet file with image_id and split; "" where it does not say."""
    frame = _frame(path, ["image_id", "split"])
    part = dict(zip(frame["image_id"].astype(str), frame["split"].astype(str), strict=True))
    if not {"train", "val", "test"} <= set(part.values()):
        raise TableError(f"{path}: expected the splits train, val and test, got {', '.join(sorted(set(part.values())))}")
    return [part.get(image_id, "") for image_id in image_ids]


def _judged(workspace: Workspace, people: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """The tables of ratings and comparisons, of about so many people. Raises TasteError where there are none."""
    ratings, comparisons = _tables(workspace, people, seed)
    if not ratings.num_rows + comparisons.num_rows:
        raise TasteError(_judgement_files.none_there(workspace))
    return ratings, comparisons


def _tables(workspace: Workspace, people: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """The tables of ratings and comparisons, of about so many people."""
    parts = _judgement_files.table_parts(workspace) if people else []
    count = judgement_partitions.judged_people(parts).people if sum(sum(part.rows) for part in parts) > people else 0
    if count <= people:
        return workspace.read("ratings"), workspace.read("comparisons")
    log.warning("of %d people, about %d are drawn", count, people)
    ratings, comparisons = (judgement_partitions.draw(parts, people / count, kind, seed=seed) for kind in KINDS)
    return ratings, comparisons


def _dataset(ratings: pa.Table, comparisons: pa.Table, ids: list[str], attributes: list[str]) -> JudgementDataset:
    known = sorted({*ratings["attribute"].to_pylist(), *comparisons["attribute"].to_pylist()})
    if strange := [name for name in attributes if name not in known]:
        raise ConfigError(f"nobody judged {', '.join(strange)}; attributes judged: {', '.join(known)}")
    judged, lost = from_tables(ratings, comparisons, ids, attributes=attributes)
    if lost:
        log.warning("%d judgements are of images without an embedding and are left out", lost)
    return judged


def _judgements(path: str, schema: pa.Schema) -> pa.Table:
    """A table of judgements that need not say when, in which language or under which id it was made."""
    table = pa.Table.from_pandas(_frame(path, []), preserve_index=False)
    for name in ("judgement_id", "at", "lang"):
        if name not in table.column_names:
            values = [str(row) for row in range(table.num_rows)] if name == "judgement_id" else [None] * table.num_rows
            table = table.append_column(name, pa.array(values, schema.field(name).type))
    return tables.conform(table, schema, name=path)


def _frame(path: str, columns: list[str]) -> pd.DataFrame:
    place = Place.at(path)
    if not place.is_file():
        raise ConfigError(f"{path} is no file")
    try:
        table = pq.read_table(io.BytesIO(place.read_bytes()))
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{path} is no readable Parquet file: {str(error).splitlines()[0]}") from None
    if missing := [name for name in columns if name not in table.column_names]:
        raise TableError(f"{path} has no column {missing[0]!r}; found: {', '.join(table.column_names)}")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _pixels(workspace: Workspace, encoder: EncoderConfig) -> tuple[list[str], np.ndarray]:
    """Every image of the workspace as the encoder is shown it, uint8 [N, S, S, 3]; unreadable ones are left out with a warning."""
    table = workspace.read("images")
    fit = encoder.resolved().fit
    ids, pixels = [], []
    for image_id, uri in zip(table["image_id"].to_pylist(), table["uri"].to_pylist(), strict=True):
        try:
            pixels.append(images.decode_fit(images.read(uri), fit))
        except ImageError as error:
            log.warning("%s is left out: %s", image_id, error)
            continue
        ids.append(image_id)
    if not ids:
        raise TasteError(f"{workspace.place.uri} has no readable image")
    return ids, np.stack(pixels)
