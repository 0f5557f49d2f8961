"""deploy/aws.yaml and deploy/gcp.yaml: Ray's launcher takes them, and what they start is what is tested here."""

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from beholder.serve import ray_compat

ROOT = Path(__file__).parents[3]
FILES = ("aws", "gcp")


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / "deploy" / f"{name}.yaml").read_text())


@pytest.mark.parametrize("name", FILES)
def test_rays_own_schema_and_checks_pass(name):
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = read(name)
    validate_config(prepare_config(config))
    assert config["head_node_type"] in config["available_node_types"]
    assert config["available_node_types"]["gpu"]["resources"]["GPU"] == 1


def test_a_mistake_would_be_seen():
    from ray.autoscaler._private.util import prepare_config, validate_config

    with pytest.raises(Exception, match="max_worker"):
        validate_config(prepare_config({**read("aws"), "max_worker": 8}))


@pytest.mark.parametrize("name", FILES)
def test_what_is_sent_to_the_nodes_is_there_or_made_as_the_file_says(name):
    config, text = read(name), (ROOT / "deploy" / f"{name}.yaml").read_text()
    for local in config["file_mounts"].values():
        made = {"./dist": "make wheel", "~/.ray/auth_token": "ray get-auth-token --generate"}.get(local)
        assert f"#   {made}" in text if made else (ROOT / local).exists()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("which", ["head_start_ray_commands", "worker_start_ray_commands"])
def test_ray_is_started_with_a_token_and_what_serve_wants(name, which):
    start = read(name)[which][-1]
    variables = dict(re.findall(r"(RAY_[A-Z_]+)=(\S+)", start))
    assert variables == {"RAY_AUTH_MODE": "token", **ray_compat.environment({})}
    assert "--dashboard-host=127.0.0.1" in start or which.startswith("worker")


def test_both_clouds_install_the_same():
    aws, gcp = read("aws"), read("gcp")
    assert all(aws[key] == gcp[key] for key in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands"))
