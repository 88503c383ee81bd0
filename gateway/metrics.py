"""What the venue counts about itself, for Prometheus. No payloads, no keys, no accounts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.sequencer import Sequencer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 4_000)
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"qhatu_{name}", text, labels, registry=self.registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"qhatu_{name}", text, registry=self.registry)

        self.requests = counter("http_requests", "HTTP requests answered", ("method", "route", "status"))
        self.request_seconds = Histogram(
            "qhatu_http_request_seconds", "Time to answer", buckets=_SECONDS, registry=self.registry
        )
        self.problems = counter("problems", "Refusals by code", ("code",))
        self.packed_rows = counter("packed_rows", "Rows taken by the packed path")
        self.messages = counter("ws_messages", "WebSocket messages taken")
        self.connections = gauge("ws_connections", "WebSocket connections open")
        self.slow_consumers = counter("slow_consumers", "Connections closed because their reader fell behind")
        self.faults = counter("faults", "Exceptions in fan-out and handlers: bugs, each with a log line", ("where",))
        self.record_commands = Histogram(
            "qhatu_record_commands", "Commands in a record", buckets=_ROWS, registry=self.registry
        )
        self.events = counter("events", "Events of applied commands")
        self.seq = gauge("seq", "Last command applied")
        self.waiting = gauge("inbox_commands", "Commands that wait for the sequencer")
        self.ready = gauge("ready", "1 while orders are taken")

    def text(self, sequencer: Sequencer | None) -> bytes:
        if sequencer is not None:
            self.seq.set(sequencer.machine.seq)
            self.waiting.set(sequencer.inbox.waiting)
        return generate_latest(self.registry)
