"""The app on Ray Serve: all deployments bound together, for `beholder serve` and for Ray's own `serve build` and `serve deploy`."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, BackpressureConfig
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from beholder import config, process, terminal
from beholder.errors import ConfigError
from beholder.progress import waiting
from beholder.ray_connection import check_token, connect, node_token
from beholder.recommending.components import BOTH, ServiceConfig, open_store, parts_of, store_url
from beholder.runs import log
from beholder.serve import api, ray_compat
from beholder.serve.deployments import EditorDeployment, EncoderDeployment, RankerDeployment, meter
from beholder.serve.editors.paired_service import PairedService
from beholder.serve.metrics import Counts, Metrics
from beholder.serve.middleware import Drain
from beholder.serve.protocols import Service
from beholder.serve.ray_service import RayService
from beholder.serve.settings import REPLICA_ENV, DeploymentConfig, ServeConfig, ServeSettings
from beholder.workspace import Workspace

NAME = "beholder"  # of the app on Ray Serve


class Api:
    """The API as a deployment."""

    def __init__(
        self,
        settings: ServeSettings,
        editor: DeploymentHandle[Any],
        encoder: DeploymentHandle[Any],
        ranker: DeploymentHandle[Any],
        *photos: DeploymentHandle[Any],
    ) -> None:
        """photos: with editor=both, the editor, encoder and ranker of people's own photos."""
        self.settings, self.drain = settings, Drain()
        self.service: Service = RayService(editor, encoder, ranker)
        if photos:
            store = open_store(settings.choices, Workspace(settings.workspace))
            self.service = PairedService(self.service, RayService(*photos), store)
        self.meter = meter()
        process.switch_often()

    def __serve_build_asgi_app__(self) -> FastAPI:
        return api.of_settings(self.service, self.settings, drain=self.drain, metrics=Metrics(self.meter, self._gather))

    async def counts(self) -> Counts:
        """Return what this replica has counted."""
        return self.meter.counts()

    async def _gather(self) -> list[Counts]:
        """Return the counts of all deployments, and of the API's other replicas."""
        here = serve.get_replica_context()
        others = serve.get_deployment_handle(here.deployment, here.app_name).broadcast("counts")
        replies: list[Any] = await asyncio.gather(
            others.results_async(timeout_s=3, return_exceptions=True), self.service.counts(), return_exceptions=True
        )
        return [each for reply in replies if isinstance(reply, list) for each in reply if isinstance(each, Counts)]

    async def close(self, seconds: float) -> int:
        """Refuse new requests, and let those inside finish; return how many did not."""
        return await self.drain.close(seconds)


def build(args: dict[str, Any]) -> Application:
    """Build the app of a Serve config file, whose `args` are the settings of `beholder serve`, such as `workspace: s3://...`.

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
    """Bind all deployments. Raises ConfigError for a store that several nodes can't share, and a service that is open to all."""
    settings.check_access()
    settings = replace(settings, choices=store_url(settings.choices))  # here: other machines have other files and variables
    serve_config = settings.serve
    check_nodes(settings.choices, max(serve_config.nodes, _nodes()))
    if settings.editor == BOTH:
        portraits, photos = parts_of(settings.service_config)
        parts = [*_bound(portraits, serve_config), *_bound(photos, serve_config, prefix="Photo")]
    else:
        parts = _bound(settings.service_config, serve_config)
    ingress = serve.ingress()(Api)
    result: Application = _deployed(ingress, serve_config.api, serve_config, name="Api").bind(settings, *parts)
    return result


def _bound(service: ServiceConfig, serve_config: ServeConfig, *, prefix: str = "") -> list[Any]:
    """Return an editor, its encoder and its ranker, bound together. prefix: of their names, where there are others."""
    editing = serve_config.diffusion if service.editor == "diffusion" else serve_config.editor
    editor = _deployed(EditorDeployment, editing, serve_config, name=f"{prefix}Editor").bind(service, editing)
    encoder = _deployed(EncoderDeployment, serve_config.encoder, serve_config, name=f"{prefix}Encoder").bind(
        service, serve_config.encoder, editor
    )
    ranker = _deployed(RankerDeployment, serve_config.ranker, serve_config, name=f"{prefix}Ranker").bind(
        service, serve_config.ranker, editor, encoder
    )
    return [editor, encoder, ranker]


def check_nodes(choices: str | None, nodes: int) -> None:
    """Raise ConfigError for a store in a file of one node where the service has several."""
    if nodes > 1 and not (choices or "").startswith("postgresql"):
        raise ConfigError(
            f"{nodes} nodes can't share a SQLite file: each would keep choices that the others never see; "
            "give choices=postgresql://USER:PASSWORD@HOST/NAME"
        )


def _nodes() -> int:
    """Return the number of nodes of the Ray that is connected to."""
    return sum(node["Alive"] for node in ray.nodes()) if ray.is_initialized() else 1


def _deployed(part: type, deployment: DeploymentConfig, serve_config: ServeConfig, *, name: str | None = None) -> Any:
    """Return a part as a deployment with the replicas, the queue and the resources of its config."""
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
        max_surge_percent=serve_config.max_surge_percent,
        health_check_period_s=5,
    )


def _written(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


_STOP_S = 10.0  # seconds beyond the requests' own to end all processes
_NOISE = "infinite retries remaining"  # what Ray says of the questions its controller still has open when it ends


@contextlib.contextmanager
def running(settings: ServeSettings) -> Iterator[None]:
    """Run the service at its port for the length of the block; at the end it refuses new requests, and those inside finish."""
    bind(settings)  # says what is wrong before anything is started
    with contextlib.ExitStack() as quiet, connect(settings.ray, environment=ray_compat.environment()):
        if settings.serve.ray_token:
            address, token = node_token()
            check_token(address, token=token)
        logs = LoggingConfig(log_level="WARNING", enable_access_log=False)
        application = bind(settings)  # again: now it knows how many nodes there are
        _quiet_serve()
        with waiting("starting Ray Serve"):
            serve.start(http_options={"host": settings.host, "port": settings.port}, logging_config=logs)
        _quiet_serve()  # again: starting has set it up anew
        handle = None
        try:
            with waiting("deploying editor, encoder, ranker and API"):
                handle = serve.run(application, name=NAME, route_prefix="/", logging_config=logs)
            ray_compat.start_router(handle)
            yield
        finally:
            patience = settings.serve.graceful_shutdown_timeout_s
            with process.stop_within(patience + _STOP_S, "the service"):
                if handle is not None:
                    _drain(handle, patience)
                quiet.enter_context(terminal.without(_NOISE, stream=sys.stdout))
                serve.delete(NAME)
                serve.shutdown()


def _drain(handle: DeploymentHandle[Any], seconds: float) -> None:
    """Let the requests that are inside finish while all deployments are still there."""
    try:
        left = sum(handle.broadcast("close", seconds).results(timeout_s=seconds + 5))
    except (RayError, RayServeException, TimeoutError) as error:
        log.warning("the service could not be drained: %s", str(error).splitlines()[0])
        return
    if left:
        log.warning("%d requests were not done after %g s, and are cut off", left, seconds)


def _quiet_serve() -> None:
    """Keep Serve's notes on what it does off the terminal; they stay in its log files."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
