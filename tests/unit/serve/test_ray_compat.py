"""Each private switch of Ray is there in the version that is pinned, and what is done without it works, too."""

import inspect
from typing import Any

import pytest
from ray.serve import batching
from ray.serve._private import constants
from ray.serve.handle import DeploymentHandle

from beholder.serve import proxy_retry, ray_compat


def test_the_pinned_ray_has_every_private_switch():
    assert "_by_reference" in inspect.signature(DeploymentHandle.options).parameters
    assert callable(DeploymentHandle._init)
    source = inspect.getsource(constants)
    for name in ray_compat.environment({}):
        if name != "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH":
            assert name in source, f"{name} is none of Ray Serve's variables any more"
    assert "HTTP_PROXY_CALLBACK" in source


def test_the_pinned_ray_has_the_setters_of_batches():
    @batching.batch
    async def items(items: list[int]) -> list[int]:
        return items

    method: Any = items
    ray_compat.set_batching(method, max_batch_size=3, batch_wait_timeout_s=0.5)
    assert method._get_max_batch_size() == 3
    assert method._get_batch_wait_timeout_s() == 0.5


def test_the_proxy_finds_its_callback():
    module, _, name = proxy_retry.CALLBACK.replace(":", ".").rpartition(".")
    assert callable(getattr(__import__(module, fromlist=[name]), name))


@pytest.mark.parametrize(("env", "direct"), [({}, "0"), ({"RAY_SERVE_ENABLE_HA_PROXY": "1"}, "1")])
def test_replicas_listen_themselves_behind_haproxy_alone(env, direct):
    assert ray_compat.haproxy(env) == bool(env)
    assert ray_compat.environment(env)["RAY_SERVE_ENABLE_DIRECT_INGRESS"] == direct


class Handle:
    """A handle that keeps the options it was given. known: those that it takes."""

    def __init__(self, *known: str):
        self.known = known
        self.options_set: dict[str, Any] = {}

    def options(self, **options: Any) -> "Handle":
        if unknown := set(options) - set(self.known):
            raise TypeError(f"unexpected keyword argument {unknown}")
        other = Handle(*self.known)
        other.options_set = options
        return other


def test_small_messages_go_straight_and_large_ones_by_reference():
    handle: Any = Handle("_by_reference")
    small: Any = ray_compat.choose_transport(handle, 1000)
    large: Any = ray_compat.choose_transport(handle, 1 << 20)
    assert small.options_set == {"_by_reference": False}
    assert large.options_set == {"_by_reference": True}


def test_a_ray_without_the_private_switches_is_used_as_it_is():
    handle: Any = Handle()
    assert ray_compat.straight(handle) is handle
    assert ray_compat.by_reference(handle) is handle
    ray_compat.start_router(handle)
    ray_compat.set_batching(object(), max_batch_size=3, batch_wait_timeout_s=0.5)
