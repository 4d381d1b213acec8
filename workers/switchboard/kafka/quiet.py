"""What logs leave out: repetitions, and what may be about somebody.

While a broker is away aiokafka says the same things several hundred times a second.
"""

import logging
import time
from typing import Final

QUIET_SECONDS: Final = 5.0

LIBRARIES: Final = ("aiokafka", "faust", "mode", "asyncio", "aiohttp")

AUTHENTICATING: Final = "SaslAuthenticate"
"""What names the request that carries the password or the token, which aiokafka logs at debug."""


class Thinned(logging.Filter):
    """Lets a message through once in `QUIET_SECONDS`; the next one says how many like it were left out.

    One that holds what a client authenticates with is never let through.
    """

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[object, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log the record. Messages are told apart by their text before anything is put into it."""
        if record.levelno == logging.DEBUG and AUTHENTICATING in record.getMessage():
            return False
        what = (record.name, record.msg)
        now = time.monotonic()
        since, left_out = self._last.get(what, (-QUIET_SECONDS, 0))
        if now - since < QUIET_SECONDS:
            self._last[what] = (since, left_out + 1)
            return False
        self._last[what] = (now, 0)
        if left_out:
            record.msg = f"{record.msg} (and {left_out} more like it)"
        return True


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
