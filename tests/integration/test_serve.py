"""The service on a real Ray Serve, as `beholder serve` starts it: a round, two rankers, full queues, deadlines, a stop in peace."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Answer, Question

FAST = ["components.candidates.count=60", "components.ranking.exact=3"]


@dataclass(frozen=True)
class Said:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A `beholder serve` of its own."""

    process: subprocess.Popen
    address: str
    store: Store
    said: Path  # what it printed

    def ask(self, method: str, path: str, body: dict | None = None, *, headers: dict[str, str] | None = None) -> Said:
        data = None if body is None else json.dumps(body).encode()
        more = {"content-type": "application/json"} if data else {}
        request = urllib.request.Request(self.address + path, data, {**more, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Said(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Said(error.code, dict(error.headers), error.read())

    def question(self, user: str) -> dict:
        return self.ask("GET", f"/v1/questions?user_id={user}&image_id=seed-7").json()

    def choose(self, question: dict, choice: str) -> Said:
        body = {"event_id": uuid.uuid4().hex, "question_id": question["question_id"], "choice": choice}
        return self.ask("POST", "/v1/choices", body)

    def said_otherwise(self) -> list[str]:
        """What it printed beside its address and what it waited for while it started."""
        lines = self.said.read_text().splitlines()
        return [line for line in lines if "is the page" not in line and not line.startswith(("starting ", "deploying "))]

    def stop(self, how: int) -> int:
        self.process.send_signal(how)
        return self.process.wait(90)


def _hear_interrupts() -> None:
    """What a shell starts in the background ignores them, with all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(scope="module")
def begin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """begin(words, env=variables): a server with these settings, when it is ready."""
    begun: list[Server] = []

    def run(*words: str, env: dict[str, str] | None = None) -> Server:
        workspace = tmp_path_factory.mktemp("served")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "beholder", "serve", f"workspace={workspace}", f"port={port}", *FAST, *words]
        said = workspace / "said.txt"
        with said.open("w") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, cwd=workspace, env={**os.environ, **(env or {})}, start_new_session=True,
                preexec_fn=_hear_interrupts,
            )  # fmt: skip
        server = Server(process, f"http://127.0.0.1:{port}", Store.at(workspace / "choices.db"), said)
        begun.append(server)
        until = time.monotonic() + 240
        while "is the page" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.3)
        return server

    yield run
    for server in begun:
        if server.process.poll() is None:
            server.process.terminate()
            try:
                server.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(server.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def server(begin: Callable[..., Server]) -> Server:
    return begin(
        "ray.address=local",
        "ray.num_cpus=2",
        "serve.ranker.min_replicas=2",
        "serve.ranker.max_replicas=2",
        "serve.editor.max_ongoing_requests=2",
        "serve.editor.max_queued_requests=2",
        "limits.photo_seconds=1",
        "image_library.refinement.steps=5000",
        "image_library.refinement.seconds=10",
    )


def test_a_round_from_question_to_recommendation(server):
    assert server.ask("GET", "/readyz").json() == {"editor": True, "encoder": True, "ranker": True}
    for number in range(1, 6):
        question = server.question("ana")
        for side in ("left", "right"):
            picture = server.ask("GET", question[side]["picture"], headers={"accept": "image/webp"})
            assert (picture.status, picture.headers["content-type"]) == (200, "image/webp")
        noted = server.choose(question, "left").json()
        assert (noted["rounds"], noted["counted"]) == (number, True)
    told = server.ask("POST", "/v1/recommendations", {"user_id": "ana", "image_id": "seed-7", "count": 3}).json()
    assert (told["rounds"], len(told["recommendations"])) == (5, 3)
    best = told["recommendations"][0]
    assert best["score"] >= told["recommendations"][1]["score"]
    assert server.ask("GET", best["picture"]).status == 200
    words = {"user_id": "ana", "image_ids": ["seed-1", "seed-2"], "question": "a friendly face"}
    assert len(server.ask("POST", "/v1/predictions", words).json()["predictions"]) == 2
    assert server.ask("DELETE", "/v1/users/ana").json()["answers"] == 5
    assert server.ask("GET", "/v1/users/ana").json()["rounds"] == 0


def test_mistakes_are_told_as_they_are_in_one_process(server):
    wanted = {
        ("GET", "/v1/images/seed-7/edits/smil=1"): (422, "smil is not a direction; did you mean smile?"),
        ("GET", "/v1/images/photo-" + "0" * 24): (404, f"photo-{'0' * 24} is not among the photos uploaded to generator portraits"),
        ("DELETE", "/v1/choices/forged"): (404, "no question 'forged' was asked"),
    }
    for (method, path), (status, detail) in wanted.items():
        said = server.ask(method, path)
        assert (said.status, said.json()["detail"]) == (status, detail)
    # one that comes to light two parts further on
    said = server.ask("POST", "/v1/recommendations", {"user_id": "ana", "image_id": "photo-" + "0" * 24})
    assert said.status == 404
    assert "Traceback" not in said.body.decode()


def test_two_rankers_answer_from_the_same_choices(server):
    """Every request after an answer is acknowledged knows it, whichever of the two it comes to."""

    def rounds(_: int) -> int:
        return server.ask("GET", "/v1/users/bo").json()["rounds"]

    with ThreadPoolExecutor(8) as pool:
        for number in range(1, 7):
            assert server.choose(server.question("bo"), "left").status == 200
            assert set(pool.map(rounds, range(12))) == {number}
        now = server.store.choices("bo")[-1].answer.answered_at
        elsewhere = Question("elsewhere", "bo", "seed-7", {"smile": 1.0}, {"smile": -1.0}, "random", now)
        server.store.add([(elsewhere, Answer("elsewhere", "elsewhere", "left", now))])
        assert set(pool.map(rounds, range(12))) == {7}
        server.store.retract("elsewhere")
        assert set(pool.map(rounds, range(12))) == {6}
        told = {
            json.dumps(server.ask("POST", "/v1/recommendations", {"user_id": "bo", "image_id": "seed-7"}).json()) for _ in range(6)
        }
        assert len(told) == 1
        server.store.erase("bo")
        assert set(pool.map(rounds, range(12))) == {0}
        assert server.choose(server.question("bo"), "left").status == 200
        assert set(pool.map(rounds, range(12))) == {1}  # and not what somebody of that name chose before


def test_whoever_is_asked_tells_what_all_replicas_counted(server):
    assert server.ask("GET", "/v1/users/di").status == 200
    text = server.ask("GET", "/metrics").body.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    replicas = {sample.labels["replica"] for sample in samples}
    counts = {part: sum(name.startswith(f"{part}-") for name in replicas) for part in ("api", "editor", "encoder", "ranker")}
    assert counts == {"api": 1, "editor": 1, "encoder": 1, "ranker": 2}
    work = {sample.labels["part"]: sample.value for sample in samples if sample.name == "beholder_part_seconds_count"}
    assert set(work) == {"editor", "encoder", "ranker"}
    assert {sample.labels["part"] for sample in samples if sample.name == "beholder_batch_size_count"} == {"editor", "encoder"}


def test_a_full_queue_says_so_at_once(server):
    def draw(seed: int) -> Said:
        return server.ask("GET", f"/v1/images/seed-{seed}/edits/smile=2")

    with ThreadPoolExecutor(48) as pool:
        said = list(pool.map(draw, range(1000, 1144)))
    refused = [each for each in said if each.status == 503]
    assert {each.status for each in said} == {200, 503}
    assert refused
    for each in refused:
        assert int(each.headers["retry-after"]) >= 1
        assert each.headers["content-type"] == "application/problem+json"
    assert draw(2000).status == 200  # and it is over when the others are gone


def test_what_takes_too_long_is_given_up(server):
    photo = server.ask("GET", "/v1/images/seed-50", headers={"accept": "image/png"}).body
    mark = b"x123x"
    parts = [b'name="user_id"\r\n\r\nana', b'name="aligned"\r\n\r\ntrue', b'name="file"; filename="a.png"\r\n\r\n' + photo]
    body = (
        b"".join(b"--" + mark + b"\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts)
        + b"--"
        + mark
        + b"--\r\n"
    )
    kind = {"content-type": "multipart/form-data; boundary=" + mark.decode()}

    def late() -> float:
        """How many requests were given up at their deadline."""
        families = text_string_to_metric_families(server.ask("GET", "/metrics").body.decode())
        samples = [sample for family in families for sample in family.samples if sample.name == "beholder_rejections_total"]
        return sum(each.value for each in samples if (each.labels["reason"], each.labels["status"]) == ("late", "504"))

    before = late()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(server.address + "/v1/images", body, kind), timeout=60)
    assert refused.value.code == 504
    assert late() == before + 1
    assert server.ask("GET", "/v1/images/seed-50").status == 200


def test_a_second_service_at_the_same_port_is_refused(server, beholder, tmp_path: Path):
    """Serve's proxies would share it, and each would get some of the requests."""
    port = server.address.rpartition(":")[2]
    ran = beholder("serve", f"port={port}", "ray.address=local", f"workspace={tmp_path}")
    assert ran.returncode == 2
    assert f"port {port} is taken" in ran.stderr


def test_it_stops_in_peace(server):
    """Whoever is inside when it is told to stop gets an answer, and every choice that was acknowledged is there."""
    asked = [server.question("cy") for _ in range(4)]
    kept: list[str] = []

    def choose(question: dict) -> Said:
        said = server.choose(question, "left")
        if said.status == 200:
            kept.append(question["question_id"])
        return said

    def recommend(number: int) -> Said:
        return server.ask("POST", "/v1/recommendations", {"user_id": f"late-{number}", "image_id": f"seed-{3000 + number}"})

    with ThreadPoolExecutor(8) as pool:
        inside = [pool.submit(recommend, number) for number in range(2)] + [pool.submit(choose, each) for each in asked]
        time.sleep(0.1)
        assert server.stop(signal.SIGTERM) == 143  # Ray's own handler would kill what is being worked on
        assert {each.result().status for each in inside} <= {200, 503}
        assert inside[0].result().status == 200
    assert {choice.question.question_id for choice in server.store.choices("cy")} >= set(kept)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(server.address + "/healthz", timeout=5)
    assert server.said_otherwise() == []


@pytest.mark.soak
@pytest.mark.parametrize("optimized", ["0", "1"])
def test_an_interrupted_service_stops_in_peace_too(begin, optimized: str):
    server = begin("ray.address=local", "ray.num_cpus=2", env={"RAY_SERVE_THROUGHPUT_OPTIMIZED": optimized})
    with ThreadPoolExecutor(1) as pool:
        inside = pool.submit(server.ask, "POST", "/v1/recommendations", {"user_id": "dee", "image_id": "seed-7"})
        time.sleep(0.1)
        assert server.stop(signal.SIGINT) == 130
        assert inside.result().status == 200
    assert server.said_otherwise() == []


@pytest.mark.soak
def test_a_second_signal_ends_it_at_once_with_all_of_its_processes(begin):
    server = begin("ray.address=local", "ray.num_cpus=2")
    family = psutil.Process(server.process.pid).children(recursive=True)
    assert family
    with ThreadPoolExecutor(1) as pool:
        inside = pool.submit(server.ask, "POST", "/v1/recommendations", {"user_id": "eve", "image_id": "seed-9"})
        time.sleep(0.1)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        assert server.stop(signal.SIGTERM) == 143
        with contextlib.suppress(OSError):
            inside.result()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


@pytest.mark.soak
def test_a_lost_proxy_comes_back_and_where_a_node_is_lost_it_ends(begin):
    server = begin("ray.address=local", "ray.num_cpus=2")
    family = psutil.Process(server.process.pid).children(recursive=True)

    def kill(role: str) -> float:
        (found,) = [each for each in family if each.is_running() and role in " ".join(each.cmdline())]
        found.kill()
        found.wait()
        return time.monotonic()

    killed = kill("ray::ProxyActor")
    while True:
        with contextlib.suppress(OSError):
            if server.ask("GET", "/healthz").status == 200:
                break
        assert time.monotonic() < killed + 60
        time.sleep(0.05)
    print(f"a killed proxy was away for {time.monotonic() - killed:.1f} s")
    assert time.monotonic() < killed + 15
    ended = kill("ray::DashboardAgent")
    assert server.process.wait(60) == 1
    assert time.monotonic() - ended < 15
    assert server.said.read_text().splitlines()[-1] == "beholder: the service is lost: raylet of Ray ended; start it again"
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


@pytest.mark.soak
def test_where_rays_gcs_is_lost_it_ends(begin):
    server = begin("ray.address=local", "ray.num_cpus=2")
    family = psutil.Process(server.process.pid).children(recursive=True)
    (gcs,) = [each for each in family if each.name() == "gcs_server"]
    gcs.kill()
    ended = time.monotonic()
    assert server.process.wait(60) == 1
    took = time.monotonic() - ended
    print(f"it ended {took:.1f} s after its GCS")
    assert took < 15
    lost = "beholder: the service is lost: gcs_server of Ray ended; start it again"
    assert server.said.read_text().splitlines()[-1] == lost
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def test_sqlite_on_several_nodes_is_refused(beholder, tmp_path: Path):
    ran = beholder("serve", "serve=cluster", f"workspace={tmp_path}")
    assert ran.returncode == 2
    assert "4 nodes can't share a SQLite file" in ran.stderr
    assert "postgresql://" in ran.stderr


def test_sqlite_is_refused_where_ray_has_two_nodes(beholder, tmp_path: Path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        ran = beholder("serve", f"ray.address={cluster.address}", f"workspace={tmp_path}", "serve.ray_token=false")
    finally:
        cluster.shutdown()
    assert ran.returncode == 2
    assert "2 nodes can't share a SQLite file" in ran.stderr
