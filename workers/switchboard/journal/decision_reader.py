"""Decision ids, and a reader of decisions with a look-ahead."""

import re
from collections import Counter, deque
from collections.abc import AsyncIterator
from typing import Final, Generic, NamedTuple, Protocol, Self, TypeAlias, TypeVar

LOOK_AHEAD: Final = 1_000
"""Decisions read ahead at most, after a difference, in search of further decisions of the current frame."""

FrameId: TypeAlias = tuple[int, int]
"""(shard, frame number)."""


class DecisionId(NamedTuple):
    """A decision's id, `POOL/SHARD/FRAME/N`. Ids of a shard sort in decision order."""

    shard: int
    frame: int
    number: int
    """Index of the decision in the frame, from 0."""
    pool: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The parsed id; None if the text is no decision id."""
        match = _match_id(text)
        if match is None:
            return None
        pool, shard, frame, number = match.groups()
        return cls(int(shard), int(frame), int(number), pool)

    @property
    def frame_id(self) -> FrameId:
        """The frame that made the decision."""
        return self.shard, self.frame


# 18 digits fit into 64 bits. Python parses a number of thousands of digits slowly, or not at all.
_match_id: Final = re.compile("([^/]*)/([0-9]{1,18})/([0-9]{1,18})/([0-9]{1,18})").fullmatch


class Identified(Protocol):
    """A decision with an id, in any form."""

    @property
    def id(self) -> DecisionId | None:
        """None for a value without a decision id."""
        ...


D = TypeVar("D", bound=Identified)


class DecisionReader(Generic[D]):
    """The decisions of a decision log in order, with a look-ahead.

    `peek`, `take` and `has_of` keep the order of the log. `take_through` reads frame by frame where only the order
    within each shard counts: a file may hold the shards one after another.
    """

    def __init__(self, source: AsyncIterator[D]) -> None:
        self._source = source
        self._ahead: dict[int | None, deque[tuple[int, D]]] = {}
        """By shard, without empty queues: decisions read and not taken, each with its number in the log. The key None
        is for decisions without an id."""
        self._frames: Counter[FrameId | None] = Counter()
        """How many decisions of each frame are ahead."""
        self._size = 0
        """Decisions ahead."""
        self._read = 0
        """Decisions read from the log."""
        self._last_taken = 0
        """Number in the log of the decision taken last."""

    async def peek(self) -> D | None:
        """The next decision, which stays; None at the end."""
        if not self._ahead and not await self._read_ahead():
            return None
        return self._next_queue()[0][1]

    async def take(self) -> D | None:
        """The next decision; None at the end."""
        if self._ahead:
            queue = self._next_queue()
            self._last_taken = queue[0][0]
            return self._pop(queue)
        # Not by way of the look-ahead: counting a decision parses the id.
        decision = await anext(self._source, None)
        if decision is not None:
            self._read += 1
            self._last_taken = self._read
        return decision

    def put_back(self, decision: D) -> None:
        """Undo the last `take`."""
        shard = self._count(decision)
        self._ahead.setdefault(shard, deque()).appendleft((self._last_taken, decision))

    async def has_of(self, frame: FrameId) -> bool:
        """True if one of the next `LOOK_AHEAD` decisions is of this frame."""
        while self._size < LOOK_AHEAD and await self._read_ahead():
            pass
        return self._frames[frame] > 0

    async def take_through(self, frame: FrameId) -> list[D]:
        """All decisions of the frame's shard up to and including this frame, in the order of the log.

        Reads ahead until the shard's next frame begins, or the log ends; the decisions of other shards are kept, and
        those without an id are never given. Memory grows with the distance by which one shard is ahead of another.
        """
        shard, number = frame
        while not self._is_past(shard, number) and await self._read_ahead():
            pass
        taken: list[D] = []
        while (queue := self._ahead.get(shard)) and _frame_of(queue[0][1]) <= number:
            taken.append(self._pop(queue))
        return taken

    def has_ahead(self, shard: int) -> bool:
        """True if decisions of the shard were read and not taken. After `take_through`: if the shard has any left."""
        return shard in self._ahead

    def _is_past(self, shard: int, frame: int) -> bool:
        queue = self._ahead.get(shard)
        return queue is not None and _frame_of(queue[-1][1]) > frame

    async def _read_ahead(self) -> bool:
        """Read a decision into the look-ahead; False at the end."""
        decision = await anext(self._source, None)
        if decision is None:
            return False
        self._read += 1
        shard = self._count(decision)
        self._ahead.setdefault(shard, deque()).append((self._read, decision))
        return True

    def _next_queue(self) -> deque[tuple[int, D]]:
        """The queue whose first decision is first in the log; the look-ahead must not be empty."""
        return min(self._ahead.values(), key=lambda queue: queue[0][0])

    def _count(self, decision: D) -> int | None:
        """Count a new decision of the look-ahead; returns the shard."""
        decision_id = decision.id
        self._size += 1
        self._frames[None if decision_id is None else decision_id.frame_id] += 1
        return None if decision_id is None else decision_id.shard

    def _pop(self, queue: deque[tuple[int, D]]) -> D:
        """Remove the first decision of a queue from the look-ahead."""
        _, decision = queue.popleft()
        decision_id = decision.id
        frame = None if decision_id is None else decision_id.frame_id
        self._size -= 1
        self._frames[frame] -= 1
        # Without empty entries, memory does not grow with the log.
        if not self._frames[frame]:
            del self._frames[frame]
        if not queue:
            del self._ahead[None if decision_id is None else decision_id.shard]
        return decision


def _frame_of(decision: Identified) -> int:
    return -1 if decision.id is None else decision.id.frame
