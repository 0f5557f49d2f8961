"""Settings of `beholder serve`, and of the same app in a Serve config file."""

from dataclasses import dataclass

from beholder.config import setting
from beholder.encoder import EncoderConfig
from beholder.errors import ConfigError
from beholder.recommending.advisor import AdvisorConfig
from beholder.recommending.darkroom import DarkroomConfig
from beholder.recommending.parts import Parts
from beholder.serve.assembly import ServiceConfig
from beholder.serve.fleet import Fleet
from beholder.serve.keys import KeysConfig
from beholder.serve.limits import Limits

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class RayConfig:
    address: str | None = setting(
        None, "a running cluster (auto, HOST:PORT), local for a new one; null: RAY_ADDRESS, a Ray on this machine, or a new one"
    )
    cpus: int = setting(0, "cores of a new Ray on this machine; 0 is all of them")

    def __post_init__(self) -> None:
        if self.cpus < 0:
            raise ConfigError(f"ray.cpus must be 0 or more, got {self.cpus}")


@dataclass(frozen=True)
class Settings:
    local: bool = setting(False, "everything in this process, without Ray")
    host: str = setting("127.0.0.1", "address to listen at; beyond loopback, keys are needed")
    port: int = setting(8000, "port to listen at")
    threads: int = setting(2, "with local=true: requests worked on at a time")
    queue: int = setting(64, "with local=true: requests that may wait; more are told to come again (503)")
    serve: Fleet = setting(Fleet(), "how many replicas of each part, and what each may use")
    ray: RayConfig = setting(RayConfig(), "which Ray")
    limits: Limits = setting(Limits(), "what a request may cost")
    keys: KeysConfig = setting(KeysConfig(), "who may come in")
    parts: Parts = setting(Parts(), "what a recommendation is made of")
    encoder: EncoderConfig = setting(EncoderConfig(), "the CLIP that looks at edited images")
    advisor: AdvisorConfig = setting(AdvisorConfig(), "how people are asked")
    darkroom: DarkroomConfig = setting(DarkroomConfig(), "what photos may cost, and how they are inverted")
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
