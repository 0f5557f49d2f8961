"""The command's reference, made from its own registry: every command with its words, its settings, their defaults and help."""

import importlib

from beholder import cli, config

# Which commands are about what; a command's first word decides where its whole name does not.
GROUPS = {
    "data": ("import", "export", "embed", "study", "choices", "quality"),
    "learn": ("train", "tune", "update", "predict", "evaluate", "learn"),
    "edit": ("edit", "invert", "directions", "build", "apply"),
    "serve": ("serve", "keys", "ask", "recommend", "submit", "demo"),
    "measure": ("bench", "simulate", "evaluate portraits", "evaluate looks", "evaluate faces", "evaluate editing"),
}


def group(name: str) -> str:
    """Return the Markdown of all commands of a group."""
    return "\n\n".join(_command(each, about) for each, (_, about) in cli.commands().items() if _group_of(each) == name)


def overview() -> str:
    """Return a table of all commands, each linked to its own part."""
    rows = ["| command | what it does |", "|---|---|"]
    for name, (_, about) in cli.commands().items():
        anchor = f"beholder-{name.replace(' ', '-')}"
        rows.append(f"| [`{name}`](commands-{_group_of(name)}.md#{anchor}) | {_cell(about)} |")
    return "\n".join(rows)


def _group_of(name: str) -> str:
    exact = [title for title, members in GROUPS.items() if name in members]
    first = [title for title, members in GROUPS.items() if name.split()[0] in members]
    return (exact or first or ["measure"])[0]


def _command(name: str, about: str) -> str:
    module = importlib.import_module(cli.commands()[name][0])
    specs = config.setting_specs(cli.settings_type(module), command=name)
    words = f"{name} COMMAND" if name == "submit" else name
    lines = [f"## beholder {name}", "", f"{about[:1].upper()}{about[1:]}.", "", "```", f"beholder {words} key=value ...", "```", ""]
    lines += ["| setting | default | what it does |", "|---|---|---|"]
    for spec in specs:
        choices = f" One of {', '.join(f'`{each}`' for each in spec.choices)}." if spec.choices else ""
        default = "**required**" if spec.default == "required" else f"`{_cell(spec.default)}`" if spec.default else ""
        lines.append(f"| `{spec.key}` | {default} | {_cell(spec.help)}{choices} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Return a text as it may stand in a table's cell."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
