"""`beholder <command> key=value ...`: finds the command, builds its settings, makes its run folder, runs it.

Commands are found through the entry point group "beholder.commands", of which each entry is a dict of name -> (module, help
line). Another package adds commands with an entry of its own in that group (`[project.entry-points."beholder.commands"]`). A
command's module has `main(settings: SomeSettings, run: Run) -> None`; the settings are a frozen dataclass with a field
`workspace`, read off that annotation; `run` is the command's run folder. A command about another command (`submit`) has
`main(settings: SomeSettings, words: list[str]) -> int` instead: it is given the other command's words, makes no run folder, and
returns the exit code.
Exit codes: 0 done; 1 a fault of ours (with a traceback); 2 a user's mistake (one line on stderr); 130 and 143 stopped.
"""

import dataclasses
import datetime
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Sequence
from importlib import metadata
from types import ModuleType
from typing import Any, get_type_hints

from beholder import identifiers
from beholder.errors import BeholderError, ConfigError, nearest

Commands = dict[str, tuple[str, str]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return _dispatch(words)
    except BeholderError as error:
        print(f"beholder: {identifiers.shown(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("beholder: stopped; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1


def commands() -> Commands:
    """Return every installed command, by name."""
    result: Commands = {}
    for entry in metadata.entry_points(group="beholder.commands"):
        result.update(entry.load())
    return dict(sorted(result.items()))


def settings_type(module: ModuleType) -> type[Any]:
    """Return the dataclass that a command's `main` takes."""
    annotation: type[Any] = get_type_hints(module.main)["settings"]
    return annotation


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        _print_overview(commands())
        return 0
    if words[0] == "--version":
        print(metadata.version("beholder"))
        return 0
    name, rest = _match(words, commands())
    module_name, about = commands()[name]
    module = importlib.import_module(module_name)
    if any(word in ("-h", "--help") for word in rest):
        _print_settings(f"{name} COMMAND" if _wraps(module) else name, about, settings_type(module), command=name)
        return 0
    name, settings, rest = parse(words)
    if _wraps(module):
        code: int = module.main(settings, rest)
        return code
    _run(name, module, settings, rest)
    return 0


def parse(words: Sequence[str]) -> tuple[str, Any, list[str]]:
    """Return the command that the words name, its settings, and the words after it, without running anything.

    Where it is a command about another one, the words after it are those of the other command. Raises ConfigError for an unknown
    command and for settings that the command does not have or refuses.
    """
    from beholder import config, tracking

    name, rest = _match(list(words), commands())
    module = importlib.import_module(commands()[name][0])
    rest = own = [_switched_on(word) for word in rest]
    if _wraps(module):
        names = {field.name for field in dataclasses.fields(settings_type(module))}
        own = [word for word in rest if "=" in word and word.partition("=")[0] in names]
        rest = [word for word in rest if word not in own]
    else:
        _, own = tracking.split(_named(own, settings_type(module)))
    return name, config.load(settings_type(module), command=name, overrides=own), rest


def _wraps(module: ModuleType) -> bool:
    """Tell whether a command is about another command, whose words it is given."""
    return "words" in inspect.signature(module.main).parameters


def _switched_on(word: str) -> str:
    """Return --once as once=true, the form that Hydra reads; other words stay as they are."""
    return f"{word[2:].replace('-', '_')}=true" if word.startswith("--") and "=" not in word else word


def _named(words: Sequence[str], settings: type[Any]) -> list[str]:
    """Return the words with those that are no key=value as the settings that a command takes without a name, in order."""
    names = list(getattr(settings, "positional", ()))
    return [word if "=" in word or not names else f"{names.pop(0)}={word}" for word in words]


def _match(words: list[str], known: Commands) -> tuple[str, list[str]]:
    """Return the longest command that the words begin with, and the words after it. Raises ConfigError for an unknown one."""
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in known and len(words) >= length:
            return name, words[length:]
    typed = " ".join(word for word in words[:2] if "=" not in word and not word.startswith("-")) or words[0]
    raise ConfigError(f"{typed!r} is not a command{nearest(typed, list(known))}")


def _run(name: str, module: ModuleType, settings: Any, overrides: list[str]) -> None:
    import time

    from beholder import config, tracking
    from beholder.runs import log
    from beholder.workspace import Workspace

    os.umask(os.umask(0) | 0o077)  # what is written is for who wrote it: people's choices, photos, settings
    sink = tracking.open_sink(tracking.split(overrides)[0])
    overrides = config.public_words(overrides, type(settings))
    began, succeeded = time.time(), False
    workspace = Workspace(settings.workspace)
    run = workspace.start_run(name, config.dump(settings), now=datetime.datetime.now(datetime.UTC), words=overrides)
    log.info("beholder %s %s", name, " ".join(overrides))
    try:
        module.main(settings, run)
        succeeded = True
    except BeholderError as error:
        log.error("%s", config.without_passwords(str(error)))
        raise
    except BaseException as error:
        log.error("stopped by %s", type(error).__name__, exc_info=not isinstance(error, KeyboardInterrupt | SystemExit))
        raise
    finally:
        run.finish()
        if sink is not None:
            print(tracking.record(sink, run, began=began, ended=time.time(), succeeded=succeeded), file=sys.stderr)
    print(run.place.uri)


def _print_overview(known: Commands) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print("[bold]beholder[/] <command> key=value ...\n")
    table = Table(box=None, show_header=False, padding=(0, 2))
    for name, (_, about) in known.items():
        table.add_row(f"[bold]{name}[/]", about)
    console.print(table)
    console.print("\nbeholder <command> --help lists its settings.")


def _print_settings(title: str, about: str, settings: type, *, command: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from beholder import config, tracking

    console = Console()
    console.print(f"[bold]beholder {title}[/] key=value ...\n\n{escape(about)}\n")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("setting", "default", "what it does"):
        table.add_column(column, overflow="fold")
    specs = config.setting_specs(settings, command=command) + config.setting_specs(tracking.TrackingConfig, command="tracking")
    for spec in specs:
        help = spec.help + (f" ({' | '.join(spec.choices)})" if spec.choices else "")
        default = "[bold]required[/]" if spec.default == "required" else escape(spec.default)
        table.add_row(f"[bold]{spec.key}[/]", default, escape(help))
    console.print(table)


def _terminate(*_: object) -> None:
    raise SystemExit(143)
