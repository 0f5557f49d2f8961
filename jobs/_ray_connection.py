"""How the jobs reach Ray: a cluster's address, or a small Ray of their own on this machine."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

import ray
import ray.data
from ray.exceptions import RayError

from beholder import process, terminal
from beholder.config import setting
from beholder.errors import BeholderError, ConfigError


@dataclass(frozen=True)
class RayConfig:
    address: str | None = setting(
        None, "a running cluster (auto, HOST:PORT), local for a new one; null: RAY_ADDRESS, a Ray on this machine, or a new one"
    )
    cpus: int = setting(0, "cores of a new Ray on this machine; 0 is all of them")

    def __post_init__(self) -> None:
        if self.cpus < 0:
            raise ConfigError(f"ray.cpus must be 0 or more, got {self.cpus}")


@contextlib.contextmanager
def connect(config: RayConfig) -> Iterator[None]:
    """Inside, Ray is there; a Ray that was started here ends here. A BeholderError raised in a task comes out as itself."""
    if ray.is_initialized():
        with _own_errors():
            yield
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # leave CUDA_VISIBLE_DEVICES as it is without GPUs
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray Data's own actors make its core print an error each
    known = None if config.address == "local" else config.address or os.environ.get("RAY_ADDRESS")
    try:
        with process.keep_handlers(), terminal.without("Set ray log level"):
            _init(config.address, {} if known else _local(config))
    except (ConnectionError, ValueError, RayError) as error:
        raise ConfigError(f"Ray can't be reached at {known or 'this machine'}: {str(error).splitlines()[0]}") from None
    try:
        with _own_errors():
            yield
    finally:
        ray.shutdown()


def _init(address: str | None, local: dict) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        ray.init(address, **quiet, **local)
    except ValueError:
        if not local:
            raise
        ray.init(address, **quiet)  # `ray start` has been here: that Ray is used as it is


def quiet_data() -> None:
    """Keep Ray Data's notes on its plan off the terminal; they stay in its log files."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    for handler in logging.getLogger("ray.data").handlers:
        if not hasattr(handler, "baseFilename"):
            handler.setLevel(logging.ERROR)


@contextlib.contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except RayError as error:
        seen: BaseException | None = error
        while seen is not None:
            cause = getattr(seen, "cause", None) or seen.__cause__
            if isinstance(cause, BeholderError):
                raise type(cause)(str(cause)) from None
            seen = cause
        raise


def _local(config: RayConfig) -> dict:
    """A new Ray on this machine. It keeps its worker processes for the life of a job: by default Ray ends idle ones after a second
    where there are more of them than cores, and a small machine then spends its time starting them again."""
    return {
        "num_cpus": config.cpus or None,
        "include_dashboard": False,
        "_system_config": {"idle_worker_killing_time_threshold_ms": 600_000},
    }
