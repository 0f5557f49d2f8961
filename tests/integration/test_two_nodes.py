"""The whole way on a cluster of two nodes: the workspace in an S3, the choices in a PostgreSQL, each command on both nodes."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from beholder.jobs import _client
from beholder.jobs.bench.simulated_cluster import SimulatedCluster, workers
from beholder.recommending.store.choice_store import Store
from beholder.serve import ray_compat
from beholder.storage import Place
from beholder.taste import taste_registry
from beholder.workspace import Workspace

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
FAST = ["components.candidates.count=60", "components.ranking.exact=3"]


@pytest.fixture
def workspace(s3, no_token, monkeypatch) -> str:
    """A workspace in a bucket whose URI names its server, which the environment doesn't: who ignores the URI finds no bucket."""
    import boto3

    boto3.client("s3").create_bucket(Bucket="study")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    return f"s3://study/work?scheme=http&endpoint_override={s3}&region=us-east-1"


@pytest.fixture
def cluster(workspace) -> Iterator[SimulatedCluster]:
    """A head without cores, and two nodes with one each."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ray_compat.environment({}).items():
            patch.setenv(name, value)
        with SimulatedCluster(2) as started:
            patch.setenv("RAY_ADDRESS", started.address)
            yield started


def nodes_of(title: str) -> set[int]:
    """The raylets, by process id, that have a process whose title says so."""
    return {worker.ppid() for worker in workers(lambda each: title in each)}


def walk(workspace: str, images: str, *, epochs: int, samples: int) -> list[list[str]]:
    """Return every command of a study."""
    where = f"workspace={workspace}"
    quick = ("attributes=[attractive]", f"taste.mlp.fit.epochs={epochs}", "taste.mlp.ensemble=1", where)
    return [
        ["import", f"source={SAMPLE}", f"images={images}", where],
        ["embed", "actors=2", where],
        ["train", "taste=mlp", "name=net", "train.workers=2", *quick],
        ["train", "taste=bayes", "name=start", *quick],
        ["tune", "taste=mlp", f"tune.num_samples={samples}", *quick],
        ["evaluate", "taste=population", *quick],
        ["predict", "taste=net", "attribute=attractive", where],
    ]


@contextlib.contextmanager
def watched(*titles: str) -> Iterator[dict[str, set[int]]]:
    """Inside, notes the nodes on which there is a process with each of these titles."""
    seen: dict[str, set[int]] = {title: set() for title in titles}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.3):
            for title in titles:
                seen[title] |= nodes_of(title)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def ask(port: int, path: str, body: dict | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"} if data else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def answer_and_recommend(port: int, choices: str) -> None:
    """Answer questions, and look for the answers in the database."""
    for number in range(4):
        question = ask(port, "/v1/questions?user_id=ana&image_id=seed-7")
        ask(port, "/v1/choices", {"event_id": f"e{number}", "question_id": question["question_id"], "choice": "left"})
    assert ask(port, "/v1/recommendations", {"user_id": "ana", "image_id": "seed-7"})["recommendations"]
    store = Store(choices)
    try:
        assert [each.answer.event_id for each in store.choices("ana")] == ["e0", "e1", "e2", "e3"]
    finally:
        store.close()


def check(places: list[Place], workspace: str) -> None:
    """Every command left its run folder in the bucket, and the tastes are there."""
    for place in places:
        assert place.uri.startswith("s3://study/work/runs/")
        assert {"metrics.json", "summary.md", "log.txt"} <= {entry.path for entry in place.files()}
    embedded, trained = (json.loads((places[at] / "metrics.json").read_bytes()) for at in (1, 2))
    assert embedded["images.embedded"] == 600
    assert trained["accuracy.personal"] > 0.5
    assert set(taste_registry.names(Workspace(workspace).models)) == {"net", "start"}


# Runs commands one after the other on one connection to Ray, in a process of their own.
IN_ONE_PROCESS = """
import json, sys
from beholder.cli import main
from beholder.ray_connection import RayConfig, connect
with connect(RayConfig()):
    sys.exit(next((code for words in json.loads(sys.argv[1]) if (code := main(words))), 0))
"""


def test_every_command_of_a_study_on_two_nodes(cluster, workspace):
    """Small, and the images on a disk that the nodes share."""
    commands = walk(workspace, str(SAMPLE), epochs=1, samples=1)
    words = [sys.executable, "-c", IN_ONE_PROCESS, json.dumps(commands)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-3000:]
    runs = [line for line in ran.stdout.splitlines() if line.startswith("s3://study/work/runs/")]
    assert len(runs) == len(commands), ran.stdout
    check([Place.at(each) for each in runs], workspace)


@pytest.mark.soak
def test_every_command_and_the_service_as_a_user_starts_them(cluster, workspace, empty, beholder, tmp_path):
    """Each as a process of its own, with more to do; the images in the bucket; two replicas of each deployment."""

    def run(words: list[str]) -> Place:
        ran = beholder(*words)
        assert ran.returncode == 0, ran.stderr[-3000:]
        return Place.at(ran.stdout.splitlines()[-1])

    images = workspace.replace("/work?", "/sample?")
    for file in sorted((SAMPLE / "images").iterdir()):
        (Place.at(images) / f"images/{file.name}").write_bytes(file.read_bytes())
    with watched("EmbedPiece", "RayTrainWorker", "ServeReplica:beholder") as seen:
        check([run(words) for words in walk(workspace, images, epochs=10, samples=4)], workspace)
        port = free_port()
        words = [*FAST, f"workspace={workspace}", f"choices={empty}", "components.taste=start", f"port={port}", "serve.nodes=2"]
        words += [f"serve.{name}.{end}_replicas=2" for name in ("api", "editor", "encoder", "ranker") for end in ("min", "max")]
        words += [f"serve.{name}.num_cpus=0.2" for name in ("api", "editor", "encoder", "ranker")]
        with _client.served(words, f"http://127.0.0.1:{port}/", tmp_path / "said.txt"):
            answer_and_recommend(port, empty)
            replicas = Counter(worker.ppid() for worker in workers(lambda title: "ServeReplica:beholder" in title))
    assert {title: len(nodes) for title, nodes in seen.items()} == dict.fromkeys(seen, 2)
    assert sorted(replicas.values()) == [4, 4]
