"""`beholder bench chaos`: jobs on a cluster of simulated nodes, while a process, a node, the driver or the head is killed.

Each job runs once undisturbed and once for each fault, as a user starts it. A fault strikes when the job has kept something. Where
the job does not go on by itself, it is started again by the same command, as a user would. Then its result is compared with that of
the undisturbed run: what is lost, what is there twice, what is different.
"""

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
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from beholder import images, tables
from beholder.config import setting
from beholder.embedding import embeddings
from beholder.errors import BeholderError, ConfigError
from beholder.jobs.bench import check_extra
from beholder.reports.markdown_tables import markdown_table
from beholder.runs import Run, log
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.workspace import Workspace

FAULTS = ("worker", "node", "driver", "head")
_WAIT_S = 240.0  # for a job to keep something, and for it to end
_ENCODER = "chaos-encoder"


@dataclass(frozen=True)
class BenchChaosSettings:
    jobs: list[str] = setting(["embed", "train", "tune"], "which jobs: embed, train, tune")
    faults: list[str] = setting(list(FAULTS), "what is killed: worker (a process at work), node, driver (the command), head")
    images: int = setting(600, "pictures of noise to embed")
    nodes: int = setting(2, "simulated nodes beside the head, of one core each")
    encoder: dict[str, Any] = setting({}, "settings of the encoder of embed; {} is ViT-B/32 with random weights")
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        for name, known in (("jobs", tuple(_JOBS)), ("faults", FAULTS)):
            if unknown := [each for each in getattr(self, name) if each not in known]:
                raise ConfigError(f"{name} must be of {', '.join(known)}, got {unknown[0]!r}")
        if self.nodes < 1:
            raise ConfigError(f"nodes must be at least 1, got {self.nodes}")


@dataclass(frozen=True)
class ChaosJob:
    """A job that is disturbed. words: its command line; kept: the files that show that it has kept something, as a glob below the
    workspace, and how many of them are enough; compare: (workspace, undisturbed one) -> lost, twice, different."""

    words: Callable[[BenchChaosSettings, Path, Path], list[str]]
    kept: tuple[str, int]
    compare: Callable[[Path, Path], tuple[int, int, int]]


def main(settings: BenchChaosSettings, run: Run) -> None:
    check_extra(("psutil",))
    rows = []
    with tempfile.TemporaryDirectory(prefix="beholder-chaos-") as scratch:
        place = Path(scratch)
        _make_images(place / "pictures", settings.images)
        for job in settings.jobs:
            undisturbed = place / f"{job}-undisturbed"
            _prepare(undisturbed)
            with SimulatedCluster(settings.nodes) as cluster:
                seconds = _finish(_start(settings, job, place, undisturbed, cluster.address))
            for fault in settings.faults:
                rows.append((job, fault, *_disturb(settings, job, fault, place, undisturbed), round(seconds, 1)))
                log.info("%s, %s killed: %s", job, fault, rows[-1])
    columns = ["job", "killed", "goes on", "lost", "twice", "different", "seconds", "undisturbed"]
    table = pd.DataFrame(rows, columns=columns)
    run.results(table)
    run.metrics({f"{name}.total": int(table[name].sum()) for name in ("lost", "twice", "different")} | {"runs": len(table)})
    run.summary("# Jobs under faults\n\n" + "\n".join(markdown_table(columns, table.itertuples(index=False))) + "\n")
    print(table.to_string(index=False))


class SimulatedCluster:
    """A head without cores and some nodes of one core each, all on this machine; a context manager."""

    def __init__(self, nodes: int):
        from ray.cluster_utils import Cluster

        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nothing of it is reachable from outside
        self._count = nodes
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self._nodes = [self._cluster.add_node(num_cpus=1) for _ in range(nodes)]
        self._cluster.wait_for_nodes()

    def __enter__(self) -> "SimulatedCluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.shutdown()

    @property
    def address(self) -> str:
        """What `ray.address=` takes."""
        return str(self._cluster.address)

    def kill_node(self) -> None:
        """Kill a node with everything on it, and add another one, as an autoscaler does."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)
        self._nodes.append(self._cluster.add_node(num_cpus=1))

    def kill_worker(self) -> None:
        """Kill one process that is at work. Raises BeholderError where there is none."""
        import psutil

        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for process in psutil.process_iter(["cmdline"]):
                title = " ".join(process.info["cmdline"] or [])
                ours = any("raylet" in parent.name() for parent in process.parents())
                if ours and title.startswith("ray::") and any(name in title for name in _AT_WORK):
                    process.kill()
                    return
            time.sleep(0.05)
        raise BeholderError("no process of the job was found at work")

    def kill_head(self) -> None:
        """Kill the head with everything on it. The other nodes end with it."""
        head = self._cluster.head_node
        assert head is not None
        self._cluster.remove_node(head, allow_graceful=False)


_AT_WORK = ("EmbedPiece", "RayTrainWorker", "ImplicitFunc", "ImplicitTrial", "MapWorker")  # in the titles of Ray's processes


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
