"""Structured logs; what is bound to a request (its id above all) appears in every line written while serving it."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TextIO

import structlog

__all__ = ["configure_logs", "get_logger"]


def configure_logs(service: str, level: str, log_format: str) -> None:
    """Log to standard error: JSON lines, or text for people with ``log_format="console"``."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    )
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if log_format == "json":
        processors.append(structlog.processors.dict_tracebacks)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    warnings.showwarning = _log_warning
    # Of damaged files, which any client can send: one of 240 KB brings 20,000 warnings.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


class _Libraries(logging.Handler):
    """What libraries log in their own way: lines like all others."""

    def emit(self, record: logging.LogRecord) -> None:
        log = get_logger().error if record.levelno >= logging.ERROR else get_logger().warning
        log("library", message=record.getMessage(), library=record.name, exc_info=record.exc_info or None)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    get_logger().warning("python warning", message=str(message), category=category.__name__, at=f"{filename}:{lineno}")


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger; call as ``log.info("event", key=value)``."""
    return structlog.get_logger()  # type: ignore[no-any-return]
