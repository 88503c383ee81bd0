"""A bare aiohttp WebSocket echo on uvloop: what the framework alone can do. Prints its port."""

from __future__ import annotations

import asyncio
import contextlib

import uvloop
from aiohttp import WSMsgType, web


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False, protocols=("qhatu.msgpack.v1",))
    await socket.prepare(request)
    with contextlib.suppress(ConnectionResetError):  # the load client leaves in mid-flight
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
    return socket


async def serve() -> None:
    app = web.Application()
    app.router.add_get("/v1/ws", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
