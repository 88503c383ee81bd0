"""What an operator may set about the gateway. Market rules are not settings: they are commands in the log."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from engine import limits
from gateway.config import MIB, Server


class Rates(Struct, frozen=True):
    """Token buckets of one key (or of one address without a key): `per_second` refilled, at most `burst` held."""

    per_second: float
    burst: float


class Settings(Struct, frozen=True, kw_only=True):
    data: Path
    segment_bytes: int = limits.SEGMENT_BYTES
    storage_low_bytes: int = limits.STORAGE_LOW_BYTES
    snapshot_commands: int = limits.SNAPSHOT_EVERY_COMMANDS
    snapshot_seconds: float = limits.SNAPSHOT_EVERY_SECONDS
    host: str = "127.0.0.1"
    port: int = 8080
    # Rows, not messages: a frame of 100 orders takes 100.
    orders: Rates = Rates(500_000, 1_000_000)
    cancels: Rates = Rates(500_000, 1_000_000)
    queries: Rates = Rates(500, 2_000)
    feed_tick_seconds: float = 0.08  # book, trades: one conflated frame a tick
    sales_tick_seconds: float = 0.1
    auction_tick_seconds: float = 0.25
    auction_curve_seconds: float = 1.0
    heartbeat_seconds: float = 20.0
    slow_consumer_seconds: float = 10.0  # a reader may stay behind for so long
    conflate_bytes: int = 256 * 1024  # above this a reader gets no updates, later one snapshot
    connections_max: int = limits.CONNECTIONS_MAX
    connections_per_key_max: int = limits.CONNECTIONS_PER_KEY_MAX
    connections_per_address_max: int = limits.CONNECTIONS_PER_ADDRESS_MAX
    header_seconds_max: float = limits.HTTP_HEADER_SECONDS_MAX
    auth_seconds_max: float = limits.WS_AUTH_SECONDS_MAX
    shutdown_seconds_max: float = 10.0
    follower: bool = True

    @classmethod
    def of(
        cls, server: Server, *, data: Path | None, host: str | None, port: int | None, follower: bool = True
    ) -> Settings:
        """What the configuration's `[server]` says, unless an option says otherwise."""
        return cls(
            data=data if data is not None else Path(server.data),
            host=host if host is not None else server.host,
            port=port if port is not None else server.port,
            segment_bytes=server.segment_mib * MIB,
            storage_low_bytes=server.storage_low_mib * MIB,
            snapshot_commands=server.snapshot_commands,
            snapshot_seconds=server.snapshot_seconds,
            follower=follower,
        )
