"""`beholder directions import`: another program's file of directions -> a direction of a generator here, alpha measured on it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from beholder.config import required, setting
from beholder.editing.directions.formats.detect import FORMATS, OWN, STYLECLIP
from beholder.editing.directions.formats.source import SourceHints
from beholder.editing.directions.text_difference import check_templates
from beholder.encoder import Encoder, EncoderConfig
from beholder.errors import ConfigError
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.workspace import Workspace

if TYPE_CHECKING:
    from beholder.editing.directions import Direction
    from beholder.editing.directions.formats.source import SourceDirection
    from beholder.editing.directions.published import Published
    from beholder.editing.generator import Generator

_MOST = 100  # components at a time


@dataclass(frozen=True)
class ImportDirectionsSettings:
    common: ClassVar[tuple[str, ...]] = (
        "name",
        "generator",
        "file",
        "format",
        "catalogue",
        "component",
        "space",
        "layers",
        "flip",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder directions import name=age generator=ffhq file=stylegan_ffhq_age_w_boundary.npy",
        "beholder directions import catalogue=ffhq name=smile generator=ffhq file=ganspace.npz",
    )
    name: str = required("what the direction is to be called, or its name in the catalogue")
    generator: str = setting("portraits", "the generator it is for")
    file: str | None = setting(None, "the file it is in: .npy, .npz, .pt, .pkl, .json, .csv, .tsv or our own .safetensors")
    format: str | None = setting(None, f"null: told from the file; or one of {', '.join(FORMATS)}")
    catalogue: str | None = setting(None, "ffhq or car: take component, layers, channels and range from the published list")
    component: str | None = setting(
        None, "of a file with several: a number from 0, a name of a row, column or array, or 0..9 for ten, numbered after the name"
    )
    space: str | None = setting(None, "z, w or w+, where the file leaves it open; null: told from its shape and name")
    layers: list[int] | None = setting(
        None, "[first, past the last] row of w+ that it moves, like [7, 9]; null: the file's, or all"
    )
    convs_only: bool = setting(False, "stylespace: layers are numbered without those to RGB (17 at 1024 px instead of 26)")
    channels: str | None = setting(None, 'instead of a file: channels of S, layer:channel[:weight], such as "12:479 12:266:-1"')
    statistics: str | None = setting(None, "styleclip: the file S_mean_std; file is fs3.npy")
    texts: list[str] = setting([], 'styleclip: two texts, such as "[a face, a smiling face]", for the encoder that made fs3.npy')
    templates: list[str] | None = setting(
        None, 'styleclip: what both texts are put into and averaged over, such as "[a photo of {}]"; null: StyleCLIP\'s 79'
    )
    difference: str | None = setting(None, "styleclip: instead of texts, a file with the difference of their vectors")
    beta: float = setting(0.1, "styleclip: channels of less relevance stay as they are")
    low: str = setting("", "how a person would call its low end")
    high: str = setting("", "how a person would call its high end")
    flip: bool = setting(False, "turn it round, so that more is what the name says")
    force: bool = setting(False, "take one of our own files though it was made for another generator")
    encoder: EncoderConfig = setting(EncoderConfig(), "styleclip: the CLIP for texts")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if self.format not in (None, *FORMATS):
            raise ConfigError(f"format={self.format} is not known; known: {', '.join(FORMATS)}")
        if self.file is not None and self.channels is not None:
            raise ConfigError("give file=FILE or channels=..., not both")
        if self.file is None and self.channels is None and self.catalogue is None:
            raise ConfigError('directions import needs file=FILE, or channels="layer:channel ...", or catalogue=ffhq')
        if self.format == STYLECLIP and (
            self.file is None or self.statistics is None or (len(self.texts) == 2) == (self.difference is not None)
        ):
            raise ConfigError(
                'format=styleclip needs file=fs3.npy statistics=S_mean_std and either texts="[neutral, target]" or difference=FILE'
            )
        if self.format != STYLECLIP and (self.statistics or self.texts or self.difference):
            raise ConfigError("statistics, texts and difference go with format=styleclip")
        check_templates(self.templates)
        self.hints  # noqa: B018  (checks space and layers)
        if not 0 <= self.beta < 10:
            raise ConfigError(f"beta must be 0 or more, got {self.beta}")

    @property
    def hints(self) -> SourceHints:
        """What the file leaves open."""
        return SourceHints(self.space, self.layers, self.component, self.convs_only)

    def each(self) -> "list[ImportDirectionsSettings]":
        """These settings once for every component that is wanted."""
        first, dots, last = (self.component or "").partition("..")
        if not dots or not (first.isdecimal() and last.isdecimal()):
            return [self]
        if not int(first) <= int(last) < int(first) + _MOST:
            raise ConfigError(f"component={self.component}: expected a first and a last number, at most {_MOST} components")
        return [replace(self, name=f"{self.name}_{at}", component=str(at)) for at in range(int(first), int(last) + 1)]


def main(settings: ImportDirectionsSettings, run: Run) -> None:
    from beholder.editing import generator_store
    from beholder.editing.directions import direction_registry
    from beholder.editing.generator_store import fingerprint

    direction_registry.check_free(settings.generator, settings.name)
    workspace = Workspace(settings.workspace)
    generator = generator_store.read(settings.generator, workspace)
    maker = fingerprint(generator)
    found = [bring(each, generator, maker) for each in settings.each()]
    made = [each for each, _ in found]
    places = direction_registry.write(workspace, settings.generator, made)
    told = "\n".join([*(_told(each) for each in made), *dict.fromkeys(f"note: {note}" for _, notes in found for note in notes)])
    source = settings.file or settings.channels or "the catalogue"
    run.metrics({f"scale.{each.name}": each.scale for each in made})
    run.summary(f"# Directions of {settings.generator}\n\nFrom {source}:\n\n{told}\n")
    log.info("%s", told)
    names = ",".join(each.name for each in made)
    print(f"{told}\n{places[0].uri}\nsee it: beholder directions generator={settings.generator} draw={names}")


def _told(made: "Direction") -> str:
    (first, last), (low, high) = made.layers, made.range
    return f"{made.name}: in {made.space}, layers {first}..{last - 1}, alpha 1 is {made.scale:.4g} there, range {low:g}..{high:g}"


def bring(settings: ImportDirectionsSettings, generator: "Generator", maker: str) -> tuple["Direction", tuple[str, ...]]:
    """The direction that the settings tell of, for a generator of the fingerprint `maker`, and what is to be known of it."""
    from beholder.editing.directions import published, scaling

    entry = published.find(settings.catalogue, settings.name) if settings.catalogue else None
    if settings.format == OWN or (settings.file or "").endswith(".safetensors"):
        return _own(settings, generator, maker), ()
    said = (settings.low, settings.high)
    step = _step(settings, generator, entry)
    notes = step.notes if entry is None or entry.source != "none" else (*step.notes, published.SOURCES["none"])
    made = scaling.scale(
        generator,
        step,
        name=settings.name,
        fingerprint=maker,
        model=settings.generator,
        labels=said if any(said) or entry is None else entry.labels,
        limits=entry.range if entry else None,
        unit=entry.unit if entry else 1.0,
        flip=settings.flip != (entry.flip if entry else False),
    )
    return made, notes


def _own(settings: ImportDirectionsSettings, generator: "Generator", maker: str) -> "Direction":
    """One of our own files, if it was made for this generator."""
    from beholder.editing import generator_store
    from beholder.editing.directions import direction_file, scaling

    place = Place.at(str(settings.file))
    found = direction_file.parse(place.read_bytes(direction_file.LIMIT), name=place.uri)
    wanted = settings.component or settings.name
    if wanted not in found and len(found) > 1:
        raise ConfigError(f"{place.uri} holds {', '.join(found)}; say which with component=NAME")
    direction = found.get(wanted) or next(iter(found.values()))
    if not settings.force:
        earlier = generator_store.finished_from(settings.generator, Workspace(settings.workspace))
        direction.check_maker(maker, settings.generator, earlier)
    if direction.fingerprint == maker:
        return replace(direction, name=settings.name, generator=settings.generator)
    return scaling.rescale(generator, direction, name=settings.name, fingerprint=maker, model=settings.generator)


def _step(settings: ImportDirectionsSettings, generator: "Generator", published: "Published | None") -> "SourceDirection":
    """What the file, the channels or the catalogue hold."""
    from beholder.editing.directions.formats import detect

    config, hints = generator.config, settings.hints
    if settings.format == detect.STYLECLIP:
        return detect.read_styleclip(
            Place.at(str(settings.file)), Place.at(str(settings.statistics)), _difference(settings), config, beta=settings.beta
        )
    if published is not None and published.component is not None:
        hints = replace(
            hints,
            component=hints.component or str(published.component),
            layers=hints.layers or list(published.layers or ()) or None,
        )
    channels = settings.channels or (published.channels if published else "")
    if channels and settings.file is None:
        return detect.read_channels(channels, config, hints)
    if settings.file is None:
        wanted = published.file if published else ""
        raise ConfigError(f"{settings.name} of the catalogue is in a file that you bring: file=.../{wanted}")
    return detect.read(Place.at(settings.file), settings.format, config, hints)


def _difference(settings: ImportDirectionsSettings) -> Any:
    from beholder.editing.directions.formats import safe_load

    if settings.difference is not None:
        return safe_load.read(Place.at(settings.difference))
    from beholder.editing.directions.text_difference import text_difference

    clip = Encoder.load(replace(settings.encoder, looks=False))  # fs3.npy has the CLIP's numbers alone
    return text_difference(clip, settings.texts, settings.templates)
