"""Ray compat: every private or environment switch of Ray Serve that the service uses, what each buys, and what is done without it.

Measured on the pinned version (`beholder bench serve`); where a newer Ray has lost one, its public way is taken. Nothing here
imports Ray.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beholder.serve import proxy_retry

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

_SMALL = 1 << 19  # bytes of a message from which on the object store is faster than a message from process to process


def environment(env: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables that the processes of Ray Serve read when they start. Without them Serve works, slower."""
    return {
        # a documented variable: where a replica of the API dies under a request, the proxy asks another one
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": proxy_retry.CALLBACK,
        # a busy machine needs more than the 5 seconds it comes with
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
        # a proxy is replaced when it has failed three checks in a row: 30 seconds of refused connections with the 10 it comes with
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
        # documented: Serve's throughput path answers sooner and more (`beholder bench serve "paths=[plain,throughput,haproxy]"`)
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # from the proxy to the API without the object store, too
        "RAY_SERVE_PROXY_USE_GRPC": "1",
        # the throughput path would have each replica of the API listen at all addresses, where no rule of access holds
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1" if haproxy(env) else "0",
    }


def haproxy(env: Mapping[str, str] = os.environ) -> bool:
    """Tell whether Ray Serve's HAProxy stands before the service; it listens at all addresses, whatever the host."""
    return env.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"


def straight(handle: "DeploymentHandle[Any]") -> "DeploymentHandle[Any]":
    """Return a handle whose messages go from process to process, which is sooner where they are small.

    Private: the option `_by_reference`, which Ray's own error message recommends. Without it: Serve's default, which depends on its
    environment.
    """
    return _with_options(handle, _by_reference=False)


def by_reference(handle: "DeploymentHandle[Any]") -> "DeploymentHandle[Any]":
    """Return a handle whose answers stay in the object store, and can be handed on without passing through who asked.

    Private and without it: as `straight`.
    """
    return _with_options(handle, _by_reference=True)


def choose_transport(handle: "DeploymentHandle[Any]", size: int) -> "DeploymentHandle[Any]":
    """Return the handle that is faster for messages of so many bytes."""
    return straight(handle) if size < _SMALL else by_reference(handle)


def start_router(handle: "DeploymentHandle[Any]") -> None:
    """Start a handle's router in a thread of its own, so that it can be used where no event loop runs.

    Private: `_init`, because Serve's throughput path would want the caller's loop. Without it: the router
    starts at the first request, as the environment has it.
    """
    init = getattr(handle, "_init", None)
    if init is not None:
        init(_run_router_in_separate_loop=True)


def set_batching(method: Any, *, max_batch_size: int, batch_wait_timeout_s: float) -> None:
    """Set the batch size and waiting time of a method under `serve.batch` when the replica starts, from its own config.

    Without the setters (documented for `reconfigure`): what the decorator was given.
    """
    if hasattr(method, "set_max_batch_size"):
        method.set_max_batch_size(max_batch_size)
        method.set_batch_wait_timeout_s(batch_wait_timeout_s)


def _with_options(handle: "DeploymentHandle[Any]", **private: Any) -> "DeploymentHandle[Any]":
    try:
        return handle.options(**private)
    except TypeError:  # a Ray that has no such option
        return handle
