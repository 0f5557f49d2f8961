"""`beholder demo`: the whole way on the sample that ships with the project; every step is a command that a person could type."""

import importlib.resources
import shlex
from dataclasses import dataclass
from pathlib import Path

from beholder import cli
from beholder.config import setting
from beholder.encoder import EncoderConfig
from beholder.errors import BeholderError
from beholder.runs import Run, log


@dataclass(frozen=True)
class Settings:
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")
    encoder: EncoderConfig = setting(EncoderConfig(), "which CLIP")


def main(settings: Settings, run: Run) -> None:
    sample = Path(str(importlib.resources.files("beholder.data"))) / "sample"
    encoder = [f"encoder={settings.encoder.name}", *_weights(settings.encoder)]
    steps = [
        ("Read what 24 simulated people said of 600 portraits", ["import", f"source={sample}", f"images={sample}"]),
        ("Embed the portraits", ["embed", *encoder]),
        ("See whether each person's own taste beats everybody's, on portraits it never saw", ["evaluate", "taste=bayes", *encoder]),
        ("Fit every person's taste and keep it", ["train", "taste=bayes", *encoder]),
    ]
    lines = ["# Demo", ""]
    for number, (what, words) in enumerate(steps, start=1):
        words = [*words, f"workspace={settings.workspace}"]
        command = f"beholder {shlex.join(words)}"
        print(f"\n{number}/{len(steps)} {what}\n$ {command}", flush=True)
        log.info("%s", command)
        if cli.main(words):
            raise BeholderError(f"the demo stops here: {command} failed")
        lines.append(f"{number}. {what}: `{command}`")
    run.metrics({"steps": len(steps)})
    run.summary("\n".join(lines) + "\n")
    print("\nDone. Tables and tastes are in the workspace, what each step did is in its run folder.")


def _weights(encoder: EncoderConfig) -> list[str]:
    """Only the weights that the encoder's own file does not name have to be typed."""
    return [] if encoder.weights is None or encoder.weights.startswith("data:") else [f"encoder.weights={encoder.weights}"]
