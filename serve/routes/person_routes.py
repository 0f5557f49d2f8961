"""People: what is known of a person's taste, and its erasure."""

from typing import Annotated

from fastapi import FastAPI, Query
from fastapi import Path as InPath

from beholder.serve import auth, schemas
from beholder.serve.admission import RequestRunner
from beholder.serve.problem_details import responses
from beholder.serve.protocols import Authorizer

Attribute = Annotated[schemas.Attribute | None, Query(description=schemas.ATTRIBUTE)]


def add_routes(app: FastAPI, runner: RequestRunner, authorizer: Authorizer | None) -> None:
    """Add the routes of people."""
    service = runner.service

    @app.get("/v1/users/{user_id}", operation_id="person", dependencies=[auth.needs("ask", authorizer)], tags=["people"])
    async def user(user_id: Annotated[schemas.StoredUserId, InPath()], attribute: Attribute = None) -> schemas.PersonResponse:
        """Return what is known of a person's taste; of somebody unknown, what everybody's choices say."""
        return schemas.PersonResponse.of(await runner.run(service.person(user_id, attribute=attribute or "")))

    @app.get(
        "/v1/users/{user_id}/taste", operation_id="export_taste", dependencies=[auth.needs("ask", authorizer)], tags=["people"]
    )
    async def export(user_id: Annotated[schemas.StoredUserId, InPath()], attribute: Attribute = None) -> schemas.ExportedTaste:
        """Return a taste to take along: everything that the person chose by an attribute."""
        choices = await runner.run(service.export_taste(user_id, attribute=attribute or ""))
        return schemas.ExportedTaste(attribute=attribute or "", choices=[schemas.ExportedChoice.of(each) for each in choices])

    @app.put(
        "/v1/users/{user_id}/taste",
        operation_id="import_taste",
        dependencies=[auth.needs("ask", authorizer)],
        responses=responses(409),
        tags=["people"],
    )
    async def bring_back(
        user_id: Annotated[schemas.UserId, InPath()], body: schemas.ExportedTaste, attribute: Attribute = None
    ) -> schemas.ImportedTaste:
        """Bring an exported taste back; what is there already is counted once.

        It goes to the attribute of the query, or that of the file.
        """
        choices = [each.question_and_answer(user_id) for each in body.choices]
        added, rounds = await runner.run(service.import_taste(user_id, choices, attribute=attribute or body.attribute))
        return schemas.ImportedTaste(added=added, rounds=rounds)

    @app.delete("/v1/users/{user_id}", operation_id="erase", dependencies=[auth.needs("ask", authorizer)], tags=["people"])
    async def erase(user_id: Annotated[schemas.StoredUserId, InPath()]) -> schemas.ErasureResponse:
        """Remove everything of a person: choices, photos, their part in tastes."""
        work = service.erase(user_id)
        return schemas.ErasureResponse.of(await runner.run(work, seconds=runner.limits.photo_seconds))
