"""Images: a photo uploaded or a seed named, pictures of it under edits, and the directions that edits may name."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as InPath
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from beholder.serve import auth, schemas
from beholder.serve.admission import RequestRunner
from beholder.serve.problem_details import ProblemError, responses
from beholder.serve.protocols import Authorizer, DeadlineExceeded
from beholder.serve.routes import negotiation

T = TypeVar("T")
Size = Annotated[
    int | None,
    Query(ge=1, le=4096, description="pixels of a side that are needed: a smaller picture is quicker; all there are by default"),
]
_GONE_S = 0.5  # seconds between two looks whether a client is still there

_PICTURE: dict[str, Any] = {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in negotiation.KINDS}}
_UPLOAD_BODY: dict[str, Any] = {
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


def add_routes(app: FastAPI, runner: RequestRunner, authorizer: Authorizer | None) -> None:
    """Add the routes of images and directions."""
    ask = [auth.needs("ask", authorizer)]
    service = runner.service

    @app.post(
        "/v1/images",
        operation_id="add_image",
        status_code=201,
        openapi_extra={"requestBody": _UPLOAD_BODY},
        dependencies=ask,
        responses=responses(415),
        tags=["images"],
    )
    async def add_photo(request: Request) -> schemas.ImageResponse:
        """Upload a photo, or name a seed of the generator. The same photo of the same person again is the same image."""
        upload, data = await _upload(request)
        if "seed" in upload.model_fields_set:
            return schemas.ImageResponse.of(await runner.run(service.image(f"seed-{upload.seed}")))
        work = _while_there(request, service.add_photo(data, upload.user_id, aligned=upload.aligned))
        return schemas.ImageResponse.of(await runner.run(work, seconds=runner.limits.photo_seconds))

    async def send(request: Request, image_id: str, edit: str, size: int | None) -> Response:
        media_type = negotiation.negotiate(request.headers.get("accept"))
        if media_type is None:
            raise ProblemError(406, f"pictures come as {', '.join(negotiation.KINDS)}")
        data = await runner.run(service.picture(image_id, edit, media_type, size))
        etag = negotiation.tag(data)
        # a photo is gone from a shared computer, too, when its person is forgotten
        kept = "private, max-age=3600" if image_id.startswith("seed-") else "no-store"
        headers = {"ETag": etag, "Cache-Control": kept, "Vary": "Accept"}
        if negotiation.has(request.headers.get("if-none-match"), etag):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=media_type, headers=headers)

    drawn: dict[int | str, dict[str, Any]] = {200: _PICTURE, 304: {"description": "Not Modified"}, **responses(404, 406)}

    @app.get(
        "/v1/images/{image_id}", operation_id="picture", dependencies=ask, response_class=Response, responses=drawn, tags=["images"]
    )
    async def picture(request: Request, image_id: Annotated[schemas.ImageId, InPath()], size: Size = None) -> Response:
        """Return an image as it is: WebP, PNG or JPEG, whichever is accepted."""
        return await send(request, image_id, "", size)

    @app.get(
        "/v1/images/{image_id}/edits/{edit}",
        operation_id="edited_picture",
        dependencies=ask,
        response_class=Response,
        responses=drawn,
        tags=["images"],
    )
    async def edited(
        request: Request,
        image_id: Annotated[schemas.ImageId, InPath()],
        edit: Annotated[str, InPath(min_length=1, max_length=2000, examples=["smile=1.4,glasses=2"])],
        size: Size = None,
    ) -> Response:
        """Return an image under an edit, written as direction=alpha with commas between."""
        return await send(request, image_id, edit, size)

    @app.get("/v1/directions", operation_id="directions", dependencies=ask, tags=["images"])
    async def directions() -> schemas.DirectionsResponse:
        """Return the directions that images can be moved along, and, where a service has two editors, which images each moves."""
        return schemas.DirectionsResponse.of(await runner.run(service.directions()))


async def _while_there(request: Request, work: Awaitable[T]) -> T:
    """Return what the work returns; it is cancelled where whoever sent the request goes, which is looked for now and then."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_GONE_S))[0]:
            if await request.is_disconnected():
                raise DeadlineExceeded
        return task.result()
    finally:
        task.cancel()


async def _upload(request: Request) -> tuple[schemas.ImageUpload, bytes]:
    """Return what a request uploads, and the photo's bytes. Raises ProblemError for another content type and a wrong body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            upload = schemas.ImageUpload.model_validate_json(await request.body())
            await request.json()  # which has each member once
            return upload, schemas.decode_image(upload.image)
        if kind == "multipart/form-data":
            body = await request.body()
            async with request.form(max_files=1, max_fields=4, max_part_size=4096) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise ProblemError(422, "expected the photo as the part `file`")
                if len(form.multi_items()) > len(form):
                    raise ProblemError(422, "expected each part once, got one more than once")
                fields = {name: value for name, value in form.items() if name != "file" and isinstance(value, str)}
                if any(value.encode() not in body for value in fields.values()):  # what is no UTF-8 was read as another encoding
                    raise ProblemError(422, "expected the parts beside `file` as text in UTF-8")
                return schemas.ImageUpload.model_validate_strings({**fields, "image": ""}), await file.read()
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in error.errors()[:5])
        raise ProblemError(422, reasons[:1000]) from None
    except HTTPException as error:  # a form that is none, JSON with a member twice
        raise ProblemError(error.status_code, str(error.detail)[:200]) from None
    raise ProblemError(415, "expected multipart/form-data or application/json")
