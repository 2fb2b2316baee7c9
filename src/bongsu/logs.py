"""One log for everything: a line per event, coloured for people on a terminal, JSON for machines elsewhere.

structlog is imported here with rich out of sight: its renderer for terminals would load rich and pygments, 7 MB that a
server never uses. Import this module before anything else imports structlog.
"""

import logging
import sys
from typing import Any, Final

_hidden = "structlog" not in sys.modules and "rich" not in sys.modules
if _hidden:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

if _hidden:
    del sys.modules["rich"]

import msgspec  # noqa: E402

_encoder: Final = msgspec.json.Encoder(enc_hook=repr)
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _ToStructlog(logging.Handler):
    """Lines of libraries that use the standard library's log."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger(record.name)
        logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info or None)


def configure(log_format: str, log_level: str) -> None:
    """Logs go to stderr from now on; stdout is for what was asked for."""
    is_console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    level = _LEVELS[log_level]
    structlog.configure(
        processors=_console() if is_console else _json(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr)
        if is_console
        else structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(level, logging.INFO), handlers=[_ToStructlog()], force=True)


def _console() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("%H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=28
        ),
    ]


def _json() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        structlog.processors.JSONRenderer(serializer=_serialise),
    ]


def _serialise(event: Any, **_: Any) -> bytes:
    """One line of JSON, what it is about first. What JSON cannot hold is shown as Python would."""
    ordered = {name: event.pop(name, None) for name in ("timestamp", "level", "event")} | event
    try:
        return _encoder.encode(ordered)
    except (TypeError, UnicodeEncodeError):  # keys that are no texts, halves of surrogate pairs
        return _encoder.encode({repr(name): repr(value) for name, value in ordered.items()})
