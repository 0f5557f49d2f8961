"""The app: all parts bound together, for `beholder serve` and for Ray's own `serve build` and `serve deploy`."""

import asyncio
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, BackpressureConfig
from ray.serve.handle import DeploymentHandle

from beholder import config
from beholder.serve import assembly, entrance
from beholder.serve.deployments import Editor, Encoder, Ranker, meter
from beholder.serve.doors import House
from beholder.serve.fleet import REPLICA_ENV, Crew, Fleet
from beholder.serve.metrics import Counts, Metrics
from beholder.serve.settings import Settings
from beholder.serve.spread import ServeGraph


class Api:
    """The API as a deployment."""

    def __init__(self, settings: Settings, editor: DeploymentHandle, encoder: DeploymentHandle, ranker: DeploymentHandle) -> None:
        self.settings, self.graph, self.house = settings, ServeGraph(editor, encoder, ranker), House()
        self.meter = meter()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return entrance.api_of(self.graph, self.settings, house=self.house, metrics=Metrics(self.meter, self._gather))

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
    return bind(config.load(Settings, command="serve", overrides=[f"{key}={_written(value)}" for key, value in given.items()]))


def __getattr__(name: str) -> Application:
    """`service`: the app with the settings as they come, bound when it is asked for: `serve build` takes no function."""
    if name == "service":
        return build({})
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def bind(settings: Settings) -> Application:
    """All parts, bound. Raises ConfigError for a store that several nodes can't share, and an entrance that is open to all."""
    entrance.check(settings)
    fleet, service = settings.serve, settings.service
    assembly.check_nodes(settings.choices, max(fleet.nodes, _nodes()))
    editor = _deployed(Editor, fleet.editor, fleet).bind(service, fleet.editor)
    encoder = _deployed(Encoder, fleet.encoder, fleet).bind(service, fleet.encoder, editor)
    ranker = _deployed(Ranker, fleet.ranker, fleet).bind(service, fleet.ranker, editor, encoder)
    ingress = serve.ingress()(Api)
    return _deployed(ingress, fleet.api, fleet, name="Api").bind(settings, editor, encoder, ranker)


def _nodes() -> int:
    """Machines of the Ray that is connected to, on any of which a replica may be started."""
    return sum(node["Alive"] for node in ray.nodes()) if ray.is_initialized() else 1


def _deployed(part: type, crew: Crew, fleet: Fleet, *, name: str | None = None) -> Any:
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
        name=name or part.__name__,
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
