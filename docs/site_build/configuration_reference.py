"""The files of values in configs/: every group, its choices, and what each of them sets."""

import textwrap
from pathlib import Path

from beholder import config

ROOT = Path(__file__).resolve().parents[2]


def groups() -> str:
    """Return the groups of settings with the values of each choice."""
    parts = []
    for group, choices in config.groups().items():
        parts.append(f"### {group}=\n\n" + ", ".join(f"`{group}={choice}`" for choice in choices) + ".\n")
        for choice in choices:
            text = (ROOT / "configs" / group / f"{choice}.yaml").read_text().rstrip()
            parts.append(f'??? note "{group}={choice}"\n\n' + textwrap.indent(f"```yaml\n{text}\n```\n", "    "))
    return "\n".join(parts)
