"""`beholder directions learn`: a new direction from labelled pictures, or from two texts through CLIP."""

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from beholder import images
from beholder.config import required, setting
from beholder.editing.directions.learning import Texts
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError, EditError, TableError, nearest
from beholder.images import ImageLimits
from beholder.progress import Progress
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.workspace import Workspace

if TYPE_CHECKING:
    from torch import Tensor

    from beholder.editing.directions.learning import Learned
    from beholder.editing.stylegan import StyleGAN

_KEYS = ("seed", "image_id", "image")
_WORDS = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
_MOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class LearnDirectionsSettings:
    name: str = required("what the direction is to be called")
    generator: str = setting("portraits", "the generator it is for")
    labels: str | None = setting(None, "a .csv or .parquet with a column seed, image_id or image (a file), and columns of labels")
    label: str | None = setting(None, "with labels: the column that the direction raises; null: the column called as the direction")
    others: list[str] | None = setting(None, "with labels: columns that are to stay; null: all other labels")
    texts: list[str] = setting([], 'instead of labels: two texts, such as "[a face, a smiling face]"')
    drawn: Texts = setting(Texts(), "with texts: what they are compared with")
    low: str = setting("", "how a person would call its low end")
    high: str = setting("", "how a person would call its high end")
    encoder: EncoderConfig = setting(EncoderConfig(), "with texts: the CLIP that compares")
    limits: ImageLimits = setting(ImageLimits(), "what an image may cost")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if (self.labels is None) == (not self.texts):
            raise ConfigError('directions learn needs either labels=FILE or texts="[a face, a smiling face]"')
        if self.texts and (len(self.texts) != 2 or not all(text.strip() for text in self.texts)):
            raise ConfigError(f'expected two texts, "[from this, to this]", got {len(self.texts)}')
        if self.labels is None and (self.label is not None or self.others is not None):
            raise ConfigError("label and others go with labels=FILE")


def main(settings: LearnDirectionsSettings, run: Run) -> None:
    from beholder.editing.directions import direction_registry
    from beholder.editing.stylegan import StyleGAN

    direction_registry.check_free(settings.generator, settings.name)
    workspace = Workspace(settings.workspace)
    editor = StyleGAN.load(settings.generator, workspace)
    learned = _from_texts(settings, editor) if settings.texts else _from_labels(settings, editor, workspace)
    place = direction_registry.write(workspace, settings.generator, [learned.direction])[0]
    run.metrics({"explained": learned.explained, "scale": learned.direction.scale})
    scale = learned.direction.scale
    told = f"{settings.name}: w explains {learned.explained:.0%} of its label in pictures left out; alpha 1 is {scale:.4g} in w"
    run.summary(f"# Direction {settings.name} of {settings.generator}\n\n{told}.\n")
    log.info("%s", told)
    print(f"{told}\n{place.uri}\nsee it: beholder directions generator={settings.generator} draw={settings.name}")


def _from_texts(settings: LearnDirectionsSettings, editor: "StyleGAN") -> "Learned":
    from beholder.editing.directions.learning import from_texts, look
    from beholder.editing.generator_store import fingerprint

    first, second = settings.texts
    clip = Encoder.load(settings.encoder)
    with Progress("draw", total=settings.drawn.pictures, unit="pictures") as progress:
        seen = look(editor.generator, clip, settings.drawn, progress=progress.advance)
    said = (settings.low, settings.high)
    return from_texts(
        editor.generator, seen, clip, (first, second), name=settings.name, fingerprint=fingerprint(editor.generator),
        model=settings.generator, ends=said if any(said) else None,
    )  # fmt: skip


def _from_labels(settings: LearnDirectionsSettings, editor: "StyleGAN", workspace: Workspace) -> "Learned":
    import torch

    from beholder.editing.directions.learning import from_labels
    from beholder.editing.generator_store import fingerprint

    table = read(str(settings.labels))
    key, names = columns(table, settings)
    labels = pd.DataFrame({name: numbers(table[name], name) for name in names})
    whole = labels.notna().all(axis=1).to_numpy() & table[key].notna().to_numpy()
    if not whole.all():
        told = f"{(~whole).sum()} of {len(whole)} rows of {settings.labels} lack a label and are left out"
        log.warning(told)
        print(told)
    w = latents(table[key][whole], key, settings, editor, workspace)
    return from_labels(
        editor.generator, w, torch.tensor(labels[whole].to_numpy(), dtype=torch.float32), column=0,
        name=settings.name, fingerprint=fingerprint(editor.generator), model=settings.generator, ends=(settings.low, settings.high),
    )  # fmt: skip


def read(source: str) -> pd.DataFrame:
    """The table of labels. Raises TableError where it is none."""
    place = Place.at(source)
    data = io.BytesIO(place.read_bytes(_MOST_BYTES))
    try:
        return pd.read_parquet(data) if place.name.endswith(".parquet") else pd.read_csv(data, skipinitialspace=True)
    except Exception as error:  # pandas and Arrow each raise their own
        reason = (str(error).splitlines() or ["it is broken"])[0]
        raise TableError(f"{source} can't be read as .csv or .parquet: {reason}") from None


def columns(table: pd.DataFrame, settings: LearnDirectionsSettings) -> tuple[str, list[str]]:
    """The column that names the pictures, and the labels: first the wanted one, then those that are to stay."""
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
    found = pd.to_numeric(words, errors="coerce").astype(float)
    wrong = found.isna() & values.notna()
    if wrong.any():
        raise TableError(f"label {name}: expected numbers, or yes and no, got {values[wrong].iloc[0]!r}")
    return found


def latents(keys: pd.Series, key: str, settings: LearnDirectionsSettings, editor: "StyleGAN", workspace: Workspace) -> "Tensor":
    """w [N, w_dim] of seeds, or of pictures by inversion (the mean of its rows of w+)."""
    if key == "seed":
        seeds = pd.to_numeric(keys, errors="coerce")
        if seeds.isna().any() or (seeds % 1 != 0).any():
            raise TableError(f"{settings.labels}: expected whole numbers as seeds")
        return editor.generate([int(seed) for seed in seeds]).ws[:, 0].cpu()
    import torch

    uris = _uris(keys.astype(str).tolist(), workspace) if key == "image_id" else keys.astype(str).tolist()
    found = []
    with Progress("invert", total=len(uris), unit="pictures") as progress:
        for uri in uris:
            pixels = images.decode(images.read(uri, limits=settings.limits), limits=settings.limits)
            found.append(editor.invert(np.stack([pixels])).ws.mean(dim=1).cpu())
            progress.advance()
    return torch.cat(found)


def _uris(ids: list[str], workspace: Workspace) -> list[str]:
    table = workspace.read("images").to_pydict()
    known = dict(zip(table["image_id"], table["uri"], strict=True))
    for image_id in ids:
        if image_id not in known:
            raise EditError(f"{image_id!r} is not an image of {workspace.place.uri}; embed or import the images first")
    return [known[image_id] for image_id in ids]
