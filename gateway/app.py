"""The aiohttp application: routes, the WebSocket, the page, and what every answer has in common."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from engine.codes import Role
from engine.limits import HTTP_BODY_BYTES_MAX, WS_PRIVATE_FRAME_BYTES_MAX
from gateway.auth import caller_of_header, demand
from gateway.door import problem_response
from gateway.front import Front
from gateway.market_data.status import storage_word
from gateway.metrics import CONTENT_TYPE
from gateway.problems import Problem
from gateway.rest import (  # their routes are declared by importing
    accounts,
    awards,
    corrections,
    lots,
    market,
    operate,
    orders,
    routes,
    sale_bids,
    sale_plans,
    sales,
    sealed,
    seasons,
)
from gateway.rest.openapi import document
from gateway.web.assets import add_routes as add_page
from gateway.ws.session import CLOSE_RESTART, FORM_OF_PROTOCOL, Session

log = logging.getLogger("qhatu.http")
TABLE = routes.ROUTES.table
_MODULES = (accounts, awards, corrections, lots, market, operate, orders, sale_bids, sale_plans, sales, sealed, seasons)
assert all(module.ROUTES is routes.ROUTES for module in _MODULES)

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "qhatu",
}
_CODE_OF_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "media_type_unsupported"}
_PROXIED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")  # a proxy says so
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(front: Front) -> web.Application:
    app = web.Application(middlewares=[_dressed(front)], client_max_size=HTTP_BODY_BYTES_MAX)
    routes.add_to(app, front, TABLE)
    openapi = msgspec.json.encode(document(TABLE))

    async def get_openapi(request: web.Request) -> web.Response:
        return web.Response(body=openapi, content_type="application/json")

    async def get_health(request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def get_ready(request: web.Request) -> web.Response:
        if front.ready:
            return web.json_response({"status": "ready", "storage": storage_word(front.storage.low)})
        raise Problem("not_ready", "The venue takes no orders now.")

    async def get_metrics(request: web.Request) -> web.Response:
        if not _is_at_home(request):
            keys, now_ns = front.machine.venue.keys, front.env.now_ns()
            demand(caller_of_header(request.headers.get("Authorization"), keys, now_ns), Role.OPERATE)
        front.metrics.ready.set(int(front.ready))
        return web.Response(
            body=front.metrics.text(front.sequencer, front.storage), headers={"Content-Type": CONTENT_TYPE}
        )

    async def get_socket(request: web.Request) -> web.StreamResponse:
        return await _socket(front, request)

    for path, handler in {
        "/v1/openapi.json": get_openapi,
        "/healthz": get_health,
        "/readyz": get_ready,
        "/metrics": get_metrics,
        "/v1/ws": get_socket,
    }.items():
        app.router.add_get(path, handler)
    add_page(app)
    return app


def _is_at_home(request: web.Request) -> bool:
    """Whether someone on this very machine asks, and not a proxy for someone else: counters tell of sealed activity."""
    return request.remote in ("127.0.0.1", "::1") and not any(name in request.headers for name in _PROXIED)


async def _socket(front: Front, request: web.Request) -> web.StreamResponse:
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Problem("not_permitted", "A page of another origin may not connect.")
    if front.closing:
        raise Problem("not_ready", "The venue is stopping.")
    socket = web.WebSocketResponse(
        protocols=[name for name in FORM_OF_PROTOCOL if name],
        compress=False,
        max_msg_size=WS_PRIVATE_FRAME_BYTES_MAX,
        heartbeat=front.settings.heartbeat_seconds,
        timeout=2.0,
    )
    if not socket.can_prepare(request):
        raise Problem(
            "malformed", "This is a WebSocket: ask for an upgrade.", headers={"Upgrade": "websocket"}, status=426
        )
    await socket.prepare(request)
    transport: Any = request.transport
    if transport is None:
        return socket
    try:
        session = Session(front, socket, transport, FORM_OF_PROTOCOL[socket.ws_protocol])
    except Problem as problem:
        await socket.close(code=1013, message=problem.code.encode())
        return socket
    await session.run()
    return socket


def close_sockets(front: Front) -> None:
    """Say goodbye to every connection; their clients come back."""
    for session in list(front.sessions.values()):
        session.close(CLOSE_RESTART, "server_shutdown")


def _dressed(front: Front) -> Any:
    """Problems as RFC 9457 documents, and the headers that every answer has unless its handler set them."""

    @web.middleware
    async def middleware(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Problem as problem:
            response = _refused(front, problem)
        except web.HTTPException as error:
            code = _CODE_OF_STATUS.get(error.status)
            if code is None and error.status < 400:
                raise
            detail = f"{error.reason}: {request.method} {request.path}"[:200]
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            refusal = Problem(code or "malformed", detail, status=error.status, headers=allow)
            response = _refused(front, refusal)
        except ConnectionError:
            raise
        except Exception:
            front.fault("http")
            response = _refused(front, Problem("internal", "The venue made a mistake; it is logged."))
        if not response.prepared:
            for name, value in SECURITY_HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    return middleware


def _refused(front: Front, problem: Problem) -> web.Response:
    front.metrics.problems.labels(problem.code).inc()
    return problem_response(problem, secrets.token_hex(8))
