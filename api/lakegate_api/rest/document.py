"""The OpenAPI document: what FastAPI writes, made true and short."""

from __future__ import annotations

import re
from typing import Any

from pydantic.json_schema import models_json_schema

from lakegate_api.auth import SESSION_COOKIE
from lakegate_api.rest.models.base import Error
from lakegate_api.rest.models.changes import ConflictError

Document = dict[str, Any]

SCHEMAS = "#/components/schemas/"

# For the routes that need no credentials: the document asks for them everywhere else.
OPEN: Document = {"security": []}

_SECURITY: Document = {
    "basic_auth": {"type": "http", "scheme": "basic", "description": "Access key id and secret."},
    "jwt_token": {"type": "http", "scheme": "bearer", "description": "A token from `POST /auth/login`."},
    "cookie_auth": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "Set by `POST /auth/login`.",
    },
}


def finish(document: Document) -> Document:
    """Takes out what FastAPI documents and lakegate does not answer: 422 (validation errors answer 400). Error answers,
    the same for all operations, are written once."""
    shared: dict[str, Any] = document["components"].setdefault("responses", {})
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            for status, answer in responses.items():
                schema = answer.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
                if schema.endswith("Error"):
                    shared[f"Error{status}"] = answer
                    responses[status] = {"$ref": f"#/components/responses/Error{status}"}
    schemas = document["components"]["schemas"] | _error_schemas()
    document["components"]["schemas"] = {
        name: schemas[name] for name in sorted(schemas) if name not in ("HTTPValidationError", "ValidationError")
    }
    document["components"]["securitySchemes"] = _SECURITY
    document["security"] = [{name: []} for name in _SECURITY]
    document["servers"] = [{"url": "/"}]
    return document


def _error_schemas() -> Document:
    _, document = models_json_schema(
        [(Error, "serialization"), (ConflictError, "serialization")], ref_template=SCHEMAS + "{model}"
    )
    found: Document = document["$defs"]
    return found


def methods_of(document: Document, path: str) -> list[str]:
    """The methods that a path has, by the document."""
    found = {
        method.upper()
        for template, operations in document["paths"].items()
        if _pattern(template).fullmatch(path)
        for method in operations
    }
    return sorted(found)


def _pattern(template: str) -> re.Pattern[str]:
    # A table's path may hold slashes; all other parameters are one segment.
    parts = re.split(r"(\{\w+\})", template)
    return re.compile("".join(_part(part) for part in parts))


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    return ".+" if part == "{path}" else "[^/]+"
