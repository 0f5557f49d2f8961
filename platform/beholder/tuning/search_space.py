"""Search spaces: which values of which settings a search may try, read from plain YAML.

A space maps settings of a taste, nested as they are or as dotted paths, to one of four words with its values:

    widths: {choice: [[], [16], [32, 16]]}      # one of these: numbers, texts, true, false, null, or lists of those
    dropout: {uniform: [0, 0.5]}                # numbers in between
    fit:
      learning_rate: {loguniform: [1e-4, 1e-2]} # the same, spread evenly over orders of magnitude
    person_size: {int: [4, 64]}                 # whole numbers, both ends included
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from beholder.errors import ConfigError, nearest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")
Point = Mapping[str, Any]  # setting -> value, as a search names it: a choice goes by its label

_WORDS = ("choice", "uniform", "loguniform", "int")
_EXAMPLE = "{uniform: [0, 0.5]} or {choice: [a, b]}"


@dataclass(frozen=True)
class CategoricalDomain:
    """One of some values. labels: how each is written, which is what a search calls it."""

    labels: tuple[str, ...]
    options: tuple[Any, ...]

    def value(self, label: Any) -> Any:
        """Return the value that a label means."""
        return self.options[self.labels.index(label)]

    def draw(self, rng: np.random.Generator) -> str:
        """Return a label at random."""
        return self.labels[int(rng.integers(len(self.labels)))]

    def ends(self) -> list[str]:
        """Return every label."""
        return list(self.labels)


@dataclass(frozen=True)
class NumericDomain:
    """Numbers from low to high, both included. log: spread evenly over orders of magnitude. whole: integers only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def value(self, number: Any) -> Any:
        """Return the number itself, as int or float."""
        return int(number) if self.whole else float(number)

    def draw(self, rng: np.random.Generator) -> Any:
        """Return a number at random."""
        if self.whole:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        if self.log:
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))

    def ends(self) -> list[Any]:
        """Return the lowest and the highest."""
        return [self.value(self.low), self.value(self.high)]


Domain = CategoricalDomain | NumericDomain
SearchSpace = dict[str, Domain]


def read_space(values: Mapping[str, Any], config: "DataclassInstance") -> SearchSpace:
    """Read a space from YAML values and check it against the dataclass it is for.

    Raises ConfigError for a domain that can't be read, an unknown setting, and a value that `config` itself refuses.
    """
    if not values:
        raise ConfigError(f"the space is empty: there is nothing to search; name at least one setting, like dropout: {_EXAMPLE}")
    space = {path: read_domain(value, path) for path, value in _leaves(values)}
    for path, domain in space.items():
        for end in domain.ends():
            replace_fields(config, {path: domain.value(end)})
    return space


def read_domain(value: Any, path: str) -> Domain:
    """Read what one setting may be. Raises ConfigError that names the setting by its path."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path}: expected a domain like {_EXAMPLE}, got {value!r}")
    if len(value) != 1:
        raise ConfigError(f"{path}: expected one of {', '.join(_WORDS)}, got {' and '.join(map(str, value)) or 'none'}")
    word, arguments = next(iter(value.items()))
    if word not in _WORDS:
        raise ConfigError(f"{path}: {word} is none of {', '.join(_WORDS)}{nearest(str(word), list(_WORDS))}")
    if not isinstance(arguments, list):
        raise ConfigError(f"{path}: {word} takes a list, got {arguments!r}")
    if word == "choice":
        return _read_choice(arguments, path)
    if len(arguments) != 2 or any(isinstance(number, bool) or not isinstance(number, int | float) for number in arguments):
        raise ConfigError(f"{path}: {word} takes two numbers, the lowest and the highest, got {arguments}")
    low, high = arguments
    if not low < high:
        raise ConfigError(f"{path}: the lowest must be below the highest, got {arguments}")
    if word == "loguniform" and low <= 0:
        raise ConfigError(f"{path}: loguniform needs numbers above 0, got {low}")
    if word == "int" and not (isinstance(low, int) and isinstance(high, int)):
        raise ConfigError(f"{path}: int takes whole numbers, got {arguments}")
    return NumericDomain(low, high, log=word == "loguniform", whole=word == "int")


def apply(space: SearchSpace, point: Point, config: T) -> T:
    """Return `config` with the values of a point of the space."""
    return replace_fields(config, {path: space[path].value(named) for path, named in point.items()})


def replace_fields(config: T, values: Mapping[str, Any]) -> T:
    """Return a dataclass with some of its fields, dotted paths, replaced. Raises ConfigError for one it does not have."""
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    for path, value in values.items():
        name, _, rest = path.partition(".")
        if name not in fields or (dataclasses.is_dataclass(fields[name]) != bool(rest)):
            raise ConfigError(f"{path} is no setting of {type(config).__name__}{nearest(path, paths(config))}")
        if rest:
            inner.setdefault(name, {})[rest] = value
        elif isinstance(fields[name], int) and not isinstance(fields[name], bool) and isinstance(value, float):
            raise ConfigError(f"{path} takes whole numbers, got {value}; {{int: [low, high]}} draws them")
        else:
            own[name] = value
    nested = {name: replace_fields(fields[name], below) for name, below in inner.items()}
    try:
        return dataclasses.replace(config, **own, **nested)
    except TypeError as error:
        raise ConfigError(f"{', '.join(own)}: {error}") from None


def paths(config: "DataclassInstance | type[DataclassInstance]") -> list[str]:
    """Return every setting of a dataclass, nested ones by dotted path."""
    known = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        known += [f"{field.name}.{path}" for path in paths(value)] if dataclasses.is_dataclass(value) else [field.name]
    return known


def sample(space: SearchSpace, count: int, *, seed: int) -> list[dict[str, Any]]:
    """Return `count` points drawn at random, the same for the same seed."""
    rng = np.random.default_rng(seed)
    return [{path: domain.draw(rng) for path, domain in space.items()} for _ in range(count)]


def overrides(space: SearchSpace, point: Point, *, prefix: str) -> list[str]:
    """Return a point as a command takes it: `taste.mlp.dropout=0.1`."""
    return [f"{prefix}{path}={_label(space[path].value(named))}" for path, named in point.items()]


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each setting's dotted path and domain: a mapping with none of the words in it holds settings."""
    for name, value in values.items():
        is_group = isinstance(value, Mapping) and value and all(isinstance(below, Mapping) for below in value.values())
        if is_group:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _read_choice(options: list[Any], path: str) -> CategoricalDomain:
    for option in options:
        inner = option if isinstance(option, list) else [option]
        if strange := [value for value in inner if not (value is None or isinstance(value, bool | int | float | str))]:
            raise ConfigError(f"{path}: {strange[0]!r} is no value; expected numbers, text, true, false, null or lists of those")
    labels = tuple(_label(option) for option in options)
    if not labels or len(set(labels)) != len(labels):
        raise ConfigError(f"{path}: expected different values to choose from, got [{', '.join(labels)}]")
    return CategoricalDomain(labels, tuple(options))


def _label(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(_label(item) for item in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
