"""Python's garbage collector, set for programs that hold a large state and make a lot of short-lived values."""

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
"""Instead of 700, 10, 10. The engine makes next to no cycles, what a frame makes is freed with its commit, and a full
collection looks at every chat there is: with 50,000 a drain spent a fifth of its time in collections."""


MONITOR_THRESHOLDS: Final = (20_000, 10, 1_000)
"""Of the monitor: a full collection of 200,000 chats stops its loop for 0.2 s, and counting them brings one about. With
these, what is young is collected in steps of 20 ms at most, and all of it hardly ever."""


def relax_collector(thresholds: tuple[int, int, int] = THRESHOLDS) -> None:
    """Collect rarely. Call once, at start."""
    gc.set_threshold(*thresholds)


def stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set; to be called within the running loop."""
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    return stop


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
        structlog.processors.JSONRenderer()  # json.dumps, which escapes all but ASCII
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    printing = [] if settings.log_format == "json" else [printable_event]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *printing, renderer],
        )
    )
    level = settings.log_level.upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    signal.signal(TO_DEBUG, lambda *_: _set_level("DEBUG"))
    signal.signal(AS_SET, lambda *_: _set_level(level))


def printable_event(
    logger: logging.Logger, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A processor that makes each value of a log line printable; only a traceback keeps its newlines."""
    del logger, method
    for name, value in event.items():
        if name in _OF_SEVERAL_LINES:
            event[name] = printable_lines(str(value))
        elif value is not None and not isinstance(value, bool | int | float):
            event[name] = printable(value if isinstance(value, str) else repr(value))
    return event


_OF_SEVERAL_LINES: Final = frozenset({"exception", "stack"})


class PrintableFormatter(logging.Formatter):
    """Formats what is logged before, or without, `set_up_logs`: the message on one line, and all of it printable."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """The message."""
        return printable(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """The message, and the traceback below it."""
        return printable_lines(super().format(record))


def set_up_last_resort() -> None:
    """Have the warnings of a command that sets up no logs, which `logging` writes on stderr, be printable."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())


def _set_level(level: str) -> None:
    """Ours alone: at debug the libraries log each request."""
    logging.getLogger(OURS).setLevel(level)
    logging.getLogger(__name__).warning("the log level is %s from here on", level.lower())
