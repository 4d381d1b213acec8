"""Filters for the logs of libraries: no repetitions, no personal data.

While a broker is away, aiokafka logs the same messages several hundred times a second.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

QUIET_SECONDS: Final = 5.0
"""Time in which a message is not logged again."""
SLACK_SECONDS: Final = 0.05
"""Added to the timer of a suppressed message. An event loop's timers may fire a little early, and the message would
then be suppressed again."""

LIBRARIES: Final = ("aiokafka", "faust", "mode", "asyncio", "aiohttp")

AUTHENTICATING: Final = "SaslAuthenticate"
"""Name of the request that carries the password or token; aiokafka logs requests at debug level."""


@dataclass(slots=True)
class _Seen:
    """When one message was last logged, and the number of repetitions suppressed since."""

    since: float
    """When the message was last logged; monotonic, s."""
    left_out: int = 0
    """Number of suppressed repetitions since then."""


def _call_later(seconds: float, call: Callable[[], None]) -> None:
    """Have the running event loop make a call; no effect without a loop."""
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop().call_later(seconds, call)


class Thinned(logging.Filter):
    """Passes a message, then suppresses repetitions for `seconds`; the next one that passes adds their number.

    If none passes, the first suppressed one is logged `seconds` after it came, provided that an event loop runs.
    Messages with the credentials of a client are never passed.

    Args:
        by_text: compare messages by their full text instead of their format string; for a logger with few messages.
        seconds: length of the window.
        clock: the time, in s.
        call_later: makes a call after so many seconds.
    """

    def __init__(
        self,
        *,
        by_text: bool = False,
        seconds: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], object] = _call_later,
    ) -> None:
        super().__init__()
        self._by_text = by_text
        self._seconds = seconds
        self._clock = clock
        self._call_later = call_later
        self._seen: dict[object, _Seen] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True if the record is to be logged."""
        if record.levelno == logging.DEBUG and AUTHENTICATING in record.getMessage():
            return False
        what = (record.name, record.getMessage() if self._by_text else record.msg)
        now = self._clock()
        seen = self._seen.get(what)
        if seen is not None and now - seen.since < self._seconds:
            seen.left_out += 1
            if seen.left_out == 1:
                self._log_at_end(record, seen)
            return False
        self._seen[what] = _Seen(now)
        if seen is not None and seen.left_out:
            record.msg = f"{record.msg} (and {seen.left_out} more like it)"
            seen.left_out = 0  # tells `log_last` that there is nothing to log
        return True

    def _log_at_end(self, record: logging.LogRecord, seen: _Seen) -> None:
        """Log the record one window from now, unless a later message is logged first."""

        def log_last() -> None:
            if seen.left_out > 0:
                seen.left_out -= 1  # the record itself
                logging.getLogger(record.name).handle(record)

        self._call_later(self._seconds + SLACK_SECONDS, log_last)


def thin_out(library: str, clock: Callable[[], float] = time.monotonic) -> None:
    """Add the filter to each existing logger of the library; Python's loggers do not inherit filters."""
    for name in list(logging.root.manager.loggerDict):
        if name == library or name.startswith(f"{library}."):
            logging.getLogger(name).addFilter(Thinned(clock=clock))


def hush_libraries(level: str) -> None:
    """Silence the libraries unless the level is debug: they log each retry as an error.

    Switchboard itself logs the errors that matter.
    """
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.NOTSET if level == "debug" else logging.CRITICAL)


def raised(error: BaseException) -> str:
    """Class and place of an error, without the message, which may hold personal data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__}{where}"
