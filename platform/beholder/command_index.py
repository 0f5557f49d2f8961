"""Which commands there are: their groups, settings and examples, read without importing what the commands work with.

Commands are found through the entry point group "beholder.commands", of which each entry is a dict of name -> (module, help
line, group). Another package adds commands with an entry of its own in that group (`[project.entry-points."beholder.commands"]`);
without a group its commands are listed last. A command's module has a `main` whose first parameter is `settings`, a frozen
dataclass:

main(settings, run)     the command leaves a run folder in its field `workspace`
main(settings, words)   a command about another one, whose words it is given (`submit`); it returns the exit code

What the settings class says of the command besides, each a class variable that may be missing:

positional   names of settings that are taken without a name, in order
common       names of settings that `--help` shows; `--all` shows the others, too
examples     whole command lines
run_folder   "existing": the command writes where it is told, and leaves a run folder besides only in a workspace that is there
             already, or was named; "found": it only reads, and leaves one only in a workspace that is there already;
             "never": it leaves none; otherwise it always does. May be a property.
"""

import functools
import importlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType
from typing import Any, get_type_hints

from beholder.config import SettingSpec, setting_specs
from beholder.errors import UnknownCommand, closest
from beholder.settings_import import settings_only

GROUPS = {
    "start": "the whole way at once, and what is there",
    "data": "images, judgements and embeddings, into a workspace and out of it",
    "learn": "whose judgements can be believed, and models of what people like",
    "edit": "pictures edited, asked about, recommended",
    "serve": "the page and the API, studies, clusters",
    "measure": "how good it is, and how fast",
    "other": "from other packages",
}
OPTIONS = {
    "-h, --help": "what the command does, examples, and its common settings",
    "--all": "with all settings",
    "--json": "metrics as JSON on stdout, everything else on stderr",
    "-q, --quiet": "no progress and no remarks; errors, and what was asked for",
}


@dataclass(frozen=True)
class Command:
    """A command as it is installed."""

    name: str
    module: str
    about: str
    group: str

    def load(self) -> ModuleType:
        """Import the command's module, with all that it works with."""
        return importlib.import_module(self.module)


@dataclass(frozen=True)
class CommandReference:
    """All that a command's help says. common: keys of `settings` that come first."""

    name: str
    group: str
    about: str
    usage: str
    examples: tuple[str, ...]
    settings: tuple[SettingSpec, ...]
    common: tuple[str, ...]


def commands() -> dict[str, Command]:
    """Return every installed command by name, in alphabetical order."""
    found: dict[str, Command] = {}
    for entry in metadata.entry_points(group="beholder.commands"):
        for name, (module, about, *group) in entry.load().items():
            found[name] = Command(name, module, about, group[0] if group and group[0] in GROUPS else "other")
    return dict(sorted(found.items()))


def match(words: Sequence[str]) -> tuple[Command, list[str]]:
    """Return the longest command that the words begin with, and the words after it. Raises UnknownCommand where there is none."""
    known = commands()
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in known and len(words) >= length:
            return known[name], list(words[length:])
    typed = " ".join(word for word in words[:2] if "=" not in word and not word.startswith("-")) or words[0]
    near = closest(typed, list(known)) or closest(words[0], list(known))
    first = {name for name in known if name.split()[0] == words[0]}
    if first:
        near = f"{words[0]} {{{'|'.join(sorted(name.partition(' ')[2] for name in first))}}}"
    raise UnknownCommand(f"{typed!r} is not a command{f'; did you mean {near}?' if near else ''}\n`beholder help` lists them.")


@functools.cache
def reference(name: str) -> CommandReference:
    """Return what the help of one command says, composed once a process. Raises KeyError for an unknown one."""
    command = commands()[name]
    with settings_only():
        module = command.load()
        settings = settings_type(module)
        specs = tuple(setting_specs(settings, command=name))
    words = [f"[{each.upper()}]" for each in getattr(settings, "positional", ())]
    usage = " ".join(["beholder", name, *(["COMMAND"] if wraps(module) else []), *words, "[key=value ...]"])
    known = [spec.key for spec in specs]
    common = [key for key in getattr(settings, "common", ()) if key in known]
    first = [spec.key for spec in specs if spec.default == "required" and spec.key not in common]
    listed = tuple(first + common) if common else tuple(key for key in known if "." not in key)
    return CommandReference(name, command.group, command.about, usage, tuple(getattr(settings, "examples", ())), specs, listed)


def references() -> list[CommandReference]:
    """Return what every command's help says, by group and name."""
    order = list(GROUPS)
    return [reference(each.name) for each in sorted(commands().values(), key=lambda one: (order.index(one.group), one.name))]


def settings_type(module: ModuleType) -> type[Any]:
    """Return the dataclass that a command's `main` takes."""
    annotation: type[Any] = get_type_hints(module.main)["settings"]
    return annotation


def wraps(module: ModuleType) -> bool:
    """Tell whether a command is about another command, whose words it is given."""
    return "words" in inspect.signature(module.main).parameters
