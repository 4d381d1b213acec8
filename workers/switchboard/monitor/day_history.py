"""What the monitor keeps of the day's decisions: figures, the stories of chats, and the latest offers."""

import logging
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from sys import maxsize
from typing import Any, Final

from switchboard.monitor.figures import OutcomeCounts
from switchboard.monitor.public_rows import DecisionRecord
from switchboard.projections.decision_texts import assignment_reason
from switchboard.web.answers import slices

log = logging.getLogger(__name__)

MOST_OFFERS: Final = 100
"""Offers that are kept, and shown on the wallboard."""

KEPT_SECONDS: Final = 30 * 60
"""Time for which a chat's story is kept after the chat closed."""
MOST_CHATS: Final = 20_000
"""Stories that are kept. A chat has about 5 decisions of some 450 bytes, so they take 45 MB."""
MOST_BYTES: Final = 80_000_000
"""Size of all stories. 20,000 chats with 200 decisions each took 1.5 GB of memory without this limit, 98 MB with it."""
OVERHEAD_BYTES: Final = 41
"""Added to the size of each decision, for the Python object and its place in the story."""
MOST_DECISIONS: Final = 200
"""Decisions kept of one chat, the latest. A chat that is declined every 8 s has 200 within half an hour."""
MOST_REFUSALS: Final = 10
"""Refusals kept of a closed chat, the first: repeated accepts of a closed chat must not displace its decisions."""

MOST_POOLS: Final = 10_000
"""Pools of each partition whose last decision is remembered, 3 MB. Anyone on the bus can make up pools."""

OFFER_FIELDS: Final = (
    "offer_id", "pool", "at", "chat_id", "agent_id", "queue", "profile", "mode", "origin", "waited_seconds",
)  # fmt: skip


@dataclass(slots=True)
class LatestOffers:
    """The last MOST_OFFERS offers."""

    rows: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)
    """By offer id, as they are served, in the order in which they were made. A row that changes is replaced and never
    modified, so callers may keep rows and compare them later."""

    def add(self, decision: DecisionRecord) -> None:
        """Add the offer that a decision makes, or the outcome of an offer."""
        fields = decision.fields
        match fields["type"]:
            case "chat-assigned":
                why = fields["why"] | {"words": assignment_reason(fields)}
                offer = {name: fields[name] for name in OFFER_FIELDS}
                self.rows[fields["offer_id"]] = offer | {"why": why, "outcome": None, "ended_at": None}
                while len(self.rows) > MOST_OFFERS:
                    self.rows.popitem(last=False)
            case "assignment-confirmed":
                self._end(fields, "accepted-by-itself" if fields["automatic"] else "accepted")
            case "assignment-ended":
                self._end(fields, fields["reason"])
            case _:
                pass

    def _end(self, fields: dict[str, Any], outcome: str) -> None:
        offer = self.rows.get(fields["offer_id"])
        if offer is not None:
            self.rows[fields["offer_id"]] = offer | {"outcome": outcome, "ended_at": fields["at"]}


ChatKey = tuple[str, str]
"""(pool, chat id)."""


@dataclass(slots=True)
class Story:
    """The decisions about one chat, in order."""

    decisions: deque[bytes] = field(default_factory=lambda: deque(maxlen=MOST_DECISIONS))
    """Values of the records on `assignment`."""
    is_whole: bool = True
    """True if the story begins with the chat's arrival."""
    size: int = 0
    """Bytes that the decisions take."""
    refusals: int = 0
    """Refusals since the chat closed."""

    def add(self, value: bytes) -> int:
        """Add a decision, dropping the first beyond MOST_DECISIONS. Returns the change of `size`."""
        growth = len(value) + OVERHEAD_BYTES
        if len(self.decisions) == MOST_DECISIONS:
            self.is_whole = False
            growth -= len(self.decisions[0]) + OVERHEAD_BYTES
        self.decisions.append(value)
        self.size += growth
        return growth


@dataclass(slots=True)
class Stories:
    """The stories of open chats, and of chats that closed within KEPT_SECONDS.

    Beyond `most_chats` or `most_bytes` the story of the chat that closed first is dropped; if no chat is closed, the
    story that has had no decision for longest.
    """

    open: OrderedDict[ChatKey, Story] = field(default_factory=OrderedDict)
    """The story with the latest decision is the last."""
    closed: OrderedDict[ChatKey, tuple[float, Story]] = field(default_factory=OrderedDict)
    """Each with the time at which the chat closed, in seconds since 1970, ascending."""
    most_chats: int = MOST_CHATS
    most_bytes: int = MOST_BYTES
    size: int = 0
    """Bytes that the decisions of all stories take."""

    def add(self, decision: DecisionRecord) -> None:
        """Add a decision to the story of its chat; a decision about no chat is left out."""
        chat_id = decision.fields.get("chat_id")
        if not isinstance(chat_id, str):
            return
        key = (decision.pool, chat_id)
        kind = decision.fields["type"]
        if kind == "chat-queued":
            # An id may be used again once its chat is forgotten (R13): a new chat, with a new story.
            self._drop(key)
            self.open[key] = Story()
        elif key in self.closed:
            self._add_to_closed(key, decision)
            return
        elif key not in self.open:
            if _is_refusal(decision):
                return  # made-up ids in refused events must not displace the stories of chats
            self.open[key] = Story(is_whole=False)
        self.size += self.open[key].add(decision.value)
        self.open.move_to_end(key)
        if kind == "chat-closed":
            self.closed[key] = (decision.at, self.open.pop(key))
        self._shrink(decision.at)

    def of(self, pool: str, chat_id: str) -> Story | None:
        """The story of a chat; None if none is kept."""
        key = (pool, chat_id)
        return self.open.get(key) or (self.closed[key][1] if key in self.closed else None)

    def forget(self, now: float) -> None:
        """Drop the stories of chats that closed more than KEPT_SECONDS before `now` (seconds since 1970)."""
        while self.closed and next(iter(self.closed.values()))[0] < now - KEPT_SECONDS:
            self._drop(next(iter(self.closed)))

    def _add_to_closed(self, key: ChatKey, decision: DecisionRecord) -> None:
        story = self.closed[key][1]
        story.refusals += _is_refusal(decision)
        if story.refusals <= MOST_REFUSALS:
            self.size += story.add(decision.value)
            self._shrink(decision.at)

    def _shrink(self, now: float) -> None:
        """Drop stories until all limits are kept."""
        self.forget(now)
        while len(self.open) + len(self.closed) > self.most_chats or self.size > self.most_bytes:
            self._drop(next(iter(self.closed or self.open)))

    def _drop(self, key: ChatKey) -> None:
        story = self.open.pop(key, None)
        if story is None and key in self.closed:
            _, story = self.closed.pop(key)
        self.size -= 0 if story is None else story.size


def _is_refusal(decision: DecisionRecord) -> bool:
    return str(decision.fields["type"]).endswith("-rejected")


@dataclass(slots=True)
class CountedDecisions:
    """Which decisions of one partition were counted, so that a decision that is read twice counts once.

    The decisions of a pool ascend within a partition, so the last one of each pool tells. Frames ascend over all pools,
    since a partition belongs to one shard. A pool that was dropped has no decision after frame `dropped`.
    """

    most_pools: int = MOST_POOLS
    last: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)
    """By pool, the `order` of its last decision. The pool of the latest decision is the last."""
    dropped: int = -1
    """The latest frame of a dropped pool."""

    def add(self, pool: str, order: tuple[int, int]) -> bool:
        """Note a decision by its `order`. False: the decision was counted before."""
        if order <= self.last.get(pool, (self.dropped, maxsize)):
            return False
        self.last[pool] = order
        self.last.move_to_end(pool)
        while len(self.last) > self.most_pools:
            frame, _ = next(iter(self.last.values()))
            if frame >= order[0]:
                break  # further decisions of this frame may follow, so its pools are kept
            self.last.popitem(last=False)
            self.dropped = max(self.dropped, frame)
        return True


@dataclass(slots=True)
class DayHistory:
    """Figures, stories and offers, made from decisions alone. Each decision counts once, and memory is bounded."""

    outcomes: OutcomeCounts = field(default_factory=OutcomeCounts)
    stories: Stories = field(default_factory=Stories)
    offers: LatestOffers = field(default_factory=LatestOffers)
    most_pools: int = MOST_POOLS
    counted: dict[int, CountedDecisions] = field(default_factory=dict)
    """By partition."""
    last_at: str | None = None
    """The time of the latest decision, RFC 3339."""

    def add(self, partition: int, decision: DecisionRecord) -> None:
        """Add a decision; a decision that was counted before changes nothing.

        Raises:
            KeyError, TypeError, ValueError: a field is missing or of another type.
        """
        if partition not in self.counted:
            self.counted[partition] = CountedDecisions(self.most_pools)
        if not self.counted[partition].add(decision.pool, decision.order):
            log.warning("decision %s was taken before: not counted again", decision.fields["id"])
            return
        self.last_at = max(self.last_at or "", decision.fields["at"])
        self.outcomes.count(decision)
        self.stories.add(decision)
        self.offers.add(decision)

    async def forget(self, now: float) -> None:
        """Drop figures and stories that are no longer served, in slices: 200,000 queues take 0.1 s."""
        windows = self.outcomes.windows
        async for queues in slices(tuple({*windows.days, *windows.minutes})):
            windows.forget(now, queues)
        self.stories.forget(now)
