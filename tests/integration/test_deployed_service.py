"""The service on two nodes under load: deployed again with a changed setting, and without its head for some seconds."""

import functools
import socket
from collections.abc import Iterator

import pytest

from beholder.jobs.bench import chaos
from beholder.jobs.bench.deployed_service import DeployedService, deployed
from beholder.jobs.bench.loadtest import LOST, Endpoint
from beholder.jobs.bench.simulated_cluster import workers

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedService]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    parts = ("api", "editor", "encoder", "ranker")
    settings = {f"serve.{name}.{end}_replicas": 2 for name in parts for end in ("min", "max")}
    settings |= {"components.candidates.count": 60, "components.ranking.exact": 3}
    with deployed(settings, tmp_path_factory.mktemp("deployed"), port=port) as started:
        yield started


PEOPLE = 2


# The head has a proxy: who is connected to it when it dies has to connect again.
@pytest.mark.parametrize(("event", "seconds", "broken_off"), [("update", 90.0, 0), ("head", 40.0, PEOPLE)])
def test_no_request_fails_and_no_choice_is_lost(service: DeployedService, event: str, seconds: float, broken_off: int) -> None:
    before = {worker.pid for worker in workers(lambda title: "ServeReplica:" in title)}
    strike = functools.partial(service.strike, event)
    outcome = chaos.run(Endpoint(service.address), service.store, strike, people=PEOPLE, seconds=seconds, at=[5.0])
    service.wait_healthy()
    after = {worker.pid for worker in workers(lambda title: "ServeReplica:" in title)}
    tally = outcome.tally
    assert (tally.refused, tally.broken) == (0, 0)
    assert tally.statuses[LOST] <= broken_off
    assert (outcome.lost, outcome.twice) == ([], [])
    assert len(outcome.confirmed) > 10
    assert len(before) == len(after) == 8
    assert before.isdisjoint(after) if event == "update" else before == after
