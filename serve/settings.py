"""Settings of `beholder serve`, and of the same app in a Serve config file; how many replicas of each deployment there are."""

from dataclasses import dataclass

from beholder import process
from beholder.config import setting
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError
from beholder.recommending.components import Components
from beholder.recommending.image_library import ImageLibraryConfig
from beholder.recommending.service import RecommendationServiceConfig
from beholder.serve.admission import RequestLimits
from beholder.serve.auth import ApiKeysConfig
from beholder.serve.factory import ServiceConfig

REPLICA_ENV = {**process.ALLOCATOR_ENV, **process.THREAD_ENV}


@dataclass(frozen=True)
class DeploymentConfig:
    """The replicas of one part."""

    replicas: int = setting(1, "replicas at least")
    most: int = setting(1, "replicas at most; above `replicas` they grow and shrink with the load")
    cpus: float = setting(0.25, "cores that a replica reserves; below 1, several share one")
    gpus: float = setting(0.0, "GPUs of a replica; a fraction shares one")
    threads: int = setting(1, "threads of a replica's computations")
    ongoing: int = setting(16, "requests that a replica takes at a time")
    queued: int = setting(64, "requests that wait for a free replica; more are told to come again (503)")
    batch: int = setting(8, "requests that are worked on together, where the part can")
    wait_ms: float = setting(0.0, "milliseconds that a request waits for others to be worked on with it")

    def __post_init__(self) -> None:
        if min(self.replicas, self.threads, self.ongoing, self.batch) < 1 or self.most < self.replicas:
            raise ConfigError(f"replicas, threads, ongoing and batch must be at least 1, most at least replicas; got {self}")
        if self.queued < 1:
            raise ConfigError(f"queued must be at least 1, so that a queue always has an end; got {self.queued}")
        if min(self.cpus, self.gpus, self.wait_ms) < 0:
            raise ConfigError(f"cpus, gpus and wait_ms must be at least 0, got {self.cpus}, {self.gpus}, {self.wait_ms}")


@dataclass(frozen=True)
class ServeConfig:
    """All parts."""

    api: DeploymentConfig = setting(DeploymentConfig(ongoing=256, queued=256), "takes requests, and asks the others")
    editor: DeploymentConfig = setting(DeploymentConfig(), "draws pictures, and inverts photos")
    encoder: DeploymentConfig = setting(DeploymentConfig(), "looks at pictures")
    ranker: DeploymentConfig = setting(DeploymentConfig(threads=2), "knows people")
    nodes: int = setting(1, "machines that replicas may be on; several need a PostgreSQL")
    grow_seconds: float = setting(5.0, "of load before there are more replicas")
    shrink_seconds: float = setting(120.0, "of quiet before there are fewer")
    stop_seconds: float = setting(30.0, "that requests are given to finish when a replica stops")

    def __post_init__(self) -> None:
        if self.nodes < 1 or min(self.grow_seconds, self.shrink_seconds, self.stop_seconds) <= 0:
            raise ConfigError("serve.nodes must be at least 1, and grow_seconds, shrink_seconds and stop_seconds above 0")


LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class ServeRayConfig:
    address: str | None = setting(
        None, "a running cluster (auto, HOST:PORT), local for a new one; null: RAY_ADDRESS, a Ray on this machine, or a new one"
    )
    cpus: int = setting(0, "cores of a new Ray on this machine; 0 is all of them")

    def __post_init__(self) -> None:
        if self.cpus < 0:
            raise ConfigError(f"ray.cpus must be 0 or more, got {self.cpus}")


@dataclass(frozen=True)
class ServeSettings:
    local: bool = setting(False, "everything in this process, without Ray")
    host: str = setting("127.0.0.1", "address to listen at; beyond loopback, keys are needed")
    port: int = setting(8000, "port to listen at")
    threads: int = setting(2, "with local=true: requests worked on at a time")
    queue: int = setting(64, "with local=true: requests that may wait; more are told to come again (503)")
    serve: ServeConfig = setting(ServeConfig(), "how many replicas of each part, and what each may use")
    ray: ServeRayConfig = setting(ServeRayConfig(), "which Ray")
    limits: RequestLimits = setting(RequestLimits(), "what a request may cost")
    keys: ApiKeysConfig = setting(ApiKeysConfig(), "who may come in")
    parts: Components = setting(Components(), "what a recommendation is made of")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that looks at edited images")
    advisor: RecommendationServiceConfig = setting(RecommendationServiceConfig(), "how people are asked")
    darkroom: ImageLibraryConfig = setting(ImageLibraryConfig(), "what photos may cost, and how they are inverted")
    tastes: list[str] = setting([], "tastes of the registry that answer predictions, beside parts.taste")
    choices: str | None = setting(
        None, "the store of choices, sqlite:///FILE or postgresql://...; null: choices.db of the workspace"
    )
    workspace: str = setting("workspace", "folder or URI that holds tables, models and runs")

    def __post_init__(self) -> None:
        if not 0 < self.port < 65536:
            raise ConfigError(f"port must be between 1 and 65535, got {self.port}")
        if self.threads < 1 or self.queue < 0:
            raise ConfigError(f"threads must be at least 1 and queue at least 0, got {self.threads} and {self.queue}")

    @property
    def service(self) -> ServiceConfig:
        """What is served, without how."""
        return ServiceConfig(self.parts, self.encoder, self.advisor, self.darkroom, self.tastes, self.choices, self.workspace)
