"""What the monitor keeps of the day's decisions: figures, the stories of chats, and the latest offers."""

import logging
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from sys import maxsize
from typing import Any, Final

from switchboard.monitor.figures import OutcomeCounts
from switchboard.monitor.public_rows import Decided
from switchboard.projections.decision_texts import assignment_reason
from switchboard.web.answers import slices

MOST_OFFERS: Final = 100

SHOWN: Final = ("offer_id", "pool", "at", "chat_id", "agent_id", "queue", "profile", "mode", "origin", "waited_seconds")


@dataclass(slots=True)
class Offers:
    """The last MOST_OFFERS offers by id, in the order in which they were made."""

    latest: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)
    """Each as it is served. One that changes is put in anew, never changed: who holds it may compare."""

    def take(self, decided: Decided) -> None:
        """Keep an offer, or how one ended."""
        fields = decided.fields
        match fields["type"]:
            case "chat-assigned":
                shown = {name: fields[name] for name in SHOWN}
                why = fields["why"] | {"words": assignment_reason(fields)}
                self.latest[fields["offer_id"]] = shown | {"why": why, "outcome": None, "ended_at": None}
                while len(self.latest) > MOST_OFFERS:
                    self.latest.popitem(last=False)
            case "assignment-confirmed":
                self._end(fields, "accepted-by-itself" if fields["automatic"] else "accepted")
            case "assignment-ended":
                self._end(fields, fields["reason"])
            case _:
                pass

    def _end(self, fields: dict[str, Any], outcome: str) -> None:
        offer = self.latest.get(fields["offer_id"])
        if offer is not None:
            self.latest[fields["offer_id"]] = offer | {"outcome": outcome, "ended_at": fields["at"]}


KEPT_SECONDS: Final = 30 * 60
"""How long a chat's story is kept after its end."""
MOST_CHATS: Final = 20_000
MOST_BYTES: Final = 80_000_000
"""Of all decisions together. One takes some 450 and a chat has about five, so that 20,000 chats take 45 MB. Without
this bound 20,000 chats with 200 decisions each took 1.5 GB; with it they take 98 MB, what holds them included."""
OVERHEAD: Final = 41
"""Bytes that a decision takes beside its own: those of a Python object, and of its place in a story."""
MOST_DECISIONS: Final = 200
"""Of one chat, the latest. One that is declined every 8 s fills them in half an hour."""
MOST_REFUSALS: Final = 10
"""Of a chat that ended, the first: who keeps on accepting what is over pushes nothing out."""

ChatKey = tuple[str, str]
"""(pool, chat id)."""


@dataclass(slots=True)
class Story:
    """The decisions about one chat, in order."""

    decisions: deque[bytes] = field(default_factory=lambda: deque(maxlen=MOST_DECISIONS))
    """As they stood on the topic."""
    is_whole: bool = True
    """Whether it begins with the chat's arrival."""
    size: int = 0
    """What its decisions take, in bytes."""
    refusals: int = 0
    """How many were taken since the chat ended."""

    def add(self, decision: bytes) -> int:
        """Keep one more, in place of the first where there are MOST_DECISIONS; by how many bytes it grew."""
        grown = len(decision) + OVERHEAD
        if len(self.decisions) == MOST_DECISIONS:
            self.is_whole = False
            grown -= len(self.decisions[0]) + OVERHEAD
        self.decisions.append(decision)
        self.size += grown
        return grown


@dataclass(slots=True)
class Stories:
    """The stories of the open chats, and of those that ended within KEPT_SECONDS; MOST_CHATS and MOST_BYTES together.

    Where there are more, those go first that ended first; then those about which nothing was decided for longest.
    """

    open: OrderedDict[ChatKey, Story] = field(default_factory=OrderedDict)
    """The one that was decided about last is the last."""
    ended: OrderedDict[ChatKey, tuple[float, Story]] = field(default_factory=OrderedDict)
    """With the time of the end, in seconds since 1970; the last that ended is the last."""
    most_chats: int = MOST_CHATS
    most_bytes: int = MOST_BYTES
    size: int = 0
    """What the decisions of all take, in bytes."""

    def take(self, decided: Decided) -> None:
        """Keep a decision, if it is about a chat."""
        chat_id = decided.fields.get("chat_id")
        if not isinstance(chat_id, str):
            return
        key = (decided.pool, chat_id)
        kind = decided.fields["type"]
        is_refusal = kind.endswith("-rejected")
        if kind == "chat-queued":
            # An id that was closed and forgotten may come again: that is another chat.
            self._drop(key)
            self.open[key] = Story()
        elif key in self.ended:
            story = self.ended[key][1]
            story.refusals += is_refusal
            if story.refusals <= MOST_REFUSALS:
                self.size += story.add(decided.value)
                self._bound(decided.at)
            return
        elif key not in self.open:
            if is_refusal:
                return  # a refusal of a chat that nobody knows is no chat's story: ids made up would push others out
            self.open[key] = Story(is_whole=False)
        self.size += self.open[key].add(decided.value)
        self.open.move_to_end(key)
        if kind == "chat-closed":
            self.ended[key] = (decided.at, self.open.pop(key))
        self._bound(decided.at)

    def of(self, pool: str, chat_id: str) -> Story | None:
        """The story of a chat, if any of it is kept."""
        key = (pool, chat_id)
        return self.open.get(key) or (self.ended[key][1] if key in self.ended else None)

    def pools(self) -> set[str]:
        """The pools of the chats that are kept."""
        return {pool for pool, _ in (*self.open, *self.ended)}

    def forget(self, now: float) -> None:
        """Drop what ended too long ago."""
        while self.ended and next(iter(self.ended.values()))[0] < now - KEPT_SECONDS:
            self._drop(next(iter(self.ended)))

    def _bound(self, now: float) -> None:
        self.forget(now)
        while len(self.open) + len(self.ended) > self.most_chats or self.size > self.most_bytes:
            self._drop(next(iter(self.ended or self.open)))

    def _drop(self, key: ChatKey) -> None:
        story = self.open.pop(key, None)
        if story is None and key in self.ended:
            _, story = self.ended.pop(key)
        self.size -= 0 if story is None else story.size


MOST_POOLS: Final = 10_000
"""Whose last decision is known, of each partition; 3 MB. Anybody on the bus can make up names of pools."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Marks:
    """How far the decisions of one partition were taken.

    Ids ascend for each pool within a partition, so the last one tells whether one was taken: should the same decision
    ever stand twice on the topic, it counts once. Frames ascend over all pools, since a partition is one shard's: of
    the pools that were dropped, the latest frame tells the same.
    """

    latest: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)
    """By pool: (frame, n) of its last decision. The pool that was taken last is the last."""
    dropped: int = -1
    """The latest frame of a pool that was dropped; all that comes is of a later one."""

    def take(self, pool: str, place: tuple[int, int]) -> bool:
        """Whether it was not taken before; it is now."""
        last = self.latest.get(pool, (self.dropped, maxsize))
        if place <= last:
            return False
        self.latest[pool] = place
        self.latest.move_to_end(pool)
        while len(self.latest) > MOST_POOLS:
            frame, _ = next(iter(self.latest.values()))
            if frame >= place[0]:
                break  # of the frame that is being taken: others of its decisions are to come
            self.latest.popitem(last=False)
            self.dropped = max(self.dropped, frame)
        return True


@dataclass(slots=True)
class DayHistory:
    """Made from decisions alone, each counted once; bounded whatever comes."""

    outcomes: OutcomeCounts = field(default_factory=OutcomeCounts)
    stories: Stories = field(default_factory=Stories)
    offers: Offers = field(default_factory=Offers)
    marks: defaultdict[int, Marks] = field(default_factory=lambda: defaultdict(Marks))
    """By partition."""
    last_at: str | None = None
    """When the latest decision was made, as it says itself."""

    def take(self, partition: int, decided: Decided) -> None:
        """Take a decision; one that was taken before changes nothing."""
        if not self.marks[partition].take(decided.pool, decided.place):
            log.warning("decision %s was taken before: not counted again", decided.fields["id"])
            return
        self.last_at = max(self.last_at or "", decided.fields["at"])
        self.outcomes.count(decided)
        self.stories.take(decided)
        self.offers.take(decided)

    async def forget(self, now: float) -> None:
        """Drop what nobody can ask for any more, in short steps: of 200,000 queues it takes 0.1 s."""
        windows = self.outcomes.windows
        async for queues in slices(tuple({*windows.days, *windows.minutes})):
            windows.forget(now, queues)
        self.stories.forget(now)
