"""Building: every network of the portrait world trained, measured and written with its card."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from beholder import artifacts, weights
from beholder.editing import generator_store, pretrained
from beholder.editing.directions import Direction, direction_file
from beholder.editing.features.feature_networks import CompactFeatureNetworks
from beholder.editing.generator import Generator
from beholder.editing.inversion import Inverter
from beholder.portraits import reader, training_loop
from beholder.portraits.clip_training import ClipTraining, train_clip
from beholder.portraits.feature_training import FeatureTraining, train_features
from beholder.portraits.generator_finetuning import Finish, finish_generator
from beholder.portraits.generator_training import GeneratorTraining, train_generator
from beholder.portraits.inverter_training import InverterTraining, train_inverter
from beholder.portraits.pool import Pool, PoolConfig, open_pool
from beholder.portraits.reader import Reader, ReaderTraining, train_reader
from beholder.portraits.training_loop import Progress
from beholder.portraits.trait_directions import DirectionsConfig, find_directions
from beholder.storage import Place

Show = Callable[[str], Progress]  # the name of a part -> its progress
_FINISH = "portraits-finish"  # the second half of the generator's training


@dataclass(frozen=True)
class BuildConfig:
    """What is trained, and how long: `effort` multiplies the steps of every training."""

    pool: PoolConfig = field(default_factory=PoolConfig)
    reader: ReaderTraining = field(default_factory=ReaderTraining)
    generator: GeneratorTraining = field(default_factory=GeneratorTraining)
    finish: Finish = field(default_factory=Finish)
    inverter: InverterTraining = field(default_factory=InverterTraining)
    features: FeatureTraining = field(default_factory=FeatureTraining)
    clip: ClipTraining = field(default_factory=ClipTraining)
    directions: DirectionsConfig = field(default_factory=DirectionsConfig)

    def scaled(self, effort: float) -> "BuildConfig":
        """The same with every training's steps multiplied by `effort`, at least one each."""

        def some(steps: int) -> int:
            return max(1, round(steps * effort))

        stages = tuple(replace(stage, steps=some(stage.steps)) for stage in self.generator.stages)
        return replace(
            self,
            reader=replace(self.reader, steps=some(self.reader.steps)),
            generator=replace(self.generator, stages=stages),
            finish=replace(self.finish, stages=tuple(replace(stage, steps=some(stage.steps)) for stage in self.finish.stages)),
            inverter=replace(
                self.inverter, steps=some(self.inverter.steps), knowing_steps=int(self.inverter.knowing_steps * effort)
            ),
            features=replace(self.features, steps=some(self.features.steps), editing_steps=some(self.features.editing_steps)),
            clip=replace(self.clip, steps=some(self.clip.steps), reading_steps=int(self.clip.reading_steps * effort)),
        )


class Builder:
    """Trains the parts one after another; `keep` holds the pool and the checkpoints, `out` gets weights and cards."""

    def __init__(self, keep: Path, out: Path, config: BuildConfig, *, show: Show) -> None:
        self.keep, self.out, self.config, self.show = keep, out, config, show

    @cached_property
    def pool(self) -> Pool:
        """The portraits that networks learn from, drawn when first needed."""
        drawn = self.show("pool")
        return open_pool(self.keep, self.config.pool, progress=lambda done, total: drawn(done, total, {}))

    def reader(self) -> Reader:
        """The reader of traits, which judges the others."""
        found = train_reader(self.pool, self.config.reader, **self._how(reader.READER))
        self._write(reader.READER, found, asdict(self.config.reader), {"resolution": self.config.pool.size})
        return found

    def generator(self, start: Path | None = None) -> Generator:
        """The generator: trained and finished, or, from the weights of one to start with, only finished."""
        if start is None:
            rough, more = train_generator(self.pool, self.config.generator, **self._how(pretrained.GENERATOR)), {}
        else:
            rough = pretrained.generator(start)
            more = {"finished_from": [generator_store.fingerprint(rough), *weights.card(start).get("finished_from", ())]}
        found = finish_generator(rough, self.config.finish, **self._how(_FINISH))
        settings = {"training": asdict(self.config.generator), "finish": asdict(self.config.finish)}
        both = (pretrained.GENERATOR, _FINISH)
        self._write(pretrained.GENERATOR, found, settings, asdict(found.config), steps=both, half_from=4, more=more)
        return found

    def inverter(self, generator: Generator) -> Inverter:
        """The inverter of this generator."""
        found = train_inverter(self.pool, generator, self.config.inverter, **self._how(pretrained.INVERTER))
        self._write(pretrained.INVERTER, found, asdict(self.config.inverter), asdict(found.config))
        return found

    def features(
        self, generator: Generator, inverter: Inverter, reader: Reader, directions: Mapping[str, Direction]
    ) -> CompactFeatureNetworks:
        """The networks that keep the detail of pictures, of this generator and its inverter."""
        found = train_features(
            generator, inverter, reader, directions, config=self.config.features, **self._how(pretrained.FEATURES)
        )
        sizes = asdict(found.config) | {"generator": generator_store.fingerprint(generator)}
        self._write(pretrained.FEATURES, found, asdict(self.config.features), sizes)
        return found

    def clip(self, model: nn.Module, tokenize: Callable[[list[str]], Tensor]) -> None:
        """The CLIP, from a model with random weights."""
        found = train_clip(self.pool, model, tokenize, self.config.clip, **self._how(pretrained.CLIP))
        self._write(pretrained.CLIP, found, asdict(self.config.clip), {})

    def directions(self, generator: Generator, reader: Reader) -> None:
        """The named directions of this generator."""
        found = find_directions(generator, reader, self.config.directions)
        path = self.out / f"{pretrained.DIRECTIONS}.safetensors"
        direction_file.save(path, found)
        weights.write_card(path, self._card(pretrained.DIRECTIONS, asdict(self.config.directions)))

    def _how(self, name: str) -> dict[str, Any]:
        """Where a training keeps its checkpoint and tells how far it is."""
        part = name.removeprefix("portraits-")
        return {"checkpoint": self.keep / f"{part}.pt", "progress": self.show(part)}

    def _write(
        self,
        name: str,
        network: nn.Module,
        settings: dict[str, Any],
        sizes: dict[str, Any],
        *,
        steps: tuple[str, ...] = (),
        half_from: int = 2,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """A network's weights and card; tensors of `half_from` dimensions and more as float16; steps: its trainings."""
        card = self._card(name, settings) | dict(more or {})
        card["parameters"] = sum(parameter.numel() for parameter in network.parameters())
        card["stored"] = f"float16 from {half_from} dimensions on, float32 below"
        checkpoints = [self._how(step)["checkpoint"] for step in steps or (name,)]
        card["minutes"] = round(sum(training_loop.seconds(path) for path in checkpoints if path.exists()) / 60, 1)
        weights.write(self.out / f"{name}.safetensors", network.state_dict(), card=card, network=sizes, half_from=half_from)

    def _card(self, name: str, settings: dict[str, Any]) -> dict[str, Any]:
        pool = f"{self.config.pool.count} portraits drawn from named traits, seed {self.config.pool.seed}"
        drawn = f"portraits drawn from named traits as they are needed, seed {self.config.features.seed}"
        return {
            "name": name,
            "what": _ABOUT[name],
            "data": f"{drawn if name == pretrained.FEATURES else pool}; no photographs",
            "command": "beholder build portraits",
            "licence": "MIT, like the project",
            "settings": settings,
        }


def add_figures(out: Path, figures: dict[str, float]) -> None:
    """Put what was measured on the cards in a folder of weights: to each part its own."""
    for path in sorted(out.glob("portraits-*.safetensors")):
        part = path.stem.removeprefix("portraits-")
        own = {key: round(value, 4) for key, value in figures.items() if key.startswith(part + "/")}
        artifacts.add_figures(artifacts.card_of(Place.at(path)), own)


_ABOUT = {
    reader.READER: "reads the traits of a portrait; trained on drawings only, so it can judge generated portraits",
    pretrained.GENERATOR: (
        "StyleGAN2 trained without an adversary: z is mapped to traits by a fixed smooth map, and the network learned to "
        "redraw the portrait of these traits (absolute error of pixels and edges, growing from 16 to 128 px, then finished "
        "on freshly drawn portraits, most of them pushed where edits lead, growing to its size). Its mapping was set, not learned"
    ),
    pretrained.INVERTER: "convolutional encoder, portrait -> w+ of portraits-generator",
    pretrained.FEATURES: (
        "encoder, fuser and feature editor after StyleFeatureEditor: what w+ of portraits-generator loses is kept as features of a "
        "layer; trained on portraits with stickers, scars, freckles, patterns and text drawn over them, and on drawings of their "
        "edits under the same detail"
    ),
    pretrained.CLIP: (
        "open_clip model portraits: ViT image tower and small text tower, trained with captions, pairs of opposite "
        "statements and a linear reading of the traits"
    ),
    pretrained.DIRECTIONS: "directions in W of portraits-generator, found by least squares from labels, scaled by portraits-reader",
}
