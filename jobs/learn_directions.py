"""`beholder directions learn`: a new direction from labelled pictures, or from two texts through CLIP.

Pictures are drawn and embedded, or inverted, by processes that hold the models.
"""

import io
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from beholder import images
from beholder.config import required, setting
from beholder.editing.directions import direction_registry, learning
from beholder.editing.directions.learning import EmbeddedPictures, LearnedDirection, TextDirectionConfig
from beholder.editing.directions.text_difference import check_templates
from beholder.editing.generator_store import fingerprint
from beholder.editing.stylegan import StyleGAN
from beholder.encoder import Encoder, EncoderConfig, fetch
from beholder.errors import ConfigError, EditError, TableError, nearest
from beholder.images import ImageLimits
from beholder.jobs import _placement
from beholder.progress import Progress
from beholder.ray_connection import RayConfig, connect
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.workspace import Workspace

_KEYS = ("seed", "image_id", "image")
_WORDS = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
_MOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class LearnDirectionsSettings:
    common: ClassVar[tuple[str, ...]] = (
        "name",
        "generator",
        "labels",
        "label",
        "texts",
        "low",
        "high",
        "encoder",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder directions learn name=friendly labels=labels.csv label=friendly",
        'beholder directions learn name=redhead "texts=[a person with red hair,a person with brown hair]"',
    )
    name: str = required("name of the new direction")
    generator: str = setting("portraits", "the generator that the direction is for")
    labels: str | None = setting(None, "a .csv or .parquet with a column seed, image_id or image (a file), and columns of labels")
    label: str | None = setting(None, "with labels: the column that the direction raises; null: the column called as the direction")
    others: list[str] | None = setting(None, "with labels: columns that are to stay; null: all other labels")
    texts: list[str] = setting([], 'instead of labels: two texts, such as "[a face, a smiling face]"')
    templates: list[str] | None = setting(
        None,
        'with texts: what both are put into and averaged over, such as "[a photo of {}]"; null: StyleCLIP\'s 79',
    )
    drawn: TextDirectionConfig = setting(TextDirectionConfig(), "with texts: the pictures that they are compared with")
    low: str = setting("", "words for the low end of the direction")
    high: str = setting("", "words for the high end of the direction")
    encoder: EncoderConfig = setting(EncoderConfig(), "with texts: the CLIP that embeds texts and pictures")
    limits: ImageLimits = setting(ImageLimits(), "the largest file and picture that are read")
    actors: int = setting(0, "processes that draw or invert pictures; 0 is one per GPU, or one per core where there is no GPU")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if (self.labels is None) == (not self.texts):
            raise ConfigError('directions learn needs either labels=FILE or texts="[a face, a smiling face]"')
        if self.texts and (len(self.texts) != 2 or not all(text.strip() for text in self.texts)):
            raise ConfigError(f'expected two texts, "[from this, to this]", got {len(self.texts)}')
        if self.labels is None and (self.label is not None or self.others is not None):
            raise ConfigError("label and others go with labels=FILE")
        check_templates(self.templates)
        if self.actors < 0:
            raise ConfigError(f"actors must be 0 or more, got {self.actors}")


def main(settings: LearnDirectionsSettings, run: Run) -> None:
    direction_registry.check_free(settings.generator, settings.name)
    workspace = Workspace(settings.workspace)
    editor = StyleGAN.load(settings.generator, workspace)
    learned = _from_texts(settings, editor) if settings.texts else _from_labels(settings, editor)
    place = direction_registry.write(workspace, settings.generator, [learned.direction])[0]
    scale = learned.direction.scale
    run.metrics({"explained": learned.explained, "scale": scale})
    result = f"{settings.name}: w explains {learned.explained:.0%} of its label in pictures left out; alpha 1 is {scale:.4g} in w"
    run.summary(f"# Direction {settings.name} of {settings.generator}\n\n{result}.\n")
    log.info("%s", result)
    print(f"{result}\n{place.uri}\nsee it: beholder directions generator={settings.generator} draw={settings.name}")


def _from_texts(settings: LearnDirectionsSettings, editor: StyleGAN) -> LearnedDirection:
    first, second = settings.texts
    ends = (settings.low, settings.high)
    fetch(settings.encoder.resolved())
    return learning.from_texts(
        editor.generator, embed(settings), Encoder.load(settings.encoder), (first, second), name=settings.name,
        fingerprint=fingerprint(editor.generator), model=settings.generator, ends=ends if any(ends) else None,
        templates=settings.templates,
    )  # fmt: skip


def _from_labels(settings: LearnDirectionsSettings, editor: StyleGAN) -> LearnedDirection:
    table = read(str(settings.labels))
    key, names = columns(table, settings)
    labels = pd.DataFrame({name: numbers(table[name], name) for name in names})
    whole = labels.notna().all(axis=1).to_numpy() & table[key].notna().to_numpy()
    if not whole.all():
        note = f"{(~whole).sum()} of {len(whole)} rows of {settings.labels} lack a label and are left out"
        log.warning(note)
        print(note)
    w = latents(table[key][whole], key, settings, editor)
    return learning.from_labels(
        editor.generator, w, torch.tensor(labels[whole].to_numpy(), dtype=torch.float32), column=0,
        name=settings.name, fingerprint=fingerprint(editor.generator), model=settings.generator, ends=(settings.low, settings.high),
    )  # fmt: skip


def embed(settings: LearnDirectionsSettings) -> EmbeddedPictures:
    """Draw and embed the pictures that texts are compared with, each batch a task."""
    batches = learning.picture_seeds(settings.drawn)
    items = [{"number": number, "start": seeds.start, "stop": seeds.stop} for number, seeds in enumerate(batches)]
    parts: dict[int, EmbeddedPictures] = {}
    with connect(settings.ray), Progress("draw", total=settings.drawn.pictures, unit="pictures") as progress:
        rows = _placement.process(
            EmbedPictures, items, arguments=(settings,), device=settings.encoder.device, actors=settings.actors
        )
        for row in rows:
            parts[row["number"]] = EmbeddedPictures(torch.from_numpy(np.array(row["w"])), row["vectors"])
            progress.advance(len(row["vectors"]))
    return EmbeddedPictures.join([parts[number] for number in range(len(items))])


class EmbedPictures:
    """A process that holds generator and encoder, and draws and embeds a batch of pictures at a time."""

    def __init__(self, threads: int, settings: LearnDirectionsSettings) -> None:
        torch.set_num_threads(threads)
        self.settings, self.encoder = settings, Encoder.load(settings.encoder)
        self.generator = StyleGAN.load(settings.generator, Workspace(settings.workspace)).generator

    def __call__(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        seeds = range(int(item["start"]), int(item["stop"]))
        part = learning.embed_batch(self.generator, self.encoder, self.settings.drawn, seeds)
        return [{"number": item["number"], "w": part.w.numpy(), "vectors": part.vectors}]


def read(source: str) -> pd.DataFrame:
    """Read the table of labels. Raises TableError where it is none."""
    place = Place.at(source)
    data = io.BytesIO(place.read_bytes(_MOST_BYTES))
    try:
        return pd.read_parquet(data) if place.name.endswith(".parquet") else pd.read_csv(data, skipinitialspace=True)
    except Exception as error:  # pandas and Arrow each raise their own
        reason = (str(error).splitlines() or ["it is broken"])[0]
        raise TableError(f"{source} can't be read as .csv or .parquet: {reason}") from None


def columns(table: pd.DataFrame, settings: LearnDirectionsSettings) -> tuple[str, list[str]]:
    """Return the column that names the pictures, and the labels: first the one to raise, then those that are to stay."""
    known = [str(name) for name in table.columns]
    key = next((name for name in _KEYS if name in known), None)
    if key is None:
        raise TableError(f"{settings.labels} needs a column seed, image_id or image; it has {', '.join(known[:12])}")
    free = [name for name in known if name not in _KEYS]
    label = settings.label or settings.name
    for name in (label, *(settings.others or ())):
        if name not in free:
            raise TableError(f"{settings.labels} has no label {name}{nearest(name, free)}")
    others = settings.others
    if others is None:
        others = [name for name in free if _is_label(table[name])]
    return key, [label, *(name for name in dict.fromkeys(others) if name != label)]


def _is_label(values: pd.Series) -> bool:
    try:
        return numbers(values, "").nunique() > 1
    except TableError:
        return False


def numbers(values: pd.Series, name: str) -> pd.Series:
    """A column of numbers, or of yes and no, true and false, as float; empty cells stay empty. Raises TableError for words."""
    words = values.map(lambda value: _WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value)
    parsed = pd.to_numeric(words, errors="coerce").astype(float)
    wrong = parsed.isna() & values.notna()
    if wrong.any():
        raise TableError(f"label {name}: expected numbers, or yes and no, got {values[wrong].iloc[0]!r}")
    return parsed


def latents(keys: pd.Series, key: str, settings: LearnDirectionsSettings, editor: StyleGAN) -> Tensor:
    """Return w [N, w_dim] of seeds, or of pictures by inversion (the mean of its rows of w+), each a task."""
    if key == "seed":
        seeds = pd.to_numeric(keys, errors="coerce")
        if seeds.isna().any() or (seeds % 1 != 0).any():
            raise TableError(f"{settings.labels}: expected whole numbers as seeds")
        return editor.generate([int(seed) for seed in seeds]).ws[:, 0].cpu()
    names = keys.astype(str).tolist()
    uris = _uris(names, Workspace(settings.workspace)) if key == "image_id" else names
    items = [{"number": number, "uri": uri} for number, uri in enumerate(uris)]
    w: dict[int, np.ndarray] = {}
    with connect(settings.ray), Progress("invert", total=len(uris), unit="pictures") as progress:
        rows = _placement.process(InvertPictures, items, arguments=(settings,), device=editor.config.device, actors=settings.actors)
        for row in rows:
            w[row["number"]] = row["w"]
            progress.advance()
    return torch.from_numpy(np.stack([w[number] for number in range(len(items))]))


class InvertPictures:
    """A process that holds generator and inverter, and inverts a picture at a time."""

    def __init__(self, threads: int, settings: LearnDirectionsSettings) -> None:
        torch.set_num_threads(threads)
        self.editor = StyleGAN.load(settings.generator, Workspace(settings.workspace))
        self.limits = settings.limits

    def __call__(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        pixels = images.decode(images.read(item["uri"], limits=self.limits), limits=self.limits)
        found = self.editor.inversion(np.stack([pixels]), detail=False)
        return [{"number": item["number"], "w": found.ws.mean(dim=1)[0].cpu().numpy()}]


def _uris(ids: list[str], workspace: Workspace) -> list[str]:
    table = workspace.read("images").to_pydict()
    known = dict(zip(table["image_id"], table["uri"], strict=True))
    for image_id in ids:
        if image_id not in known:
            raise EditError(f"{image_id!r} is not an image of {workspace.place.uri}; embed or import the images first")
    return [known[image_id] for image_id in ids]
