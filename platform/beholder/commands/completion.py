"""`beholder completion bash`: what makes a shell complete commands, settings and choices with the tab key."""

from dataclasses import dataclass
from typing import ClassVar

from beholder.config import required
from beholder.errors import ConfigError, nearest
from beholder.runs import Run
from beholder.shell_completion import SCRIPTS


@dataclass(frozen=True)
class CompletionSettings:
    positional: ClassVar[tuple[str, ...]] = ("shell",)
    examples: ClassVar[tuple[str, ...]] = (
        'eval "$(beholder completion bash)"',
        "beholder completion zsh",
        "beholder completion fish > ~/.config/fish/completions/beholder.fish",
    )
    run_folder: ClassVar[str] = "never"
    shell: str = required(f"which shell: {', '.join(SCRIPTS)}")

    def __post_init__(self) -> None:
        if self.shell not in SCRIPTS:
            raise ConfigError(f"shell={self.shell} is not known{nearest(self.shell, list(SCRIPTS))}")


def main(settings: CompletionSettings, run: Run) -> None:
    print(SCRIPTS[settings.shell], end="")
