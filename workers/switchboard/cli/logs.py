"""Logs: lines for a console, or JSON.

A line names no chat, agent or attribute above debug, so that logs may go where chats may not.
"""

import logging
import signal
import sys
from typing import Final

import structlog

from switchboard.settings import Settings

OURS: Final = "switchboard"

TO_DEBUG: Final = signal.SIGUSR1
AS_SET: Final = signal.SIGUSR2
LEVEL_SIGNALS: Final = (TO_DEBUG, AS_SET)
"""Sent to a worker that runs: what it says itself is logged at debug, or at the level of its settings again."""


def set_up_logs(settings: Settings) -> None:
    """Send all logging to stderr in the form that the settings ask for, and have the signals change its level."""
    time_key = "time" if settings.log_format == "json" else "timestamp"  # the name that the console's renderer knows
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key=time_key),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    level = settings.log_level.upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    signal.signal(TO_DEBUG, lambda *_: _set_level("DEBUG"))
    signal.signal(AS_SET, lambda *_: _set_level(level))


def _set_level(level: str) -> None:
    """Ours alone: at debug the libraries log each request."""
    logging.getLogger(OURS).setLevel(level)
    logging.getLogger(__name__).warning("the log level is %s from here on", level.lower())
