"""The table of REST routes and what every one of them goes through.

A route is declared once: method, path, structs of its query, body and answer, the role it needs and the bucket it draws
on. The server and the OpenAPI document are both built from the same table.

    key -> role -> tokens -> path, query, body -> min_seq -> handler -> answer
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from engine.codes import Role
from engine.limits import HTTP_BODY_BYTES_MAX, MIN_SEQ_WAIT_SECONDS_MAX
from engine.messages.refs import text_ref
from gateway.auth import Caller, caller_of_header, demand
from gateway.forms import JSON, PACK, Form
from gateway.front import Front
from gateway.problems import Problem, of_validation
from gateway.rest.schemas import Query

BODY_SECONDS_MAX = 30.0
IDEMPOTENCY_KEY = "Idempotency-Key"
# Path parameters: what they match, and what they become.
PARAMETERS: dict[str, tuple[str, type]] = {
    "symbol": (r"[A-Z0-9][A-Z0-9._-]{0,31}", str),
    "order_id": (r"[0-9]{1,19}", int),
    "sale_id": (r"[0-9]{1,9}", int),
    "lot_number": (r"[0-9]{1,10}", int),
    "season_id": (r"[0-9]{1,9}", int),
    "bid": (r"[0-9]{1,19}", int),
    "account": (r"[0-9]{1,7}", int),
    "award": (r"[0-9]{1,10}", int),
    "fill_id": (r"[0-9]{1,19}-[0-9]{1,10}", str),
    "hash_prefix": (r"[0-9a-f]{8,64}", str),
}
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(slots=True)
class Call:
    """One request on its way through a handler."""

    front: Front
    request: web.Request
    caller: Caller | None
    form: Form
    path: dict[str, Any]
    query: Any
    body: Any
    ref: tuple[int, int, int]  # of the Idempotency-Key
    status: int
    headers: dict[str, str]

    @property
    def account(self) -> int:
        """Account of the caller; only routes with a role ask."""
        assert self.caller is not None
        return self.caller.account


Handler = Callable[[Call], Awaitable[dict[str, Any] | web.Response]]  # an answer that is no JSON is made whole


@dataclass(frozen=True, slots=True)
class Route:
    """`role` None: public. `bucket`: what a call takes one token of; a handler of batches takes the rest itself."""

    method: str
    path: str
    handler: Handler
    summary: str
    answer: type
    tag: str
    role: Role | None = None
    or_role: Role | None = None  # holders of this one may come in too
    bucket: str = "queries"
    status: int = 200
    query: type[Query] = Query
    body: type | None = None
    packed_body: type | None = None  # of a msgpack request, where it differs
    text_body: str = ""  # media type of a body that the handler takes as bytes
    text_answer: str = ""  # media type of an answer that the handler gives as a response of its own
    body_bytes_max: int = HTTP_BODY_BYTES_MAX
    idempotency: str = ""  # "", "optional" or "required"
    codes: tuple[str, ...] = ()  # problems of its own, for the document

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)


@dataclass(slots=True)
class Routes:
    """Routes in the order they are matched."""

    table: list[Route] = field(default_factory=list)

    def add(self, method: str, path: str, *, answer: type, tag: str, **more: Any) -> Callable[[Handler], Handler]:
        """Declare a route; its summary is the first line of the handler's docstring."""

        def declare(handler: Handler) -> Handler:
            summary = (handler.__doc__ or "").strip().splitlines()[0]
            self.table.append(Route(method, path, handler, summary, answer, tag, **more))
            return handler

        return declare


ROUTES = Routes()


def add_to(app: web.Application, front: Front, table: list[Route]) -> None:
    for route in table:
        app.router.add_route(route.method, route.path, _handler_of(front, route))


def _handler_of(front: Front, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
    seconds, count = front.metrics.request_seconds, front.metrics.requests

    async def handle(request: web.Request) -> web.Response:
        started, status = time.perf_counter(), 500
        try:
            response = await answer(front, route, request)
            status = response.status
            return response
        except Problem as problem:
            status = problem.status
            raise
        finally:
            seconds.observe(time.perf_counter() - started)
            count.labels(route.method, route.path, status).inc()

    return handle


async def answer(front: Front, route: Route, request: web.Request) -> web.Response:
    """Raises Problem."""
    caller = caller_of_header(request.headers.get("Authorization"), front.machine.venue.keys, front.env.now_ns())
    if route.role is not None:
        other = route.or_role is not None and caller is not None and caller.may(route.or_role)
        caller = demand(caller, route.or_role if other and route.or_role is not None else route.role)
    holder: bytes | str = caller.key_hash if caller is not None else request.remote or ""
    headers = front.limiter.take(holder, route.bucket)
    form = _form_of(request)
    path = {name: _path_value(name, request.match_info[name]) for name in route.parameters}
    query = _query_of(route, request)
    ref = _ref_of(route, request)
    body = await _body_of(route, request) if route.body is not None or route.text_body else None
    if query.min_seq:
        demand(caller, Role.READ)  # how far the log goes is told to holders of keys alone
        await front.reach(query.min_seq, MIN_SEQ_WAIT_SECONDS_MAX)
    call = Call(front, request, caller, form, path, query, body, ref, route.status, headers)
    view = await route.handler(call)
    if isinstance(view, web.Response):
        return view
    # The log's sequence tells of sealed activity: only the holder of a key hears it.
    if caller is None:
        view.pop("as_of", None)
    else:
        view.setdefault("as_of", front.machine.seq)
    return web.Response(body=form.encode(view), status=call.status, content_type=form.media_type, headers=call.headers)


def _form_of(request: web.Request) -> Form:
    return PACK if PACK.media_type in request.headers.get("Accept", "") else JSON


def _path_value(name: str, text: str) -> Any:
    pattern, kind = PARAMETERS[name]
    if not re.fullmatch(pattern, text, re.ASCII):
        raise Problem("invalid_field", f"{name} does not match {pattern}.", pointer=f"/{name}", status=404)
    value = kind(text)
    if kind is int and value >= 2**63:
        raise Problem("invalid_field", f"{name} is too large.", pointer=f"/{name}", status=404)
    return value


def _query_of(route: Route, request: web.Request) -> Any:
    try:
        given = dict(request.query)
        if len(given) != len(request.query):
            raise Problem("invalid_field", "A query parameter is given twice.", pointer="/query")
        return msgspec.convert(given, route.query, strict=False)
    except msgspec.ValidationError as error:
        raise of_validation(error) from None


def _ref_of(route: Route, request: web.Request) -> tuple[int, int, int]:
    key = request.headers.get(IDEMPOTENCY_KEY) if route.idempotency else None
    if key is None:
        if route.idempotency == "required":
            raise Problem("idempotency_key_missing", f"This needs the header {IDEMPOTENCY_KEY}.")
        return (0, 0, 0)
    try:
        form, hi, lo = text_ref(key.strip('"'))
    except ValueError as error:
        raise Problem("id_invalid", f"{IDEMPOTENCY_KEY}: {error}.", status=400) from None
    return form, hi, lo


async def _body_of(route: Route, request: web.Request) -> Any:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem("encoding_refused", "Send the body as it is, without Content-Encoding.")
    raw = await _read(request, route.body_bytes_max)
    media_type = request.content_type if "Content-Type" in request.headers else JSON.media_type
    if route.text_body:
        if media_type != route.text_body:
            raise Problem("media_type_unsupported", f"Send {route.text_body}.")
        return raw
    assert route.body is not None
    try:
        if media_type == JSON.media_type:
            return msgspec.json.decode(raw, type=route.body)
        if media_type == PACK.media_type:
            return msgspec.msgpack.decode(raw, type=route.packed_body or route.body)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise of_validation(error) from None
    raise Problem("media_type_unsupported", f"Send {JSON.media_type} or {PACK.media_type}.")


async def _read(request: web.Request, bytes_max: int) -> bytes:
    """The whole body. Raises Problem: too_large, malformed (it broke off or took too long)."""
    too_large = Problem("too_large", f"The body is over {bytes_max} bytes.")
    if (request.content_length or 0) > bytes_max:
        raise too_large
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > bytes_max:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError:
        raise Problem("malformed", f"The body did not come within {BODY_SECONDS_MAX:.0f} s.", status=408) from None
    except (web.PayloadAccessError, web.RequestPayloadError, ConnectionError) as error:
        raise Problem("malformed", f"The body broke off: {error}.") from None
    return b"".join(chunks)
