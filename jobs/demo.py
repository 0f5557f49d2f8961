"""`beholder demo`: the whole way on the sample that ships with the project; every step is a command that a person could type."""

import contextlib
import importlib.resources
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from beholder import cli, config, plots, process
from beholder.commands import recommend
from beholder.config import setting
from beholder.editing.directions.edit_text import write
from beholder.encoder import EncoderConfig
from beholder.errors import BeholderError, ConfigError
from beholder.jobs import _client
from beholder.portraits.sample import SimulatedPerson
from beholder.ray_connection import RayConfig, connect
from beholder.reports.demo_report import DemoStep, demo_report
from beholder.reports.markup import markdown_table
from beholder.reports.person_names import person_names
from beholder.runs import Run, log

_FACE = "seed-7"


@dataclass(frozen=True)
class DemoSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder demo",
        "beholder demo --once port=8080 rounds=12",
    )
    once: bool = setting(False, "end after the recommendation, instead of serving on until Ctrl-C")
    port: int = setting(8000, "port at which the page is served")
    rounds: int = setting(8, "questions that the simulated person answers")
    attribute: str = setting("attractive", "the attribute by which that person chooses: attractive, smart or trustworthy")
    workspace: str = setting("workspace", "folder that holds tables, models, runs and choices")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that embeds the portraits")

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError(f"port must be between 1 and 65535, got {self.port}")
        if self.rounds < 1:
            raise ConfigError(f"rounds must be at least 1, got {self.rounds}")


class DemoSteps:
    """The steps of the demo, how long each took, and what it found. runs: the folder in which commands leave theirs."""

    def __init__(self, count: int, runs: Path) -> None:
        self.count, self.done, self.runs, self._began = count, 0, runs, time.monotonic()
        self.steps: list[DemoStep] = []

    def begin(self, what: str, command: str) -> None:
        """Print the step that comes now."""
        self.done += 1
        self._step, self._what, self._command = time.monotonic(), what, command
        self._before = set(self.runs.iterdir())
        print(f"\n{self.done}/{self.count} {what}\n$ {command}", flush=True)
        log.info("%s", command)

    def end(self) -> None:
        """Print how long the step took, and note what it left in a run folder of its own."""
        seconds = time.monotonic() - self._step
        found, report = "", ""
        for folder in sorted(set(self.runs.iterdir()) - self._before):
            found = _first_words(folder / "summary.md")
            report = f"../{folder.name}/report.html" if (folder / "report.html").is_file() else ""
        self.steps.append(DemoStep(self._what, self._command, seconds, found, report))
        print(f"({seconds:.0f} s)", flush=True)

    @property
    def lines(self) -> list[str]:
        """The steps so far as Markdown."""
        rows = [(step.what, f"`{step.command}`", f"{step.seconds:.0f}") for step in self.steps]
        return ["# Demo", "", *markdown_table(["step", "command", "seconds"], rows, align="llr")]

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began


def main(settings: DemoSettings, run: Run) -> None:
    process.check_port("127.0.0.1", settings.port)
    sample = Path(str(importlib.resources.files("beholder.data"))) / "sample"
    encoder = config.choice_overrides("encoder", settings.encoder)
    network = ["train", "taste=mlp", "train.workers=2", "taste.mlp.ensemble=1", "taste.mlp.fit.epochs=5", *encoder]
    batch = [
        ("Read what 24 simulated people said of 600 portraits", ["import", f"source={sample}", f"images={sample}"]),
        ("See whose judgements can be believed (Ray)", ["quality", *encoder]),
        ("Embed the portraits (Ray Data)", ["embed", *encoder]),
        ("Try two settings of a network on each person (Ray Tune)", ["tune", "taste=mlp", "tune.num_samples=2", *encoder]),
        ("Fit a network by two processes (Ray Train)", network),
        ("See whether each person's own taste beats everybody's, on portraits it never saw", ["evaluate", "taste=bayes", *encoder]),
        ("Fit every person's taste and keep it", ["train", "taste=bayes", *encoder]),
    ]
    steps = DemoSteps(len(batch) + 2, Path(run.place.path).parent)
    with contextlib.ExitStack() as stack:
        for number, (what, words) in enumerate(batch):
            words = [*words, f"workspace={settings.workspace}"]
            command = f"beholder {shlex.join(words)}"
            steps.begin(what, command)
            if number == 1:  # the first needs none; one Ray for the others, each of which would start its own
                stack.enter_context(connect(RayConfig()))
            if cli.main(words):
                raise BeholderError(f"the demo stops here: {command} failed")
            steps.end()
    words = [*encoder, "components.taste=bayes", f"components.attribute={settings.attribute}", f"port={settings.port}"]
    words.append(f"workspace={settings.workspace}")
    address = f"http://127.0.0.1:{settings.port}/"
    steps.begin("Serve editor, encoder and ranker (Ray Serve)", f"beholder serve {shlex.join(words)}")
    with _client.served(words, address, Path(run.place.path) / "serve.log") as server:
        steps.end()
        visit(settings, run, steps, address, sample)
        print(f"\nDone in {steps.seconds:.0f} s. What came out, step by step: {run.place.uri}/report.html")
        if settings.once:
            return
        print(f"The page is {address}  Ctrl-C ends it.", flush=True)
        _stay(server)


def visit(settings: DemoSettings, run: Run, steps: DemoSteps, address: str, sample: Path) -> None:
    """A simulated person answers questions, and is recommended an edit, which is judged by what is true of them."""
    person = _steady(sample)
    visitor = SimulatedPerson.of_sample(sample, person, attribute=settings.attribute)
    client = _client.ApiClient(address, person)
    steps.begin(
        f"A simulated person of the study, {person[:8]}, answers {settings.rounds} questions about {_FACE}",
        f"""curl {address}v1/questions --json '{{"user_id": "{person}", "image_id": "{_FACE}"}}'""",
    )
    rounds = []
    for number in range(1, settings.rounds + 1):
        rounds.append(client.answer(_FACE, visitor))
        one, other = recommend.name(rounds[-1].left), recommend.name(rounds[-1].right)
        print(f"  {number}. {one} | {other}: {rounds[-1].choice} ({rounds[-1].seconds:.1f} s)", flush=True)
    answer = client.recommend(_FACE)
    best = answer["recommendations"][0]
    original, picture = client.picture(f"/v1/images/{_FACE}"), client.picture(best["picture"])
    true = visitor.utilities([original, picture])
    steps.end()
    name = recommend.name(best["edit"])
    print(f"Recommended: {name}; preferred to the portrait as it is with probability {best['probability']:.2f}, it is thought.")
    for reason in answer["reasons"]:
        print(f"  {reason}")
    print(
        f"In truth this simulated person likes it {true[1] - true[0]:+.2f} standard deviations better than the portrait as it is."
    )
    run.results(pd.DataFrame([{**vars(each), "left": write(each.left), "right": write(each.right)} for each in rounds]))
    run.metrics(
        {
            "seconds": round(steps.seconds, 1),
            "rounds": len(rounds),
            "edit": name,
            "probability": best["probability"],
            "liked.better": float(true[1] - true[0]),
        }
    )
    captions = [("as it is", ""), (name, f"{best['probability']:.0%} preferred")]
    plots.save(run.place, "recommended", plots.row([original, picture], captions, title=f"For {person_names([person])[person]}"))
    answers = [(recommend.name(each.left), recommend.name(each.right), each.choice, each.seconds) for each in rounds]
    demo_report(
        steps.steps,
        user_id=person,
        edit=name,
        probability=best["probability"],
        better=float(true[1] - true[0]),
        reasons=answer["reasons"],
        pictures=(original, picture),
        rounds=pd.DataFrame(answers, columns=["left", "right", "choice", "seconds"]),
    ).write(run)
    lines = [*steps.lines, "", f"Recommended: {name}", "", "![recommended](figures/recommended.png)", "", f"The page: {address}"]
    run.summary("\n".join(lines) + "\n")


def _first_words(summary: Path) -> str:
    """Return the first sentences of a summary.md; where it has figures alone, the first of them."""
    lines = [line for line in (summary.read_text().splitlines() if summary.is_file() else []) if line and line[0] not in "#`!"]
    if lines and not lines[0].startswith("|"):
        return lines[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:7]]
    return ", ".join(f"{name.replace('.', ' ')} {value}" for name, value in (row for row in cells if len(row) == 2))


def _steady(sample: Path) -> str:
    """Return who of the sample's people has a taste and compared most."""
    people = pd.read_csv(sample / "truth.csv").query("kind == 'steady'")
    return str(people.nlargest(1, "comparisons")["user_id"].iloc[0])


def _stay(server: subprocess.Popen[bytes]) -> None:
    """Until Ctrl-C, which the server hears as well."""
    try:
        code = server.wait()
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)
        return
    raise BeholderError(f"the server stopped by itself (exit code {code})")
