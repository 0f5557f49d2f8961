"""People: what is known of a person's taste, and its erasure."""

from typing import Annotated

from fastapi import FastAPI
from fastapi import Path as InPath

from beholder.serve import auth, schemas
from beholder.serve.admission import RequestRunner
from beholder.serve.protocols import Authorizer


def add_routes(app: FastAPI, runner: RequestRunner, authorizer: Authorizer | None) -> None:
    """Add the routes of people."""
    service = runner.service

    @app.get("/v1/users/{user_id}", dependencies=[auth.needs("ask", authorizer)], tags=["people"])
    async def user(user_id: Annotated[schemas.UserId, InPath()]) -> schemas.PersonResponse:
        """Return what is known of a person's taste; of somebody unknown, what everybody's choices say."""
        return schemas.PersonResponse.of(await runner.run(service.person(user_id)))

    @app.delete("/v1/users/{user_id}", dependencies=[auth.needs("ask", authorizer)], tags=["people"])
    async def erase(user_id: Annotated[schemas.UserId, InPath()]) -> schemas.ErasureResponse:
        """Remove everything of a person: choices, photos, their part in tastes."""
        work = service.erase(user_id)
        return schemas.ErasureResponse.of(await runner.run(work, seconds=runner.limits.photo_seconds))
