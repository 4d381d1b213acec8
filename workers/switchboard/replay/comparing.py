"""What the replay decides, held against what is found, byte for byte, frame by frame.

As long as all is equal that is one comparison a decision. At a difference the found decisions of that frame are told
apart from those before and after it by their ids, and the comparison goes on with the next frame.
"""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from switchboard.contracts.decisions import PUSH_REQUEST_TYPE, encode
from switchboard.domain.decisions import Decision
from switchboard.replay.found import Finds, Found, Key, beginning, id_of, key_of


class Kind(StrEnum):
    """In what a found decision differs from the replay's."""

    MISSING = "missing"
    """The replay decides it, and it is not found."""
    EXTRA = "extra"
    """It is found, and the replay does not decide it there."""
    DIFFERENT = "different"
    """Both have a decision there, and they are not the same bytes."""
    DECISIONS_END = "decisions-end"
    """There are no more found, and the replay decides more."""
    LOG_ENDS = "log-ends"
    """More are found, of frames that the log does not reach."""


@dataclass(slots=True)
class Difference:
    """One decision that is not as the replay has it."""

    kind: Kind
    expected: bytes | None
    found: Found | None
    after: int
    """So many were equal before it."""

    def __str__(self) -> str:
        """It in a line."""
        expected = "nothing" if self.expected is None else beginning(self.expected)
        found = "nothing"
        if self.found is not None:
            found = f"{beginning(self.found.value)} at {self.found.where}"
        return f"after {self.after} equal records the replay has {expected}, the topic {found}"


class Comparison:
    """One stream of decisions: a decision log, or one partition of a topic."""

    def __init__(self, finds: Finds, shard: int | None = None) -> None:
        """`shard`: the one that the stream is of; None: it is of all of them."""
        self._finds = finds
        self._shard = shard
        self._done: dict[int, int] = {}
        self.same = 0
        """Found decisions that are equal."""

    async def hold(self, key: Key, expected: list[bytes]) -> Difference | None:
        """Hold a frame's decisions against what is found next; the first difference in that frame."""
        left = deque(expected)
        while left:
            found = await self._finds.take()
            if found is None:
                return Difference(Kind.DECISIONS_END, left[0], None, self.same)
            if found.value != left[0]:
                self._finds.put_back(found)
                break
            self.same += 1
            left.popleft()
        difference = await self._differ(key, left)
        self._done[key[0]] = key[1]
        return difference

    async def skip_until(self, key: Key) -> int:
        """Pass over what is found of earlier frames of a shard than this; how many."""
        passed = 0
        while await self._finds.head() is not None:
            at = self._finds.head_key
            if at is None or at[0] != key[0] or at[1] >= key[1]:
                break
            await self._finds.take()
            passed += 1
        return passed

    async def rest(self) -> AsyncIterator[Found]:
        """What is found after all that was held against it."""
        while (found := await self._finds.take()) is not None:
            yield found

    def left_over(self, found: Found) -> Difference:
        """What one that `rest` gives is."""
        key = key_of(found.value)
        to_come = key is not None and key[1] > self._done.get(key[0], -1)
        return Difference(Kind.LOG_ENDS if to_come else Kind.EXTRA, None, found, self.same)

    async def _differ(self, key: Key, left: deque[bytes]) -> Difference | None:
        """Take in what is found of this frame; the first difference from what is left to be expected of it."""
        first: Difference | None = None
        while await self._is_of(key, wanted=bool(left)):
            found = await self._finds.take()
            if found is None:
                break
            if left and found.value == left[0]:
                self.same += 1
                left.popleft()
                continue
            difference = self._between(left, found)
            first = first or difference
        if left and first is None:
            first = Difference(Kind.MISSING, left[0], None, self.same)
        return first

    def _between(self, left: deque[bytes], found: Found) -> Difference:
        """Tell how a found decision differs, and drop what it stands for from what is left."""
        names = [id_of(value) for value in left]
        own = id_of(found.value)
        if names and own == names[0]:
            return Difference(Kind.DIFFERENT, left.popleft(), found, self.same)
        if own in names and found.value in left:
            # What stands before it was left out, or comes later: then that is one too many.
            missing = left[0]
            while left.popleft() != found.value:
                pass
            self.same += 1
            return Difference(Kind.MISSING, missing, found, self.same - 1)
        return Difference(Kind.EXTRA, left[0] if left else None, found, self.same)

    async def _is_of(self, key: Key, *, wanted: bool) -> bool:
        """Whether what is found next belongs to this frame, or nowhere later; `wanted`: the frame lacks some."""
        if await self._finds.head() is None:
            return False
        at = self._finds.head_key
        if at is None or at == key or (self._shard is not None and at[0] != self._shard):
            return True
        done = self._done.get(at[0])
        if done is not None and at[1] <= done:
            return True
        # It is of a frame to come: only if some of this frame come after it is it out of place.
        return wanted and await self._finds.holds(key)


def by_topic(decisions: list[Decision]) -> tuple[list[bytes], list[bytes]]:
    """A frame's decisions as they stand on `assignment` and on `push-request`."""
    requested = [encode(decision) for decision in decisions if decision.type == PUSH_REQUEST_TYPE]
    return [encode(decision) for decision in decisions if decision.type != PUSH_REQUEST_TYPE], requested
