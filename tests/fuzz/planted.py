"""Targets with known faults, to see that the fuzzer finds them."""

import os
from mmap import PAGESIZE, mmap
from random import Random
from typing import ClassVar

from tests.fuzz.target import Target, require


class Faulty(Target[bytes]):
    """Refuses three brackets in a row with what nobody expects, and a `#` by a broken rule."""

    name: ClassVar = "faulty"
    checks: ClassVar = "a planted fault"
    outcomes: ClassVar = frozenset({"good"})

    def generate(self, random: Random) -> bytes:
        """A few bytes of few kinds."""
        return bytes(random.choices(b"[]ab#", (10, 10, 10, 10, 0.1), k=random.randrange(40)))

    def check(self, case: bytes) -> str:
        """Fail for some."""
        if b"[[[" in case:
            raise RecursionError("too deep")
        require(b"#" not in case, "no comment is let through", case)
        return "good"


class Forgetful(Faulty):
    """Fails at the fifth input after it was renewed."""

    name: ClassVar = "forgetful"

    def renew(self) -> None:
        """Count anew."""
        self._seen = 0

    def check(self, case: bytes) -> str:
        """Count, and fail at five."""
        del case
        self._seen += 1
        require(self._seen < 5, "at most four are remembered")
        return "good"


class Greedy(Faulty):
    """Takes 64 MB more than is let for one input."""

    name: ClassVar = "greedy"
    growth_limit: ClassVar = 16 * 1024 * 1024

    def check(self, case: bytes) -> str:
        """Take memory from the system: what the process has freed, and kept, would be no growth."""
        with mmap(-1, 64 * 1024 * 1024) as memory:
            for page in range(0, len(memory), PAGESIZE):
                memory[page] = 1
            return f"{len(case) > 0}"


class Fatal(Faulty):
    """Ends its process, as a fault in C code does."""

    name: ClassVar = "fatal"

    def check(self, case: bytes) -> str:
        """End the process at the first pair of brackets."""
        if b"[]" in case:
            os.abort()
        return "good"
