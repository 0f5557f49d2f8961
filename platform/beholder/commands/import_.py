"""`beholder import`: tables of judgements, embeddings computed elsewhere, or a published generator -> the workspace."""

import os
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import pyarrow as pa

from beholder import identifiers, image_index, images, spreadsheets, tables
from beholder.config import setting
from beholder.embedding import embeddings
from beholder.errors import ConfigError, EmbeddingError, ImageError, SpreadsheetError, StorageError, WeightsError
from beholder.images import ImageLimits
from beholder.importing import embedding_files, published_shapes, source_tables, templates
from beholder.importing.column_mapping import ColumnMapping
from beholder.importing.score_scale import ScoreScale
from beholder.importing.source_tables import TableFormat
from beholder.importing.table_import import ImportOptions, import_tables
from beholder.progress import Progress
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.workspace import Workspace

_REASONS = 3  # why rows were refused that are printed


@dataclass(frozen=True)
class ImportSettings:
    common: ClassVar[tuple[str, ...]] = (
        "source",
        "images",
        "attributes",
        "scale",
        "attribute",
        "template",
        "embeddings",
        "encoder_id",
        "generator",
        "name",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder import source=study images=study/faces",
        "beholder import source=ratings.csv attribute=trustworthy scale=1..7",
        "beholder import embeddings=vectors.parquet encoder_id=mine",
    )
    source: str | None = setting(
        None, "judgements: a .csv, .tsv, .parquet, .jsonl or .xlsx file, a folder of these, or of a labelling tool's .xlsx files"
    )
    images: str | None = setting(None, "folder or URI that the image paths start from; null: don't look at image files")
    attributes: list[str] = setting(list(spreadsheets.ATTRIBUTES), "the columns of a labelling tool's files that hold judgements")
    columns: ColumnMapping = setting(ColumnMapping(), "which column of a table means what; the others are guessed and shown")
    format: TableFormat = setting(TableFormat(), "what the bytes of a table do not tell")
    shape: str | None = setting(
        None, f"a published dataset, whose columns and scale are known: {', '.join(published_shapes.SHAPES)}"
    )
    scale: str | None = setting(
        None, "scores that may be given: 1..7, 0..10:0.5, 0..100:0 (any number), 7..1 (1 is best), or bad,fair,good; null: as found"
    )
    onto: str | None = setting(None, "scale that scores are moved onto, in a straight line, e.g. 1..4")
    attribute: str | None = setting(None, "what was judged, where no column says it")
    choices: str | None = setting(None, "what the file writes for left, right and, if wanted, a tie, e.g. 0,1 or A,B,both")
    template: str | None = setting(
        None,
        f"instead of source: write a file to begin with: {', '.join(templates.TEMPLATES)}, as .csv, .xlsx, ..., e.g. ratings.csv",
    )
    embeddings: str | None = setting(
        None, "instead of source: vectors computed elsewhere: .parquet, .npz, .pkl, .pt, .safetensors, .npy with metadata"
    )
    encoder_id: str | None = setting(None, "with embeddings: the name of the encoder that made them")
    generator: str | None = setting(
        None, "instead of source: a StyleGAN2 generator, as safetensors, rosinality .pt, pSp or e4e .pt, or NVIDIA .pkl"
    )
    class_index: int | None = setting(None, "with a class-conditional generator: the one class that it is to draw, from 0")
    features: str | None = setting(
        None, "instead of source: StyleFeatureEditor's networks (.pt) for the generator name=, to keep the detail of photos"
    )
    name: str | None = setting(None, "with generator: what it is to be called here; with features: which generator they are for")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")
    limits: ImageLimits = setting(ImageLimits(), "what an image may cost")

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.source, self.embeddings, self.generator, self.features, self.template)) != 1:
            raise ConfigError(
                "import needs one of source=DIR (spreadsheets), embeddings=FILE encoder_id=NAME, and generator=FILE name=NAME "
                "(or features=FILE name=NAME); "
                "source= may also be a .csv, .tsv, .parquet, .jsonl or .xlsx file, and template=ratings.csv writes one"
            )
        if self.embeddings is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.encoder_id or ""):
            raise ConfigError(f"embeddings need encoder_id=NAME of letters, digits, '.', '_' and '-', got {self.encoder_id!r}")
        if self.embeddings is None and self.encoder_id is not None:
            raise ConfigError("encoder_id goes with embeddings=FILE")
        if (self.generator is None and self.features is None) != (self.name is None):
            raise ConfigError("generator=FILE and name=NAME go together, and so do features=FILE and name=NAME")
        if self.class_index is not None and self.generator is None:
            raise ConfigError("class_index goes with generator=FILE")
        if not self.attributes:
            raise ConfigError("attributes must name at least one column")
        for scale in (self.scale, self.onto):
            if scale is not None:
                ScoreScale.parse(scale)
        if self.shape is not None:
            published_shapes.find(self.shape)
        if self.choices is not None and not (
            2 <= len(self.choices.split(",")) <= 3 and all(map(str.strip, self.choices.split(",")))
        ):
            raise ConfigError(f"choices are expected to be LEFT,RIGHT or LEFT,RIGHT,TIE as the file has them, got {self.choices!r}")


def main(settings: ImportSettings, run: Run) -> None:
    workspace = Workspace(settings.workspace)
    if settings.embeddings is not None:
        _import_embeddings(settings, workspace, run)
    elif settings.generator is not None:
        _import_generator(settings, workspace, run)
    elif settings.features is not None:
        _import_features(settings, workspace, run)
    elif settings.template is not None:
        _write_template(settings, run)
    elif _is_of_labelling_tool(settings):
        _import_study(settings, workspace, run)
    else:
        _import_tables(settings, workspace, run)


def _is_of_labelling_tool(settings: ImportSettings) -> bool:
    """Tell whether the source is a folder of the labelling tools' files, and nothing asks for another reading."""
    source = Place.at(str(settings.source))
    if source.is_local and not os.path.exists(source.path):
        raise ConfigError(f"source={settings.source}: there is no such file or folder")
    asked = settings.columns.given() or settings.shape or settings.attribute or settings.choices or settings.onto
    if source.is_file() or asked or settings.format != TableFormat():
        return False
    try:
        spreadsheets.find(source)
    except SpreadsheetError as error:
        if "several files" in str(error) or not any(
            entry.path.lower().endswith(source_tables.SUFFIXES) for entry in source.files()
        ):
            raise
        return False
    return True


def _import_tables(settings: ImportSettings, workspace: Workspace, run: Run) -> None:
    """Tables of any columns -> images, ratings, comparisons, scales, rejected."""
    attributes = [] if settings.attributes == list(spreadsheets.ATTRIBUTES) else settings.attributes
    columns = settings.columns
    if attributes and columns.scores is None:
        columns = replace(columns, scores=",".join(attributes))
    options = ImportOptions(
        columns,
        settings.format,
        shape=None if settings.shape is None else published_shapes.find(settings.shape),
        scale=None if settings.scale is None else ScoreScale.parse(settings.scale),
        onto=None if settings.onto is None else ScoreScale.parse(settings.onto),
        attribute=settings.attribute,
        choices=tuple(each.strip() for each in (settings.choices or "").split(",") if each.strip()),
    )
    measure = None if settings.images is None else partial(_measure_names, settings)
    found = import_tables(Place.at(str(settings.source)), workspace, options, measure)
    metrics = {
        "rows.read": found.read,
        "ratings.accepted": found.ratings,
        "ratings.rejected": found.ratings_rejected,
        "comparisons.accepted": found.comparisons,
        "comparisons.rejected": found.comparisons_rejected,
        "people": found.people,
        "images": found.images,
        "images.rejected": found.images_rejected,
        "cells.blank": found.blank,
    }
    run.metrics(metrics | {f"scale.{name}": str(scale) for name, scale in found.scales.items()})
    run.results(found.rejected.to_pandas())
    notes = "".join(f"- {note}\n" for note in found.notes)
    run.summary(f"{_summary(settings, metrics, found.rejected.slice(0, 10_000).to_pylist())}\n## How it was read\n\n{notes}")
    log.info("read %(rows.read)d judgements of %(people)d people and %(images)d images", metrics)
    print(identifiers.shown("\n".join(found.notes)))
    print(_counts(metrics))
    _tell_refused(found.rejected, run)


def _measure_names(settings: ImportSettings, names: list[str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the rows of `images` for names whose files are usable, and name -> why not for the others."""
    root = Place.at(str(settings.images))
    uris = image_index.resolve_names(root, names)
    if not any(uris.values()):
        raise StorageError(f"images={settings.images}: none of the {len(uris)} images is below it, e.g. {names[0]}")
    return _measure_files(settings, {name: uris[name] for name in names})


def _write_template(settings: ImportSettings, run: Run) -> None:
    place = Place.at(str(settings.template))
    data = templates.write(place.name)
    if place.is_file():
        raise ConfigError(f"{place.uri} is there already; give another name or folder")
    place.write_bytes(data)
    run.metrics({"bytes": len(data)})
    run.summary(f"# Template\n\n{place.uri}\n")
    print(f"{place.uri}: fill it in, then beholder import source={settings.template}")


def _import_study(settings: ImportSettings, workspace: Workspace, run: Run) -> None:
    """Spreadsheets -> images, ratings, comparisons, rejected."""
    files = spreadsheets.find(Place.at(str(settings.source)))
    said = spreadsheets.read_images(files)
    rows, refused = _measure(settings, said)
    scale = spreadsheets.SCALE if settings.scale is None else ScoreScale.parse(settings.scale)
    found = spreadsheets.read_judgements(files, said, refused=refused, attributes=settings.attributes, scale=scale)
    for file, column in sorted(found.absent):
        print(identifiers.shown(f"not read: {file} has no column {column!r}"))

    rejected = said.rejected + [said.rows[i].refuse("data_image_part", why) for i, why in refused.items()] + found.rejected
    workspace.upsert("images", pa.Table.from_pylist(rows, schema=tables.IMAGES))
    workspace.upsert("ratings", pa.Table.from_pylist(found.ratings, schema=tables.RATINGS))
    workspace.upsert("comparisons", pa.Table.from_pylist(found.comparisons, schema=tables.COMPARISONS))
    workspace.replace_rejected({place.uri for place in files.values()}, rejected)

    people = {row["user_id"] for row in found.ratings + found.comparisons}
    metrics = {
        "rows.read": found.read,
        "ratings.accepted": len(found.ratings),
        "ratings.rejected": found.ratings_rejected,
        "comparisons.accepted": len(found.comparisons),
        "comparisons.rejected": found.comparisons_rejected,
        "people": len(people),
        "images": len(rows),
        "images.rejected": len(said.rejected) + len(refused),
    }
    run.metrics(metrics)
    run.results(pa.Table.from_pylist(rejected, schema=tables.REJECTED).to_pandas())
    run.summary(_summary(settings, metrics, rejected))
    log.info("read %(rows.read)d judgements of %(people)d people and %(images)d images", metrics)
    print(_counts(metrics))
    _tell_refused(pa.Table.from_pylist(rejected, schema=tables.REJECTED), run)


def _measure(settings: ImportSettings, said: spreadsheets.SpreadsheetImages) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of `images` for the usable files, and image_id -> reason for the others."""
    if settings.images is None:
        return [{"image_id": i, "uri": path} for i, path in said.paths.items()], {}
    root = Place.at(settings.images)
    uris = image_index.resolve_paths(root, said.paths.values())
    if said.paths and not any(uris.values()):
        raise StorageError(
            f"images={settings.images}: none of the {len(uris)} image files is below it; "
            f"the first should be {(root / next(iter(uris))).uri}"
        )
    return _measure_files(settings, {image_id: uris[path] for image_id, path in said.paths.items()})


def _measure_files(settings: ImportSettings, uris: dict[str, str | None]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of `images` for the usable files, and image_id -> reason for the others. uris: by image_id, None where there is none."""
    rows, refused = [], {}
    with Progress("images", total=len(uris), unit="images") as progress:
        for image_id, uri in uris.items():
            try:
                rows.append({"image_id": image_id, **_file(uri, settings.limits)})
            except ImageError as error:
                refused[image_id] = str(error)
            progress.advance()
    return rows, refused


def _file(uri: str | None, limits: ImageLimits) -> dict[str, object]:
    if uri is None:
        raise ImageError("the image file does not exist")
    data = images.read(uri, limits=limits)
    width, height = images.shape(data, limits=limits)
    return {"uri": uri, "sha256": images.digest(data), "width": width, "height": height}


def _import_embeddings(settings: ImportSettings, workspace: Workspace, run: Run) -> None:
    """A file of vectors -> embeddings/<encoder id>, under the image ids of this workspace where they can be told."""
    found = embedding_files.read(Place.at(str(settings.embeddings)))
    folder = workspace.embeddings(str(settings.encoder_id))
    names = embeddings.match(found.image_ids, workspace.read("images"))
    present = embeddings.known(folder)
    if present and (old := embeddings.read(folder).vectors.shape[1]) != found.vectors.shape[1]:
        raise EmbeddingError(f"{folder.uri} holds vectors of length {old}, {settings.embeddings} of {found.vectors.shape[1]}")
    written = set()  # before the old vectors go, so that a killed import loses none
    for start in range(0, len(names), embeddings.COMPACT_ROWS):
        part = slice(start, start + embeddings.COMPACT_ROWS)
        ids = names[part]
        shard = embeddings.write_shard(
            folder,
            encoder_id=str(settings.encoder_id),
            image_ids=ids,
            sha256=[None] * len(ids),
            vectors=found.vectors[part],
        )
        written.add(shard.name)
    embeddings.drop(folder, set(names), but=written)
    matched = sum(old != new for old, new in zip(found.image_ids, names, strict=True))
    metrics = {"embeddings": len(names), "embeddings.renamed": matched, "dimensions": int(found.vectors.shape[1])}
    run.metrics(metrics)
    run.summary(f"# Import of embeddings\n\n{len(names)} vectors of {settings.encoder_id} from {settings.embeddings}.\n")
    print(f"{len(names)} embeddings of length {found.vectors.shape[1]} under {settings.encoder_id}")


def _import_generator(settings: ImportSettings, workspace: Workspace, run: Run) -> None:
    """A published file -> generators/<name>/, with a card of where it came from."""
    from beholder.editing import generator_store  # with torch, which the rest of this command does without
    from beholder.editing.checkpoints import checkpoint
    from beholder.editing.generator_store import fingerprint

    generator_store.check_name(str(settings.name))
    place, name = Place.at(str(settings.generator)), str(settings.name)
    found = checkpoint.read(place, class_index=settings.class_index)
    card = {
        "source": {"file": place.name, "format": found.format, "sha256": found.sha256, "bytes": found.size},
        "notes": list(found.notes),
        "licence": "that of the file it was imported from",
    }
    folder = generator_store.write(workspace, name, found.generator, card=card, encoder=found.encoder, features=found.features)
    config = found.generator.config
    parameters = sum(value.numel() for value in found.generator.parameters())
    rows = {
        "format": found.format,
        "pictures": f"{config.resolution} x {config.resolution} px",
        "channels": f"{config.channels(4)} at 4 px to {config.channels(config.resolution)} at {config.resolution} px",
        "latents": f"z {config.z_dim}, w {config.w_dim}, {config.num_ws} rows of w+",
        "mapping": f"{config.mapping_layers} layers",
        "clamp": "none" if config.conv_clamp is None else f"{config.conv_clamp:g}",
        "parameters": f"{parameters / 1e6:.1f} M",
        "sha256 of the file": found.sha256,
        "fingerprint": fingerprint(found.generator),
        **({"encoder": "it inverts photos in one pass (refinement.steps=0)"} if found.encoder else {}),
        **({"features": "they keep what w+ loses of photos (StyleFeatureEditor)"} if found.features else {}),
        **({"notes": "; ".join(found.notes)} if found.notes else {}),
    }
    run.metrics({"parameters": parameters, "resolution": config.resolution})
    lines = "\n".join(markdown_table(["what", "value"], rows.items()))
    run.summary(f"# Import of {place.name} as {name}\n\n{lines}\n")
    print("\n".join(f"{key:20}{value}" for key, value in rows.items()))
    print(f"generator {name} is in {folder.uri}")


def _import_features(settings: ImportSettings, workspace: Workspace, run: Run) -> None:
    """StyleFeatureEditor's networks -> generators/<name>/, beside the generator that they are for and its encoder."""
    from beholder.editing import generator_store  # with torch, as above
    from beholder.editing.checkpoints import checkpoint

    place, name = Place.at(str(settings.features)), str(settings.name)
    if "encoder" not in generator_store.card(name, workspace):
        raise WeightsError(
            f"generator {name!r} has no encoder, and feature networks need one beside them: "
            "import the generator from e4e's file (e4e_ffhq_encode.pt), which brings it"
        )
    networks, sha256 = checkpoint.read_features(place, generator_store.read(name, workspace))
    folder = generator_store.add_features(workspace, name, networks, source={"file": place.name, "sha256": sha256})
    parameters = sum(value.numel() for value in networks.parameters())
    run.metrics({"parameters": parameters})
    run.summary(f"# Import of {place.name} for {name}\n\n{parameters / 1e6:.1f} M parameters, sha256 {sha256}.\n")
    print(f"feature networks of {parameters / 1e6:.1f} M parameters for generator {name} are in {folder.uri}")


def _counts(metrics: dict[str, int]) -> str:
    return "\n".join(f"{key:22}{value:>9,}" for key, value in metrics.items())


def _tell_refused(rejected: pa.Table, run: Run) -> None:
    """Print why rows were refused, the commonest reasons with an example of each, and where all are."""
    if not rejected.num_rows:
        return
    counted = rejected.to_pandas().groupby(["column", "reason"], sort=False, dropna=False)
    by_count = sorted(counted, key=lambda each: -len(each[1]))
    for (column, reason), rows in by_count[:_REASONS]:
        first = rows.iloc[0]
        example = f"{str(first['file']).rpartition('/')[2]} row {first['row']}, {first['value']!r}"
        print(identifiers.shown(f"refused: {len(rows):,} for {column}: {reason}; the first: {example}"))
    more = f", {len(by_count) - _REASONS} more reasons" if len(by_count) > _REASONS else ""
    print(f"refused rows are in {run.place.uri}/results.csv{more}")


def _summary(settings: ImportSettings, metrics: dict[str, int], rejected: list[dict[str, Any]]) -> str:
    """The counts, and the reasons for what was refused with one example each."""
    counts = [(key, f"{value:,}") for key, value in metrics.items()]
    lines = [f"# Import of {settings.source}", "", *markdown_table(["what", "count"], counts, align="lr")]
    reasons: dict[str, list[dict[str, Any]]] = {}
    for row in rejected:
        reasons.setdefault(f"{row['column']}: {row['reason']}", []).append(row)
    if reasons:
        cells = []
        for reason, rows in sorted(reasons.items(), key=lambda item: -len(item[1])):
            first = rows[0]
            cells.append((f"{len(rows):,}", reason, f"{first['file'].rpartition('/')[2]} row {first['row']}, {first['value']!r}"))
        lines += ["", "## Refused (each in results.csv)", ""]
        lines += markdown_table(["count", "reason", "for example"], cells, align="rll")
    return "\n".join(lines) + "\n"
