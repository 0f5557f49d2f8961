"""`beholder serve`: the whole service, until Ctrl-C."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from beholder import process, terminal
from beholder.ray_connection import connect
from beholder.runs import Run, log
from beholder.serve import app, proxy_retry
from beholder.serve.settings import ServeSettings


def main(settings: ServeSettings, run: Run) -> None:
    app.check(settings)
    if settings.local or (settings.ray.address in (None, "local") and "RAY_ADDRESS" not in os.environ):
        process.check_port(settings.host, settings.port)
    if settings.local:
        alone(settings)
    else:
        pass

        with running(settings):
            print(welcome(settings), flush=True)
            wait()


def alone(settings: ServeSettings) -> None:
    """Everything in this process."""
    import uvicorn

    from beholder.serve.local_service import LocalService

    service = LocalService.load(settings.service_config, threads=settings.threads, queue=settings.queue)
    print(welcome(settings), flush=True)
    uvicorn.run(app.api_of(service, settings), host=settings.host, port=settings.port, log_level="warning", access_log=False)


def welcome(settings: ServeSettings) -> str:
    """Where it is."""
    address = f"http://{settings.host}:{settings.port}/"
    asked = " Keys are needed; `beholder keys make=NAME` makes one." if app.needs_keys(settings) else ""
    return f"{address} is the page, {address}docs tells of the API; Ctrl-C ends it.{asked}"


NAME = "beholder"
_NOISE = "infinite retries remaining"  # what Ray says of the questions its controller still has open when it ends


@contextlib.contextmanager
def running(settings: ServeSettings) -> Iterator[None]:
    """Inside, the service answers at its port. At the end it takes no more requests, and those that are being worked on finish."""
    app.bind(settings)  # says what is wrong before anything is started
    with contextlib.ExitStack() as quiet, connect(settings.ray, environment=ray_environment()):
        logs = LoggingConfig(log_level="WARNING", enable_access_log=False)
        application = app.bind(settings)  # again: now it knows how many nodes there are
        _hush()
        serve.start(http_options={"host": settings.host, "port": settings.port}, logging_config=logs)
        _hush()  # again: starting has set it up anew
        handle = None
        try:
            handle = serve.run(application, name=NAME, route_prefix="/", logging_config=logs)
            handle._init(_run_router_in_separate_loop=True)  # Serve's throughput path would want a loop here, where none runs
            yield
        finally:
            if handle is not None:
                _empty(handle, settings.serve.graceful_shutdown_timeout_s)
            quiet.enter_context(terminal.without(_NOISE, stream=sys.stdout))
            serve.delete(NAME)
            serve.shutdown()


def _empty(handle: DeploymentHandle, seconds: float) -> None:
    """Let the requests that are inside finish while all parts are still there."""
    try:
        left = sum(handle.broadcast("close", seconds).results(timeout_s=seconds + 5))
    except (RayError, RayServeException, TimeoutError) as error:
        log.warning("the service could not be closed in peace: %s", str(error).splitlines()[0])
        return
    if left:
        log.warning("%d requests were not done after %g s, and are cut off", left, seconds)


def _hush() -> None:
    """Keep Serve's notes on what it does off the terminal; they stay in its log files."""
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


def wait() -> None:
    """Until somebody stops it."""
    threading.Event().wait()


def ray_environment() -> dict[str, str]:
    """Return the variables that the processes of Ray Serve read."""
    return {
        "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": proxy_retry.PLACE,
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",  # a busy machine needs more than the 5 it comes with
        # Serve's throughput path answers sooner and more: `beholder bench serve "paths=[plain,throughput,haproxy]"`. But each
        # replica of the API would also listen at a port of its own, at all addresses, where no rule of the entrance holds.
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_SERVE_PROXY_USE_GRPC": "1",  # from the proxy to the API straight, too
        "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1" if app.through_haproxy(os.environ) else "0",
    }
