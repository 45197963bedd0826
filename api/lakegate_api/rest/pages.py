"""The pages that people open: the front page, and the API's documentation, readable without script or internet."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from lakegate_api.rest.document import Document

NOT_OFFERED = "not offered"

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --key: #0969da; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem 1.5rem 4rem; }
h1 { margin-bottom: 0; } h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; padding-bottom: .2rem; }
h4 { margin: 1rem 0 .3rem; }
code { font: 13px/1.45 ui-monospace, monospace; }
nav a { margin-right: .8rem; white-space: nowrap; } a { color: var(--key); }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; }
summary { cursor: pointer; padding: .4rem .7rem; } details > div { padding: 0 1rem .8rem; }
summary b { display: inline-block; font: 600 12px ui-monospace, monospace; width: 4.2rem; }
summary span { opacity: .75; padding-left: .6rem; }
.GET { color: #1a7f37; } .POST { color: #0969da; } .PUT, .PATCH { color: #9a6700; } .DELETE { color: #cf222e; }
table { border-collapse: collapse; width: 100%; } td, th { border-bottom: 1px solid var(--line); padding: .2rem .6rem
.2rem 0; text-align: left; vertical-align: top; }
"""

_FRONT = """<p>Git for a data lake of Delta and Parquet tables.</p>
<ul><li><a href="/docs">The REST API</a>, under <code>/api/v1</code>
(<a href="/openapi.json">OpenAPI document</a>)</li>
<li>The S3 gateway: this address is its endpoint; bucket = repository, key = <code>REF/PATH</code></li></ul>
"""


def front_page() -> str:
    """The page at `/`."""
    return _page("lakegate", f"<h1>lakegate</h1>{_FRONT}")


def docs_page(document: Document) -> str:
    """Renders an OpenAPI document: operations by tag, those that are not offered last, then schemas."""
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = operation.get("tags", ["other"])[0]
            groups.setdefault(tag, []).append(_operation(document, method.upper(), path, operation))
    groups = dict(sorted(groups.items(), key=lambda group: group[0] == NOT_OFFERED))
    schemas = document["components"]["schemas"]
    links = "".join(f'<a href="#tag-{_id(tag)}">{escape(tag)}</a>' for tag in [*groups, "schemas"])
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])} REST API</h1>",
        f'<p>Version {escape(info["version"])} · <a href="/openapi.json">OpenAPI document</a></p>',
        *(f"<p>{_text(part)}</p>" for part in info["description"].strip().split("\n\n")),
        f"<nav>{links}</nav>",
    ]
    for tag, operations in groups.items():
        parts += [f'<h2 id="tag-{_id(tag)}">{escape(tag)}</h2>', *operations]
    parts.append('<h2 id="tag-schemas">schemas</h2>')
    parts += [_schema(document, name, schema) for name, schema in sorted(schemas.items())]
    return _page("lakegate REST API", "\n".join(parts))


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body>{body}</body></html>\n"
    )


def _operation(document: Document, method: str, path: str, operation: dict[str, Any]) -> str:
    title = operation.get("description") or operation.get("summary", "")
    parts = [f"<p>{_text(title)}</p>", f"<p><code>{escape(operation['operationId'])}</code></p>"]
    parameters = operation.get("parameters", [])
    if parameters:
        parts += ["<h4>Parameters</h4>", _table(_parameter(document, item) for item in parameters)]
    body = operation.get("requestBody")
    if body:
        parts += ["<h4>Body</h4>", _content(document, body.get("content", {}))]
    rows = [_answer(document, status, answer) for status, answer in sorted(operation["responses"].items())]
    parts += ["<h4>Answers</h4>", _table(rows)]
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b class="{method}">{method}</b> '
        f"<code>{escape(path)}</code><span>{_text(title.split('. ')[0])}</span></summary>"
        f"<div>{''.join(parts)}</div></details>"
    )


def _parameter(document: Document, item: dict[str, Any]) -> tuple[str, ...]:
    need = "required" if item.get("required") else ""
    return (
        f"<code>{escape(item['name'])}</code>",
        f"{escape(item['in'])} {need}",
        _type(document, item.get("schema", {})),
        _text(item.get("description", "")),
    )


def _answer(document: Document, status: str, answer: dict[str, Any]) -> tuple[str, ...]:
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    headers = "".join(f"<br>header <code>{escape(name)}</code>" for name in answer.get("headers", {}))
    return (
        f"<b>{escape(status)}</b>",
        _text(answer["description"]) + headers,
        _content(document, answer.get("content", {})),
    )


def _content(document: Document, content: dict[str, Any]) -> str:
    shown = (f"{escape(kind)}: {_type(document, item.get('schema', {}))}" for kind, item in content.items())
    return "<br>".join(shown)


def _schema(document: Document, name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    rows = [
        (
            f"<code>{escape(field)}</code>",
            "required" if field in required else "",
            _type(document, item),
            _text(item.get("description", "")),
        )
        for field, item in schema.get("properties", {}).items()
    ]
    about = f"<p>{_text(schema['description'])}</p>" if schema.get("description") else ""
    shown = _table(rows) if rows else f"<p>{_type(document, schema)}</p>"
    return (
        f'<details id="schema-{_id(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<div>{about}{shown}</div></details>"
    )


def _type(document: Document, schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        values = document["components"]["schemas"].get(name, {}).get("enum")
        return _values(values) if values else f'<a href="#schema-{_id(name)}">{escape(name)}</a>'
    if "enum" in schema:
        return _values(schema["enum"])
    for key in ("anyOf", "allOf", "oneOf"):
        if key in schema:
            return " or ".join(_type(document, part) for part in schema[key])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(document, schema.get('items', {}))}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"object of {_type(document, values)}" if isinstance(values, dict) else "object"
    shown = escape(f"{kind} ({schema['format']})" if "format" in schema else str(kind))
    default = schema.get("default")
    return shown if default in (None, "", [], {}) else f"{shown} = {escape(json.dumps(default))}"


def _values(values: list[Any]) -> str:
    return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in values)


def _table(rows: Any) -> str:
    lines = ("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{''.join(lines)}</table>"


def _text(text: str) -> str:
    """Escapes text, and shows what stands between backticks as code."""
    parts = escape(" ".join(text.split())).split("`")
    return "".join(f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts))


def _id(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)
