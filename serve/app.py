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
from beholder.serve import api, factory
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
        self.settings, self.graph, self.house = settings, RayService(editor, encoder, ranker), Drain()
        self.meter = meter()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return api_of(self.graph, self.settings, house=self.house, metrics=Metrics(self.meter, self._gather))

    async def counts(self) -> Counts:
        """What this replica has counted."""
        return self.meter.counts()

    async def _gather(self) -> list[Counts]:
        """The counts of all parts, and of the API's other replicas."""
        here = serve.get_replica_context()
        others = serve.get_deployment_handle(here.deployment, here.app_name).broadcast("counts")
        told, parts = await asyncio.gather(
            others.results_async(timeout_s=3, return_exceptions=True), self.graph.counts(), return_exceptions=True
        )
        found = [*(told if isinstance(told, list) else ()), *(parts if isinstance(parts, list) else ())]
        return [each for each in found if isinstance(each, Counts)]

    async def close(self, seconds: float) -> int:
        """Take no more requests, and let those inside finish; how many did not."""
        return await self.house.close(seconds)


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
    fleet, service = settings.serve, settings.service
    factory.check_nodes(settings.choices, max(fleet.nodes, _nodes()))
    editor = _deployed(EditorDeployment, fleet.editor, fleet).bind(service, fleet.editor)
    encoder = _deployed(EncoderDeployment, fleet.encoder, fleet).bind(service, fleet.encoder, editor)
    ranker = _deployed(RankerDeployment, fleet.ranker, fleet).bind(service, fleet.ranker, editor, encoder)
    ingress = serve.ingress()(Api)
    return _deployed(ingress, fleet.api, fleet, name="Api").bind(settings, editor, encoder, ranker)


def _nodes() -> int:
    """Machines of the Ray that is connected to, on any of which a replica may be started."""
    return sum(node["Alive"] for node in ray.nodes()) if ray.is_initialized() else 1


def _deployed(part: type, crew: DeploymentConfig, fleet: ServeConfig, *, name: str | None = None) -> Any:
    """A part as a deployment with the replicas, the queue and the share of the machine that its crew says."""
    growing = crew.most > crew.replicas
    scaling = AutoscalingConfig(
        min_replicas=crew.replicas,
        max_replicas=crew.most,
        target_ongoing_requests=max(1.0, crew.ongoing / 4),
        upscale_delay_s=fleet.grow_seconds,
        downscale_delay_s=fleet.shrink_seconds,
    )
    return serve.deployment(
        part,
        name=name or part.__name__.removesuffix("Deployment"),
        num_replicas=None if growing else crew.replicas,
        autoscaling_config=scaling if growing else None,
        max_ongoing_requests=crew.ongoing,
        max_queued_requests=crew.queued,
        backpressure_config=BackpressureConfig(retry_after_s=1),
        ray_actor_options={"num_cpus": crew.cpus, "num_gpus": crew.gpus, "runtime_env": {"env_vars": REPLICA_ENV}},
        graceful_shutdown_timeout_s=fleet.stop_seconds,
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


def api_of(graph: Service, settings: ServeSettings, *, house: Drain | None = None, metrics: Metrics | None = None) -> FastAPI:
    """The API of a graph. On loopback it goes by no other name, so that no page of another site can reach it by one of its own.

    metrics: where the API is not the only process of its kind.
    """
    check(settings)
    limits = settings.limits
    if settings.host in LOOPBACK and not limits.hosts:
        limits = replace(limits, hosts=list(LOOPBACK))
    house, metrics = house or Drain(), metrics or Metrics(Meter(), graph.counts)
    metrics.meter.count_inside(lambda: house.inside)
    return api.create(graph, gate=_gate(settings, metrics), metrics=metrics, limits=limits, house=house)


def _gate(settings: ServeSettings, metrics: Metrics) -> KeyAuth | None:
    if not needs_keys(settings):
        return None
    return KeyAuth(KeyStore(open_store(settings.choices, Workspace(settings.workspace))), settings.keys, metrics=metrics)
