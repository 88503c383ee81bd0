"""Where TCP connections come in: how many, how long they may take to say what they want, and what nonsense is told.

aiohttp's own protocol waits for request headers without end and logs a traceback for each malformed request; both are
mended here. Everything past whole headers is aiohttp's.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.problems import Problem
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.ws.arrivals import Arrivals

SAMPLED_PER_SECOND = 5
KEEP_ALIVE_SECONDS = 60.0
SEND_BUFFER_BYTES = 256 * 1024  # of the kernel, a connection: what a reader who does not read can hold there
log = logging.getLogger("qhatu.http")


class Door:
    """Makes the protocol of each connection and counts connections by address."""

    def __init__(self, server: web.Server, settings: Settings) -> None:
        self.server, self.settings = server, settings
        self.loop = asyncio.get_running_loop()
        self.per_address: Counter[str] = Counter()
        self.total = 0

    def __call__(self) -> Visitor:
        return Visitor(self)

    def enter(self, address: str) -> bool:
        """Whether one more connection from here may come in."""
        settings = self.settings
        if self.total >= settings.connections_max or self.per_address[address] >= settings.connections_per_address_max:
            return False
        self.per_address[address] += 1
        self.total += 1
        return True

    def leave(self, address: str) -> None:
        self.total -= 1
        self.per_address[address] -= 1
        if not self.per_address[address]:
            del self.per_address[address]


class Visitor(web.RequestHandler):
    """One connection: aiohttp's protocol with a deadline for request headers."""

    __slots__ = ("_address", "_deadline", "_door", "arrivals", "at_frame")

    def __init__(self, door: Door) -> None:
        super().__init__(
            door.server,
            loop=door.loop,
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            lingering_time=2.0,
            max_headers=100,
            auto_decompress=False,
        )
        self._door, self._address = door, ""
        self._deadline: asyncio.TimerHandle | None = None
        self.at_frame = False  # the request ended with the bytes that came last, and no frame began in them
        self.arrivals: Arrivals | None = None  # the short way of packed rows, on a WebSocket that has one

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else "local"
        if not self._door.enter(address):
            transport.write(_TOO_MANY)  # type: ignore[attr-defined]
            transport.close()
            return
        self._address = address
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._headers_came()
        if self._address:
            self._door.leave(self._address)
            self._address = ""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.arrivals is not None:
            self.arrivals.take(data)
            return
        if self._payload_parser is not None or not self._address:
            if self._address:
                self.at_frame = False
                super().data_received(data)  # a WebSocket's bytes
            return
        self.at_frame = data.endswith(b"\r\n\r\n")
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._headers_came()
        elif self._deadline is None and self._current_request is None and not self._messages:
            self._await_headers()  # the beginning of another request on a connection kept alive

    def to_aiohttp(self, data: bytes) -> None:
        super().data_received(data)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What a request that is no HTTP is told, and a handler's own fault."""
        if status >= 500:
            log.error("fault in a handler: %s %s", request.method, request.path, exc_info=exc)
            problem = Problem("internal", "The venue made a mistake; it is logged.")
        else:
            SAMPLE.info("malformed request from %s: %s", self._address, (message or "").splitlines()[:1])
            problem = Problem("malformed", "This is no HTTP request that the venue understands.", status=status)
        response = problem_response(problem)
        response.force_close()
        return response

    def _await_headers(self) -> None:
        self._deadline = self._door.loop.call_later(self._door.settings.header_seconds_max, self._late)

    def _headers_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        self.force_close()


def problem_response(problem: Problem, trace_id: str | None = None) -> web.Response:
    import msgspec

    return web.Response(
        body=msgspec.json.encode(problem.body(trace_id)),
        status=problem.status,
        content_type="application/problem+json",
        headers=problem.headers,
    )


class Sample:
    """A logger that says at most SAMPLED_PER_SECOND lines a second, and how many it left out."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger
        self._second = self._said = self._left_out = 0

    def info(self, text: str, *args: Any) -> None:
        second = int(asyncio.get_running_loop().time())
        if second != self._second:
            if self._left_out:
                self.logger.info("%d more lines like these were left out", self._left_out)
            self._second, self._said, self._left_out = second, 0, 0
        if self._said >= SAMPLED_PER_SECOND:
            self._left_out += 1
            return
        self._said += 1
        self.logger.info(text, *args)


SAMPLE = Sample(log)
_BODY = b'{"type":"urn:qhatu:problem:too_many_connections","title":"Too many connections","status":429,"detail":"This address has as many connections as it may.","code":"too_many_connections"}'  # noqa: E501
_TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/problem+json\r\nRetry-After: 5\r\n"
    b"Connection: close\r\nContent-Length: " + str(len(_BODY)).encode() + b"\r\n\r\n" + _BODY
)
