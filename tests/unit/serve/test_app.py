"""The app as it is bound for Ray Serve: queues have an end, several nodes need PostgreSQL, loopback goes by its own names."""

from typing import Any

import pytest

from beholder import config
from beholder.errors import ConfigError
from beholder.serve import api, app
from beholder.serve.deployments import EditorDeployment
from beholder.serve.settings import DeploymentConfig, ServeConfig, ServeSettings

POSTGRES = "choices=postgresql://ana:secret@db.example/choices"


def settings(*words: str) -> ServeSettings:
    return config.load(ServeSettings, command="serve", overrides=list(words))


@pytest.mark.parametrize("kind", ["small", "gpu", "cluster"])
def test_every_queue_has_an_end(kind):
    chosen = settings(f"serve={kind}").serve
    for wanted in (chosen.api, chosen.editor, chosen.encoder, chosen.ranker):
        assert wanted.max_queued_requests >= 1
        deployment = app._deployed(EditorDeployment, wanted, chosen)
        assert deployment.name == "Editor"
        assert deployment.max_queued_requests == wanted.max_queued_requests
        assert deployment.max_ongoing_requests == wanted.max_ongoing_requests
        assert deployment._deployment_config.max_surge_percent == chosen.max_surge_percent
        assert deployment.ray_actor_options["num_gpus"] == wanted.num_gpus
        assert "MALLOC_TRIM_THRESHOLD_" in deployment.ray_actor_options["runtime_env"]["env_vars"]
        if wanted.max_replicas > wanted.min_replicas:
            scaling = deployment._deployment_config.autoscaling_config
            assert (scaling.min_replicas, scaling.max_replicas) == (wanted.min_replicas, wanted.max_replicas)


@pytest.mark.parametrize(("words", "at_once"), [([], 2), (["serve=gpu"], 4), (["serve=gpu", "limits.at_once=5"], 5)])
def test_more_is_let_in_where_more_can_be_done(words: list[str], at_once: int):
    assert settings(*words).limits.at_once == at_once


def test_a_gpu_is_shared():
    chosen = settings("serve=gpu").serve
    assert 0 < chosen.editor.num_gpus * chosen.editor.max_replicas + chosen.encoder.num_gpus * chosen.encoder.max_replicas <= 1


def test_a_gpu_is_shared_with_a_diffusion_pipeline(tmp_path):
    """What is reserved: of the GPU the pipeline has the larger part, and what embeds its drawings the rest."""
    (tmp_path / "model_index.json").write_text("{}")
    words = ["editor=diffusion", f"diffusion.model={tmp_path}"]
    chosen = settings("serve=gpu", *words)

    def reserved(chosen: ServeSettings) -> dict[str, float]:
        bound: Any = app.bind(chosen)._bound_deployment
        deployments = [each._bound_deployment for each in bound.init_args[1:]]
        return {each.name: each.ray_actor_options["num_gpus"] for each in deployments}

    assert reserved(chosen) == {"Editor": 0.6, "Encoder": 0.4, "Ranker": 0}
    assert chosen.serve.diffusion.max_replicas == chosen.serve.encoder.max_replicas == 1
    assert reserved(settings("serve=gpu"))["Editor"] == 0.5
    assert set(reserved(settings(*words)).values()) == {0}
    for name in ("small", "gpu", "cluster"):
        queue = settings(f"serve={name}").serve.diffusion
        assert queue.max_ongoing_requests + queue.max_queued_requests <= 40  # each of them may take seconds


@pytest.mark.parametrize("choices", [[], ["choices=sqlite:////shared/choices.db"]])
def test_sqlite_on_several_nodes_is_refused(choices):
    with pytest.raises(ConfigError, match="4 nodes can't share a SQLite file"):
        app.bind(settings("serve=cluster", *choices))
    assert app.bind(settings("serve=cluster", POSTGRES))
    assert app.bind(settings(*choices))


def test_a_config_file_has_the_same_settings():
    assert app.build({"workspace": "s3://bucket/team", "serve": "cluster", "choices": POSTGRES[8:], "components.ranking.exact": 4})
    with pytest.raises(ConfigError, match="workspce is not a setting of serve; did you mean workspace"):
        app.build({"workspce": "x"})
    with pytest.raises(AttributeError, match="no attribute 'sevice'"):
        _ = app.sevice


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_queued_requests": 0},
        {"max_queued_requests": -1},
        {"min_replicas": 0},
        {"min_replicas": 2},
        {"max_batch_size": 0},
        {"max_ongoing_requests": 0},
        {"num_gpus": -1.0},
        {"batch_wait_timeout_s": -1.0},
    ],
)
def test_deployments_that_make_no_sense(wrong):
    with pytest.raises(ConfigError):
        DeploymentConfig(**wrong)


def test_scaling_that_make_no_sense():
    for wrong in ({"nodes": 0}, {"graceful_shutdown_timeout_s": 0.0}):
        with pytest.raises(ConfigError, match=r"serve.nodes must be at least 1"):
            ServeConfig(**wrong)
    with pytest.raises(ConfigError, match=r"serve\.max_surge_percent must be in 0..100, got 101"):
        ServeConfig(max_surge_percent=101)


def test_nobody_is_let_in_from_elsewhere_without_keys():
    with pytest.raises(ConfigError, match=r"host=0\.0\.0\.0 can be reached from elsewhere, where keys are needed"):
        app.bind(settings("host=0.0.0.0", "keys.required=false"))
    assert app.bind(settings("host=0.0.0.0"))
    assert settings("host=0.0.0.0").needs_keys()
    assert settings("keys.required=true").needs_keys()
    assert not settings().needs_keys()


def test_a_config_file_needs_keys_unless_it_says_otherwise():
    """Where its proxies listen is not known when the app is built."""

    def built(**args) -> ServeSettings:
        (found, *_) = app.build(args)._bound_deployment.init_args
        return found

    assert built().needs_keys()
    assert built(host="127.0.0.1").needs_keys()
    assert not built(**{"keys.required": False}).needs_keys()


def test_loopback_goes_by_its_own_names(service):
    from fastapi.testclient import TestClient

    client = TestClient(api.of_settings(service, settings()))
    assert client.get("/healthz", headers={"host": "localhost:8000"}).status_code == 200
    assert client.get("/healthz", headers={"host": "evil.example:8000"}).status_code == 421
