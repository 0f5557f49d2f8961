"""The OpenAPI document of the whole service, without one: its operations, examples and schemas."""

from typing import Any, cast

from beholder.serve import api
from beholder.serve.protocols import Service
from beholder.serve.studies.study_access import StudyAccess


class _Nothing:
    """A service, or studies, of which nothing is asked."""

    service = None


def service_document() -> dict[str, Any]:
    app = api.create(cast(Service, _Nothing()), studies=cast(StudyAccess, _Nothing()))
    return app.openapi()


def operations_of(document: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Operation id -> method, path, operation."""
    found = {}
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            assert operation["operationId"] not in found
            found[operation["operationId"]] = (method, path, operation)
    return found


def examples_of(operation: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The examples of an operation's parameters by name, and of its body in JSON."""
    parameters = {each["name"]: each["example"] for each in operation.get("parameters", ())}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return parameters, dict(body.get("example", {}))


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema, or the one that it points to."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
