"""The command's reference, made from its own registry: every command with its words, examples, settings, defaults and help."""

from functools import cache

from beholder import command_index
from beholder.command_index import CommandReference


def group(name: str) -> str:
    """Return the Markdown of all commands of a group."""
    return "\n\n".join(_command(each) for each in _references() if each.group == name)


def overview() -> str:
    """Return a table of the commands of each group, each linked to its own part, and the options of all."""
    parts = []
    for name, about in command_index.GROUPS.items():
        found = [each for each in _references() if each.group == name]
        if found:
            rows = [f"| [`{each.name}`](commands-{name}.md#{_anchor(each)}) | {_cell(each.about)} |" for each in found]
            parts.append("\n".join([f"## {name.capitalize()}: {about}", "", "| command | what it does |", "|---|---|", *rows]))
    options = [f"| `{name}` | {_cell(about)} |" for name, about in command_index.OPTIONS.items()]
    return "\n\n".join([*parts, "\n".join(["## Options of every command", "", "| option | |", "|---|---|", *options])])


@cache
def _references() -> list[CommandReference]:
    return command_index.references()


def _anchor(reference: CommandReference) -> str:
    return f"beholder-{reference.name.replace(' ', '-')}"


def _command(reference: CommandReference) -> str:
    about = reference.about
    lines = [f"## beholder {reference.name}", "", f"{about[:1].upper()}{about[1:]}.", "", "```", reference.usage, "```", ""]
    if reference.examples:
        lines += ["Examples:", "", "```", *reference.examples, "```", ""]
    common = [spec for spec in reference.settings if spec.key in reference.common]
    others = [spec for spec in reference.settings if spec.key not in reference.common]
    if common:
        lines += _settings(common)
    if others:
        inside = [f"    {line}" for line in _settings(others)]
        lines += ["", f'??? note "All other settings ({len(others)})"', "", *inside]
    return "\n".join(lines)


def _settings(specs: list[command_index.SettingSpec]) -> list[str]:
    lines = ["| setting | default | what it does |", "|---|---|---|"]
    for spec in specs:
        choices = f" One of {', '.join(f'`{each}`' for each in spec.choices)}." if spec.choices else ""
        default = "**required**" if spec.default == "required" else f"`{_cell(spec.default)}`" if spec.default else ""
        lines.append(f"| `{spec.key}` | {default} | {_cell(spec.help)}{choices} |")
    return lines


def _cell(text: str) -> str:
    """Return a text as it may stand in a table's cell."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
