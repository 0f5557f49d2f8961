"""operations: held to the OpenAPI document: every operation has a method, every parameter and every field is known."""

import dataclasses
import json
import typing
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from support.api_description import examples_of, operations_of, resolved, service_document

from beholder.client import Client
from beholder.client.operations import Operation, Operations

ROOT = Path(__file__).parents[3]
DOCUMENT = service_document()
OPERATIONS = operations_of(DOCUMENT)
LEFT_OUT = {"ask_by_get"}  # deprecated
METHODS = {name: each for name, each in vars(Operations).items() if isinstance(each, Operation)}
# Names of the document that methods call otherwise.
CALLED = {"X-Participant": "token"}
# An example by hand where the document's is of another method of the operation.
GIVEN = {"add_photo": {"user_id": "ana", "photo": b"photo", "aligned": True}}


def sent(method, given, answer):
    """The request that a method sends, and what it returns."""
    seen = []

    def network(request):
        request.read()
        seen.append(request)
        return answer

    client = Client("http://there", http=httpx.Client(transport=httpx.MockTransport(network)))
    result = getattr(client, method)(**given)
    return seen[0], result


def answer_of(operation):
    """The document's example of a success."""
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            content = response["content"]
            if "application/json" in content:
                return httpx.Response(int(status), json=content["application/json"]["example"])
            return httpx.Response(int(status), content=b"webp", headers={"content-type": next(iter(content))})
    raise AssertionError("no success is described")


def arguments(operation):
    """The document's example of a request, as arguments of a method."""
    parameters, body = examples_of(operation)
    return {CALLED.get(name, name): value for name, value in {**parameters, **body}.items()}


def test_every_operation_has_a_method():
    assert {each.operation_id for each in METHODS.values()} | LEFT_OUT == set(OPERATIONS)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_sends_what_the_document_describes_and_reads_the_answer(name):
    method, path, operation = OPERATIONS[METHODS[name].operation_id]
    parameters, body = examples_of(operation)
    given = GIVEN.get(name, arguments(operation))
    if name == "import_taste":
        given = {"user_id": "ana", "attribute": "trustworthy", "taste": body}
    request, result = sent(name, given, answer_of(operation))
    assert request.method == method.upper()
    wanted = path
    for each in operation.get("parameters", ()):
        if each["in"] == "path":
            wanted = wanted.replace(f"{{{each['name']}}}", str(parameters[each["name"]]))
        elif each["in"] == "query":
            assert request.url.params[each["name"]] == str(parameters[each["name"]])
        else:
            assert request.headers[each["name"]] == str(parameters[each["name"]])
    assert unquote(request.url.raw_path.decode()).partition("?")[0] == wanted
    if body and name != "add_photo":
        assert json.loads(request.content) == body
    if (
        dataclasses.is_dataclass(result)
        and not isinstance(result, type)
        and name not in ("picture", "edited_picture", "study_picture")
    ):
        assert dataclasses.asdict(result) == answer_of(operation).json()  # every field of the answer is known


@pytest.mark.parametrize("name", [name for name in METHODS if name not in ("add_photo", "import_taste")])
def test_every_field_of_a_request_can_be_given(name):
    _, _, operation = OPERATIONS[METHODS[name].operation_id]
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    fields = set(resolved(DOCUMENT, schema).get("properties", {})) if name != "add_seed" else {"seed"}
    named = {CALLED.get(each["name"], each["name"]) for each in operation.get("parameters", ())}
    import inspect

    taken = set(inspect.signature(METHODS[name].build).parameters) - {"self", "media_type"}
    assert taken == fields | named


def test_every_field_of_an_answer_has_the_type_of_the_document():
    """Each schema that is answered beside the dataclass that reads it: the same fields, of the same types, null where it may be."""
    compared = 0
    for name, method in METHODS.items():
        _, _, operation = OPERATIONS[method.operation_id]
        success = next(response for status, response in operation["responses"].items() if status.startswith("2"))
        schema = success["content"].get("application/json", {}).get("schema")
        if schema is not None:
            hint = typing.get_args(typing.get_type_hints(method.build)["return"])[0]
            compared += compare(schema, hint, name)
    assert compared > 100


def compare(schema, hint, where):
    """How many leaves of a schema a type was compared with."""
    schema = resolved(DOCUMENT, schema)
    if "anyOf" in schema:
        kinds = [each for each in schema["anyOf"] if each.get("type") != "null"]
        if len(kinds) < len(schema["anyOf"]):
            assert type(None) in typing.get_args(hint), where
            (hint,) = (each for each in typing.get_args(hint) if each is not type(None))
        return max(compare(each, hint, where) for each in kinds)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        assert set(hints) == set(schema["properties"]), where
        return sum(compare(each, hints[name], f"{where}.{name}") for name, each in schema["properties"].items())
    if schema.get("type") == "array":
        assert typing.get_origin(hint) is list, where
        return compare(schema["items"], typing.get_args(hint)[0], f"{where}[]")
    if schema.get("type") == "object":
        assert typing.get_origin(hint) is dict, where
        return compare(schema["additionalProperties"], typing.get_args(hint)[1], f"{where}{{}}")
    kind = schema.get("type") or {str: "string", int: "integer"}[type(schema["const"])]
    assert {"string": str, "integer": int, "number": float, "boolean": bool}[kind] is hint, where
    return 1


def test_defaults_are_the_services_own():
    answer = answer_of(OPERATIONS["ask"][2])
    request, _ = sent("ask", {"user_id": "ana", "image_id": "seed-7"}, answer)
    assert json.loads(request.content) == {"user_id": "ana", "image_id": "seed-7"}


@pytest.mark.parametrize(
    "given", [{}, {"image_ids": ["seed-1"], "images": [b"x"], "question": "a"}, {"image_ids": ["seed-1"]}, {"question": "who?"}]
)
def test_predictions_are_of_one_kind_by_one_thing(given):
    with pytest.raises(ValueError, match="give either"):
        Client("http://there").predict("ana", **given)


def test_the_version_is_the_librarys():
    import tomllib

    import beholder.client

    whole, alone = (
        tomllib.loads((ROOT / path).read_text())["project"]
        for path in ("pyproject.toml", "platform/beholder/client/pyproject.toml")
    )
    assert beholder.client.__version__ == alone["version"] == whole["version"]
    assert alone["dependencies"] == whole["optional-dependencies"]["client"] == ["httpx>=0.28"]
    assert f"beholder-client/{alone['version']}" in (ROOT / "platform/beholder/client/http_client.py").read_text()
