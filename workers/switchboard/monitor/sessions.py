"""The readers who signed in: random names of sessions, kept here and nowhere else."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_SESSIONS: Final = 10_000
"""2 MB. Only those who have the token can open any; with one more the oldest is over."""


class Sessions:
    """The open sessions. Each ends after a time that is fixed when it is opened, at a sign-out, or with the process.

    A cookie made from the token would be shorter to write and would outlive a restart, but nobody could take it back
    from whoever copied it, short of a new token for all.

    Args:
        seconds: how long a session lasts.
        clock: tells the time in seconds; it never goes back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._ends: OrderedDict[bytes, float] = OrderedDict()
        """By the hash of the name, so that how long a look-up takes tells nothing of a name; the oldest first."""

    def open(self) -> str:
        """A new session's name, of 256 random bits."""
        self._forget()
        name = secrets.token_urlsafe(32)
        self._ends[_hashed(name)] = self._clock() + self.seconds
        while len(self._ends) > MOST_SESSIONS:
            self._ends.popitem(last=False)
        return name

    def is_open(self, name: str) -> bool:
        """Whether a session has that name, and is not over."""
        return self._ends.get(_hashed(name), 0.0) > self._clock()

    def end(self, name: str) -> None:
        """End the session of that name, if there is one."""
        self._ends.pop(_hashed(name), None)

    def _forget(self) -> None:
        while self._ends and next(iter(self._ends.values())) <= self._clock():
            self._ends.popitem(last=False)


def _hashed(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogateescape")).digest()
