"""What the venue counts about itself, for Prometheus. No payloads, no keys, no accounts."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily

from gateway.sequencer import Sequencer
from gateway.storage import Storage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000)
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Counts:
    """Counters of the busiest paths: plain numbers, read when someone asks."""

    def __init__(self) -> None:
        self.packed_rows = 0
        self.messages = 0
        self.events = 0

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily("qhatu_packed_rows", "Rows taken by the packed path", self.packed_rows)
        yield CounterMetricFamily("qhatu_ws_messages", "WebSocket messages taken, packed ones apart", self.messages)
        yield CounterMetricFamily("qhatu_events", "Events of applied commands", self.events)


class Metrics:
    def __init__(self, counts: Counts) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(counts)

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"qhatu_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"qhatu_{name}", text, registry=self.registry)

        self.requests = counter("http_requests", "HTTP requests answered", ("method", "route", "status"))
        self.request_seconds = Histogram(
            "qhatu_http_request_seconds", "Time to answer", buckets=_SECONDS, registry=self.registry
        )
        self.problems = counter("problems", "Refusals by code", ("code",))
        self.connections = gauge("ws_connections", "WebSocket connections open")
        self.slow_consumers = counter("slow_consumers", "Connections closed because their reader fell behind")
        self.faults = counter("faults", "Exceptions in fan-out and handlers: bugs, each with a log line", ("where",))
        self.record_commands = Histogram(
            "qhatu_record_commands", "Commands in a record", buckets=_ROWS, registry=self.registry
        )
        self.seq = gauge("seq", "Last command applied")
        self.waiting = gauge("inbox_commands", "Commands that wait for the sequencer")
        self.ready = gauge("ready", "1 while orders are taken")
        self.free_bytes = gauge("storage_free_bytes", "Free space on the disk of the log, at the last look")
        self.storage_low = gauge("storage_low", "1 while new orders are refused because the disk is nearly full")

    def text(self, sequencer: Sequencer | None, storage: Storage) -> bytes:
        self.free_bytes.set(storage.free_bytes)
        self.storage_low.set(int(storage.low))
        if sequencer is not None:
            self.seq.set(sequencer.machine.seq)
            self.waiting.set(sequencer.inbox.waiting)
        return generate_latest(self.registry)
