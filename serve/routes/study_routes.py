"""Studies: the participant's page and its requests, by the token of their link; how far a study is, by a key."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from beholder.serve import auth
from beholder.serve.admission import RequestRunner
from beholder.serve.problem_details import responses
from beholder.serve.protocols import Authorizer
from beholder.serve.routes import negotiation
from beholder.serve.studies import study_schemas as schemas
from beholder.serve.studies.study_access import StudyAccess
from beholder.studies.study_records import StudySession, TrialAnswer

Name = Annotated[schemas.StudyName, InPath()]
Participant = Annotated[schemas.Token, Header(alias="X-Participant", description="the token of the participant's link")]


def add_routes(app: FastAPI, runner: RequestRunner, authorizer: Authorizer | None, access: StudyAccess) -> None:
    """Add the routes of studies."""
    studies = access.service
    admin = [auth.needs("admin", authorizer)]
    page = Path(str(files("beholder.serve") / "page" / "studies" / "study.html"))

    @app.get("/study/{name}", include_in_schema=False)
    async def study_page(name: str) -> FileResponse:
        """Return the participant's page, which says itself where there is no such study."""
        return FileResponse(page, headers={"Cache-Control": "no-cache"})

    @app.get("/v1/studies", operation_id="studies", dependencies=admin, tags=["studies"])
    async def study_list() -> list[schemas.StudyStatusResponse]:
        """Return how far all studies are."""
        names = await runner.run(access.run(studies.store.names))
        return [schemas.StudyStatusResponse.of(await runner.run(access.run(studies.status, name))) for name in names]

    @app.get(
        "/v1/studies/{name}/status", operation_id="study_status", dependencies=admin, responses=responses(404), tags=["studies"]
    )
    async def status(name: Name) -> schemas.StudyStatusResponse:
        """Return how far a study is, and how balanced."""
        return schemas.StudyStatusResponse.of(await runner.run(access.run(studies.status, name)))

    @app.post(
        "/v1/studies/{name}/state", operation_id="set_study_state", dependencies=admin, responses=responses(404), tags=["studies"]
    )
    async def set_state(name: Name, body: schemas.StudyStateRequest) -> schemas.StudyStateResponse:
        """Open or close a study."""
        changed = await runner.run(access.run(studies.store.set_state, name, body.state))
        return schemas.StudyStateResponse(state=body.state, changed=changed)

    @app.get("/v1/studies/{name}", operation_id="study", responses=responses(404), tags=["participants"])
    async def study(name: Name, lang: Annotated[schemas.Lang | None, Query()] = None) -> schemas.StudyResponse:
        """Return what a study's page says, in a language."""
        found, state = await runner.run(access.run(studies.describe, name))
        return schemas.StudyResponse.of(found, state, lang)

    @app.post(
        "/v1/studies/{name}/participants",
        operation_id="join_study",
        status_code=201,
        responses=responses(404, 409),
        tags=["participants"],
    )
    async def join(name: Name, body: schemas.JoinRequest) -> schemas.JoinResponse:
        """Take part. The same event again returns the same token."""
        token = await runner.run(access.run(studies.join, name, body.event_id, body.lang, body.external_id))
        runner.count("study", "joined")
        return schemas.JoinResponse(token=token)

    async def where(name: str, session: StudySession) -> schemas.SessionResponse:
        return schemas.SessionResponse.of(session, studies.store.study(name).config)

    @app.get("/v1/studies/{name}/session", operation_id="study_session", responses=responses(404), tags=["participants"])
    async def session(name: Name, token: Participant) -> schemas.SessionResponse:
        """Return where a participant is, and what to show next."""
        return await where(name, await runner.run(access.run(studies.session, name, token)))

    @app.post("/v1/studies/{name}/consent", operation_id="consent", responses=responses(404), tags=["participants"])
    async def consent(name: Name, token: Participant, body: schemas.ConsentRequest) -> schemas.SessionResponse:
        """Agree to take part."""
        return await where(name, await runner.run(access.run(studies.consent, name, token, body.lang)))

    @app.post("/v1/studies/{name}/forms", operation_id="send_form", responses=responses(404, 409), tags=["participants"])
    async def form(name: Name, token: Participant, body: schemas.FormRequest) -> schemas.SessionResponse:
        """Send a questionnaire; sent again, the first stays."""
        return await where(name, await runner.run(access.run(studies.form, name, token, body.part, body.answers)))

    @app.post("/v1/studies/{name}/answers", operation_id="answer_trial", responses=responses(404, 409), tags=["participants"])
    async def answer(name: Name, token: Participant, body: schemas.TrialRequest) -> schemas.RecordedResponse:
        """Answer a trial. When this is acknowledged, it is on disk; the same event again changes nothing."""
        answers = [TrialAnswer(each.attribute, each.value, each.response_ms) for each in body.answers]
        work = access.run(studies.answer, name, token, body.event_id, body.trial_id, answers, body.ago_ms)
        recorded = await runner.run(work)
        access.answered()
        runner.count("study", "answer" if recorded.counted else "again")
        return schemas.RecordedResponse(counted=recorded.counted, session=await where(name, recorded.session))

    @app.delete("/v1/studies/{name}/session", operation_id="withdraw", responses=responses(404), tags=["participants"])
    async def withdraw(name: Name, token: Participant) -> schemas.WithdrawnResponse:
        """Withdraw: everything of the participant is deleted."""
        answers = await runner.run(access.run(studies.withdraw, name, token), seconds=runner.limits.photo_seconds)
        runner.count("study", "withdrawn")
        return schemas.WithdrawnResponse(answers=answers)

    webp = {200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}}}

    @app.get(
        "/v1/studies/{name}/pictures/{picture}",
        operation_id="study_picture",
        response_class=Response,
        responses={**webp, 304: {"description": "Not Modified"}, **responses(404)},  # type: ignore[dict-item]
        tags=["participants"],
    )
    async def picture(
        request: Request, name: Name, picture: Annotated[schemas.PictureName, InPath()], token: Participant
    ) -> Response:
        """Return a picture of a study."""
        data = await runner.run(access.run(studies.picture, name, token, picture))
        etag = negotiation.tag(data)
        headers = {"ETag": etag, "Cache-Control": "private, max-age=3600"}
        if negotiation.has(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="image/webp", headers=headers)
