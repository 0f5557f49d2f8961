"""The shipped networks of the portrait world, ready to use."""

from pathlib import Path

from beholder import weights
from beholder.editing.directions import Direction
from beholder.editing.directions import file as directions_file
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.inversion import Inverter, InverterConfig
from beholder.portraits.reader import Reader

GENERATOR, INVERTER, READER = "portraits-generator", "portraits-inverter", "portraits-reader"
CLIP, DIRECTIONS = "portraits-clip", "portraits-directions"


def generator(path: Path | None = None) -> Generator:
    """The generator of portraits, from a file or as shipped."""
    tensors, _ = weights.read(path or weights.shipped(GENERATOR))
    network = Generator(GeneratorConfig.of(tensors))
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def inverter(path: Path | None = None) -> Inverter:
    """The inverter that belongs to the generator."""
    tensors, sizes = weights.read(path or weights.shipped(INVERTER))
    network = Inverter(InverterConfig(**{**sizes, "widths": tuple(sizes["widths"])}))
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def reader(path: Path | None = None) -> Reader:
    """The reader of traits."""
    tensors, sizes = weights.read(path or weights.shipped(READER))
    network = Reader(sizes["resolution"])
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def directions(path: Path | None = None) -> dict[str, Direction]:
    """The named directions of the generator's W space."""
    return directions_file.load(path or weights.shipped(DIRECTIONS))
