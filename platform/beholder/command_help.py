"""Help on the terminal: all commands in groups, and one command's examples and settings. No name is ever broken."""

import os
import shutil
import sys
import textwrap

from beholder import command_index, tracking
from beholder.command_index import GROUPS, OPTIONS
from beholder.config import SettingSpec, setting_specs

_NARROWEST, _WIDEST = 40, 120


def print_overview() -> None:
    """Print every command with its line, in groups."""
    print(overview(width=_width(), styled=styled()))


def print_command(name: str, *, all: bool) -> None:
    """Print a command's help. all: with every setting, instead of the common ones."""
    print(command(name, all=all, width=_width(), styled=styled()))


def overview(*, width: int, styled: bool = False) -> str:
    """Return every command with its line, in groups, as text of a width."""
    known = command_index.commands()
    lines = [
        f"{_bold('beholder', styled)} COMMAND [key=value ...]",
        "",
        *textwrap.wrap("New here? `beholder demo` shows the whole way on the sample that ships with it.", width),
    ]
    for group, about in GROUPS.items():
        rows = [(name, command.about) for name, command in known.items() if command.group == group]
        if group == "start":
            rows = sorted([*rows, ("version", "this package's version"), ("help COMMAND", "a command's help")])
        if rows:
            lines += ["", *_heading(group, about, width, styled), *_rows(rows, width=width, column=22, styled=styled)]
    lines += ["", *_options(width, styled), ""]
    lines += textwrap.wrap("`beholder COMMAND --help` has examples and settings.", width)
    return "\n".join(lines)


def command(name: str, *, all: bool, width: int, styled: bool = False) -> str:
    """Return one command's help as text of a width. all: with every setting."""
    about = command_index.reference(name)
    lines = [_bold(about.usage, styled), "", *textwrap.wrap(about.about, width)]
    if about.examples:
        lines += ["", "Examples:", *(f"  {example}" for example in about.examples)]
    shown = about.settings if all else [next(s for s in about.settings if s.key == key) for key in about.common]
    more = len(about.settings) - len(shown)
    lines += ["", "All settings:" if all or not more else "Common settings:"]
    lines += _rows([_row(spec) for spec in shown], width=width, column=30, styled=styled)
    if all:
        specs = setting_specs(tracking.TrackingConfig, command="tracking")
        lines += ["", "Where runs are recorded besides:"]
        lines += _rows([_row(spec) for spec in specs], width=width, column=30, styled=styled)
    elif more:
        lines += ["", *textwrap.wrap(f"{more} more setting{'s' * (more > 1)}: `beholder {name} --help --all`", width)]
    lines += ["", *_options(width, styled)]
    return "\n".join(lines)


def styled() -> bool:
    """Tell whether stdout is a terminal that may be written to in bold: NO_COLOR (no-color.org) forbids it."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _options(width: int, styled: bool) -> list[str]:
    return ["Options of every command:", *_rows(list(OPTIONS.items()), width=width, column=22, styled=styled)]


def _heading(name: str, about: str, width: int, styled: bool) -> list[str]:
    first, *rest = textwrap.wrap(f"{name}: {about}", width)
    return [_bold(first, styled), *rest]


def _row(spec: SettingSpec) -> tuple[str, str]:
    help = spec.help + (f" ({' | '.join(spec.choices)})" if spec.choices else "")
    if spec.default == "required":
        return f"{spec.key}=...", f"{help} [required]"
    short = len(spec.default) <= 24 and " " not in spec.default and spec.default
    return (f"{spec.key}={spec.default}", help) if short else (f"{spec.key}=", f"{help} [{spec.default or 'empty'}]")


def _rows(rows: list[tuple[str, str]], *, width: int, column: int, styled: bool) -> list[str]:
    """Return names with their explanations beside them, on a line of their own where a name is too long for its column."""
    column = min(column, width // 2)
    lines = []
    for name, about in rows:
        wrapped = textwrap.wrap(about, max(20, width - column), break_long_words=False, break_on_hyphens=False) or [""]
        if len(name) + 4 > column:
            lines.append(f"  {_bold(name, styled)}")
        else:
            lines.append(f"  {_bold(name, styled)}{' ' * (column - 2 - len(name))}{wrapped.pop(0)}".rstrip())
        lines += [f"{' ' * column}{line}" for line in wrapped]
    return lines


def _bold(text: str, styled: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if styled else text


def _width() -> int:
    return min(max(shutil.get_terminal_size((80, 24)).columns, _NARROWEST), _WIDEST)
