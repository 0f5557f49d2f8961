"""Search: where in a file its generator is, told by the names of its tensors and not by those of what it lies in.

Training scripts, converters and forks put the same tensors under g_ema, ema, G_ema, g, generator, model, state_dict or nothing, at
any depth, with module., netG. or model. before their names, as dicts or as whole networks. Everything else in a file is left alone.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from beholder.safe_pickle.interpreter import DictStub, ObjectStub, RefusedError, printable
from beholder.safe_pickle.lazy_tensor import LazyTensor

Layout = Literal["NVIDIA", "rosinality", "TensorFlow"]
# A tensor that each layout's generators have and nothing else has.
_MARKS: Mapping[Layout, str] = {"NVIDIA": "synthesis.b4.const", "rosinality": "to_rgb1.conv.weight"}
_OTHER_NETWORKS = {
    "synthesis.input.freqs": "it is a StyleGAN3 network; this project draws with StyleGAN2",
    "synthesis.L0_": "it is a StyleGAN3 network; this project draws with StyleGAN2",
    "progression.": "it is a StyleGAN1 network; this project draws with StyleGAN2",
}
_MEANS = ("latent_avg", "mean_latent", "w_avg", "dlatent_avg")
_AVERAGED = re.compile(r"(.*_)?ema(_.*)?|Gs")
_RAW = ("g", "G", "netG")
_WRAPPERS = ("module", "_orig_mod")  # of torch's data-parallel and compiled networks
_DEEPEST, _MOST_VALUES = 8, 100_000
_MOST_LAYERS, _MOST_TENSORS = 2_000, 20_000


@dataclass(frozen=True)
class FoundGenerator:
    """A generator's tensors under its layout's names, and where they were.

    place: the keys on the way to them and the prefix of their names. layers: where they are a whole network, its layers under
    their dotted names. mean: the mean w that lies beside them. network: of a TensorFlow pickle, instead of tensors.
    encoder: the tensors beside a generator called decoder; options: the settings that lie beside them.
    """

    layout: Layout
    place: tuple[str, ...]
    tensors: Mapping[str, LazyTensor] = field(default_factory=dict)
    layers: Mapping[str, ObjectStub] = field(default_factory=dict)
    mean: LazyTensor | None = None
    network: DictStub | None = None
    encoder: Mapping[str, LazyTensor] = field(default_factory=dict)
    options: Any = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of where it was."""
        raw = [part for part in self.place if part in _RAW]
        return (f"the file has no averaged generator: the one of the last step was taken, under {raw[0]}",) if raw else ()


def find(value: Any) -> FoundGenerator:
    """Return the generator in the value that a file holds, the averaged one where there are several.

    Raises RefusedError, saying what is there instead, where there is none, and where several can't be told apart.
    """
    found = list(_candidates(value))
    if not found:
        raise RefusedError(_nothing(value))
    first = min(_rank(each) for each in found)
    best = [each for each in found if _rank(each) == first]
    if len(best) > 1:
        places = ", ".join(printable(".".join(each.place) or "the file itself") for each in best[:4])
        raise RefusedError(f"it holds {len(best)} generators and none is called g_ema: {places}")
    return best[0]


def _rank(each: FoundGenerator) -> tuple[bool, bool, int]:
    """Averaged ones first, then those not called raw, then those nearer to the top."""
    averaged = any(_AVERAGED.fullmatch(part) for part in each.place)
    return not averaged, any(part in _RAW for part in each.place), len(each.place)


def _candidates(top: Any) -> Iterator[FoundGenerator]:
    """Yield every generator in a value."""
    waiting: list[tuple[tuple[str, ...], Any, tuple[dict[Any, Any], ...]]] = [((), top, ())]
    seen: set[int] = set()
    visited = 0
    while waiting:
        path, value, above = waiting.pop(0)
        visited += 1
        if visited > _MOST_VALUES:
            raise RefusedError(f"it holds more than {_MOST_VALUES:,} values")
        if id(value) in seen or len(path) > _DEEPEST:
            continue
        seen.add(id(value))
        if isinstance(value, ObjectStub):
            layers = flatten(value)
            yield from _in_names(path, _tensors(layers), layers, above)
        elif isinstance(value, DictStub) and value.kind == "Network":
            yield FoundGenerator("TensorFlow", path, network=value)
        elif isinstance(value, dict):
            named = {str(key): item for key, item in value.items() if isinstance(item, LazyTensor)}
            yield from _in_names(path, named, {}, (*above, value))
            waiting += [((*path, str(key)), item, (*above, value)) for key, item in value.items() if _holds(item)]
        elif isinstance(value, list | tuple):
            # the third of three TensorFlow networks is the averaged one
            names = ("G", "D", "Gs") if len(value) == 3 and all(isinstance(each, DictStub) for each in value) else None
            parts = names or [str(at) for at in range(len(value))]
            waiting += [((*path, part), item, above) for part, item in zip(parts, value, strict=True) if _holds(item)]


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list | tuple | ObjectStub)


def _in_names(
    path: tuple[str, ...], named: Mapping[str, LazyTensor], layers: Mapping[str, ObjectStub], above: tuple[dict[Any, Any], ...]
) -> Iterator[FoundGenerator]:
    """Yield the generators among tensors with dotted names, one for each prefix of a mark."""
    plain = {_unwrapped(name): value for name, value in named.items()}
    if len(plain) != len(named):
        plain = dict(named)
    inner = {_unwrapped(name): layer for name, layer in layers.items()}
    for layout, mark in _MARKS.items():
        for name in plain:
            prefix = name.removesuffix(mark)
            if prefix == name or (prefix and not prefix.endswith(".")):
                continue
            tensors = {key.removeprefix(prefix): value for key, value in plain.items() if key.startswith(prefix)}
            parts = {key.removeprefix(prefix).rstrip("."): layer for key, layer in inner.items() if f"{key}.".startswith(prefix)}
            mean = _mean([tensors, plain, *reversed(above)])
            encoder: dict[str, LazyTensor] = {}
            of_features = False
            if prefix.endswith("decoder."):
                outer = prefix.removesuffix("decoder.")
                of_features = f"{outer}inverter.fs_backbone.conv.0.weight" in plain  # there `encoder` is the feature editor
                beside = f"{outer}e4e_encoder." if of_features else f"{outer}encoder."
                encoder = {key.removeprefix(beside): value for key, value in plain.items() if key.startswith(beside)}
            options = next((each["opts"] for each in reversed(above) if "opts" in each), None) if encoder else None
            if encoder and of_features:
                options = {"encoder_type": "Encoder4Editing"}
            place = (*path, *filter(None, prefix.split(".")))
            yield FoundGenerator(layout, place, tensors, parts, mean, encoder=encoder, options=options)


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS) if any(each in name for each in _WRAPPERS) else name


def _mean(places: list[Any]) -> LazyTensor | None:
    """The mean w nearest to a generator's tensors."""
    for place in places:
        for name in _MEANS:
            if isinstance(value := place.get(name), LazyTensor):
                return value
    return None


def flatten(top: ObjectStub) -> dict[str, ObjectStub]:
    """Return every layer of a network by its dotted name, the network itself under "". Raises RefusedError for too many."""
    found: dict[str, ObjectStub] = {}
    waiting: list[tuple[str, ObjectStub, int]] = [("", top, 0)]
    while waiting:
        name, layer, depth = waiting.pop()
        found[name] = layer
        if len(found) + len(waiting) + len(layer.part("_modules")) > _MOST_LAYERS or depth > _DEEPEST:
            raise RefusedError(f"its network has more than {_MOST_LAYERS:,} layers, or {_DEEPEST} within each other")
        for key, inner in layer.part("_modules").items():
            if inner is None:
                continue
            if not isinstance(key, str) or not isinstance(inner, ObjectStub):
                raise RefusedError(f"a part of its network, {printable(key)}, is no layer of the published kind")
            waiting.append((f"{name}.{key}" if name else key, inner, depth + 1))
    return found


def _tensors(layers: Mapping[str, ObjectStub]) -> dict[str, LazyTensor]:
    """The tensors of a network's layers under their dotted names. Raises RefusedError for too many."""
    found: dict[str, LazyTensor] = {}
    left = _MOST_TENSORS
    for name, layer in layers.items():
        for part in ("_parameters", "_buffers"):
            left -= len(layer.part(part))
            if left < 0:
                raise RefusedError(f"its layers have more than {_MOST_TENSORS:,} tensors")
            for key, value in layer.part(part).items():
                if isinstance(value, LazyTensor):
                    found[f"{name}.{key}" if name else str(key)] = value
    return found


def _nothing(value: Any) -> str:
    """What a file without a generator holds."""
    if isinstance(value, dict):
        for key in [*value, *(inner for each in value.values() if isinstance(each, dict) for inner in each)]:
            for mark, reason in _OTHER_NETWORKS.items():
                if mark in str(key):
                    return reason
    if isinstance(value, ObjectStub):
        names = [name for name in _tensors(flatten(value)) if any(mark in name for mark in _OTHER_NETWORKS)]
        if names:
            return next(reason for mark, reason in _OTHER_NETWORKS.items() if mark in names[0])
    has = ", ".join(printable(key) for key in list(value)[:4]) if isinstance(value, dict) else f"a {type(value).__name__}"
    return f"no StyleGAN2 generator is in it, under g_ema or any other name; it has {has or 'nothing'}"
