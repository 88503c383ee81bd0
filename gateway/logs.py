"""Logs: one JSON line each on stderr, so that stdout stays for what commands answer. No payloads, no keys."""

from __future__ import annotations

import logging
import sys

import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def to_stderr(level: int = logging.INFO) -> None:
    """Send structlog's and the standard library's lines there; aiohttp's own only from warnings up, in one line."""
    structlog.configure(
        processors=[*_SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED, processors=[_drop_meta, structlog.processors.JSONRenderer()]
    )
    handler.setFormatter(_Lines(formatter))
    root = logging.getLogger()
    root.handlers, root.level = [handler], level
    for name in ("aiohttp.server", "aiohttp.websocket", "aiohttp.access"):
        logging.getLogger(name).addFilter(_without_traceback)
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


class _Lines(logging.Formatter):
    """Lines that structlog rendered already pass through; the others are rendered here."""

    def __init__(self, foreign: logging.Formatter) -> None:
        super().__init__()
        self.foreign = foreign

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        return text if text.startswith("{") else self.foreign.format(record)


def _drop_meta(logger: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: value for key, value in event.items() if not key.startswith("_")}


def _without_traceback(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True
