"""Merges the services' OpenAPI documents into the one that people see. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

Document = dict[str, Any]

PUBLIC_PREFIX = "/api/"
_REF = "#/components/schemas/"

_INFO = {
    "title": "MelonKube",
    "version": "1",
    "summary": "Upload a table, press Tune, press Deploy.",
    "description": (
        "Everything the page does, it does through these calls. Errors are `application/problem+json` (RFC 9457) with "
        "a stable `code`; every answer carries an `X-Request-Id`. Lists come in pages: pass `next_cursor` as `cursor` "
        "until it is null. Times are RFC 3339 in UTC."
    ),
}
_TAGS = {
    "datasets": "Tables that were uploaded; one id is one immutable version.",
    "samples": "Data sets that come with MelonKube.",
    "experiments": "Searches for the best hyperparameters.",
    "trials": "What an experiment tries.",
    "catalog": "What can search, what can be trained, where trials run.",
    "runs": "Parameters, metrics, logs and artifacts of single trainings.",
    "models": "Models, their immutable versions and aliases.",
    "endpoints": "Names that answer predictions.",
    "system": "The whole, and whether it is well.",
}


class MergeError(ValueError):
    """The documents contradict each other."""


def merge(documents: Mapping[str, Document]) -> Document:
    """Return one document of everything public in ``documents``, which are keyed by service.

    Raises:
        MergeError: Two services claim one operation, operation id or schema name for different things.
    """
    paths: Document = {}
    owners: dict[str, str] = {}
    schemas: Document = {}
    for service, document in documents.items():
        public = {path: item for path, item in document.get("paths", {}).items() if path.startswith(PUBLIC_PREFIX)}
        for path, item in public.items():
            _add_path(paths, owners, service, path, item)
        known = document.get("components", {}).get("schemas", {})
        for name in _reachable(public, known):
            if schemas.setdefault(name, known[name]) != known[name]:
                raise MergeError(f"the schema {name} of {service} differs from another service's of that name")
    return {
        "openapi": "3.1.0",
        "info": _INFO,
        "servers": [{"url": "/", "description": "This server."}],
        "tags": _tags(paths),
        "security": [{}, {"owner_key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "owner_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The owner's key, where the server listens beyond loopback.",
                }
            },
        },
    }


def to_text(document: Document) -> str:
    """Return ``document`` as it is kept in the repository: indented JSON with a line's end at the end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _add_path(paths: Document, owners: dict[str, str], service: str, path: str, item: Document) -> None:
    taken = paths.setdefault(path, {})
    for method, operation in item.items():
        if method in taken:
            raise MergeError(f"{method.upper()} {path} is claimed by {service} and by another service")
        identity = operation["operationId"]
        if identity in owners:
            raise MergeError(f"the operation id {identity} is claimed by {service} and by {owners[identity]}")
        owners[identity] = service
        taken[method] = operation


def _reachable(paths: Document, schemas: Document) -> list[str]:
    found: dict[str, None] = {}
    waiting = list(_references(paths))
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in schemas:
            raise MergeError(f"the schema {name} is used but not described")
        found[name] = None
        waiting.extend(_references(schemas[name]))
    return list(found)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str) and value.startswith(_REF):
                yield value.removeprefix(_REF)
            elif key == "mapping" and isinstance(value, dict):
                yield from (target.removeprefix(_REF) for target in value.values() if isinstance(target, str))
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _tags(paths: Document) -> list[Document]:
    used = {tag for item in paths.values() for operation in item.values() for tag in operation.get("tags", ())}
    named = [{"name": tag, "description": _TAGS[tag]} for tag in _TAGS if tag in used]
    return named + [{"name": tag} for tag in sorted(used - _TAGS.keys())]
