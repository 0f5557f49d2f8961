"""The API's description as a page of plain HTML, made from its OpenAPI document: no script, and nothing from elsewhere."""

import json
import re
from html import escape
from http import HTTPStatus
from typing import Any

from beholder.serve.problem_details import MEDIA, REMEDIES, TYPES

# Nothing is loaded, and nobody may put it into a frame.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root { color-scheme: light dark; --quiet: light-dark(#5a5d62, #a6a9ae); --line: light-dark(#d6d6d2, #34373a);
  --mat: light-dark(#f4f4f2, #1c1d1f); --dot: light-dark(#b5232a, #ff6b62) }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 78rem; padding: 1rem clamp(1rem, 4vw, 3rem) 4rem }
header p, footer { max-width: 46rem; color: var(--quiet) }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; margin: 0; padding: .5rem 0 }
nav { position: sticky; top: 0; background: Canvas; border-bottom: 1px solid var(--line) }
a { color: inherit } h1 { margin-bottom: .25rem } h2 { margin: 3rem 0 0; text-transform: capitalize }
h2 + p { color: var(--quiet); margin-top: 0 }
section, article { scroll-margin-top: 4rem }
article { border-top: 1px solid var(--line); padding: 1rem 0 }
h3 { font: 600 1rem/1.4 ui-monospace, monospace; margin: 0; overflow-wrap: anywhere } .old h3 { text-decoration: line-through }
h3 b { color: var(--dot); margin-right: .5rem } h3 + p { margin: .25rem 0 .75rem }
h4 { margin: .75rem 0 .25rem; font-size: .875rem }
code, pre { font: .875rem/1.45 ui-monospace, monospace }
pre { margin: 0; padding: .75rem; background: var(--mat); border-radius: 4px; white-space: pre-wrap; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .25rem 1rem; margin: 0; font-size: .9375rem }
dt { overflow-wrap: anywhere } dd { margin: 0; color: var(--quiet) } summary { cursor: pointer; padding: .25rem 0 }
.way { display: grid; gap: .5rem 2rem } :focus-visible { outline: 2px solid; outline-offset: 2px }
@media (width >= 60rem) { .way { grid-template-columns: 1fr 1fr } }
@media (width < 40rem) { dl { grid-template-columns: 1fr } dd { margin-bottom: .5rem } }
"""


def page(document: dict[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    groups: dict[str, list[str]] = {}
    for path, ways in document["paths"].items():
        for method, operation in ways.items():
            tag = (operation.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_operation(path, method, operation, document))
    info, about = document["info"], {each["name"]: each.get("description", "") for each in document.get("tags", ())}
    title = f"{escape(info['title'])} {escape(info['version'])}"
    parts = [
        f'<section id="{escape(tag)}"><h2>{escape(tag)}</h2>\n<p>{escape(about.get(tag, ""))}</p>\n'
        + "\n".join(rows)
        + "</section>"
        for tag, rows in groups.items()
    ]
    links = "".join(f'<li><a href="#{escape(tag)}">{escape(tag)}</a></li>' for tag in (*groups, "problems"))
    intro = "".join(f"<p>{_prose(text)}</p>" for text in info.get("description", "").split("\n\n"))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}: API</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<header><h1>{title}: API</h1>\n<p>{escape(info.get('summary', ''))}</p>\n{intro}\n"
        f'<p>For programs: <a href="/openapi.json">/openapi.json</a>. The page is <a href="/">here</a>.</p></header>\n'
        f'<nav aria-label="Parts"><ul>{links}</ul></nav>\n<main>' + "\n".join(parts) + _problem_types() + "</main></body></html>\n"
    )


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    scopes = [scope for each in operation.get("security", ()) for scope in each.get("key", ())]
    rows = [(each["name"], each["in"], each.get("required"), each.get("schema", {})) for each in operation.get("parameters", ())]
    shown: list[tuple[str, Any]] = []
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content.get("schema", {}), document)
        rows += [(name, kind, name in schema.get("required", ()), part) for name, part in schema.get("properties", {}).items()]
        shown.append((f"Request, {kind}", content.get("example")))
    errors = []
    for status, response in operation.get("responses", {}).items():
        for kind, content in response.get("content", {}).items():
            if kind == MEDIA:
                errors += [(status, each["summary"]) for each in content.get("examples", {}).values()]
            elif kind == "application/json":
                shown.append((f"Answer, {status}", content.get("example")))
            else:
                shown.append((f"Answer, {status}, {kind}", None))
    fields = "".join(
        f"<dt><code>{escape(name)}</code></dt><dd>{escape(_kind(schema))}, {escape(where)}{', required' if needed else ''}"
        f"{': ' + escape(schema['description']) if schema.get('description') else ''}</dd>"
        for name, where, needed, schema in rows
    )
    told = "".join(f"<dt>{escape(status)}</dt><dd>{escape(text)}</dd>" for status, text in sorted(errors))
    examples = "".join(
        f"<h4>{escape(head)}</h4>" + (f"<pre>{escape(_written(example))}</pre>" if example is not None else "")
        for head, example in shown
    )
    about = _prose(operation.get("description") or operation.get("summary", ""))
    key = f" Scope: <code>{escape(' '.join(scopes))}</code>." if scopes else ""
    old = ' class="old"' if operation.get("deprecated") else ""
    return (
        f'<article id="{escape(operation.get("operationId", path))}"{old}><h3><b>{escape(method.upper())}</b>{escape(path)}</h3>\n'
        f'<p>{about}{key}</p><div class="way"><div>{f"<dl>{fields}</dl>" if fields else ""}'
        f"<details><summary>Errors</summary><dl>{told}</dl></details></div><div>{examples}</div></div></article>"
    )


def _problem_types() -> str:
    """Return the part of the page that describes problems: by type, and by status alone."""
    kinds = "".join(
        f'<dt id="problem-{escape(kind.name)}"><code>{escape(kind.uri)}</code></dt>'
        f"<dd>{kind.status}. {escape(kind.meaning)} {escape(kind.remedy)}</dd>"
        for kind in TYPES.values()
    )
    statuses = "".join(
        f"<dt>{status} {escape(HTTPStatus(status).phrase)}</dt><dd>{escape(text)}</dd>"
        for status, text in REMEDIES.items()
        if status >= 400
    )
    return (
        '<section id="problems"><h2>problems</h2>\n<p>What errors say: their type, or by their status alone.</p>'
        f"<article><h3>type</h3><dl>{kinds}</dl><h3>status, with the type about:blank</h3><dl>{statuses}</dl></article></section>"
    )


def _prose(text: str) -> str:
    """Return text with the code and the links of Markdown, of which nothing else is used, as HTML."""
    linked = re.sub(r"\[([^\]]+)\]\((/[\w./-]*)\)", r'<a href="\2">\1</a>', escape(text))
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", linked)


def _written(example: Any) -> str:
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)


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
