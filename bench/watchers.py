"""Readers of the sales feed, without a key, in a process of their own: `python -m bench.watchers PORT COUNT`.

Prints "ready" when each has its snapshot; at the end of its input one line of JSON: frames and bytes of all, frames of
the one that got fewest and most, and for how long they read. It looks into no frame: a client that thinks measures
itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter_ns

import msgspec
import uvloop

from bench import load

ADDRESS_READERS = 40  # connections from each loopback address: a venue lets in so many of one


class Watcher(load.Connection):
    """Counts what comes."""

    def __init__(self) -> None:
        super().__init__(lambda connection, events: None)
        self.frames = self.bytes = 0

    def take(self, op: int, payload: bytes) -> None:
        if op != 2:
            super().take(op, payload)
            return
        self.frames += 1
        self.bytes += len(payload)


async def watch(port: int, count: int) -> None:
    loop, watchers = asyncio.get_running_loop(), []
    subscribe = load.frame(msgspec.msgpack.encode({"op": "subscribe", "channel": "sales"}))
    for k in range(count):
        local = (f"127.0.1.{1 + k // ADDRESS_READERS}", 0)
        _, watcher = await loop.create_connection(Watcher, "127.0.0.1", port, local_addr=local)
        watcher.hello("127.0.0.1")
        await watcher.upgraded
        watcher.said_ok.cancel()
        watcher.send(subscribe)
        watchers.append(watcher)
    while any(watcher.frames == 0 and not watcher.closed for watcher in watchers):
        await asyncio.sleep(0.05)
    for watcher in watchers:
        watcher.frames = watcher.bytes = 0
    started = perf_counter_ns()
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    frames = [watcher.frames for watcher in watchers]
    told = {
        "frames": sum(frames),
        "frames_least": min(frames),
        "frames_most": max(frames),
        "bytes": sum(watcher.bytes for watcher in watchers),
        "closed": sum(watcher.closed is not None for watcher in watchers),
        "seconds": (perf_counter_ns() - started) / 1e9,
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    uvloop.run(watch(int(sys.argv[1]), int(sys.argv[2])))
