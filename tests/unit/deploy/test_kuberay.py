"""deploy/kuberay: versions are those that are tested, commands are ones that exist, and the service is our app."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from beholder import cli, config
from beholder.serve.settings import ServeSettings

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kuberay"
CLUSTERS = {"raycluster": ("spec",), "rayjob-embed": ("spec", "rayClusterSpec"), "rayjob-train": ("spec", "rayClusterSpec"),
            "rayservice": ("spec", "rayClusterConfig")}  # fmt: skip


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def cluster(name: str) -> dict[str, Any]:
    """The part of a manifest that describes a cluster."""
    part = read(name)
    for key in CLUSTERS[name]:
        part = part[key]
    return part


def pinned(package: str) -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    (version,) = [line.partition("==")[2] for line in lines if line.startswith(f"{package}==")]
    return version


def version() -> str:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    return next(line for line in lines if line.startswith("version = ")).split('"')[1]


def test_every_manifest_is_looked_at():
    assert {path.stem for path in FOLDER.iterdir()} == {*CLUSTERS, "redis"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("raycluster", "RayCluster"), ("rayjob-embed", "RayJob"), ("rayjob-train", "RayJob"), ("rayservice", "RayService")],
)
def test_the_operator_is_told_the_version_of_ray_that_is_installed(name, kind):
    assert (read(name)["apiVersion"], read(name)["kind"]) == ("ray.io/v1", kind)
    assert cluster(name)["rayVersion"] == pinned("ray")


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_pod_has_our_image_and_a_limit(name):
    groups = [cluster(name)["headGroupSpec"], *cluster(name)["workerGroupSpecs"]]
    for group in groups:
        (container,) = group["template"]["spec"]["containers"]
        gpu = "nvidia.com/gpu" in container["resources"]["limits"]
        assert container["image"] == f"REGISTRY/beholder:{version()}-{'cuda' if gpu else 'cpu'}"
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        assert group["rayStartParams"].get("num-cpus", "0") == "0"
        assert gpu == bool(group["template"]["spec"].get("tolerations"))
        assert group["template"]["spec"]["serviceAccountName"] == "beholder"


@pytest.mark.parametrize("name", CLUSTERS)
def test_groups_of_workers_have_names_of_their_own_and_room_to_grow(name):
    groups = cluster(name)["workerGroupSpecs"]
    assert len({group["groupName"] for group in groups}) == len(groups)
    for group in groups:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        assert group["maxReplicas"] > group["minReplicas"] or not cluster(name).get("enableInTreeAutoscaling")
    assert any("nvidia.com/gpu" in group["template"]["spec"]["containers"][0]["resources"]["limits"] for group in groups)


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_token_is_asked_for(name):
    assert cluster(name)["authOptions"]["mode"] == "token"


@pytest.mark.parametrize(("name", "command"), [("rayjob-embed", "embed"), ("rayjob-train", "train")])
def test_a_job_runs_a_command_of_ours_on_a_workspace_that_outlives_it(name, command):
    program, *words = shlex.split(read(name)["spec"]["entrypoint"])
    parsed, settings, _ = cli.parse(words)
    assert (program, parsed) == ("beholder", command)
    assert settings.workspace.startswith("s3://")
    assert settings.ray.address is None
    if command == "train":
        assert settings.train.workers == cluster(name)["workerGroupSpecs"][0]["replicas"]


def test_the_service_is_our_app_as_ray_serve_reads_it():
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema.model_validate(yaml.safe_load(read("rayservice")["spec"]["serveConfigV2"]))
    (app,) = schema.applications
    assert (app.import_path, app.route_prefix) == ("beholder.serve.app:build", "/")
    settings = config.load(ServeSettings, command="serve", overrides=[f"{key}={value}" for key, value in app.args.items()])
    settings.check_access()
    assert settings.needs_keys()
    assert (settings.choices or "").startswith("postgresql://")
    assert settings.workspace.startswith("s3://")
    (group,) = cluster("rayservice")["workerGroupSpecs"]
    gpus = settings.serve.editor.min_replicas * settings.serve.editor.num_gpus
    gpus += settings.serve.encoder.min_replicas * settings.serve.encoder.num_gpus
    assert group["minReplicas"] >= gpus, "the least that is served fits the least that runs"


def test_what_the_head_knows_is_kept_where_the_redis_is():
    options = cluster("rayservice")["gcsFaultToleranceOptions"]
    service, stateful = yaml.safe_load_all((FOLDER / "redis.yaml").read_text())
    (port,) = service["spec"]["ports"]
    assert options["redisAddress"] == f"{service['metadata']['name']}:{port['port']}"
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    assert options["redisPassword"]["valueFrom"] == container["env"][0]["valueFrom"]
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == stateful["spec"]["selector"]["matchLabels"]
