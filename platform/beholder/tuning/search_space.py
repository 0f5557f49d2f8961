"""Spaces: which values of which knobs a search may try, written as text: `loguniform(1e-4, 1e-2)`.

The grammar has four words. choice(a, b, ...): one of the values, each a number, text, true, false, null or a list of those.
uniform(low, high) and loguniform(low, high): numbers in between. integers(low, high): whole numbers, both ends included.
"""

import ast
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from beholder.errors import ConfigError, nearest

T = TypeVar("T")
Point = Mapping[str, Any]  # knob -> value, as a search names it: a choice goes by its label

_WORDS = ("choice", "uniform", "loguniform", "integers")
_NAMES = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class CategoricalDomain:
    """One of some values. labels: how each is written, which is what a search calls it."""

    labels: tuple[str, ...]
    options: tuple[Any, ...]

    def value(self, label: Any) -> Any:
        """The value that a label means."""
        return self.options[self.labels.index(label)]

    def draw(self, dice: np.random.Generator) -> str:
        return self.labels[int(dice.integers(len(self.labels)))]

    def ends(self) -> list[str]:
        return list(self.labels)


@dataclass(frozen=True)
class NumericDomain:
    """Numbers from low to high, both included. log: spread evenly over orders of magnitude. whole: integers only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def value(self, number: Any) -> Any:
        """The number itself, as int or float."""
        return int(number) if self.whole else float(number)

    def draw(self, dice: np.random.Generator) -> Any:
        if self.whole:
            return int(dice.integers(int(self.low), int(self.high) + 1))
        if self.log:
            return float(np.exp(dice.uniform(np.log(self.low), np.log(self.high))))
        return float(dice.uniform(self.low, self.high))

    def ends(self) -> list[Any]:
        return [self.value(self.low), self.value(self.high)]


Domain = CategoricalDomain | NumericDomain
SearchSpace = dict[str, Domain]


def space(texts: Mapping[str, str], config: Any) -> SearchSpace:
    """Read a space and check it against the dataclass it is for.

    texts: knob -> text of the grammar; a knob is a dotted path of fields in `config`, like `fit.learning_rate`.
    Raises ConfigError for text outside the grammar, an unknown knob, and a value that `config` itself refuses.
    """
    if not texts:
        raise ConfigError("the space is empty: there is nothing to search; name at least one knob, like dropout: uniform(0, 0.5)")
    found = {knob: domain(text, knob=knob) for knob, text in texts.items()}
    for knob, one in found.items():
        for end in one.ends():
            put(config, {knob: one.value(end)})
    return found


def domain(text: str, *, knob: str) -> Domain:
    """One line of a space. Raises ConfigError that names the knob."""
    said = f"{knob}: {text}"
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise ConfigError(f"{said} can't be read; expected something like loguniform(1e-4, 1e-2) or choice(a, b)") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.keywords:
        raise ConfigError(f"{said} is no space; expected {', '.join(_WORDS[:-1])} or {_WORDS[-1]} with values in brackets")
    word = call.func.id
    if word not in _WORDS:
        raise ConfigError(f"{said}: {word} is no word of the grammar{nearest(word, list(_WORDS))}")
    values = [_value(node, said) for node in call.args]
    if word == "choice":
        labels = tuple(_label(value) for value in values)
        if len(set(labels)) != len(labels) or len(labels) < 1:
            raise ConfigError(f"{said}: expected different values to choose from")
        return CategoricalDomain(labels, tuple(values))
    if len(values) != 2 or any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        raise ConfigError(f"{said}: {word} takes two numbers, the lowest and the highest")
    low, high = values
    if not low < high:
        raise ConfigError(f"{said}: the lowest must be below the highest")
    if word == "loguniform" and low <= 0:
        raise ConfigError(f"{said}: loguniform needs numbers above 0, got {low}")
    if word == "integers" and not (isinstance(low, int) and isinstance(high, int)):
        raise ConfigError(f"{said}: integers takes whole numbers")
    return NumericDomain(low, high, log=word == "loguniform", whole=word == "integers")


def apply(found: SearchSpace, point: Point, config: T) -> T:
    """`config` with the values of a point of the space."""
    return put(config, {knob: found[knob].value(named) for knob, named in point.items()})


def put(config: T, values: Mapping[str, Any]) -> T:
    """A dataclass with some of its fields, dotted paths, replaced. Raises ConfigError for one it does not have."""
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    fields = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    for path, value in values.items():
        name, _, rest = path.partition(".")
        if name not in fields or (dataclasses.is_dataclass(fields[name]) != bool(rest)):
            raise ConfigError(f"{path} is no knob of {type(config).__name__}{nearest(path, paths(config))}")
        if rest:
            inner.setdefault(name, {})[rest] = value
        elif isinstance(fields[name], int) and not isinstance(fields[name], bool) and isinstance(value, float):
            raise ConfigError(f"{path} takes whole numbers, got {value}; integers(low, high) draws them")
        else:
            own[name] = value
    nested = {name: put(fields[name], below) for name, below in inner.items()}
    try:
        return dataclasses.replace(config, **own, **nested)  # type: ignore[type-var]
    except TypeError as error:
        raise ConfigError(f"{', '.join(own)}: {error}") from None


def paths(config: Any) -> list[str]:
    """Every knob of a dataclass, nested ones by dotted path."""
    found = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        found += [f"{field.name}.{path}" for path in paths(value)] if dataclasses.is_dataclass(value) else [field.name]
    return found


def grid(found: SearchSpace, count: int, *, seed: int) -> list[dict[str, Any]]:
    """`count` points drawn at random, the same for the same seed."""
    dice = np.random.default_rng(seed)
    return [{knob: one.draw(dice) for knob, one in found.items()} for _ in range(count)]


def words(found: SearchSpace, point: Point, *, prefix: str) -> list[str]:
    """A point as a command takes it: `taste.mlp.dropout=0.1`."""
    return [f"{prefix}{knob}={_label(found[knob].value(named))}" for knob, named in point.items()]


def _value(node: ast.expr, said: str) -> Any:
    """A literal: a number, quoted or bare text, true, false, null, or a list of those."""
    if isinstance(node, ast.List):
        return [_value(item, said) for item in node.elts]
    if isinstance(node, ast.Name):
        return _NAMES.get(node.id, node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _value(node.operand, said)
        if isinstance(number, int | float):
            return -number
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool | int | float | str)):
        return node.value
    raise ConfigError(f"{said}: {ast.unparse(node)} is no value; expected numbers, text, true, false, null or lists of those")


def _label(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(_label(item) for item in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
