"""The OpenAPI document: what FastAPI makes of the routes, and the tags, examples and problems that make it readable."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from beholder.serve import problem_details
from beholder.serve.problem_details import MEDIA, REMEDIES, TYPES
from beholder.serve.routes import api_examples

TAGS = {
    "images": "Photos that people bring, seeds of the generator, and their pictures under edits.",
    "questions": "Two edits of an image, and which one a person likes more.",
    "recommendations": "What a person will like, with a probability: edits of an image, or any images.",
    "people": "What is known of a person, taken along, brought back, or erased.",
    "studies": "How far studies are. Needs a key with the scope admin.",
    "participants": "What the page of a study asks for its participant, by the token of their link.",
    "service": "Whether the service lives and is ready.",
}
_ABOUT = """What to mind where faces are judged and edited: [responsible use](/responsible-use.html).

Send a key or a person's token as `Authorization: Bearer KEY`, unless the service listens on loopback alone. Every error is
`application/problem+json` (RFC 9457): `status` says what kind it is, `type` says more where the status does not say all, `detail`
is one line for whoever sent the request. After 429 and 503, wait for `Retry-After` seconds. Everything may be sent again without
harm: an
answer with the same `event_id` is counted once."""


def install(app: FastAPI) -> None:
    """Have an app describe itself by the whole document."""
    plain: Callable[[], dict[str, Any]] = app.openapi
    app.openapi_tags = [{"name": name, "description": text} for name, text in TAGS.items()]
    app.description = _ABOUT

    def document() -> dict[str, Any]:
        return complete(plain())

    app.openapi = document  # type: ignore[method-assign]


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Put into a document what FastAPI leaves out; once more changes nothing."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.setdefault("ProblemBody", problem_details.ProblemBody.model_json_schema())
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for ways in document["paths"].values():
        for operation in ways.values():
            _complete_operation(operation)
    used = {tag for ways in document["paths"].values() for operation in ways.values() for tag in operation["tags"]}
    document["tags"] = [each for each in document.get("tags", []) if each["name"] in used]
    return document


def _complete_operation(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    first, _, rest = operation.get("description", operation.get("summary", "")).partition("\n")
    operation["summary"] = first.removesuffix(".")
    if not rest.strip():
        operation.pop("description", None)
    for parameter in operation.get("parameters", ()):
        parameter.setdefault("example", api_examples.PARAMETERS[parameter["name"]])
    sent = operation.get("requestBody", {}).get("content", {})
    if "application/json" in sent:
        sent["application/json"]["example"] = api_examples.REQUESTS[name]
    if "multipart/form-data" in sent:
        sent["multipart/form-data"]["example"] = {"user_id": "ana", "file": "(the bytes of photo.jpg)"}
    for status, response in operation["responses"].items():
        content = response.get("content", {})
        if "application/json" in content:
            content["application/json"]["example"] = api_examples.RESPONSES[name]
        if MEDIA in content:
            content[MEDIA]["examples"] = _problems(name, int(status))
        for media, body in content.items():
            if media.startswith("image/"):
                body.setdefault("example", f"(the bytes of a {media.removeprefix('image/').upper()} file)")


def _problems(name: str, status: int) -> dict[str, Any]:
    """Return the examples of a problem's bodies: those with a type of their own, and what the status says alone."""
    title, found = HTTPStatus(status).phrase, {}
    for cause in api_examples.PROBLEMS.get(name, ()):
        kind = TYPES[cause]
        if kind.status == status:
            value = {"type": kind.uri, "title": title, "status": status, "detail": kind.meaning}
            found[kind.name] = {"summary": f"{kind.meaning} {kind.remedy}", "value": value}
    found["other"] = {
        "summary": REMEDIES[status],
        "value": {"type": "about:blank", "title": title, "status": status, "detail": REMEDIES[status]},
    }
    return found
