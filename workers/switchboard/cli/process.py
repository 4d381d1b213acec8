"""The process of a command: its signals, its log, and Python's garbage collector."""

import asyncio
import gc
import logging
import signal
import sys
from typing import Final

import structlog

from switchboard.journal.printable_text import printable, printable_lines
from switchboard.settings import Settings

THRESHOLDS: Final = (1_000_000, 20, 100)
"""Thresholds of the garbage collector for programs with a large state and many short-lived values.

Python's are 700, 10 and 10. The engine makes almost no reference cycles, the values of a frame are freed with its
commit, and a full collection visits every chat: with 50,000 chats, a drain spent a fifth of its time in collections.
"""

MONITOR_THRESHOLDS: Final = (20_000, 10, 1_000)
"""Thresholds of the monitor.

A full collection of 200,000 chats stops the event loop for 0.2 s, and counting the chats triggers one. With these
thresholds young values are collected in steps of 20 ms at most, and a full collection is rare.
"""

OURS: Final = "switchboard"
"""Name of the parent of all loggers of this package."""

TO_DEBUG: Final = signal.SIGUSR1
AS_SET: Final = signal.SIGUSR2
LEVEL_SIGNALS: Final = (TO_DEBUG, AS_SET)
"""Signals to a running worker: log at debug, or at the level of the settings again."""

_MULTILINE_FIELDS: Final = frozenset({"exception", "stack"})


def relax_collector(thresholds: tuple[int, int, int] = THRESHOLDS) -> None:
    """Make garbage collections rare. Call once, at the start."""
    gc.set_threshold(*thresholds)


def stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set. Call within a running event loop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def set_up_logs(settings: Settings) -> None:
    """Log to standard error in the format of the settings, and install the handlers of `LEVEL_SIGNALS`."""
    as_json = settings.log_format == "json"
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        # The console's renderer looks for the time under `timestamp`.
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time" if as_json else "timestamp"),
        structlog.processors.format_exc_info,
    ]
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer()]  # json.dumps escapes all but ASCII, so the line is printable
        if as_json
        else [printable_event, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    level = settings.log_level.upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    signal.signal(TO_DEBUG, lambda *_: _set_level("DEBUG"))
    signal.signal(AS_SET, lambda *_: _set_level(level))


def _set_level(level: str) -> None:
    """Set the level of this package's loggers only, because at debug the libraries log each request."""
    logging.getLogger(OURS).setLevel(level)
    logging.getLogger(__name__).warning("the log level is %s from here on", level.lower())


def printable_event(
    logger: logging.Logger, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A structlog processor that makes each value of a log line printable; a traceback keeps its newlines."""
    del logger, method
    for name, value in event.items():
        if name in _MULTILINE_FIELDS:
            event[name] = printable_lines(str(value))
        elif value is not None and not isinstance(value, bool | int | float):
            event[name] = printable(value if isinstance(value, str) else repr(value))
    return event


def set_up_last_resort() -> None:
    """Make the warnings printable that `logging` writes to standard error without a set-up."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())


class PrintableFormatter(logging.Formatter):
    """Formatter of a log that `set_up_logs` did not set up: the message on one line, and all text printable."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The message, on one line."""
        return printable(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """The message, with the traceback below."""
        return printable_lines(super().format(record))
