"""`beholder bench chance`: what people who toss a coin are told through the HTTP API, and people who have a taste.

Who tosses a coin or always takes the left side likes no version better than another: what they are told should be a chance of 0.5.
The others always take the side that they like more, and should be told that they like the recommended version. The service is
`beholder serve`, a process of its own on an empty database, asked as the page does.
"""

import tempfile
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from beholder import process
from beholder.config import setting
from beholder.errors import ConfigError
from beholder.jobs import _client
from beholder.jobs._client import ApiClient
from beholder.progress import Progress
from beholder.reports.markup import markdown_table
from beholder.runs import Run
from beholder.statistics import Interval, bootstrap

_NEAR = 0.05  # of 0.5, what is told to who tosses a coin
Choose = Callable[[dict[str, Any]], str]  # a question -> "left" or "right"


@dataclass(frozen=True)
class BenchChanceSettings:
    """How many people answer how much."""

    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench chance",
        "beholder bench chance people=24 choices=[5,10]",
    )
    people: int = setting(12, "people of each kind")
    choices: list[int] = setting([5, 10, 20], "choices after which each of them asks what is recommended")
    images: int = setting(6, "portraits, one for each person in turn")
    serve_with: list[str] = setting(["local=true"], "further settings of `beholder serve`, each in quotes; []: on Ray")
    port: int = setting(8242, "port of this machine for the service")
    seed: int = setting(0, "seed of the coins")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs; people's choices are kept elsewhere")

    def __post_init__(self) -> None:
        if min(self.people, self.images, *self.choices, 1) < 1 or not self.choices:
            raise ConfigError("people, images and every one of choices must be at least 1")


def toss(rng: np.random.Generator) -> Choose:
    """Return somebody who takes a side whatever is shown."""
    return lambda question: "left" if rng.random() < 0.5 else "right"


def first(rng: np.random.Generator) -> Choose:
    """Return somebody who always takes the left side."""
    return lambda question: "left"


def taste(rng: np.random.Generator) -> Choose:
    """Return somebody who likes each direction one way, more or less, and takes the side that is liked more."""
    weights: defaultdict[str, float] = defaultdict(rng.normal)

    def choose(question: dict[str, Any]) -> str:
        left, right = (
            sum(weights[name] * alpha for name, alpha in sorted(question[side]["edit"].items())) for side in ("left", "right")
        )
        return "left" if left > right else "right"

    return choose


KINDS = {"toss a coin": toss, "always left": first, "have a taste": taste}

_DO = {"toss a coin": "tosses a coin", "always left": "always takes the left side"}


def main(settings: BenchChanceSettings, run: Run) -> None:
    process.check_port("127.0.0.1", settings.port)
    address = f"http://127.0.0.1:{settings.port}/"
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="beholder-bench-") as scratch:
        words = [f"workspace={scratch}", f"port={settings.port}", *settings.serve_with]
        with (
            _client.served(words, address, Path(run.place.path) / "serve.log"),
            Progress("chance", total=len(KINDS) * settings.people * max(settings.choices), unit="choices") as progress,
        ):
            for kind, begin in KINDS.items():
                for number in range(settings.people):
                    person = ApiClient(address, f"{kind.replace(' ', '-')}-{number}")
                    choose = begin(np.random.default_rng([settings.seed, number]))
                    image_id = f"seed-{100 + number % settings.images}"
                    rows += [
                        {"people": kind, "person": number, **each}
                        for each in visit(person, image_id, choose, sorted(set(settings.choices)), progress.advance)
                    ]
    table = pd.DataFrame(rows)
    run.results(table)
    run.metrics({f"{kind}/{choices}": told.mean for (kind, choices), told in told_by(table).items()})
    summary = summarise(table)
    run.summary(f"# What people are told through the API\n\n{summary}\n")
    print(summary)


def visit(
    person: ApiClient,
    image_id: str,
    choose: Choose,
    choices: list[int],
    progress: Callable[[int], None] = lambda count: None,
) -> list[dict[str, Any]]:
    """Answer questions as one person, and return what they are told after so many choices: `choices`, `told`, `words`, `edit`.

    told: the probability that they prefer the first recommendation to the image as it is; 0.5 where nothing is recommended.
    """
    told = []
    for turn in range(1, choices[-1] + 1):
        question = person.call("POST", "/v1/questions", user_id=person.user_id, image_id=image_id)
        sent = {"event_id": uuid.uuid4().hex, "question_id": question["question_id"], "choice": choose(question)}
        person.call("POST", "/v1/choices", **sent)
        progress(1)
        if turn in choices:
            best = person.recommend(image_id)["recommendations"]
            first = best[0] if best else {"probability": 0.5, "confidence": "a guess", "words": "nothing"}
            told.append({"choices": turn, "told": first["probability"], "words": first["confidence"], "edit": first["words"]})
    return told


def told_by(table: pd.DataFrame) -> dict[tuple[str, int], Interval]:
    """Return what is told by kind of people and number of choices, with intervals over people."""
    told: dict[tuple[str, int], list[float]] = defaultdict(list)
    for kind, count, probability in zip(table["people"], table["choices"], table["told"], strict=True):
        told[str(kind), int(count)].append(float(probability))
    return {key: bootstrap(np.array(each)) for key, each in told.items()}


def summarise(table: pd.DataFrame) -> str:
    """Return a table of what is told, and whether coin tossers are told what is true of them."""
    rows = []
    for (kind, count), told in told_by(table).items():
        own = table[(table["people"] == kind) & (table["choices"] == count)]
        most = own["words"].value_counts()
        words = ", ".join(f"{word}: {number}" for word, number in most.items())
        interval = f"{told.mean:.3f} [{told.low:.3f}, {told.high:.3f}]"
        rows.append((kind, str(count), interval, f"{own['told'].min():.3f} to {own['told'].max():.3f}", words))
    lines = markdown_table(["people", "choices", "told on average", "told", "in words"], rows, align="lrlll")
    lines.append("")
    for (kind, count), told in told_by(table).items():
        if KINDS[kind] is not taste:
            reached = "reached" if abs(told.mean - 0.5) <= _NEAR else "MISSED"
            lines.append(f"- {reached}: who {_DO[kind]} is told 0.5 +- {_NEAR:g} after {count} choices: {told.mean:.3f}")
    return "\n".join(lines)
