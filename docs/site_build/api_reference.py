"""The HTTP API's reference, made from its OpenAPI document: every operation with its parameters, bodies, answers and a call."""

import json
from typing import Any, cast

from beholder.serve import api
from beholder.serve.protocols import Service
from beholder.serve.studies.study_access import StudiesAlone

_METHODS = ("get", "post", "put", "delete")


def markdown() -> str:
    """Return the operations by tag, then the schemas of the bodies."""
    document = api.create(cast(Service, StudiesAlone())).openapi()
    tags: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                operation = operations[method]
                tags.setdefault((operation.get("tags") or ["other"])[0], []).append(_operation(path, method, operation))
    parts = [f"## {tag.capitalize()}\n\n" + "\n\n".join(operations) for tag, operations in tags.items()]
    schemas = document.get("components", {}).get("schemas", {})
    return "\n\n".join([*parts, "## Schemas", *(_schema(name, schema) for name, schema in sorted(schemas.items()))])


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    old = " (deprecated)" if operation.get("deprecated") else ""
    scopes = [f"`{scope}`" for each in operation.get("security", ()) for scope in each.get("key", ())]
    lines = [f"### {method.upper()} `{path}`{old}", "", _text(operation.get("description") or operation.get("summary", "")), ""]
    if scopes:
        lines += [f"Scope of the key: {', '.join(scopes)}.", ""]
    if parameters := operation.get("parameters"):
        lines += ["| parameter | in | type | |", "|---|---|---|---|"]
        for each in parameters:
            schema = each.get("schema", {})
            needed = "required. " if each.get("required") else ""
            about = each.get("description") or schema.get("description", "")
            lines.append(f"| `{each['name']}` | {each['in']} | {_kind(schema)} | {needed}{_text(about)} |")
        lines.append("")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        kind = _kind(content.get("schema", {}))
        lines += [f"Body, `{media}`{'' if kind in ('any', 'object') else f': {kind}'}.", "", *_examples(content)]
    lines += ["| status | answer |", "|---|---|"]
    examples: list[str] = []
    for status, response in operation.get("responses", {}).items():
        kinds = [_kind(content["schema"]) for content in response.get("content", {}).values() if content.get("schema")]
        what = ", ".join(dict.fromkeys(kinds))
        lines.append(f"| {status} | {_text(response.get('description', ''))}{f': {what}' if kinds else ''} |")
        if status.startswith("2"):
            examples += [line for content in response.get("content", {}).values() for line in _examples(content)]
    return "\n".join([*lines, "", *examples])


def _examples(content: dict[str, Any]) -> list[str]:
    """Return the first example of a body as a block, where the document has one."""
    found = content.get("example")
    if found is None and content.get("examples"):
        first = next(iter(content["examples"].values()))
        found = first.get("value")
    return [] if found is None else ["```json", json.dumps(found, indent=2, ensure_ascii=False), "```", ""]


def _schema(name: str, schema: dict[str, Any]) -> str:
    lines = [f"### {name}", "", _text(schema.get("description", "")), ""]
    if schema.get("properties"):
        needed = schema.get("required", ())
        lines += ["| field | type | |", "|---|---|---|"]
        for field, part in schema["properties"].items():
            mark = "required. " if field in needed else ""
            lines.append(f"| `{field}` | {_kind(part)} | {mark}{_text(part.get('description', ''))} |")
    elif "enum" in schema:
        lines.append(_kind(schema))
    return "\n".join(lines)


def _kind(schema: dict[str, Any]) -> str:
    """Return what a schema is in a word or two, linked to its own part where it has one."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind(each) for each in schema[several]))
    if "enum" in schema:
        return " or ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    kind = schema.get("type", "any")
    signs = {"minimum": "≥", "maximum": "≤", "maxLength": "length ≤"}
    bounds = [f"{sign} {schema[key]}" for key, sign in signs.items() if key in schema]
    return f"{kind}{' ' + ', '.join(bounds) if bounds else ''}"


def _text(text: str) -> str:
    """Return a description as it may stand in a cell: one line, its addresses of the service as code."""
    return " ".join(text.replace("|", "\\|").replace("](/", "](#/").split()).replace("<", "&lt;")
