"""What logs leave out: repetitions, and what may be about somebody.

While a broker is away aiokafka says the same things several hundred times a second.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from typing import Final

QUIET_SECONDS: Final = 5.0
SLACK_SECONDS: Final = 0.05
"""A loop's timers may be a little early."""

LIBRARIES: Final = ("aiokafka", "faust", "mode", "asyncio", "aiohttp")

AUTHENTICATING: Final = "SaslAuthenticate"
"""What names the request that carries the password or the token, which aiokafka logs at debug."""


@dataclass(slots=True)
class _Seen:
    """What is known of a message."""

    since: float
    """When it was let through last; monotonic, s."""
    left_out: int = 0
    """Since then."""


class Thinned(logging.Filter):
    """Lets a message through once in `QUIET_SECONDS`; the next one says how many like it were left out.

    Where none comes the last that was left out says it by itself, if an event loop runs. One that holds what a client
    authenticates with is never let through.

    Args:
        by_text: messages are told apart by all of their text, instead of by what it is before anything is put into it:
            for a logger that has few of them.
        seconds: how long, if not `QUIET_SECONDS`.
    """

    def __init__(self, *, by_text: bool = False, seconds: float | None = None) -> None:
        super().__init__()
        self._by_text = by_text
        self._seconds = seconds
        self._seen: dict[object, _Seen] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record."""
        if record.levelno == logging.DEBUG and AUTHENTICATING in record.getMessage():
            return False
        what = (record.name, record.getMessage() if self._by_text else record.msg)
        now = time.monotonic()
        quiet = QUIET_SECONDS if self._seconds is None else self._seconds
        seen = self._seen.get(what)
        if seen is not None and now - seen.since < quiet:
            seen.left_out += 1
            if seen.left_out == 1:
                self._call_later(record, seen, quiet)
            return False
        self._seen[what] = _Seen(now)
        if seen is not None and seen.left_out:
            record.msg = f"{record.msg} (and {seen.left_out} more like it)"
            seen.left_out = 0  # told: nothing is left to be told later
        return True

    @staticmethod
    def _call_later(record: logging.LogRecord, seen: _Seen, quiet: float) -> None:
        """Have the record logged once the quiet is over, unless another one was by then."""

        def tell() -> None:
            if seen.left_out > 0:
                seen.left_out -= 1  # it is one of them itself
                logging.getLogger(record.name).handle(record)

        with contextlib.suppress(RuntimeError):  # no loop runs here: the next one tells
            asyncio.get_running_loop().call_later(quiet + SLACK_SECONDS, tell)


def thin_out(library: str) -> None:
    """Put the filter on each logger that the library has (filters are not inherited)."""
    for name in list(logging.root.manager.loggerDict):
        if name == library or name.startswith(f"{library}."):
            logging.getLogger(name).addFilter(Thinned())


def hush_libraries(level: str) -> None:
    """Have the libraries say nothing, unless the level is debug: what matters of theirs we say, once and in our words.

    They log each retry as an error.
    """
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.NOTSET if level == "debug" else logging.CRITICAL)


def raised(error: BaseException) -> str:
    """What was raised and where, without its message: that is likely to hold somebody's id."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__}{where}"
