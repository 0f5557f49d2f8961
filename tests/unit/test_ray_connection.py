"""Connecting to Ray: its settings, and whose error comes out."""

import pytest

from beholder import ray_connection
from beholder.errors import ConfigError, TasteError
from beholder.ray_connection import RayConfig


def test_no_cores_below_none():
    with pytest.raises(ConfigError, match=r"ray\.num_cpus must be 0 or more, got -1"):
        RayConfig(num_cpus=-1)


def test_our_own_error_comes_out_of_rays_errors_around_it():
    from ray.exceptions import RayError, RayTaskError

    inner = RayTaskError("fit", "Traceback", TasteError("too few judgements"))
    with pytest.raises(TasteError, match="too few judgements"), ray_connection._own_errors():
        raise RayError("a trial failed") from inner


def test_an_error_of_ray_itself_stays():
    from ray.exceptions import RayError

    with pytest.raises(RayError, match="out of memory"), ray_connection._own_errors():
        raise RayError("out of memory")
