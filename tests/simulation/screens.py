"""Readers of the feeds: some slow, some forgetful, all hold what they rebuild against the truth.

A line is one connection. What the reader does not take leaves conflated channels out until it has caught up, and ends
the line when a channel that misses nothing has too much waiting, as a session does. A screen comes back by itself.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import msgspec

from gateway.forms import JSON, Form
from gateway.market_data.channel import Channel, Name
from gateway.market_data.frames import Frame
from tests.simulation.pictures import Auction, Book, Executions, Latest, OwnBids, Picture, Sales, Tape
from tests.simulation.server import Server

if TYPE_CHECKING:
    from tests.simulation.world import World

CONFLATE_FRAMES = 4  # a line with more on the way leaves conflated messages out
QUEUE_FRAMES_MAX = 40
RESYNC_SECONDS = 0.03
DEPTHS = (10, 25)
_decode = msgspec.json.Decoder().decode


class Line:
    """One connection to one start of the server: a `Reader` of its channels."""

    form: Form = JSON

    def __init__(self, screen: Screen, server: Server) -> None:
        self.screen, self.server, self.loop = screen, server, screen.world.loop
        self.channels: dict[Name, Channel] = {}
        self.closed = False
        self._behind: dict[Channel, None] = {}
        self._waiting = 0
        self._arrives = 0.0
        self._beginning = False
        server.lines.append(self)

    def feed(self, channel: Channel, frame: Frame) -> None:
        if self.closed:
            return
        if channel.conflated and (self._behind or self._waiting > CONFLATE_FRAMES):
            self._behind[channel] = None
            return
        if self._waiting >= QUEUE_FRAMES_MAX:
            self.close()
            return
        raw = frame.of(self.form)
        self._waiting += 1
        self._arrives = max(self._arrives + 1e-6, self.loop.time() + self.screen.pace())
        if self._beginning and channel.name.channel == "book":
            instrument = channel.name.instrument
            self.screen.world.books.begin(instrument, frame.seq, self.server.sides(instrument))
        self.loop.call_at(self._arrives, self._arrive, channel.name, raw)

    def _arrive(self, name: Name, raw: bytes) -> None:
        self._waiting -= 1
        if not self.closed and self.screen.line is self:
            self.screen.take(name, raw)

    def subscribe(self, names: list[tuple[str, str | None, int | None]]) -> None:
        assert self.server.hub is not None
        for channel_name, symbol, depth in names:
            channel = self.server.hub.channel(channel_name, symbol, self.screen.account or None, depth)
            self.channels[channel.name] = channel
            self._begin(channel)

    def resync(self, name: Name, seq: int) -> None:
        channel = self.channels.get(name)
        if not self.closed and channel is not None and self in channel.readers:
            self._beginning = True
            channel.resync(self, seq)
            self._beginning = False

    def catch_up(self) -> None:
        """The snapshots that are owed, once what was on the way has arrived."""
        if self._waiting <= CONFLATE_FRAMES // 2:
            owed, self._behind = list(self._behind), {}
            for channel in owed:
                self._begin(channel)

    def _begin(self, channel: Channel) -> None:
        self._beginning = True
        channel.begin(self)
        self._beginning = False

    def close(self) -> None:
        self.closed = True
        for channel in self.channels.values():
            channel.end(self)
        self.server.lines.remove(self)


class Screen:
    """A reader with an account (0: none) that watches everything it may."""

    def __init__(self, world: World, account: int, *, slow: bool) -> None:
        self.world, self.account, self.slow = world, account, slow
        self.chance = Random(world.chance.getrandbits(32))
        self.line: Line | None = None
        self.forgets = 0.02  # of messages, until the storm ends
        self.breaks = 0.3  # a second
        self.pictures: dict[Name, Picture] = {}
        self._asked: dict[Name, float] = {}  # when a resync was asked for
        self.messages = 0

    def pace(self) -> float:
        """Seconds that a message needs to be taken."""
        return self.chance.expovariate(30 if self.slow else 1_000)

    async def main(self) -> None:
        while True:
            server = self.world.server
            alive = server is not None and server.has_doors and bool(server.machine.venue.instruments)
            if alive and (self.line is None or self.line.server is not server or self.line.closed):
                assert server is not None
                self._connect(server)
            await asyncio.sleep(self.chance.uniform(0.01, 0.05))
            if self.line is not None and not self.line.closed and self.chance.random() < self.breaks * 0.03:
                self.line.close()

    def _connect(self, server: Server) -> None:
        self._asked.clear()
        self.line = line = Line(self, server)
        symbols = sorted(listing.symbol for listing in server.machine.venue.instruments.values())
        names: list[tuple[str, str | None, int | None]] = [("status", None, None), ("sales", None, None)]
        for symbol in symbols:
            names += [("book", symbol, self.chance.choice(DEPTHS)), ("trades", symbol, None), ("auction", symbol, None)]
        if self.account in server.machine.venue.accounts:
            names += [("executions", None, None), ("own_bids", None, None)]
        # Who comes back may go on where the last line ended, and then pays no heed to the snapshot it is given.
        resumed = [name for name, picture in self.pictures.items() if picture.resumes and self.chance.random() < 0.7]
        self.pictures = {
            name: picture if name in resumed else _picture(self, name) for name, picture in self.pictures.items()
        }
        for name in resumed:
            self.pictures[name].pass_over_snapshot = True
        line.subscribe(names)
        for name in line.channels:
            self.pictures.setdefault(name, _picture(self, name))
        for name in resumed:
            line.resync(name, self.pictures[name].seq)

    def take(self, name: Name, raw: bytes) -> None:
        self.messages += 1
        self.world.note(f"{self.account} reads {raw.hex()}")
        self.world.secrets.check_bytes(raw, f"the feeds of account {self.account}", self.account)
        if self.chance.random() < self.forgets:
            return
        picture = self.pictures[name]
        if not picture.message(_decode(_payload(raw))):
            self._ask(name, picture.seq)

    def _ask(self, name: Name, seq: int) -> None:
        """Resync, unless that is under way."""
        now = self.world.loop.time()
        if now < self._asked.get(name, 0.0):
            return
        self._asked[name] = now + RESYNC_SECONDS
        line = self.line
        assert line is not None
        self.world.loop.call_later(self.chance.uniform(0.0005, RESYNC_SECONDS / 2), line.resync, name, seq)

    # The end

    def storm_ends(self) -> None:
        self.forgets = self.breaks = 0.0
        self.slow = False

    def ask_for_the_rest(self) -> None:
        for name, picture in self.pictures.items():
            self._asked.pop(name, None)
            self._ask(name, picture.seq)

    def stands(self, server: Server) -> bool:
        """Whether it has everything that was told."""
        line = self.line
        return (
            line is not None
            and line.server is server
            and not line.closed
            and line.channels.keys() <= self.pictures.keys()
            and all(self.pictures[name].seq == channel.seq for name, channel in line.channels.items())
        )

    def check(self, server: Server) -> None:
        """Everything on the screen is what the engine has."""
        assert self.line is not None
        for name in self.line.channels:
            self.pictures[name].check(server, name)


_PICTURES: dict[str, type[Picture]] = {
    "book": Book,
    "trades": Tape,
    "auction": Auction,
    "status": Latest,
    "sales": Sales,
    "executions": Executions,
    "own_bids": OwnBids,
}


def _picture(screen: Screen, name: Name) -> Picture:
    return _PICTURES[name.channel](screen.world, name)


def _payload(raw: bytes) -> bytes:
    """What an unmasked server frame carries."""
    return raw[{126: 4, 127: 10}.get(raw[1], 2) :]
