"""Ray: the settings of a connection, and connecting: to a cluster, to the Ray of this machine, or to a new one of our own."""

import contextlib
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, TypeVar

from beholder import process, terminal
from beholder.config import setting
from beholder.errors import BeholderError, ConfigError
from beholder.progress import waiting

Result = TypeVar("Result")
# Ray's own switches, set where the user has not set them.
_ENVIRONMENT = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # what reserves no GPU sees none: Ray would let it see them all
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # Ray's core prints an error for each actor that ends as it is asked to
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # an epoch's report waits for Ray Train's next look at its workers: 2 s by default
}
_CONNECT_S, _VERSION_S = 5.0, 20.0  # seconds to wait for a connection, and for the nodes' versions


@dataclass(frozen=True)
class RayConfig:
    """Which Ray to use. The names are those of `ray.init`."""

    address: str | None = setting(
        None, "a running cluster (auto, HOST:PORT), local for a new one; null: RAY_ADDRESS, a Ray on this machine, or a new one"
    )
    num_cpus: int = setting(0, "cores of a new Ray on this machine; 0 is all of them")

    def __post_init__(self) -> None:
        if self.num_cpus < 0:
            raise ConfigError(f"ray.num_cpus must be 0 or more, got {self.num_cpus}")


@contextlib.contextmanager
def connect(config: RayConfig, *, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Connect to Ray for the length of the block, and shut down what was started for it; where Ray is connected already, use that.

    environment: variables that the new Ray's processes read, set where the user has not set them. Raises ConfigError where
    Ray can't be reached, or a node of a cluster lacks the package or has another version of it; a BeholderError raised in a task or
    an actor is raised as itself, not as Ray's error around it.
    """
    import ray

    if ray.is_initialized():
        with _own_errors():
            yield
        return
    for name, value in {**_ENVIRONMENT, **(environment or {})}.items():
        os.environ.setdefault(name, value)
    known = None if config.address == "local" else config.address or os.environ.get("RAY_ADDRESS")
    if known:
        _knock(known)
    try:
        going_on = f"connecting to Ray at {known}" if known else "starting Ray"
        with waiting(going_on), process.keep_handlers(), terminal.without("Set ray log level"):
            _init(config.address, {} if known else _new(config))
    except Exception as error:  # where a node is not up in time, Ray raises just that
        token = (
            "; a cluster with a token needs RAY_AUTH_MODE=token and its token in RAY_AUTH_TOKEN, or in RAY_AUTH_TOKEN_PATH a file"
        )
        hint = token if known and not isinstance(error, ValueError) else ""
        if "timed out during startup" in str(error):
            hint = "; the machine is too busy, or short of memory: try again, and see `beholder doctor ray=true`"
        raise ConfigError(f"Ray can't be reached at {known or 'this machine'}: {_line(error)}{hint}") from None
    try:
        with _own_errors():
            if known:
                _check_nodes()
            yield
    finally:
        ray.shutdown()


def check_token(address: str, *, token: bool | None) -> None:
    """Raise ConfigError where a Ray that listens beyond this machine asks nobody for a token.

    Whoever reaches its ports then runs code on every node. address: of the node; token: None where its version does not tell.
    """
    if token is False and not address.startswith("127.") and address not in ("::1", "localhost"):
        raise ConfigError(
            f"this Ray listens at {address} and asks nobody for a token: whoever reaches it runs code on it; start it with "
            "RAY_AUTH_MODE=token, or with --node-ip-address=127.0.0.1, or close its ports and say serve.ray_token=false"
        )


def node_token() -> tuple[str, bool | None]:
    """Return where the Ray that is connected to listens, and whether it asks for a token, as `check_token` takes."""
    import ray

    addresses = [str(node["NodeManagerAddress"]) for node in ray.nodes() if node["Alive"]]
    address = next((each for each in addresses if not each.startswith("127.")), "127.0.0.1")
    try:
        from ray._raylet import AuthenticationMode, get_authentication_mode  # type: ignore[attr-defined]  # they are there
    except ImportError:
        return address, None
    return address, bool(get_authentication_mode() == AuthenticationMode.TOKEN)


def run_task(function: Callable[..., Result], *args: Any, gpu: bool = False, **named: Any) -> Result:
    """Run a function as a task of the Ray that is connected, or of one that is started for it, and return what it returns.

    gpu: reserve one, where the cluster has any; a task that has none sees none. A BeholderError is raised as itself.
    """
    import ray

    with connect(RayConfig()):
        gpus = 1 if gpu and ray.cluster_resources().get("GPU", 0) >= 1 else 0
        result: Result = ray.get(ray.remote(num_cpus=1, num_gpus=gpus)(_run).remote(function, gpus > 0, *args, **named))
        return result


def _run(function: Callable[..., Result], gpu: bool, *args: Any, **named: Any) -> Result:
    """Run a function in a task that sees the GPU that was reserved, and no other."""
    if not gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a Ray that we did not start may let it see them all
    return function(*args, **named)


def cluster_resources() -> dict[str, float]:
    """Return what the Ray that is connected to has, after a task has computed in it: {"CPU": 8.0, ...}."""
    import ray

    ray.get(ray.remote(num_cpus=0)(os.getpid).remote())
    return dict(ray.cluster_resources())


def quiet_data() -> None:
    """Keep Ray Data's notes on its plan off the terminal; they stay in its log files."""
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    for handler in logging.getLogger("ray.data").handlers:
        if not hasattr(handler, "baseFilename"):
            handler.setLevel(logging.ERROR)


def _knock(address: str) -> None:
    """Raise ConfigError where the address is a dashboard's, or HOST:PORT and nobody listens there: Ray would look for minutes."""
    if address.startswith(("http://", "https://")):
        raise ConfigError(
            f"{address} is the address of a dashboard, by which jobs are submitted (`beholder submit`); expected HOST:PORT of a "
            "cluster's head, ray://HOST:PORT, or auto"
        )
    found = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)", address)
    if found is None:
        return
    try:
        socket.create_connection((found[1], int(found[2])), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(
            f"Ray can't be reached at {address}: nobody answers there ({reason}); expected HOST:PORT of a cluster's head"
        ) from None


def _check_nodes() -> None:
    """Raise ConfigError where a node's Python has no beholder, or another version; one that does not say in time is let be."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def version() -> str | None:  # of this function, so that Ray sends it as it is, to nodes without the package too
        from importlib import metadata

        try:
            return metadata.version("beholder")
        except metadata.PackageNotFoundError:
            return None

    ours, task = metadata.version("beholder"), ray.remote(num_cpus=0, max_retries=0)(version)
    asked = {
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=True)).remote(): node
        for node in ray.nodes()
        if node["Alive"]
    }
    answered, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_VERSION_S)
    for future in answered:
        try:
            theirs = ray.get(future)
        except ray.exceptions.RayError:
            continue  # a node that has just left
        if theirs != ours:
            has = "no beholder" if theirs is None else f"beholder {theirs}"
            raise ConfigError(
                f"node {asked[future]['NodeManagerAddress']} has {has}, this machine {ours}: install the same version on every "
                "node, or use `beholder submit`, which can send it along"
            )


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _init(address: str | None, new: Mapping[str, Any]) -> None:
    """Call ray.init. new: options of a Ray that is started; one that runs already is used as it is."""
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        ray.init(address, **quiet, **new)
    except ValueError:
        if not new:
            raise
        ray.init(address, **quiet)  # `ray start` has been here: Ray refuses options that are for a new one


def _new(config: RayConfig) -> dict[str, Any]:
    """Return the options of a new Ray on this machine.

    It keeps its worker processes for the life of a job: by default Ray ends idle ones after a second where there are more of them
    than cores, and a small machine then spends its time starting them again.
    """
    return {
        "num_cpus": config.num_cpus or None,
        "include_dashboard": False,
        "_system_config": {"idle_worker_killing_time_threshold_ms": 600_000},
    }


@contextlib.contextmanager
def _own_errors() -> Iterator[None]:
    """Raise the BeholderError that a RayError was caused by, in its place."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        inner: BaseException | None = error
        while inner is not None:
            cause = getattr(inner, "cause", None) or inner.__cause__
            if isinstance(cause, BeholderError):
                raise type(cause)(str(cause)) from None
            inner = cause
        raise
