"""What is fuzzed: a generator of inputs, and a check of one input."""

from abc import ABC, abstractmethod
from random import Random
from typing import ClassVar, Generic, TypeVar

Case = TypeVar("Case")
"""One input: bytes, text, a number, None, or a tuple or frozen dataclass of such, so that its `repr` rebuilds it."""


class BrokenError(AssertionError):
    """A property does not hold for an input."""

    def __init__(self, rule: str, found: object = "") -> None:
        super().__init__(f"{rule}: {found}" if found != "" else rule)
        self.rule = rule
        """The property, in the same words for every input that breaks it."""


def require(condition: bool, rule: str, found: object = "") -> None:
    """Check a property.

    Raises:
        BrokenError: it does not hold; `found` is what was there instead.
    """
    if not condition:
        raise BrokenError(rule, found)


class Target(ABC, Generic[Case]):
    """One part of the product under fuzzing."""

    name: ClassVar[str]
    """As given to `--target`."""
    checks: ClassVar[str]
    """What is checked, for the report."""
    outcomes: ClassVar[frozenset[str]]
    """The outcomes that a run of 5,000 inputs must reach. Without them the generator would be blind in one eye."""
    growth_limit: ClassVar[int] = 192 * 1024 * 1024
    """Bytes that one input may take beyond what was in use before it."""

    @abstractmethod
    def generate(self, random: Random) -> Case:
        """An input; the same one for the same state of `random`."""

    @abstractmethod
    def check(self, case: Case) -> str:
        """The outcome of an input, in a word or two: each is counted.

        Raises:
            BrokenError: a property does not hold.
            Exception: whatever the product raises and should not.
        """

    def renew(self) -> None:
        """Drop what earlier inputs have left behind, such as an engine's state."""

    def close(self) -> None:
        """Give back files and sockets."""
