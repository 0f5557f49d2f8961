"""The API's description as a page of plain HTML, made from its OpenAPI document: no script, and nothing from elsewhere."""

from html import escape
from typing import Any

# Nothing is loaded, and nobody may put it into a frame.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 56rem; padding: 0 1rem; color-scheme: light dark }
code, .way { font-family: ui-monospace, monospace; font-size: .9em }
h2 { margin-top: 2.5rem; border-bottom: 1px solid; text-transform: capitalize }
h3 { margin-bottom: .2rem } dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .4rem 0 }
dd { margin: 0 } .old { text-decoration: line-through }
"""


def page(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    groups: dict[str, list[str]] = {}
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_operation(path, method, operation, document))
    info = document["info"]
    parts = [f"<h2>{escape(tag)}</h2>\n" + "\n".join(operations) for tag, operations in groups.items()]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}: API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}</h1>\n<p>{escape(info.get('summary', ''))}</p>\n<p>For programs: <code>/openapi.json</code>.</p>\n"
        + "\n".join(parts)
        + "</body></html>\n"
    )


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    scopes = [scope for each in operation.get("security", ()) for scope in each.get("key", ())]
    about = operation.get("description") or operation.get("summary", "")
    rows = [(each["name"], each["in"], each.get("required"), each.get("schema", {})) for each in operation.get("parameters", ())]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content.get("schema", {}), document)
        rows += [(name, kind, name in schema.get("required", ()), part) for name, part in schema.get("properties", {}).items()]
    fields = "".join(
        f"<dt><code>{escape(name)}</code></dt><dd>{escape(_kind(schema))}, {escape(where)}{', required' if needed else ''}"
        f"{': ' + escape(schema['description']) if schema.get('description') else ''}</dd>"
        for name, where, needed, schema in rows
    )
    answers = ", ".join(operation.get("responses", {}))
    key = f" Scope: <code>{escape(' '.join(scopes))}</code>." if scopes else ""
    old = ' class="old"' if operation.get("deprecated") else ""
    return (
        f'<h3{old}><span class="way">{escape(method.upper())} {escape(path)}</span></h3>\n<p>{escape(about)}{key} '
        f"Answers: {escape(answers)}.</p>{f'<dl>{fields}</dl>' if fields else ''}"
    )


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"].get(name, {}) if name else schema
    return found


def _kind(schema: dict[str, Any]) -> str:
    """Return what a schema is in a word or two."""
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    return str(schema.get("type") or schema.get("$ref", "value").rpartition("/")[2])
