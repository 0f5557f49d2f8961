"""Problem details: errors as problem+json (RFC 9457): what was wrong with a request, and nothing of the inside."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    FaceTooSmall,
    HeicNotInstalled,
    ImageError,
    ImageTooLarge,
    NoFaceFound,
    PersonErased,
    PhotoNotRedrawn,
    StoreError,
    StudyConflict,
    StudyError,
    TasteError,
    UnknownImage,
    UnknownImageFormat,
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


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem that a client may want to tell from others of its status. remedy: what to do, a sentence."""

    name: str
    status: int
    meaning: str
    remedy: str

    @property
    def uri(self) -> str:
        """The `type` of RFC 9457: where it is described, on the page of the API."""
        return f"/docs#problem-{self.name}"


# What the status alone does not say. Where several classes fit, the first counts.
TYPES: dict[type[BeholderError], ProblemType] = {
    NoFaceFound: ProblemType(
        "no-face", 422, "No face was found in the photo.", "Send another photo, or aligned=true for a cut-out face."
    ),
    FaceTooSmall: ProblemType("face-too-small", 422, "The face in the photo has too few pixels.", "Send a larger photo."),
    PhotoNotRedrawn: ProblemType(
        "photo-not-redrawn", 422, "The generator can't redraw this face.", "Send another photo, or use looks (editor=looks)."
    ),
    ImageTooLarge: ProblemType(
        "image-too-large", 422, "The image has more bytes or pixels than are taken.", "Send a smaller copy."
    ),
    HeicNotInstalled: ProblemType(
        "heic", 422, "The photo is in an iPhone's own format, which this service does not read.", "Send it as JPEG."
    ),
    UnknownImageFormat: ProblemType("image-format", 422, "The file is in no image format that is read.", "Send JPEG, PNG or WebP."),
    ConflictingAnswer: ProblemType(
        "answered-otherwise", 409, "The question has another answer already.", "Retract that answer first, or leave it."
    ),
    PersonErased: ProblemType(
        "person-erased", 409, "The person was erased while the request was under way.", "Don't send it again."
    ),
    UnknownImage: ProblemType("unknown-image", 404, "There is no such image.", "Add the image first."),
    UnknownQuestion: ProblemType("unknown-question", 404, "No such question was asked.", "Ask a new question."),
}
# What to do about each status, in the description of the API.
REMEDIES = {
    304: "The copy that was named by If-None-Match is current.",
    400: "The request can't be read: its syntax is wrong.",
    401: "A key is needed, or this one is unknown, expired or revoked: Authorization: Bearer KEY.",
    403: "The key or token is not for this, or does not speak for this person.",
    404: "What the address names is not there, or is somebody else's.",
    406: "None of the media types in Accept can be sent.",
    409: "It contradicts what is kept already.",
    413: "The body is larger than is taken: send less.",
    415: "The body has another media type than is taken.",
    422: "A field is missing, unknown or out of its range; detail says which.",
    429: "Too many requests, or too much is kept: wait for Retry-After seconds.",
    500: "Something went wrong here, and it is not the request's fault.",
    503: "Too many requests wait, or a part is being replaced: wait for Retry-After seconds and send it again.",
    504: "It took too long and was given up; it may be sent again.",
}
_BUSY = {"recovering": "a part of the service was lost and is being replaced; try again in a few seconds"}


class ProblemError(Exception):
    """A response that is an error. detail: one line for whoever sent the request."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, *, kind: str = "about:blank") -> None:
        """kind: the `type` of RFC 9457, where the status does not say all."""
        super().__init__(detail)
        self.status, self.detail, self.headers, self.kind = status, detail, dict(headers or {}), kind


class ProblemBody(BaseModel):
    """RFC 9457."""

    type: str = Field("about:blank", description="where the kind of problem is described; about:blank: the status says it")
    title: str
    status: int
    detail: str


def answer(problem: ProblemError) -> JSONResponse:
    """Return the response of a problem."""
    body = {"type": problem.kind, "title": HTTPStatus(problem.status).phrase, "status": problem.status, "detail": problem.detail}
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
            known = next((each for cause, each in TYPES.items() if isinstance(error, cause)), None)
            return ProblemError(status, str(error), kind="about:blank" if known is None else known.uri)
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
    return {status: {"description": f"{HTTPStatus(status).phrase}. {REMEDIES[status]}", "content": content} for status in statuses}


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
