"""The API: a graph as HTTP. Thin and asynchronous: it reads, asks the graph, and writes; what it needs to know it is given."""

import asyncio
import base64
import binascii
import logging
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.staticfiles import StaticFiles
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount
from starlette.types import Scope

from beholder.serve import auth, negotiation, problem_details, schemas
from beholder.serve.admission import ConcurrencyLimiter, RequestLimits
from beholder.serve.middleware import Drain, RequestPolicy
from beholder.serve.problem_details import ProblemError, told
from beholder.serve.protocols import DeadlineExceeded, Overloaded, Service

log = logging.getLogger("beholder.serve")
T = TypeVar("T")
_MENDING = 5  # seconds after which to come again where a part of the service is being replaced
_USUAL = (400, 401, 403, 413, 422, 429, 500, 503, 504)
_PICTURE: dict[str, Any] = {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in negotiation.KINDS}}


class Authorizer(Protocol):
    """Who may come in. scope: ask, recommend or admin. Raises Problem (401, 403, 429)."""

    async def __call__(self, request: Request, scope: str) -> None: ...


class RequestMetrics(Protocol):
    """What is counted."""

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. route: its template, such as /v1/images/{image_id}."""

    def counted(self, what: str, kind: str) -> None:
        """Something happened: ("choice", "left"), ("model", "bayes-1a2b3c4d"), ..."""

    async def exposition(self) -> tuple[bytes, str]:
        """Everything, for Prometheus: the text and its media type."""


def create(
    service: Service,
    *,
    authorizer: Authorizer | None = None,
    metrics: RequestMetrics | None = None,
    limits: RequestLimits | None = None,
    drain: Drain | None = None,
) -> FastAPI:
    """The application around a graph. Without a gate everybody may do everything, which is for loopback alone.

    house: who is inside, for who wants to close it.
    """
    limits = limits or RequestLimits()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        yield
        await service.close()

    app = FastAPI(
        title="Beholder",
        version=metadata.version("beholder"),
        summary="Learns how each person sees images, and recommends the edit of an image that this person will like most.",
        lifespan=lifespan,
        redirect_slashes=False,
        responses=told(*_USUAL),
    )
    problem_details.install(app, retry_seconds=limits.retry_seconds)
    app.add_middleware(RequestPolicy, limits=limits, metrics=metrics, drain=drain)
    _describe_problems(app)
    app.router.route_class = auth.routes(authorizer)

    def count(what: str, kind: str) -> None:
        if metrics is not None:
            metrics.counted(what, kind)

    async def within(seconds: float, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except (TimeoutError, DeadlineExceeded):
            if service.recovering():
                count("rejected", "mending")
                raise Overloaded("mending", seconds=_MENDING) from None
            count("rejected", "late")
            raise DeadlineExceeded from None
        except Overloaded as busy:
            count("rejected", str(busy))
            raise

    async def soon(work: Awaitable[T]) -> T:
        return await within(limits.seconds, work)

    limiter = ConcurrencyLimiter(limits.at_once)  # of requests that draw many pictures

    async def bounded(work: Callable[[], Awaitable[T]]) -> T:
        async def in_turn() -> T:
            with limiter.turn("heavy"):
                return await work()

        return await soon(in_turn())

    ask, recommend, admin = (auth.needs(scope, authorizer) for scope in ("ask", "recommend", "admin"))

    @app.post(
        "/v1/images",
        status_code=201,
        dependencies=[ask],
        openapi_extra={"requestBody": _BRING},
        responses=told(415),
        tags=["images"],
        summary="Bring a photo, or name a seed of the generator",
    )
    async def add_photo(request: Request) -> schemas.ImageResponse:
        wanted, data = await _brought(request)
        if "seed" in wanted.model_fields_set:
            return schemas.ImageResponse.of(await soon(service.image(f"seed-{wanted.seed}")))
        image = await within(limits.photo_seconds, service.add_photo(data, wanted.user_id, aligned=wanted.aligned))
        return schemas.ImageResponse.of(image)

    async def send(request: Request, image_id: str, edit: str) -> Response:
        kind = negotiation.negotiate(request.headers.get("accept"))
        if kind is None:
            raise ProblemError(406, f"pictures come as {', '.join(negotiation.KINDS)}")
        data = await soon(service.picture(image_id, edit, kind))
        etag = negotiation.tag(data)
        headers = {"ETag": etag, "Cache-Control": "private, max-age=3600", "Vary": "Accept"}
        if negotiation.has(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=kind, headers=headers)

    drawn: dict[int | str, dict[str, Any]] = {200: _PICTURE, 304: {"description": "Not Modified"}, **told(404, 406)}

    @app.get("/v1/images/{image_id}", dependencies=[ask], response_class=Response, responses=drawn, tags=["images"])
    async def picture(request: Request, image_id: Annotated[schemas.ImageId, InPath()]) -> Response:
        """A face as it is: WebP, PNG or JPEG, whichever is accepted."""
        return await send(request, image_id, "")

    @app.get("/v1/images/{image_id}/edits/{edit}", dependencies=[ask], response_class=Response, responses=drawn, tags=["images"])
    async def edited(
        request: Request,
        image_id: Annotated[schemas.ImageId, InPath()],
        edit: Annotated[str, InPath(min_length=1, max_length=2000, examples=["smile=1.4,glasses=2"])],
    ) -> Response:
        """A face under an edit, written as direction=alpha with commas between."""
        return await send(request, image_id, edit)

    @app.get("/v1/directions", dependencies=[ask], tags=["images"])
    async def directions() -> schemas.DirectionsResponse:
        """What a face can be moved along."""
        return schemas.DirectionsResponse.of(await soon(service.directions()))

    @app.get("/v1/questions", dependencies=[ask], responses=told(404), tags=["questions"])
    async def question(
        user_id: Annotated[schemas.UserId, Query()],
        image_id: Annotated[schemas.ImageId, Query()],
        strategy: Annotated[schemas.Strategy | None, Query()] = None,
    ) -> schemas.QuestionResponse:
        """Which of two edits to ask a person about now. Fetched again before it is answered, it is another one."""
        asked = await soon(service.question(user_id, image_id, strategy))
        count("question", asked.question.strategy)
        return schemas.QuestionResponse.of(asked)

    @app.post("/v1/choices", dependencies=[ask], responses=told(404, 409), tags=["questions"])
    async def answer(sent: schemas.AnswerRequest) -> schemas.AnswerResponse:
        """Answer a question. The same answer again changes nothing; another one is a conflict until the first is undone."""
        noted = await soon(service.answer(sent.event_id, sent.question_id, sent.choice, sent.response_seconds))
        count("choice", noted.choice if noted.counted else "again")
        return schemas.AnswerResponse.of(noted)

    @app.delete("/v1/choices/{question_id}", dependencies=[ask], responses=told(404), tags=["questions"])
    async def retract(question_id: Annotated[schemas.Identifier, InPath()]) -> schemas.RetractionResponse:
        """Take an answer back."""
        undone = await soon(service.retract(question_id))
        count("choice", "undone" if undone.undone else "nothing to undo")
        return schemas.RetractionResponse.of(undone)

    @app.post("/v1/recommendations", dependencies=[recommend], responses=told(404), tags=["recommendations"])
    async def recommendations(want: schemas.RecommendRequest) -> schemas.RecommendationResponse:
        """The edits of a face that a person will like most, best first."""
        most = min(want.count, limits.recommendations)
        found = await bounded(lambda: service.recommend(want.user_id, want.image_id, most))
        count("model", found.model)
        return schemas.RecommendationResponse.of(found)

    @app.get("/v1/users/{user_id}", dependencies=[ask], tags=["people"])
    async def user(user_id: Annotated[schemas.UserId, InPath()]) -> schemas.PersonResponse:
        """What is known of a person's taste; of somebody unknown, what everybody's choices say."""
        return schemas.PersonResponse.of(await soon(service.person(user_id)))

    @app.delete("/v1/users/{user_id}", dependencies=[admin], tags=["people"])
    async def erase(user_id: Annotated[schemas.UserId, InPath()]) -> schemas.ErasureResponse:
        """Remove everything of a person: choices, photos, their part in tastes."""
        return schemas.ErasureResponse.of(await soon(service.erase(user_id)))

    @app.post("/v1/predictions", dependencies=[recommend], responses=told(404), tags=["recommendations"])
    async def predictions(sent: schemas.PredictRequest) -> schemas.ScoresResponse:
        """How images stand with a person on an attribute or a question in words, beside typical faces."""
        given: list[str | bytes] = [*sent.image_ids, *map(_decoded, sent.images)]
        if len(given) > limits.images:
            raise ProblemError(422, f"expected at most {limits.images} images, got {len(given)}")
        asked = {"attribute": sent.attribute, "question": sent.question}
        found = await bounded(lambda: service.predict(sent.user_id, given, **asked))
        return schemas.ScoresResponse.of(found, sent.image_ids)

    @app.get("/healthz", tags=["service"], responses={200: {"description": "the process lives"}})
    async def healthz() -> dict[str, str]:
        """Whether this process lives."""
        return {"status": "alive"}

    @app.get("/readyz", tags=["service"])
    async def readyz() -> dict[str, bool]:
        """Whether all parts answer; 503 where one does not."""
        parts = await within(5.0, service.ready())
        if not all(parts.values()):
            silent = ", ".join(name for name, answers in parts.items() if not answers)
            raise ProblemError(503, f"not ready: {silent}", {"Retry-After": str(limits.retry_seconds)})
        return parts

    if metrics is not None:

        @app.get("/metrics", dependencies=[admin], tags=["service"], response_class=Response, include_in_schema=False)
        async def exposition() -> Response:
            data, kind = await metrics.exposition()
            return Response(data, media_type=kind)

    page = Path(str(files("beholder.serve") / "page"))
    if (page / "index.html").is_file():
        app.router.routes.append(_Page("/", StaticFiles(directory=page, html=True), name="page"))
    return app


class _Page(Mount):
    """Files for everything but the API, whose own routes know best which methods they take."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["path"].startswith(("/v1/", "/healthz", "/readyz", "/metrics")):
            return Match.NONE, {}
        return super().matches(scope)


async def _brought(request: Request) -> tuple[schemas.ImageUpload, bytes]:
    """What a request brings, and the photo's bytes. Raises Problem for another content type and what does not fit."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            wanted = schemas.ImageUpload.model_validate_json(await request.body())
            return wanted, _decoded(wanted.image)
        if kind == "multipart/form-data":
            async with request.form(max_files=1, max_fields=4, max_part_size=4096) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise ProblemError(422, "expected the photo as the part `file`")
                fields = {name: value for name, value in form.items() if name != "file" and isinstance(value, str)}
                return schemas.ImageUpload.model_validate_strings({**fields, "image": ""}), await file.read()
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in error.errors()[:5])
        raise ProblemError(422, said[:1000]) from None
    except HTTPException as error:  # a form that is none
        raise ProblemError(400, str(error.detail)[:200]) from None
    raise ProblemError(415, "expected multipart/form-data or application/json")


def _decoded(text: str) -> bytes:
    """The bytes of base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProblemError(422, "an image is expected as base64, without a data: prefix") from None


_BRING: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {"schema": schemas.ImageUpload.model_json_schema()},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "user_id"],
                "additionalProperties": False,
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "user_id": {"type": "string", "minLength": 1, "maxLength": 200},
                    "aligned": {"type": "boolean", "default": False},
                },
            }
        },
    },
}


def _describe_problems(app: FastAPI) -> None:
    """Put the schema of problems into the OpenAPI document, where the routes point to it."""
    plain: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.setdefault("ProblemBody", problem_details.ProblemBody.model_json_schema())
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
