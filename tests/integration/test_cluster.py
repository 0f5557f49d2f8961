"""Two simulated nodes: `beholder embed` while one of them dies, and what each says it has."""

import inspect
import json
import os
import subprocess
import sys
import threading
import time
from importlib import metadata

import numpy as np
import pyarrow.parquet as pq
import pytest
from ray.cluster_utils import Cluster

from beholder.embedding import embeddings
from beholder.jobs import _cluster_probe
from beholder.storage import Place


@pytest.fixture
def two_nodes(no_token):
    """A head and one more node, of one core each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    other = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster, other
    cluster.shutdown()


def test_a_node_dies_and_nothing_is_lost_or_twice(two_nodes, beholder, pictures, tiny_encoder, tmp_path):
    cluster, other = two_nodes
    folder = tmp_path / "ws" / "embeddings"
    killed = threading.Event()

    def kill_when_under_way() -> None:
        while len(list(folder.glob("*/part-*"))) < 12:
            time.sleep(0.02)
        cluster.remove_node(other, allow_graceful=False)
        killed.set()

    threading.Thread(target=kill_when_under_way, daemon=True).start()
    words = ["embed", f"images={pictures(500)}", f"workspace={tmp_path / 'ws'}", *tiny_encoder, "encoder.batch_size=2"]
    ran = beholder(*words, "actors=2", f"ray.address={cluster.address}")
    assert ran.returncode == 0, ran.stderr
    assert killed.is_set(), "the job was over before the node died"

    (place,) = folder.iterdir()
    rows = [image_id for part in place.glob("part-*") for image_id in pq.read_table(part)["image_id"].to_pylist()]
    assert sorted(rows) == [f"{at:03d}.jpg" for at in range(500)]
    np.testing.assert_allclose(np.linalg.norm(embeddings.read(Place.at(place)).vectors, axis=1), 1, atol=1e-5)


def test_every_node_says_what_it_has(two_nodes):
    cluster, _ = two_nodes
    words = [sys.executable, "-c", inspect.getsource(_cluster_probe), '["numpy", "no-such-package>=2"]']
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120, env=environment, check=True)
    nodes = json.loads(ran.stdout.splitlines()[-1].removeprefix(_cluster_probe.MARK))
    assert [node["lacks"] for node in nodes] == [["no-such-package>=2 (there: none)"]] * 2
    assert {node["beholder"] for node in nodes} == {metadata.version("beholder")}
