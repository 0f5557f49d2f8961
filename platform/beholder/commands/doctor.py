"""`beholder doctor`: what this machine has and lacks for the project, and how to get what is missing."""

import shutil
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from beholder import installation
from beholder.config import setting
from beholder.errors import ConfigError
from beholder.installation import Finding
from beholder.runs import Run

_MARKS = {"ok": "ok", "note": "--", "warning": "!!", "missing": "XX"}


@dataclass(frozen=True)
class DoctorSettings:
    common: ClassVar[tuple[str, ...]] = ("port", "workspace", "ray")
    examples: ClassVar[tuple[str, ...]] = ("beholder doctor", "beholder doctor port=8080", "beholder doctor --json")
    run_folder: ClassVar[str] = "never"
    port: int = setting(8000, "the port at which the page is to be served")
    ray: bool = setting(False, "start a Ray as well, and compute in it; takes some seconds")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError(f"port must be between 1 and 65535, got {self.port}")


def main(settings: DoctorSettings, run: Run) -> int:
    findings = []
    for finding in installation.findings(port=settings.port, workspace=settings.workspace, start_ray=settings.ray):
        findings.append(finding)
        print("\n".join(_lines(finding)), flush=True)
    counts = Counter(each.state for each in findings)
    run.write_json("metrics.json", [vars(each) for each in findings])
    verdict = {
        "missing": f"{counts['missing']} missing",
        "warning": f"{counts['warning']} to look at",
        "note": f"{counts['note']} not installed or not used",
    }
    said = [text for state, text in verdict.items() if counts[state]]
    print(
        f"\n{'Not everything is there' if counts['missing'] else 'Everything needed is there'}{': ' * bool(said)}{', '.join(said)}."
    )
    return 1 if counts["missing"] else 0


def _lines(finding: Finding) -> list[str]:
    """Return a finding as lines of the terminal's width: its mark, its name, what was found, and below that what to do."""
    width = max(40, min(shutil.get_terminal_size((80, 24)).columns, 110))
    head = f"{_MARKS[finding.state]} {finding.name:<12} "
    first, *rest = textwrap.wrap(finding.found, width - len(head), break_long_words=False, break_on_hyphens=False) or [""]
    lines = [head + first, *(" " * len(head) + line for line in rest)]
    remedy = textwrap.wrap(finding.remedy, width - len(head) - 3, break_long_words=False, break_on_hyphens=False)
    return lines + [" " * len(head) + ("-> " if at == 0 else "   ") + line for at, line in enumerate(remedy)]
