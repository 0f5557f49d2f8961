"""The project's documents as tests read them: their pages, blocks and links."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?: +title=\"(?P<title>[^\"]*)\")?\n(?P<text>.*?)^(?P=indent)```", re.S | re.M
)


@dataclass(frozen=True)
class Block:
    """A block of code. language: "" where the page names none; title: "" where it has none."""

    language: str
    title: str
    text: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip()]


def pages() -> list[Path]:
    """Every page: those at the top of the project, and those of docs/."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    return [*top, *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: str | Path) -> list[Block]:
    """The blocks of a page, by its path below the project."""
    text = (ROOT / page).read_text()
    return [Block(found["language"], found["title"] or "", found["text"]) for found in _BLOCK.finditer(text)]


def commands() -> list[tuple[str, str]]:
    """(page, line) for every line of a page that calls beholder."""
    found = []
    for page in pages():
        for block in blocks(page):
            if block.language in ("", "sh"):
                found += [(str(page.relative_to(ROOT)), line) for line in block.lines if re.match(r"(\w+=\S+ )?beholder ", line)]
    return found


def links(page: Path) -> list[str]:
    """What a page links to or shows that is a file of the project, without the part behind #."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(), flags=re.S | re.M)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith(("#", "mailto:"))]
