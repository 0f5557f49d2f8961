"""The app: all parts bound together, for `beholder serve` and for Ray's own `serve build` and `serve deploy`."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, BackpressureConfig
from ray.serve.handle import DeploymentHandle

from beholder import config
from beholder.errors import ConfigError
from beholder.recommending.components import open_store
from beholder.recommending.store.key_store import KeyStore
from beholder.serve import api
from beholder.serve.auth import KeyAuth
from beholder.serve.deployments import EditorDeployment, EncoderDeployment, RankerDeployment, meter
from beholder.serve.metrics import Counts, Meter, Metrics
from beholder.serve.middleware import Drain
from beholder.serve.protocols import Service
from beholder.serve.ray_service import RayService
from beholder.serve.settings import LOOPBACK, REPLICA_ENV, DeploymentConfig, ServeConfig, ServeSettings
from beholder.workspace import Workspace


class Api:
    """The API as a deployment."""

    def __init__(
        self, settings: ServeSettings, editor: DeploymentHandle, encoder: DeploymentHandle, ranker: DeploymentHandle
    ) -> None:
        self.settings, self.service, self.drain = settings, RayService(editor, encoder, ranker), Drain()
        self.meter = meter()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return api_of(self.service, self.settings, drain=self.drain, metrics=Metrics(self.meter, self._gather))

    async def counts(self) -> Counts:
        """What this replica has counted."""
        return self.meter.counts()

    async def _gather(self) -> list[Counts]:
        """The counts of all parts, and of the API's other replicas."""
        here = serve.get_replica_context()
        others = serve.get_deployment_handle(here.deployment, here.app_name).broadcast("counts")
        told, parts = await asyncio.gather(
            others.results_async(timeout_s=3, return_exceptions=True), self.service.counts(), return_exceptions=True
        )
        found = [*(told if isinstance(told, list) else ()), *(parts if isinstance(parts, list) else ())]
        return [each for each in found if isinstance(each, Counts)]

    async def close(self, seconds: float) -> int:
        """Take no more requests, and let those inside finish; how many did not."""
        return await self.drain.close(seconds)


def build(args: dict[str, Any]) -> Application:
    """The app of a Serve config file, whose `args` are the settings of `beholder serve`, such as `workspace: s3://...`.

    Keys are needed unless `keys.required: false` says otherwise: where the file's proxies listen is not known here.
    """
    given = {"keys.required": True, **args}
    return bind(config.load(ServeSettings, command="serve", overrides=[f"{key}={_written(value)}" for key, value in given.items()]))


def __getattr__(name: str) -> Application:
    """`service`: the app with the settings as they come, bound when it is asked for: `serve build` takes no function."""
    if name == "service":
        return build({})
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def bind(settings: ServeSettings) -> Application:
    """All parts, bound. Raises ConfigError for a store that several nodes can't share, and an entrance that is open to all."""
    check(settings)
    serve_config, service = settings.serve, settings.service_config
    check_nodes(settings.choices, max(serve_config.nodes, _nodes()))
    editor = _deployed(EditorDeployment, serve_config.editor, serve_config).bind(service, serve_config.editor)
    encoder = _deployed(EncoderDeployment, serve_config.encoder, serve_config).bind(service, serve_config.encoder, editor)
    ranker = _deployed(RankerDeployment, serve_config.ranker, serve_config).bind(service, serve_config.ranker, editor, encoder)
    ingress = serve.ingress()(Api)
    return _deployed(ingress, serve_config.api, serve_config, name="Api").bind(settings, editor, encoder, ranker)


def check_nodes(choices: str | None, nodes: int) -> None:
    """Raise ConfigError for a store in a file of one node where the service has several."""
    if nodes > 1 and not (choices or "").startswith("postgresql"):
        raise ConfigError(
            f"{nodes} nodes can't share a SQLite file: each would keep choices that the others never see; "
            "give choices=postgresql://USER:PASSWORD@HOST/NAME"
        )


def _nodes() -> int:
    """Machines of the Ray that is connected to, on any of which a replica may be started."""
    return sum(node["Alive"] for node in ray.nodes()) if ray.is_initialized() else 1


def _deployed(part: type, deployment: DeploymentConfig, serve_config: ServeConfig, *, name: str | None = None) -> Any:
    """A part as a deployment with the replicas, the queue and the share of the machine that its crew says."""
    growing = deployment.max_replicas > deployment.min_replicas
    scaling = AutoscalingConfig(
        min_replicas=deployment.min_replicas,
        max_replicas=deployment.max_replicas,
        target_ongoing_requests=max(1.0, deployment.max_ongoing_requests / 4),
        upscale_delay_s=serve_config.upscale_delay_s,
        downscale_delay_s=serve_config.downscale_delay_s,
    )
    return serve.deployment(
        part,
        name=name or part.__name__.removesuffix("Deployment"),
        num_replicas=None if growing else deployment.min_replicas,
        autoscaling_config=scaling if growing else None,
        max_ongoing_requests=deployment.max_ongoing_requests,
        max_queued_requests=deployment.max_queued_requests,
        backpressure_config=BackpressureConfig(retry_after_s=1),
        ray_actor_options={
            "num_cpus": deployment.num_cpus,
            "num_gpus": deployment.num_gpus,
            "runtime_env": {"env_vars": REPLICA_ENV},
        },
        graceful_shutdown_timeout_s=serve_config.graceful_shutdown_timeout_s,
        graceful_shutdown_wait_loop_s=0.5,
        health_check_period_s=5,
    )


def _written(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def needs_keys(settings: ServeSettings, env: Mapping[str, str] = os.environ) -> bool:
    """Whether who comes in has to show a key: unless nobody can come from elsewhere."""
    required = settings.keys.required
    return settings.host not in LOOPBACK or _open_to_all(settings, env) if required is None else required


def through_haproxy(env: Mapping[str, str]) -> bool:
    """Whether Ray Serve's HAProxy stands before the service, which listens at all addresses whatever the host."""
    return env.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"


def _open_to_all(settings: ServeSettings, env: Mapping[str, str]) -> bool:
    return not settings.local and through_haproxy(env)


def check(settings: ServeSettings, env: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigError where a service without keys would be reached from elsewhere."""
    if _open_to_all(settings, env) and not needs_keys(settings, env):
        raise ConfigError(
            "RAY_SERVE_ENABLE_HA_PROXY=1 opens the service at all addresses, where keys are needed; leave it, or keys.required"
        )
    if settings.host not in LOOPBACK and not needs_keys(settings, env):
        raise ConfigError(f"host={settings.host} can be reached from elsewhere, where keys are needed; without any: host=127.0.0.1")


def api_of(service: Service, settings: ServeSettings, *, drain: Drain | None = None, metrics: Metrics | None = None) -> FastAPI:
    """The API of a graph. On loopback it goes by no other name, so that no page of another site can reach it by one of its own.

    metrics: where the API is not the only process of its kind.
    """
    check(settings)
    limits = settings.limits
    if settings.host in LOOPBACK and not limits.hosts:
        limits = replace(limits, hosts=list(LOOPBACK))
    drain, metrics = drain or Drain(), metrics or Metrics(Meter(), service.counts)
    metrics.meter.count_inside(lambda: drain.inside)
    return api.create(service, authorizer=_authorizer(settings, metrics), metrics=metrics, limits=limits, drain=drain)


def _authorizer(settings: ServeSettings, metrics: Metrics) -> KeyAuth | None:
    if not needs_keys(settings):
        return None
    return KeyAuth(KeyStore(open_store(settings.choices, Workspace(settings.workspace))), settings.keys, metrics=metrics)
