"""The service itself: whether it lives, whether it is ready, and its metrics."""

from fastapi import FastAPI, Response

from beholder.serve import auth
from beholder.serve.admission import RequestRunner
from beholder.serve.problem_details import ProblemError
from beholder.serve.protocols import Authorizer, RequestMetrics

_READY_S = 5.0  # seconds that the parts have to answer


def add_routes(app: FastAPI, runner: RequestRunner, authorizer: Authorizer | None, metrics: RequestMetrics | None) -> None:
    """Add the routes of the service's health and metrics."""

    @app.get("/healthz", tags=["service"], responses={200: {"description": "the process lives"}})
    async def healthz() -> dict[str, str]:
        """Tell that this process lives."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["service"])
    async def readyz() -> dict[str, bool]:
        """Return which parts answer; 503 where one does not."""
        ready = await runner.run(runner.service.ready(), seconds=_READY_S)
        if not all(ready.values()):
            silent = ", ".join(name for name, answers in ready.items() if not answers)
            raise ProblemError(503, f"not ready: {silent}", {"Retry-After": str(runner.limits.retry_seconds)})
        return ready

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
