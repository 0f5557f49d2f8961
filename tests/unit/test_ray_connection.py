"""Connecting to Ray: its settings, and whose error comes out."""

import socket
import time

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


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1:99999"])
def test_an_address_where_nobody_listens_is_one_line_at_once(address):
    began = time.monotonic()
    says = f"Ray can't be reached at {address}: nobody answers there"
    with pytest.raises(ConfigError, match=says) as error, ray_connection.connect(RayConfig(address=address)):
        pass
    assert time.monotonic() - began < 10
    assert "\n" not in str(error.value)


def test_an_address_that_swallows_everything_is_given_up():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        with pytest.raises(ConfigError, match="nobody answers there"):
            ray_connection._knock(f"127.0.0.1:{port}")
        assert time.monotonic() - began < 10
        for each in waiting:
            each.close()


@pytest.mark.parametrize(("address", "token"), [("127.0.0.1", False), ("127.0.0.1", True), ("10.0.0.7", True), ("10.0.0.7", None)])
def test_a_ray_that_nobody_else_reaches_or_that_asks_for_a_token_is_served_on(address, token):
    ray_connection.check_token(address, token=token)


def test_a_ray_without_a_token_that_others_reach_is_refused():
    with pytest.raises(ConfigError, match=r"listens at 10\.0\.0\.7 and asks nobody for a token: .*RAY_AUTH_MODE=token"):
        ray_connection.check_token("10.0.0.7", token=False)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "https://ray.example.org"])
def test_a_dashboard_is_no_cluster_to_connect_to(address):
    says = f"{address} is the address of a dashboard, .*expected HOST:PORT of a cluster's head, ray://HOST:PORT, or auto$"
    with pytest.raises(ConfigError, match=says), ray_connection.connect(RayConfig(address=address)):
        pass
