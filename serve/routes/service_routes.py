"""The service itself: whether it lives, whether it is ready, and its metrics."""

import json

from fastapi import FastAPI, Request, Response

from beholder.serve import auth
from beholder.serve.admission import Remembered, RequestRunner
from beholder.serve.problem_details import ProblemError
from beholder.serve.protocols import Authorizer, RequestMetrics
from beholder.serve.routes import api_reference, page_files

_READY_S = 5.0  # seconds that the parts have to answer
_REMEMBERED_S = 1.0  # seconds for which what they answered is told to whoever asks


def add_routes(app: FastAPI, runner: RequestRunner, authorizer: Authorizer | None, metrics: RequestMetrics | None) -> None:
    """Add the routes of the service's health and metrics."""

    @app.get("/healthz", operation_id="health", tags=["service"], responses={200: {"description": "the process lives"}})
    async def healthz() -> dict[str, str]:
        """Tell that this process lives."""
        return {"status": "alive"}

    readiness = Remembered(lambda: runner.run(runner.service.ready(), seconds=_READY_S), seconds=_REMEMBERED_S)

    @app.get("/readyz", operation_id="readiness", tags=["service"])
    async def readyz() -> dict[str, bool]:
        """Return which parts answer, and whether what people choose can be kept, as of a second ago; 503 where not."""
        ready = await readiness.get()
        if not all(ready.values()):
            silent = ", ".join(name for name, answers in ready.items() if not answers)
            raise ProblemError(503, f"not ready: {silent}", {"Retry-After": str(runner.limits.retry_seconds)})
        return ready

    ask = [auth.needs("ask", authorizer)]

    @app.get("/openapi.json", dependencies=ask, include_in_schema=False)
    async def document(request: Request) -> Response:
        data = json.dumps(app.openapi(), ensure_ascii=False).encode()
        return page_files.answer(data, "application/json", request.scope, kept="private, no-cache")

    @app.get("/docs", dependencies=ask, include_in_schema=False)
    async def reference(request: Request) -> Response:
        data = api_reference.page(app.openapi()).encode()
        policy = {"Content-Security-Policy": api_reference.POLICY}
        return page_files.answer(data, "text/html; charset=utf-8", request.scope, kept="private, no-cache", more=policy)

    if metrics is not None:

        @app.get(
            "/metrics",
            tags=["service"],
            dependencies=[auth.needs("admin", authorizer)],
            response_class=Response,
            include_in_schema=False,
        )
        async def exposition() -> Response:
            data, media_type = await metrics.exposition()
            return Response(data, media_type=media_type)
