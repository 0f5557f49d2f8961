"""cluster.yaml is one that Ray's launcher takes."""

from pathlib import Path

import yaml  # type: ignore[import-untyped]


def test_rays_own_check_passes():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((Path(__file__).parents[2] / "cluster.yaml").read_text())
    validate_config(prepare_config(config))
    assert config["head_node_type"] in config["available_node_types"]
