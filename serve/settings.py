"""Settings of `beholder serve`, and of the same app in a Serve config file; how many replicas of each deployment there are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from beholder import process
from beholder.config import setting
from beholder.errors import ConfigError
from beholder.ray_connection import RayConfig
from beholder.recommending.components import ServiceConfig
from beholder.serve import ray_compat
from beholder.serve.admission import RequestLimits
from beholder.serve.auth import ApiKeysConfig
from beholder.serve.security.image_guard import ImageGuardConfig
from beholder.serve.security.ownership import QuotaConfig

LOOPBACK = ("127.0.0.1", "::1", "localhost")
REPLICA_ENV = {**process.ALLOCATOR_ENV, **process.THREAD_ENV}


@dataclass(frozen=True)
class DeploymentConfig:
    """The replicas of one deployment, in Ray Serve's own words."""

    min_replicas: int = setting(1, "replicas at least")
    max_replicas: int = setting(1, "replicas at most; above min_replicas they grow and shrink with the load")
    num_cpus: float = setting(0.25, "cores that a replica reserves; below 1, several share one")
    num_gpus: float = setting(0.0, "GPUs that a replica reserves; a fraction shares one")
    threads: int = setting(1, "threads of a replica's computations")
    max_ongoing_requests: int = setting(16, "requests that a replica takes at a time")
    max_queued_requests: int = setting(64, "requests that wait for a free replica; more are refused (503 with Retry-After)")
    max_batch_size: int = setting(8, "requests that are computed in one batch, where the deployment can")
    batch_wait_timeout_s: float = setting(0.0, "seconds that a request waits for others in its batch")

    def __post_init__(self) -> None:
        least = min(self.min_replicas, self.threads, self.max_ongoing_requests, self.max_batch_size)
        if least < 1 or self.max_replicas < self.min_replicas:
            raise ConfigError(
                "min_replicas, threads, max_ongoing_requests and max_batch_size must be at least 1, "
                f"max_replicas at least min_replicas; got {self}"
            )
        if self.max_queued_requests < 1:
            raise ConfigError(f"max_queued_requests must be at least 1, so that every queue ends; got {self.max_queued_requests}")
        if min(self.num_cpus, self.num_gpus, self.batch_wait_timeout_s) < 0:
            raise ConfigError(
                "num_cpus, num_gpus and batch_wait_timeout_s must be at least 0, "
                f"got {self.num_cpus}, {self.num_gpus}, {self.batch_wait_timeout_s}"
            )


@dataclass(frozen=True)
class ServeConfig:
    """All deployments."""

    api: DeploymentConfig = setting(
        DeploymentConfig(max_ongoing_requests=256, max_queued_requests=256), "takes requests, and asks the others"
    )
    editor: DeploymentConfig = setting(DeploymentConfig(), "draws pictures, and inverts photos")
    diffusion: DeploymentConfig = setting(
        DeploymentConfig(threads=2, max_ongoing_requests=8, max_queued_requests=32), "in the editor's place with editor=diffusion"
    )
    encoder: DeploymentConfig = setting(DeploymentConfig(), "embeds pictures")
    ranker: DeploymentConfig = setting(DeploymentConfig(threads=2), "keeps choices, and ranks edits for people")
    nodes: int = setting(1, "machines that replicas may be on; several need a PostgreSQL")
    ray_token: bool = setting(True, "refuse a Ray that listens beyond this machine without a token; false: its ports are closed")
    upscale_delay_s: float = setting(5.0, "seconds of load before there are more replicas")
    downscale_delay_s: float = setting(120.0, "seconds of quiet before there are fewer")
    graceful_shutdown_timeout_s: float = setting(30.0, "seconds that requests are given to finish when a replica stops")
    watchdog_s: float = setting(15.0, "seconds that nothing may listen at the port before `beholder serve` ends with exit code 1")
    max_surge_percent: int = setting(
        25,
        "replicas that an update may start beside the old ones, in percent, rounded up, before those stop; 0: old ones stop first",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.max_surge_percent <= 100:
            raise ConfigError(f"serve.max_surge_percent must be in 0..100, got {self.max_surge_percent}")
        times = (self.upscale_delay_s, self.downscale_delay_s, self.graceful_shutdown_timeout_s, self.watchdog_s)
        if self.nodes < 1 or min(times) <= 0:
            raise ConfigError(
                "serve.nodes must be at least 1, and upscale_delay_s, downscale_delay_s, graceful_shutdown_timeout_s and "
                "watchdog_s above 0"
            )


@dataclass(frozen=True)
class ServeSettings(ServiceConfig):
    """What is served (as of ServiceConfig), where and how."""

    common: ClassVar[tuple[str, ...]] = (
        "host",
        "port",
        "local",
        "components.taste",
        "components.attribute",
        "serve",
        "encoder",
        "workspace",
    )
    examples: ClassVar[tuple[str, ...]] = (
        "beholder serve",
        "beholder serve local=true port=8080",
        "beholder serve components.taste=bayes components.attribute=attractive host=0.0.0.0",
    )
    local: bool = setting(False, "everything in this process, without Ray")
    host: str = setting("127.0.0.1", "address to listen at; beyond loopback, keys are needed")
    port: int = setting(8000, "port to listen at")
    threads: int = setting(2, "with local=true: requests worked on at a time")
    queue: int = setting(64, "with local=true: requests that may wait; more are refused (503 with Retry-After)")
    serve: ServeConfig = setting(ServeConfig(), "how many replicas of each deployment, and what each may use")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    limits: RequestLimits = setting(RequestLimits(), "what a request may cost")
    keys: ApiKeysConfig = setting(ApiKeysConfig(), "who may send requests")
    images: ImageGuardConfig = setting(ImageGuardConfig(), "what decoding the images of a request may cost")
    quotas: QuotaConfig = setting(QuotaConfig(), "how much may be kept of one person or by one key")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.port < 65536:
            raise ConfigError(f"port must be between 1 and 65535, got {self.port}")
        if self.threads < 1 or self.queue < 0:
            raise ConfigError(f"threads must be at least 1 and queue at least 0, got {self.threads} and {self.queue}")

    @property
    def service_config(self) -> ServiceConfig:
        """What is served, without where and how."""
        return ServiceConfig(**{field.name: getattr(self, field.name) for field in fields(ServiceConfig)})

    def needs_keys(self, env: Mapping[str, str] = os.environ) -> bool:
        """Tell whether requests need a key: where they may come from elsewhere, unless keys.required says otherwise."""
        required = self.keys.required
        return self.host not in LOOPBACK or self._open_to_all(env) if required is None else required

    def check_access(self, env: Mapping[str, str] = os.environ) -> None:
        """Raise ConfigError where a service without keys would be reached from elsewhere."""
        if self._open_to_all(env) and not self.needs_keys(env):
            raise ConfigError(
                "RAY_SERVE_ENABLE_HA_PROXY=1 opens the service at all addresses, where keys are needed; leave it, or keys.required"
            )
        if self.host not in LOOPBACK and not self.needs_keys(env):
            raise ConfigError(f"host={self.host} can be reached from elsewhere, where keys are needed; without any: host=127.0.0.1")

    def _open_to_all(self, env: Mapping[str, str]) -> bool:
        """Ray Serve's HAProxy listens at all addresses, whatever the host."""
        return not self.local and ray_compat.haproxy(env)
