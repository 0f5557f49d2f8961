"""Problem details: errors as problem+json (RFC 9457): what was wrong with a request, and nothing of the inside."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from beholder.errors import (
    BeholderError,
    ChoiceError,
    ConflictingAnswer,
    EditError,
    EmbeddingError,
    ImageError,
    PersonErased,
    StoreError,
    StudyConflict,
    StudyError,
    TasteError,
    UnknownImage,
    UnknownParticipant,
    UnknownQuestion,
    UnknownStudy,
)
from beholder.serve.protocols import DeadlineExceeded, Overloaded

log = logging.getLogger("beholder.serve")
MEDIA = "application/problem+json"
# Errors whose text is sent as it is: it speaks of what the client sent. Every other error is described in general terms.
_STATUS_OF: dict[type[BeholderError], int] = {
    UnknownImage: 404,
    UnknownQuestion: 404,
    UnknownStudy: 404,
    UnknownParticipant: 404,
    StudyConflict: 409,
    StudyError: 422,
    ConflictingAnswer: 409,
    PersonErased: 409,
    ChoiceError: 422,
    EditError: 422,
    ImageError: 422,
    EmbeddingError: 422,
    TasteError: 422,
}
_BUSY = {"recovering": "a part of the service was lost and is being replaced; try again in a few seconds"}


class ProblemError(Exception):
    """A response that is an error. detail: one line for whoever sent the request."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


class ProblemBody(BaseModel):
    """RFC 9457."""

    type: str = Field("about:blank", description="always about:blank: the status says what kind of problem it is")
    title: str
    status: int
    detail: str


def answer(problem: ProblemError) -> JSONResponse:
    """Return the response of a problem."""
    body = {"type": "about:blank", "title": HTTPStatus(problem.status).phrase, "status": problem.status, "detail": problem.detail}
    return JSONResponse(body, problem.status, problem.headers, media_type=MEDIA)


def of(error: Exception, *, retry_seconds: int) -> ProblemError:
    """Return the problem that an error of the service is to a client."""
    wait = {"Retry-After": str(retry_seconds)}
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, Overloaded):
        wait = wait if error.seconds is None else {"Retry-After": str(error.seconds)}
        return ProblemError(503, _BUSY.get(str(error), "too many requests wait already; try again in a moment"), wait)
    if isinstance(error, DeadlineExceeded | TimeoutError):
        return ProblemError(504, "this took too long and was given up; nothing is wrong with the request itself")
    if isinstance(error, StoreError):
        log.error("%s", error)
        return ProblemError(503, "the store of choices can't be reached; try again in a moment", wait)
    for kind, status in _STATUS_OF.items():
        if isinstance(error, kind):
            return ProblemError(status, str(error))
    log.error("%s", error, exc_info=not isinstance(error, BeholderError))
    return ProblemError(500, "something went wrong here, and it is not the request's fault; the log has it")


def install(app: FastAPI, *, retry_seconds: int) -> None:
    """Have every error of an app answered as problem+json."""

    async def broken(request: Request, error: Exception) -> JSONResponse:
        return answer(of(error, retry_seconds=retry_seconds))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        reasons = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5]]
        return answer(ProblemError(422, "; ".join(reasons)[:1000]))

    async def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = {name.title(): value for name, value in (error.headers or {}).items()}
        if error.status_code == 405:
            headers["Allow"] = allowed(app.routes, request.scope) or "GET, HEAD"
        return answer(ProblemError(error.status_code, str(error.detail)[:500], headers))

    for kind in (ProblemError, Overloaded, DeadlineExceeded, TimeoutError, BeholderError, Exception):
        app.add_exception_handler(kind, broken)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, refused)


def responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Return the description of these statuses for the OpenAPI document."""
    content = {MEDIA: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def allowed(routes: Sequence[BaseRoute], scope: Scope) -> str:
    """Return all methods that the routes of this path take, as the Allow header lists them, and OPTIONS.

    HEAD goes with GET, but for a deprecated one (see ResourceRoute).
    """
    methods: set[str] = set()
    for route in routes:
        if route.matches(scope)[0] is not Match.NONE:
            own = getattr(route, "methods", None) or set()
            methods |= own | ({"HEAD"} if "GET" in own and not getattr(route, "deprecated", None) else set())
    return ", ".join(sorted(methods | ({"OPTIONS"} if methods else set())))
