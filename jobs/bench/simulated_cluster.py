"""A Ray cluster of several nodes on this machine, whose parts can be killed: processes, a node, the head."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beholder.errors import BeholderError

if TYPE_CHECKING:
    import psutil


class SimulatedCluster:
    """A head without cores and some nodes, all on this machine; a context manager.

    num_cpus: cores that each node says it has. state: a folder where the head keeps what it knows of the cluster (Ray's fault
    tolerance, in a RocksDB of its own): only then can one that was killed be started again. dashboard: whether the head has one.
    """

    def __init__(self, nodes: int, *, num_cpus: int = 1, state: Path | None = None, dashboard: bool = False) -> None:
        from ray.cluster_utils import Cluster

        os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nothing of it is reachable from outside
        self._num_cpus = num_cpus
        self._head: dict[str, Any] = {"num_cpus": 0, "include_dashboard": dashboard, "dashboard_host": "127.0.0.1"}
        if state is not None:
            self._head["_system_config"] = {"gcs_storage": "rocksdb", "gcs_storage_path": str(state)}
        self._cluster = Cluster(initialize_head=True, head_node_args=self._head)
        self._head["gcs_server_port"] = int(self.address.rpartition(":")[2])  # a head that comes back is looked for where it was
        if dashboard:
            self._head["dashboard_port"] = int(self.dashboard.rpartition(":")[2])
        self._nodes: list[Any] = []
        for _ in range(nodes):
            self.add_node()

    def __enter__(self) -> "SimulatedCluster":
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.shutdown()

    @property
    def address(self) -> str:
        """What `ray.address=` takes."""
        return str(self._cluster.address)

    @property
    def dashboard(self) -> str:
        """The address of the head's dashboard."""
        return f"http://{self._cluster.webui_url}"

    def add_node(self) -> None:
        """Add a node, as an autoscaler does."""
        self._nodes.append(self._cluster.add_node(num_cpus=self._num_cpus))

    def kill_node(self) -> None:
        """Kill the newest node with everything on it, and add another one."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)
        self.add_node()

    def kill_head(self) -> None:
        """Kill the head with everything on it. Without a state of its own, the other nodes end with it."""
        head = self._cluster.head_node
        assert head is not None
        self._cluster.remove_node(head, allow_graceful=False)

    def restart_head(self) -> None:
        """Start a head that was killed again, where it was; the nodes go on with it."""
        self._cluster.add_node(**self._head)

    def kill_process(self, named: Callable[[str], bool], *, seconds: float = 30.0) -> None:
        """Kill one of Ray's processes whose title says so. Raises BeholderError where none comes up in this time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for process in workers(named):
                process.kill()
                return
            time.sleep(0.05)
        raise BeholderError("no process of that kind was found at work")

    def kill_worker(self) -> None:
        """Kill one process that is at work for a job."""
        self.kill_process(lambda title: any(name in title for name in _AT_WORK))


_AT_WORK = ("EmbedPiece", "RayTrainWorker", "ImplicitFunc", "ImplicitTrial", "MapWorker")  # in the titles of Ray's processes


def workers(named: Callable[[str], bool]) -> "Iterator[psutil.Process]":
    """Yield the processes that Ray's nodes on this machine started, started by this process, whose title says so."""
    import psutil

    for process in psutil.Process().children(recursive=True):
        try:
            title = " ".join(process.cmdline())
            if title.startswith("ray::") and named(title):
                yield process
        except psutil.Error:
            continue
