"""`beholder bench study`: simulated participants of a study at the same time, through its HTTP API, while its server is killed.

The server is `beholder study open`, a process of its own, which is ended by SIGKILL and started again. Participants send again what
was not acknowledged, as the page does. Then the store is compared with what was acknowledged, the tables with the store, and the
design with its promise.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from beholder import images, process
from beholder.config import setting
from beholder.errors import BeholderError, ConfigError
from beholder.jobs.bench import check_extra
from beholder.jobs.bench.loadtest import Endpoint, LoadClient, RequestStats, people
from beholder.recommending.components import open_store
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.studies.design import CHECK, SPREAD
from beholder.studies.study_config import TOGETHER, TrialBlock
from beholder.studies.study_records import StudyTrial
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace

_READY_S = 300.0  # for the server to start, on a machine with much else to do
_AGAIN = 0.05  # the share of acknowledged answers that are sent once more
_NAME = "bench"


@dataclass(frozen=True)
class BenchStudySettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench study",
        "beholder bench study participants=20 kills=1",
    )
    participants: int = setting(100, "participants at the same time")
    images: int = setting(60, "pictures of noise")
    ratings: int = setting(20, "images that each participant rates")
    pairs: int = setting(10, "pairs that each participant sees")
    choose: str = setting("random", "how pairs are chosen: random, round_robin or active")
    ask: str = setting(TOGETHER, "how the two questions are asked: together or in_blocks")
    kills: int = setting(2, "how often the server is killed (SIGKILL) and started again")
    leave: float = setting(0.0, "share of the participants who leave half-way")
    port: int = setting(8240, "port of this machine for the server")
    choices: str | None = setting(None, "an empty store, postgresql://USER:PASSWORD@HOST/NAME; null: SQLite")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs; the study is kept elsewhere")

    def __post_init__(self) -> None:
        if min(self.participants, self.images) < 1 or self.kills < 0 or not 0 <= self.leave <= 1:
            raise ConfigError("participants and images must be at least 1, kills at least 0, leave between 0 and 1")


@dataclass
class SimulatedVisits:
    """What participants did and were told. acknowledged: trial -> values; given: trial -> values, of answers that were sent."""

    settings: BenchStudySettings
    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    given: dict[str, list[str]] = field(default_factory=dict)
    again: Counter[bool] = field(default_factory=Counter)
    steps: dict[int, str] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)

    async def live(self, client: LoadClient, number: int) -> bool:
        """Take part from beginning to end."""
        rng = np.random.default_rng(number)
        base = f"/v1/studies/{_NAME}"
        status, joined = await client.persist("POST", f"{base}/participants", {"event_id": uuid.uuid4().hex, "lang": "en"})
        if status != 201:
            return self._problem(number, f"joining: {status}")
        client.headers["X-Participant"] = joined["token"]
        status, session = await client.persist("GET", f"{base}/session")
        leaves = rng.random() < self.settings.leave
        while status == 200 and session["step"] == "trials":
            if leaves and session["done"] >= session["total"] // 2:
                self.steps[number] = "left"
                return False
            trial = session["trials"][0]
            picture, _ = await client.persist("GET", f"{base}/pictures/{trial['pictures'][0]}")
            if picture != 200:
                self.problems[f"picture: {picture}"] += 1
            await asyncio.sleep(rng.uniform(0, 0.05))
            status, recorded = await self._answer(client, base, trial, rng)
            if status == 409:  # given to somebody else while the server was away
                status, session = await client.persist("GET", f"{base}/session")
            elif status == 200:
                session = recorded["session"]
        if status != 200:
            return self._problem(number, f"answering: {status}")
        self.steps[number] = session["step"]
        return False

    async def _answer(
        self, client: LoadClient, base: str, trial: dict[str, Any], rng: np.random.Generator
    ) -> tuple[int, dict[str, Any]]:
        values = ["1", "2", "3", "4"] if trial["block"] == "ratings" else ["left", "right"]
        answers = [
            {"attribute": asked["attribute"], "value": str(rng.choice(values)), "response_ms": int(rng.integers(300, 3000))}
            for asked in trial["questions"]
        ]
        body = {"event_id": uuid.uuid4().hex, "trial_id": trial["trial_id"], "answers": answers}
        self.given[trial["trial_id"]] = [answer["value"] for answer in answers]
        status, recorded = await client.persist("POST", f"{base}/answers", body)
        if status == 200:
            self.acknowledged[trial["trial_id"]] = self.given[trial["trial_id"]]
            if rng.random() < _AGAIN:
                status, recorded = await client.persist("POST", f"{base}/answers", body)
                self.again[bool(recorded["counted"])] += 1
        return status, recorded

    def _problem(self, number: int, what: str) -> bool:
        self.problems[what] += 1
        self.steps[number] = what
        return False


def main(settings: BenchStudySettings, run: Run) -> None:
    check_extra(("aiohttp",))
    process.check_port("127.0.0.1", settings.port)
    with tempfile.TemporaryDirectory(prefix="beholder-study-") as scratch:
        place = Path(scratch)
        _make_study(place, settings)
        server = StudyServer(place, settings)
        server.start()
        visits, stats = SimulatedVisits(settings), RequestStats()
        try:
            kills = _visit(server, visits, stats)
        finally:
            server.stop()
        store = open_store(settings.choices, Workspace(str(place / "workspace")))
        figures = _compare(StudyStore(store), Workspace(str(place / "workspace")), visits)
        store.close()
    log.info("%s", dict(visits.problems))
    figures |= {
        "killed": kills,
        "finished": sum(step == "done" for step in visits.steps.values()),
        "left": sum(step == "left" for step in visits.steps.values()),
        "sent again": sum(visits.again.values()),
        "problems": sum(visits.problems.values()),
        "seconds": round(stats.seconds, 1),
        "median ms": round(1000 * stats.quantile(0.5), 1),
        "p99 ms": round(1000 * stats.quantile(0.99), 1),
    }
    run.metrics(figures)
    goals = {
        "lost": "answers that were acknowledged and are not kept as they were given: 0",
        "twice": "answers that count more than once: 0",
        "not in tables": "kept judgements that the workspace's tables lack: 0",
        "ratings spread": f"showings between the image rated most and the one rated least: at most {SPREAD}",
        "pairs spread": f"the same in pairs: at most {SPREAD}",
    }
    lines = markdown_table(["figure", "value", "goal"], [(name, value, goals.get(name, "")) for name, value in figures.items()])
    run.summary(f"# {settings.participants} participants of a study, its server killed {kills} times\n\n" + "\n".join(lines) + "\n")
    for name, value in figures.items():
        print(f"{name:24}{value:>10}  {goals.get(name, '')}")


class StudyServer:
    """`beholder study open`, as a process that can be killed and started again."""

    def __init__(self, place: Path, settings: BenchStudySettings) -> None:
        self.address = f"http://127.0.0.1:{settings.port}"
        more = [] if settings.choices is None else [f"choices={settings.choices}"]
        words = ["study", "open", _NAME, f"port={settings.port}", f"workspace={place / 'workspace'}", *more]
        self.command, self.log = [sys.executable, "-m", "beholder", *words], place / "server.txt"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers. Raises BeholderError where it does not."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out)
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/readyz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise BeholderError(f"the study's server did not start: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it by SIGKILL, without a word."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C does, so that what was answered gets into the tables."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()


def _make_study(place: Path, settings: BenchStudySettings) -> None:
    rng = np.random.default_rng(0)
    (place / "pictures").mkdir()
    for number in range(settings.images):
        pixels = np.kron(rng.integers(0, 256, (8, 6, 3), dtype=np.uint8), np.ones((16, 16, 1), np.uint8))
        (place / "pictures" / f"{number:04}.jpg").write_bytes(images.encode(pixels, format="JPEG"))
    text = f"""
name: {_NAME}
images: {place / "pictures"}
questions: [{{attribute: attractive}}, {{attribute: smart}}]
ask: {settings.ask}
ratings: {{per_person: {settings.ratings}, repeats: {int(settings.ratings >= 12)}, checks: {int(settings.ratings > 0)}}}
pairs: {{per_person: {settings.pairs}, choose: {settings.choose}, third: tie, checks: {int(settings.pairs > 0)}}}
"""
    (place / "study.yaml").write_text(text)
    words = ["study", "new", str(place / "study.yaml"), f"workspace={place / 'workspace'}"]
    words += [] if settings.choices is None else [f"choices={settings.choices}"]
    made = subprocess.run([sys.executable, "-m", "beholder", *words], capture_output=True, text=True)
    if made.returncode:
        raise BeholderError(f"the study was not made: {made.stderr[-1000:]}")


def _visit(server: StudyServer, visits: SimulatedVisits, stats: RequestStats) -> int:
    """Let everybody take part, and kill the server when so much is acknowledged; returns how often it was killed."""
    settings = visits.settings
    total = settings.participants * (settings.ratings + settings.pairs) * (1 if settings.ask == TOGETHER else 2)
    over, failed, kills = threading.Event(), [], [0]

    def disturb() -> None:
        for number in range(settings.kills):
            while len(visits.acknowledged) < total * (number + 1) / (settings.kills + 1):
                if over.wait(0.005):
                    return
            server.kill()
            kills[0] += 1
            try:
                server.start()
            except BeholderError as error:
                failed.append(error)
                return

    killer = threading.Thread(target=disturb)
    killer.start()
    live: Callable[[LoadClient, int], Any] = visits.live
    people(Endpoint(server.address), settings.participants, 3000.0, live, tally=stats)
    over.set()
    killer.join()
    if failed:
        raise failed[0]
    return kills[0]


def _compare(store: StudyStore, workspace: Workspace, visits: SimulatedVisits) -> dict[str, Any]:
    """Return what is lost, what is there twice, and how balanced the design is."""
    trials = {trial.trial_id: trial for trial in store.trials(_NAME)}
    kept = {trial_id: [answer.value for answer in trial.answers] for trial_id, trial in trials.items()}
    lost = [trial_id for trial_id, values in visits.acknowledged.items() if kept.get(trial_id) != values]
    judged = [trial for trial in trials.values() if trial.role != CHECK]
    rows = [f"{row['judgement_id']} {row['attribute']}" for name in ("ratings", "comparisons") for row in _rows(workspace, name)]
    wanted = {f"{trial.trial_id} {answer.attribute}" for trial in judged for answer in trial.answers}
    figures: dict[str, Any] = {
        "acknowledged": len(visits.acknowledged),
        "kept": len(kept),
        "lost": len(lost),
        "twice": len(rows) - len(set(rows)) + visits.again[True] + _seen_twice(judged),
        "not in tables": len(wanted - set(rows)),
        "other in tables": len(set(rows) - wanted),
    }
    for block, spread in _spreads(store, judged).items():
        figures[f"{block} spread"] = spread
    return figures


def _rows(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = workspace.read(name).to_pylist()
    return rows


def _seen_twice(trials: list[StudyTrial]) -> int:
    """Return how many items a participant judged a second time where that was no repetition."""
    seen = Counter((t.user_id, t.block, t.part, frozenset((t.left_id, t.right_id))) for t in trials if t.repeat_of is None)
    return sum(count - 1 for count in seen.values())


def _spreads(store: StudyStore, trials: list[StudyTrial]) -> dict[str, int]:
    """Return, for each block, how many times more the image was judged that was judged most than the one that was judged least."""
    study = store.study(_NAME)
    counts: dict[str, Counter[str]] = {block.key: Counter({i: 0 for i, _ in study.images}) for block in study.config.trial_blocks()}
    for trial in trials:
        if trial.repeat_of is None:
            counts[TrialBlock(trial.block, trial.part).key].update(
                each for each in (trial.left_id, trial.right_id) if each is not None
            )
    return {block: max(each.values()) - min(each.values()) for block, each in counts.items()}
