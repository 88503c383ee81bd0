"""The OpenAPI 3.1 document, built from the table of routes and the structs that validate."""

from __future__ import annotations

from importlib import metadata
from typing import Any

import msgspec
import numpy as np

from engine.codes import Role
from engine.messages.refs import CLIENT_ID_PATTERN
from engine.messages.rows import COMMAND, EVENT, EXTENSION
from gateway.auth import ROLE_NAMES
from gateway.problems import GATEWAY_STATUS
from gateway.rest.routes import IDEMPOTENCY_KEY, PARAMETERS, Route
from gateway.rest.schemas import ProblemBody

_REF = "#/components/schemas/{name}"
_EXAMPLES = {
    "symbol": "COFFEE-PE",
    "order_id": "4294967296",
    "sale_id": 1,
    "bid": 44,
    "account": 2,
    "award": 1,
    "lot_number": 1,
    "season_id": 1,
    "fill_id": "17-1",
    "hash_prefix": "0123456789abcdef",
}


def document(table: list[Route]) -> dict[str, Any]:
    """The whole document as plain data."""
    types = [ProblemBody, *{t for route in table for t in (route.answer, route.body, route.query) if t is not None}]
    schemas, components = msgspec.json.schema_components(sorted(types, key=lambda t: t.__name__), ref_template=_REF)
    del schemas
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Qhatu",
            "version": metadata.version("qhatu"),
            "description": "Prices and quantities are decimal strings, times RFC 3339 in UTC. With "
            "`Accept: application/msgpack` they are ticks, lots and int64 ns. Codes of problems are stable.",
        },
        "paths": paths,
        "x-rows": {
            name: _row(dtype) for name, dtype in (("COMMAND", COMMAND), ("EXTENSION", EXTENSION), ("EVENT", EVENT))
        },
        "components": {
            "schemas": {name: schema for name, schema in components.items() if not name.endswith("Query")},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "responses": {"problem": _problem_response()},
        },
    }


def _row(dtype: np.dtype) -> dict[str, dict[str, Any]]:
    """Fields of a packed row, little-endian: where each begins, and its type as NumPy writes it."""
    fields: Any = dtype.fields or {}
    return {name: {"offset": fields[name][1], "type": fields[name][0].str} for name in dtype.names or ()}


def _operation(route: Route, components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _parameters(route, components),
        "responses": _responses(route),
        "x-or-role": None if route.or_role is None else ROLE_NAMES[Role(route.or_role)],
        "x-role": None if route.role is None else ROLE_NAMES[Role(route.role)],
        "x-bucket": route.bucket,
        "x-problems": sorted(route.codes),
    }
    if route.role is not None:
        operation["security"] = [{"key": []}]
    if route.body is not None:
        schema = {"$ref": _REF.format(name=route.body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.text_body:
        text = {"schema": {"type": "string"}}
        operation["requestBody"] = {"required": True, "content": {route.text_body: text}}
    return operation


def _parameters(route: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in route.parameters:
        pattern, kind = PARAMETERS[name]
        schema: dict[str, Any] = {"type": "string", "pattern": f"^{pattern}$"}
        if kind is int and name != "order_id":
            schema = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
        found.append({"name": name, "in": "path", "required": True, "schema": schema, "example": _EXAMPLES[name]})
    query = components[route.query.__name__]
    for name, schema in query["properties"].items():
        required = name in query.get("required", ())
        found.append({"name": name, "in": "query", "required": required, "schema": schema})
    if route.idempotency:
        found.append(
            {
                "name": IDEMPOTENCY_KEY,
                "in": "header",
                "required": route.idempotency == "required",
                "schema": {"type": "string", "pattern": CLIENT_ID_PATTERN},
            }
        )
    return found


def _responses(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": _REF.format(name=route.answer.__name__)}}}
    if route.text_answer:
        content = {route.text_answer: {"schema": {"type": "string"}}}
    responses: dict[str, Any] = {str(route.status): {"description": route.summary, "content": content}}
    if route.status == 201:
        responses["200"] = {"description": "The first answer again.", "content": content}
    problem = {"$ref": "#/components/responses/problem"}
    for status in sorted({*GATEWAY_STATUS.values(), 404, 408, 409}):
        responses[str(status)] = problem
    return responses


def _problem_response() -> dict[str, Any]:
    schema = {"$ref": _REF.format(name=ProblemBody.__name__)}
    return {"description": "A refusal.", "content": {"application/problem+json": {"schema": schema}}}
