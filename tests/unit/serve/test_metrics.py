"""What is counted, what Prometheus is told of it, and the dashboard that shows it."""

import asyncio
import json
import pickle
import re
from importlib.resources import files
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from beholder.serve import api
from beholder.serve.local_service import LocalService
from beholder.serve.metrics import Counts, Meter, Metrics, metered
from beholder.serve.protocols import Overloaded
from beholder.serve.settings import ServeSettings

# As Doors, the API and the keys count.
EVENTS = [
    ("choice", "left"),
    ("choice", "undone"),
    ("question", "eubo"),
    ("rejected", "late"),
    ("rejected", "rate"),
    ("rejected", "full"),
    ("model", "bayes-1"),
]


def told(metrics: Metrics) -> dict[tuple[str, frozenset], float]:
    """(sample, labels) -> value, as Prometheus reads it."""
    data, kind = asyncio.run(metrics.exposition())
    assert kind.startswith("text/plain")
    return read(data.decode())


def read(text: str) -> dict[tuple[str, frozenset], float]:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples)  # nothing twice
    return found


def of(found: dict[tuple[str, frozenset], float], name: str, **labels: str) -> float:
    """The sum of a sample's values under these labels."""
    return sum(value for (each, ones), value in found.items() if each == name and set(labels.items()) <= ones)


def alone(meter: Meter) -> Metrics:
    async def nobody() -> list[Counts]:
        return []

    return Metrics(meter, nobody)


def full(replica: str = "local") -> Meter:
    """A meter that has counted something of everything."""
    meter = Meter(replica)
    meter.answered("/v1/directions", "GET", 200, 0.02)
    for event in EVENTS:
        meter.counted(*event)
    meter.batched("editor", 3)
    with meter.work("editor", "draw"):
        pass
    meter.count_inside(lambda: 2)
    return meter


def test_requests_are_counted_and_timed():
    meter = Meter()
    for seconds in (0.002, 0.02, 0.2):
        meter.answered("/v1/images/{image_id}", "GET", 200, seconds)
    meter.answered("/v1/choices", "POST", 409, 0.01)
    found = told(alone(meter))
    assert of(found, "beholder_requests_total", route="/v1/images/{image_id}", method="GET", status="200") == 3
    assert of(found, "beholder_requests_total", status="409") == 1
    assert of(found, "beholder_request_seconds_sum", route="/v1/images/{image_id}") == pytest.approx(0.222)
    assert of(found, "beholder_request_seconds_bucket", route="/v1/images/{image_id}", le="0.025") == 2


def test_events_are_counted_under_their_kind():
    found = told(alone(full()))
    assert of(found, "beholder_choices_total", choice="left") == 1
    assert of(found, "beholder_questions_total", strategy="eubo") == 1
    statuses = {"late": "504", "rate": "429", "full": "503"}
    assert [of(found, "beholder_rejections_total", reason=each, status=statuses[each]) for each in statuses] == [1, 1, 1]
    assert of(found, "beholder_batch_size_sum", part="editor") == 3
    assert of(found, "beholder_part_seconds_count", part="editor", work="draw") == 1
    with pytest.raises(ValueError, match="'choise' is not counted"):
        Meter().counted("choise", "left")


def test_of_a_model_only_the_version_that_answers_is_told():
    meter = Meter()
    for number in range(50):
        meter.counted("model", f"bayes-{number}")
    found = told(alone(meter))
    assert of(found, "beholder_model_info", model="prior") == of(found, "beholder_model_info", version="bayes-49") == 1
    assert of(found, "beholder_model_info", model="beholder") == 1


def test_methods_that_nobody_knows_are_one():
    meter = Meter()
    for number in range(50):
        meter.answered("none", f"METHOD{number}", 405, 0.001)
    assert of(told(alone(meter)), "beholder_requests_total", method="other") == 50


def test_counts_of_all_replicas_come_together_each_under_its_name():
    sent = [pickle.loads(pickle.dumps(full(name).counts())) for name in ("api-2", "editor-1")]  # as Ray hands them on

    async def gather() -> list[Counts]:
        return [full("api-1").counts(), *sent]  # its own once more, as a broadcast brings it

    found = told(Metrics(full("api-1"), gather))
    assert of(found, "beholder_choices_total", choice="left") == 3
    for replica in ("api-1", "api-2", "editor-1"):
        assert of(found, "beholder_choices_total", choice="left", replica=replica) == 1
        assert of(found, "process_resident_memory_bytes", replica=replica) > 1e6


def test_where_the_others_are_silent_its_own_counts_are_told():
    async def broken() -> list[Counts]:
        raise Overloaded("editor")

    assert of(told(Metrics(full(), broken)), "beholder_choices_total", choice="left") == 1


def test_a_deployment_is_timed_whether_it_works_or_not():
    @metered("editor")
    class Part:
        def __init__(self):
            self.meter = Meter("editor-1")

        async def draw(self, number: int) -> int:
            """Draws."""
            if number < 0:
                raise Overloaded("editor")
            return number + 1

        async def _inside(self) -> None: ...

    part = Part()
    assert asyncio.run(part.draw(1)) == 2
    asyncio.run(part._inside())
    with pytest.raises(Overloaded):
        asyncio.run(part.draw(-1))
    assert part.draw.__doc__ == "Draws."
    counting: Any = part  # has what the decorator added
    counts = asyncio.run(counting.counts())
    assert counts.replica == "editor-1"

    async def gather() -> list[Counts]:
        return [counts]

    found = told(Metrics(Meter(), gather))
    assert of(found, "beholder_part_seconds_count") == of(found, "beholder_part_seconds_count", part="editor", work="draw") == 2


@pytest.fixture(scope="module")
def scraped(service: LocalService, settings: ServeSettings) -> dict[tuple[str, frozenset], float]:
    """What /metrics tells after a round and some mistakes."""
    client = TestClient(api.of_settings(service, settings), base_url="http://127.0.0.1", raise_server_exceptions=False)
    asked = client.get("/v1/questions", params={"user_id": "metrics", "image_id": "seed-3"}).json()
    for _ in range(2):
        body = {"event_id": "metrics-1", "question_id": asked["question_id"], "choice": "left"}
        assert client.post("/v1/choices", json=body).status_code == 200
    assert client.get(asked["left"]["picture"]).status_code == 200
    assert client.post("/v1/recommendations", json={"user_id": "metrics", "image_id": "seed-3"}).status_code == 200
    assert client.get("/v1/users/somebody-else").status_code == 200
    for path in ("/v1/images/seed-x", "/v1/nothing/at/all", "/v1/nothing/else", "/robots.txt"):
        assert client.get(path).status_code in (404, 422)
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return read(answer.text)


def test_the_service_in_one_process_tells_all_of_it(scraped):
    assert of(scraped, "beholder_choices_total", choice="left") == of(scraped, "beholder_choices_total", choice="again") == 1
    assert of(scraped, "beholder_questions_total", strategy="eubo") == 1
    for part, work in {("editor", "draw"), ("encoder", "images"), ("ranker", "recommend"), ("ranker", "question")}:
        assert of(scraped, "beholder_part_seconds_count", part=part, work=work) >= 1
    assert of(scraped, "beholder_requests_total", route="/v1/choices", method="POST", status="200") == 2
    assert of(scraped, "beholder_requests_inside") == 1  # who asks for the metrics
    models = {dict(labels)["model"] for (name, labels) in scraped if name == "beholder_model_info"}
    assert models == {"beholder", "generator", "encoder", "prior"}


def test_labels_never_name_people_images_or_questions(scraped):
    text = " ".join(value for _, labels in scraped for _, value in labels)
    for name in ("metrics-1", "somebody", "seed-3", "nothing", "robots", "smile"):
        assert name not in text
    routes = {dict(labels)["route"] for name, labels in scraped if name == "beholder_requests_total"}
    assert all(route in ("page", "none", "/metrics") or route.startswith("/v1/") for route in routes)


def test_metrics_need_a_key_where_keys_are_needed(service, settings):
    from dataclasses import replace

    client = TestClient(api.of_settings(service, replace(settings, host="0.0.0.0")))
    assert client.get("/metrics").status_code == 401
    assert client.get("/healthz").status_code == 200


def expressions() -> list[str]:
    dashboard = json.loads((files("beholder.configs") / "serve" / "grafana.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


@pytest.mark.parametrize("expression", expressions())
def test_the_dashboard_shows_what_is_counted(expression):
    found = told(alone(full()))
    names = set(re.findall(r"\b(?:beholder|process)_\w+", expression))
    assert names
    for name in names:
        labels = [dict(ones) for each, ones in found if each == name]
        assert labels, f"nobody counts {name}"
        used = {label for inside in re.findall(name + r"\{([^}]*)\}", expression) for label in re.findall(r"(\w+)[=!]", inside)}
        used |= {label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")}
        assert used <= set().union(*labels), f"{name} has no {used - set().union(*labels)}"


def test_the_dashboard_stands_on_its_own():
    dashboard = json.loads((files("beholder.configs") / "serve" / "grafana.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    spots = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]}
    assert len(spots) == len(ids)
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"] if "datasource" in panel} == {"${source}"}
