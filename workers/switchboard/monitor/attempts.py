"""How often the token may be guessed at."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(slots=True, frozen=True)
class Allowance:
    """So many wrong tokens at once, and one more each `1 / per_second` seconds."""

    most: float
    per_second: float


STRANGER: Final = Allowance(10, 0.5)
"""Of an address: a person who mistypes is never held up for long; who tries all day long tries 43,000."""
KNOWN: Final = Allowance(100, 10)
"""Of an address that the right token came from: a proxy, or a network with one address, where one client may guess and
others must still come in."""
ALL: Final = Allowance(100, 10)
"""Of all addresses together from which the right token came, as much again of all that have guessed wrong, and again of
all others. Who guesses from many addresses uses up the last two, and nothing of what those need who were in before."""
KNOWN_SECONDS: Final = 24 * 3600.0
MOST_ADDRESSES: Final = 10_000
"""Whose wrong guesses are kept, 3 MB; with one more, the one that guessed longest ago is forgotten."""
MOST_KNOWN: Final = 1_000


class Bucket:
    """What is left of an allowance."""

    __slots__ = ("_allowed", "_at", "_left")

    def __init__(self, allowed: Allowance, now: float) -> None:
        self._allowed = allowed
        self._left = allowed.most
        self._at = now

    def wait(self, now: float) -> float:
        """In how many seconds one more is allowed; 0 if one is now."""
        self._fill(now)
        return max(0.0, (1 - self._left) / self._allowed.per_second)

    def take(self, now: float) -> None:
        """Use one."""
        self._fill(now)
        self._left = max(0.0, self._left - 1)

    def _fill(self, now: float) -> None:
        self._left = min(self._allowed.most, self._left + max(0.0, now - self._at) * self._allowed.per_second)
        self._at = now


@dataclass(slots=True)
class Guesses:
    """The wrong tokens of one address."""

    bucket: Bucket
    latest: bytes = b""
    """The hash of the last one. The same again is no new guess: a program that was not told of a new token, and tries
    again each second, does not keep others of its address out."""


class Attempts:
    """Limits wrong tokens, by address and in all, in bounded memory. Right ones cost nothing.

    Args:
        clock: tells the time in seconds; it never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guesses: OrderedDict[str, Guesses] = OrderedDict()
        self._known: OrderedDict[str, float] = OrderedDict()
        """Until when, by address."""
        now = clock()
        self._all_known, self._all_guessing, self._all_others = (Bucket(ALL, now) for _ in range(3))

    def wait(self, address: str) -> float:
        """In how many seconds a token that comes from an address may be looked at; 0 if it may be now."""
        now = self._clock()
        guesses = self._guesses.get(address)
        return max(0.0 if guesses is None else guesses.bucket.wait(now), self._in_all(address).wait(now))

    def failed(self, address: str, shown: str) -> None:
        """Note that it was a wrong one."""
        now = self._clock()
        guesses, hashed = self._guesses.get(address), _hashed(shown)
        if guesses is not None and guesses.latest == hashed:
            return
        self._in_all(address).take(now)
        if guesses is None:
            allowed = KNOWN if self._is_known(address) else STRANGER
            guesses = self._guesses[address] = Guesses(Bucket(allowed, now))
        guesses.latest = hashed
        guesses.bucket.take(now)
        self._guesses.move_to_end(address)
        while len(self._guesses) > MOST_ADDRESSES:
            self._guesses.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Note that it was the right one."""
        if not self._is_known(address):
            self._guesses.pop(address, None)  # its bucket is a stranger's
        self._known[address] = self._clock() + KNOWN_SECONDS
        self._known.move_to_end(address)
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    def _in_all(self, address: str) -> Bucket:
        """What an address shares with others like it."""
        if self._is_known(address):
            return self._all_known
        return self._all_guessing if address in self._guesses else self._all_others

    def _is_known(self, address: str) -> bool:
        return self._known.get(address, 0.0) > self._clock()


def _hashed(shown: str) -> bytes:
    return hashlib.sha256(shown.encode(errors="surrogateescape")).digest()
