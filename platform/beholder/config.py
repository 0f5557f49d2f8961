"""configs/ and key=value overrides -> frozen dataclasses.

A setting is a field of a frozen dataclass in the file of what it configures, made with `setting(default, help)`. `load` composes
configs/<command>.yaml and its groups (configs/<group>/<choice>.yaml) with Hydra, lays the user's overrides on top, checks
every key and type against the dataclass, and builds it.
"""

import dataclasses
import importlib.resources
import re
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from beholder.errors import ConfigError, closest, nearest

T = TypeVar("T")
REQUIRED = "???"  # OmegaConf's mark of a value that must be given
_PASSWORD = re.compile(r"(://[^/\s:@]*):\S*@")  # up to the last @: a password may hold one
_PASSWORD_ARGUMENT = re.compile(r"([?&][^=&\s]*(?:password|secret|token)[^=&\s]*=)[^&\s]+", re.IGNORECASE)
_MOST_HINTS = 4  # settings of one name that a message offers
_HIDDEN = "(not written down)"


def setting(default: Any, help: str, *, private: bool = False) -> Any:
    """Return a field of a config dataclass with its default and one line of help.

    private: a value that is not to be written down, such as the name of somebody who is to be forgotten.
    """
    metadata: dict[str, Any] = {"help": help, "private": private}
    if isinstance(default, list | dict | set):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    if dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def required(help: str) -> Any:
    """Return a field of a config dataclass that the user has to give."""
    return setting(REQUIRED, help)


@dataclass(frozen=True)
class SettingSpec:
    """One line of a command's help: a setting, its type, its default as text, and the choices of a group."""

    key: str
    kind: str
    default: str
    help: str
    choices: tuple[str, ...] = ()


def load(cls: type[T], *, command: str, overrides: Sequence[str] = ()) -> T:
    """Build `cls` from configs/ and overrides like "encoder.weights=laion2b".

    A str setting is taken as typed, whatever characters it holds; other values follow Hydra's grammar.
    Raises ConfigError for an unknown key (with the nearest known one), a wrong type, a missing required value, or
    whatever the dataclass's own __post_init__ refuses.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    composed = _compose(cls, command, overrides)
    schema = OmegaConf.structured(cls)
    _unlock(schema)
    try:
        merged = OmegaConf.merge(schema, composed)
        missing = sorted(str(key) for key in OmegaConf.missing_keys(merged))
        if missing:
            listed = ", ".join(f"{key}=..." for key in missing)
            raise ConfigError(f"{command} needs {listed}; see beholder {command} --help")
        return typing.cast(T, OmegaConf.to_object(merged))
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error, cls, overrides)) from None


def setting_specs(cls: type, *, command: str) -> list[SettingSpec]:
    """Return every setting of a command with its default as composed, in the order of the dataclass."""
    from omegaconf import OmegaConf

    composed = _compose(cls, command, ())
    schema = OmegaConf.structured(cls)
    _unlock(schema)
    merged = OmegaConf.merge(schema, composed)
    lines = []
    for key, kind, help, node in _fields(cls):
        if node is not None:
            if key in groups():
                lines.append(SettingSpec(key, "choice", _chosen(command, key), help, tuple(groups()[key])))
            continue
        value = OmegaConf.select(merged, key, throw_on_missing=False)
        is_missing = OmegaConf.is_missing(
            OmegaConf.select(merged, key.rpartition(".")[0]) if "." in key else merged, key.rpartition(".")[2]
        )
        lines.append(SettingSpec(key, kind, "required" if is_missing else _show(value), help))
    return lines


def dump(config: Any) -> str:
    """Return a config dataclass as YAML, every value written out but passwords in URLs and what is private."""
    import yaml  # type: ignore[import-untyped]

    return str(yaml.safe_dump(_public(dataclasses.asdict(config), private_keys(type(config))), sort_keys=False, allow_unicode=True))


def private_keys(cls: type) -> set[str]:
    """Return the names of a command's own settings that are private."""
    return {field.name for field in dataclasses.fields(cls) if field.metadata.get("private")}


def without_passwords(text: str) -> str:
    """Return a text with *** for every password in a URL."""
    return _PASSWORD_ARGUMENT.sub(r"\1***", _PASSWORD.sub(r"\1:***@", text))


def public_words(words: Sequence[str], cls: type) -> list[str]:
    """Return the words of a command line as they may be written down: without passwords in URLs, and values that are private."""
    hidden = private_keys(cls)
    names = [word.partition("=")[0] for word in words]
    return [
        f"{name}={_HIDDEN}" if name in hidden and word != f"{name}=null" else without_passwords(word)
        for name, word in zip(names, words, strict=True)
    ]


def _public(value: Any, hidden: set[str]) -> Any:
    if isinstance(value, dict):
        return {name: _HIDDEN if name in hidden and part is not None else _public(part, set()) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_public(part, set()) for part in value]
    return without_passwords(value) if isinstance(value, str) else value


def undump(text: str) -> dict[str, Any]:
    """Return the values of what `dump` returned."""
    import yaml

    values: dict[str, Any] = yaml.safe_load(text) or {}
    return values


def read_yaml(text: str, *, name: str) -> Any:
    """Return the values of a YAML file. name: of the file. Raises ConfigError of one line where it is no YAML."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{name}{where}: this is no YAML: {problem}") from None


def groups() -> dict[str, list[str]]:
    """Return the config groups: each folder of configs/ and the choices in it."""
    result = {}
    for folder in sorted(_root().iterdir()):
        if folder.is_dir():
            choices = sorted(path.stem for path in folder.glob("*.yaml"))
            if choices:
                result[folder.name] = choices
    return result


def choice_overrides(group: str, value: Any) -> list[str]:
    """Return the overrides that give a command these settings of a group, as few as do: a choice, and what differs from it.

    value: a config dataclass without others in it, whatever its name: what `load` builds of the overrides is equal to it.
    """
    words = []
    for choice in groups()[group]:
        given = read_yaml((_root() / group / f"{choice}.yaml").read_text(), name=choice)
        known, wanted = dataclasses.asdict(type(value)(**given)), dataclasses.asdict(value)
        different = [f"{group}.{name}={_show(each)}" for name, each in wanted.items() if each != known[name]]
        words.append([f"{group}={choice}", *different])
    return min(words, key=len)


def _root() -> Path:
    return Path(str(importlib.resources.files("beholder.configs")))


def _compose(cls: type, command: str, overrides: Sequence[str]) -> Any:
    """Return the YAML of the command with the overrides applied, not yet checked against the dataclass."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    name = command.replace(" ", "_")
    GlobalHydra.instance().clear()
    try:
        lines, texts, entries = _sort(cls, command, overrides)
        with initialize_config_dir(str(_root()), version_base="1.3"):
            composed = compose(name if (_root() / f"{name}.yaml").is_file() else None, overrides=lines)
        for key, text in texts.items():
            OmegaConf.update(composed, key, text, force_add=True)
        for key, value in entries.items():
            OmegaConf.update(composed, key, value, merge=False, force_add=True)
        _copy_groups(composed, composed)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_explain(error, cls, overrides)) from None
    return composed


def _copy_groups(node: Any, whole: Any) -> None:
    """Replace each ${group} that names a group by a copy of it: OmegaConf takes no reference where the schema has a dataclass."""
    from omegaconf import DictConfig, OmegaConf

    for key in node:
        if OmegaConf.is_interpolation(node, key):
            named = OmegaConf.select(whole, str(node._get_node(key)._value()).strip("${}"))
            if isinstance(named, DictConfig):
                node[key] = named.copy()
        elif not OmegaConf.is_missing(node, key) and isinstance(child := node._get_node(key), DictConfig):
            _copy_groups(child, whole)


def _sort(cls: type, command: str, overrides: Sequence[str]) -> tuple[list[str], dict[str, str | None], dict[str, Any]]:
    """Check the keys of the overrides; return those that Hydra composes, the text settings, taken as typed, and the entries of
    settings that are dicts, which replace what is there."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    known = {name: (kind, node) for name, kind, _, node in _fields(cls)}
    lines: list[str] = []
    texts: dict[str, str | None] = {}
    entries: dict[str, Any] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            meant = f"; did you mean {key}=...?" if key in known else ""
            raise ConfigError(f"{override!r} is not of the form key=value{meant}")
        if key not in known and any(_is_entry(key, name, kind) for name, (kind, _) in known.items()):
            entries[key] = OverridesParser.create().parse_override(f"++{key}={value}").value()
            continue
        if key not in known:
            hint = _hint(key, [name for name, (_, node) in known.items() if node is None or name in groups()])
            raise ConfigError(f"{key} is not a setting of {command}{hint or f'; beholder {command} --help --all lists them'}")
        kind, node = known[key]
        if node is not None:
            if key not in groups():
                raise ConfigError(f"{key} is a group of settings; set one of them: {key}.<name>=value")
            if value not in groups()[key]:
                raise ConfigError(f"{key}={value} is not a choice{nearest(value, groups()[key])}")
            lines.append(override)
        elif kind.startswith("str"):
            texts[key] = None if value == "null" and kind.endswith("null") else _literal(value)
        else:
            lines.append(f"++{key}={value}")
    return lines, texts, entries


def _hint(key: str, known: list[str]) -> str:
    """Return '; did you mean ...?' for a misspelt setting, also where what stands before its last dot is missing."""
    if not closest(key, known):
        last = closest(key.rpartition(".")[2], [name.rpartition(".")[2] for name in known])
        below = [name for name in known if last and name.rpartition(".")[2] == last]
        if 0 < len(below) <= _MOST_HINTS:
            return f"; did you mean {' or '.join(below)}?"
    return nearest(key, known)


def _is_entry(key: str, name: str, kind: str) -> bool:
    """Tell whether a key is of an entry of the setting `name`, which is a dict."""
    return kind.startswith("dict") and key.startswith(f"{name}.")


def _literal(text: str) -> str:
    """Return the text with ${...} escaped, so that OmegaConf leaves it as it is."""
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)


def _fields(cls: type, prefix: str = "") -> list[tuple[str, str, str, type | None]]:
    """Return (dotted key, kind, help, dataclass or None) of every field, nested ones after their parent."""
    result: list[tuple[str, str, str, type | None]] = []
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        key, hint = prefix + field.name, hints[field.name]
        help = field.metadata.get("help", "")
        if dataclasses.is_dataclass(hint):
            result.append((key, "group", help, typing.cast(type, hint)))
            result += _fields(typing.cast(type, hint), key + ".")
        else:
            result.append((key, _kind(hint), help, None))
    return result


def _kind(hint: Any) -> str:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join("null" if part is type(None) else _kind(part) for part in typing.get_args(hint))
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _chosen(command: str, group: str) -> str:
    """Return the default choice of a group, read off the defaults list of the command's YAML."""
    from omegaconf import OmegaConf

    path = _root() / f"{command.replace(' ', '_')}.yaml"
    if path.is_file():
        for entry in OmegaConf.to_container(OmegaConf.load(path))["defaults"]:  # type: ignore[call-overload, index]
            if isinstance(entry, dict) and group in entry:
                return str(entry[group])
    return ""


def _show(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _unlock(node: Any) -> None:
    """Make a schema writable: OmegaConf makes those of frozen dataclasses read-only, and the user's values come first."""
    from omegaconf import DictConfig, OmegaConf

    OmegaConf.set_readonly(node, False)
    for key in node:
        if not OmegaConf.is_missing(node, key) and isinstance(child := node._get_node(key), DictConfig):
            _unlock(child)


def _explain(error: Exception, cls: type, overrides: Sequence[str]) -> str:
    """Return a multi-line message of OmegaConf or Hydra as one line that names the setting, and what was expected and typed."""
    text = str(error).strip().splitlines()[0].replace("++", "")
    typed = dict(override.partition("=")[::2] for override in overrides)
    kinds = {key: kind for key, kind, _, node in _fields(cls) if node is None}
    named = str(getattr(error, "full_key", None) or getattr(error, "override", None) or _quoted(text)).removeprefix("++")
    key = re.split(r"[\[=]", named)[0]
    if key in typed and key in kinds:
        return f"{key}: expected {_expected(key, kinds[key], typed[key])}, got {typed[key] or 'nothing'}"
    return f"{key}: {text}" if key and key not in text else text


def _quoted(text: str) -> str:
    found = re.search(r"'([^']+)'", text)
    return found[1] if found else ""


def _expected(key: str, kind: str, typed: str) -> str:
    """Return what a setting of this kind is, in words: what was typed as it was meant, where that can be seen."""
    words = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    bare = kind.removesuffix(" or null")
    if bare.startswith("list"):
        inner = words.get(bare[5:-1], "").removeprefix("a ")
        meant = typed.strip("[] ") if re.fullmatch(r"\[?[\w.,*-]+\]?", typed) and not inner else ""
        return f"a list{f' of {inner}s' * bool(inner)}, such as {key}=[{meant or ('1,2' if inner else 'a,b')}]"
    if bare.startswith("dict"):
        return f"names and values, such as {key}.NAME=VALUE"
    return words.get(bare, bare) + " or null" * (bare != kind)
