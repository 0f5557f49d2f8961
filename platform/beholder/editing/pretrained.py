"""Pretrained networks that ship with the project: the generator of portraits, its inverter, feature networks and directions."""

from pathlib import Path

from beholder import weights
from beholder.editing.directions import Direction, direction_file
from beholder.editing.features.feature_networks import CompactConfig, CompactFeatureNetworks
from beholder.editing.generator import Generator, GeneratorConfig
from beholder.editing.generator_store import fingerprint
from beholder.editing.inversion import Inverter, InverterConfig

GENERATOR, INVERTER = "portraits-generator", "portraits-inverter"
FEATURES = "portraits-features"
CLIP, DIRECTIONS = "portraits-clip", "portraits-directions"


def generator(path: Path | None = None) -> Generator:
    """Load the generator of portraits, from a file or as shipped."""
    tensors, _ = weights.read(path or weights.shipped(GENERATOR))
    network = Generator(GeneratorConfig.of(tensors))
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def inverter(path: Path | None = None) -> Inverter:
    """Load the inverter that belongs to the generator."""
    tensors, sizes = weights.read(path or weights.shipped(INVERTER))
    network = Inverter(InverterConfig(**{**sizes, "widths": tuple(sizes["widths"])}))
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


def own_distance(path: Path | None = None) -> float | None:
    """Return the largest distance (see Inversion) of the world's own pictures, from the inverter's card; None if it is not there.

    `beholder evaluate portraits` measures it, and puts it on the card with cards=true.
    """
    value = weights.card(path or weights.shipped(INVERTER)).get("figures", {}).get("inverter/own_distance_most")
    return None if value is None else float(value)


def features(generator: Generator, path: Path | None = None) -> CompactFeatureNetworks | None:
    """Load the feature networks of the generator; None where they were made for another one."""
    tensors, sizes = weights.read(path or weights.shipped(FEATURES))
    if sizes.pop("generator") != fingerprint(generator):
        return None
    networks = CompactFeatureNetworks(CompactConfig(**sizes))
    networks.load_state_dict(tensors)
    return networks.eval().requires_grad_(False)


def directions(path: Path | None = None) -> dict[str, Direction]:
    """Load the named directions of the generator's W space."""
    return direction_file.load(path or weights.shipped(DIRECTIONS))
