"""`beholder embed` on two simulated nodes, one of which dies in the middle."""

import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
from ray.cluster_utils import Cluster

from beholder.cli import main
from beholder.embedding import embeddings
from beholder.storage import Place


@pytest.fixture
def two_nodes():
    """A head and one more node, of one core each; whatever Ray the other tests share is left first."""
    if ray.is_initialized():
        ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    other = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster, other
    ray.shutdown()
    cluster.shutdown()


def test_a_node_dies_and_nothing_is_lost_or_twice(two_nodes, pictures, tiny_encoder, tmp_path, monkeypatch):
    cluster, other = two_nodes
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    folder = tmp_path / "ws" / "embeddings"
    killed = threading.Event()

    def kill_when_under_way() -> None:
        while len(list(folder.glob("*/part-*"))) < 12:
            time.sleep(0.02)
        cluster.remove_node(other, allow_graceful=False)
        killed.set()

    threading.Thread(target=kill_when_under_way, daemon=True).start()
    words = ["embed", f"images={pictures(500)}", f"workspace={tmp_path / 'ws'}", *tiny_encoder, "encoder.batch_size=2"]
    assert main([*words, "actors=2", f"ray.address={cluster.address}"]) == 0
    assert killed.is_set(), "the job was over before the node died"

    (place,) = folder.iterdir()
    rows = [image_id for part in place.glob("part-*") for image_id in pq.read_table(part)["image_id"].to_pylist()]
    assert sorted(rows) == [f"{at:03d}.jpg" for at in range(500)]
    np.testing.assert_allclose(np.linalg.norm(embeddings.read(Place.at(place)).vectors, axis=1), 1, atol=1e-5)
