"""The OpenAPI document: readable names, tags, an example for every request and response, every error described; and its page."""

import re

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from support.api_description import operations_of, service_document

from beholder.errors import NoFaceFound
from beholder.serve import problem_details
from beholder.serve.problem_details import MEDIA, REMEDIES, TYPES
from beholder.serve.routes import api_document, api_examples, api_reference

DOCUMENT = service_document()
OPERATIONS = operations_of(DOCUMENT)


def valid(schema, example):
    jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(example)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_named_summed_up_and_shown(name):
    method, path, operation = OPERATIONS[name]
    assert re.fullmatch(r"[a-z]+(_[a-z]+){0,2}", name)
    assert operation["summary"].endswith((".", ")")) is False
    assert len(operation["summary"]) > 10
    assert set(operation["tags"]) <= set(api_document.TAGS)
    for parameter in operation.get("parameters", ()):
        valid(parameter["schema"], parameter["example"])
    if method in ("post", "put"):
        assert operation["requestBody"]["content"]
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        assert body["example"], media
        if media == "application/json":
            valid(body["schema"], body["example"])
    for status, response in operation["responses"].items():
        assert len(response["description"]) > 5
        for media, body in response.get("content", {}).items():
            if media == MEDIA:
                for each in body["examples"].values():
                    assert each["summary"]
                    valid(body["schema"], each["value"])
                    assert each["value"]["status"] == int(status)
            elif media == "application/json":
                valid(body["schema"], body["example"])
            else:
                assert body["example"], f"{path} {status} {media}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_error_says_what_to_do(name):
    responses = OPERATIONS[name][2]["responses"]
    errors = {status: response for status, response in responses.items() if int(status) >= 400}
    assert {"400", "401", "403", "422", "429", "500", "503", "504"} <= set(errors)
    for status, response in errors.items():
        assert REMEDIES[int(status)] in response["description"]
        assert response["content"][MEDIA]["schema"] == {"$ref": "#/components/schemas/ProblemBody"}


def test_examples_are_of_operations_that_there_are():
    for examples in (api_examples.REQUESTS, api_examples.RESPONSES, api_examples.PROBLEMS):
        assert set(examples) <= set(OPERATIONS)


def test_every_type_of_problem_is_shown_where_it_may_come():
    shown = set()
    for _, _, operation in OPERATIONS.values():
        for response in operation["responses"].values():
            shown |= set(response.get("content", {}).get(MEDIA, {}).get("examples", {}))
    assert {kind.name for kind in TYPES.values()} == shown - {"other"}
    assert {"no-face", "image-too-large", "heic"} <= set(
        OPERATIONS["add_image"][2]["responses"]["422"]["content"][MEDIA]["examples"]
    )


def test_a_problem_has_the_type_of_its_cause():
    found = problem_details.of(NoFaceFound("no face was found in the photo"), retry_seconds=1)
    assert (found.status, found.kind, found.detail) == (422, "/docs#problem-no-face", "no face was found in the photo")


def test_the_page_has_a_place_for_every_operation_and_every_type_of_problem_and_loads_nothing():
    page = api_reference.page(DOCUMENT)
    for name in OPERATIONS:
        assert f'id="{name}"' in page
    for kind in TYPES.values():
        assert f'id="problem-{kind.name}"' in page
    assert not re.search(r"<script|<link|<img|<iframe|url\(|@import|\ssrc=", page)
    assert set(re.findall(r'href="([^"#]+)', page)) <= {"/openapi.json", "/responsible-use.html", "/"}


def test_what_comes_from_the_document_is_shown_as_text():
    name = "<u>bold</u>"
    hostile = {
        "openapi": "3.1.0",
        "info": {"title": name, "version": "1", "description": name},
        "paths": {"/v1/x": {"get": {"operationId": "x", "tags": ["images"], "summary": name, "responses": {"200": {}}}}},
        "components": {"schemas": {}},
    }
    assert "<u>" not in api_reference.page(hostile)
