"""`beholder serve`: the whole service, until Ctrl-C."""

import os

from beholder import ports
from beholder.runs import Run
from beholder.serve import entrance
from beholder.serve.settings import Settings as Settings


def main(settings: Settings, run: Run) -> None:
    entrance.check(settings)
    if settings.local or (settings.ray.address in (None, "local") and "RAY_ADDRESS" not in os.environ):
        ports.check(settings.host, settings.port)
    if settings.local:
        alone(settings)
    else:
        from beholder.serve import cluster

        with cluster.running(settings):
            print(welcome(settings), flush=True)
            cluster.wait()


def alone(settings: Settings) -> None:
    """Everything in this process."""
    import uvicorn

    from beholder.serve.local import LocalGraph

    graph = LocalGraph.load(settings.service, threads=settings.threads, queue=settings.queue)
    print(welcome(settings), flush=True)
    uvicorn.run(entrance.api_of(graph, settings), host=settings.host, port=settings.port, log_level="warning", access_log=False)


def welcome(settings: Settings) -> str:
    """Where it is."""
    address = f"http://{settings.host}:{settings.port}/"
    asked = " Keys are needed; `beholder keys make=NAME` makes one." if entrance.needs_keys(settings) else ""
    return f"{address} is the page, {address}docs tells of the API; Ctrl-C ends it.{asked}"
