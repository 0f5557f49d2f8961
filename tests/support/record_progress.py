"""Record how real work goes on: `python tests/support/record_progress.py [NAME ...]` runs commands on the sample, or with
`images=FOLDER embed` on other images, and writes tests/fixtures/progress.json, by which estimates of what is left are tested.

Each curve is a list of [seconds, done, total], of numbers alone, as a progress display got them.
"""

import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from beholder import cli, progress
from beholder.progress import Progress, TimeLeft
from beholder.ray_connection import RayConfig, connect

Curve = list[tuple[float, int, int]]
ROOT = Path(__file__).parents[2]
TARGET = ROOT / "tests" / "fixtures" / "progress.json"
MOST = 150  # points of a curve that are kept
LEAST = 4  # points of a curve that tells anything
COMMANDS = {
    "import": "import source={sample} images={sample}",
    "embed": "embed images={images}",
    "embed, a large encoder": "embed images={images} encoder=vit_b_32 encoder.weights=random",
    "train bayes": "train taste=bayes",
    "evaluate": "evaluate taste=bayes beside=[population,mlp] crowd=true crowd_others=[0,2,5] taste.mlp.fit.epochs=5",
    "evaluate new people": "evaluate taste=bayes split=person shots=[0,5,10,20] folds=3",
    "simulate": "simulate rankers=[bayes] strategies=[eubo,random] rounds=20 trials=2 images=4 others_images=4 calibrate=false",
    "train lora": "train taste=lora taste.lora.fit.epochs=6",
    "train mlp": "train taste=mlp taste.mlp.ensemble=2",
    "tune": "tune taste=mlp tune.num_samples=12 taste.mlp.fit.epochs=8 taste.mlp.ensemble=1",
    "predict": "predict taste=bayes attribute=attractive images={images}",
    "apply": "apply look=warmth=1 images={images} out={folder}/warm",
}


class RecordedTimeLeft(TimeLeft):
    """An estimate that keeps what it was told, by the number of the display."""

    curves: ClassVar[list[Curve]] = []

    def __init__(self, began: float) -> None:
        super().__init__(began)
        self.curve: Curve = []
        self.start = began
        self.curves.append(self.curve)

    def note(self, now: float, done: int) -> None:
        super().note(now, done)
        self.curve.append((round(now - self.start, 3), done, 0))

    def seconds(self, now: float, total: int) -> float | None:
        if self.curve:
            self.curve[-1] = (*self.curve[-1][:2], total)
        return super().seconds(now, total)


@contextlib.contextmanager
def recorded() -> Iterator[list[Curve]]:
    """Record every display that is shown in the block, as far as it goes in this process; the estimate is asked at each step."""
    before, advance = progress.TimeLeft, Progress.advance

    def advanced(self: Progress, count: int = 1) -> None:
        advance(self, count)
        self._left(self._clock())

    progress.TimeLeft, Progress.advance = RecordedTimeLeft, advanced  # type: ignore[misc, method-assign]
    RecordedTimeLeft.curves.clear()
    try:
        yield RecordedTimeLeft.curves
    finally:
        progress.TimeLeft, Progress.advance = before, advance  # type: ignore[misc, method-assign]


def fewer(curve: Curve) -> Curve:
    """Return at most about MOST points, the first ones and the last among them."""
    step = max(1, -(-len(curve) // MOST))
    return [*curve[:3], *curve[3:-1:step], *curve[3:][-1:]]


def main(words: Sequence[str]) -> None:
    images = next(
        (word.partition("=")[2] for word in words if word.startswith("images=")), str(ROOT / "data" / "sample" / "images")
    )
    names = [word for word in words if "=" not in word] or list(COMMANDS)
    with tempfile.TemporaryDirectory() as folder, connect(RayConfig()):
        for name in ("import", *names):
            line = COMMANDS[name].format(sample=ROOT / "data" / "sample", images=images, folder=folder)
            place = f"workspace={folder}/workspace"
            if name == "import":
                cli.main([*line.split(), place])
                cli.main(["embed", place])
            elif name == "predict":
                cli.main(["train", "taste=bayes", place])
            began = time.monotonic()
            with recorded() as curves:
                code = cli.main([*line.split(), place])
            print(f"{name}: exit code {code} after {time.monotonic() - began:.0f} s", file=sys.stderr)
            if code == 0 and name in names:
                found = json.loads(TARGET.read_text()) if TARGET.is_file() else {}
                told = [curve for curve in curves if len(curve) >= LEAST and curve[-1][1] == curve[-1][2]]
                found |= {f"{name}, {number}" if number else name: fewer(curve) for number, curve in enumerate(told)}
                text = ",\n".join(f"{json.dumps(key)}: {json.dumps(found[key], separators=(',', ':'))}" for key in sorted(found))
                TARGET.write_text(f"{{\n{text}\n}}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
