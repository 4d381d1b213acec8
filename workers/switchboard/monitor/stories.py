"""What was decided about each chat of late."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from switchboard.monitor.decisions import Decided

KEPT_SECONDS: Final = 30 * 60
"""How long a chat's story is kept after its end."""
MOST_CHATS: Final = 20_000
"""A decision takes some 450 bytes and a chat has about five: 45 MB."""
MOST_DECISIONS: Final = 200
"""Of one chat, the latest. One that is declined every 8 s fills them in half an hour."""

ChatKey = tuple[str, str]
"""(pool, chat id)."""


@dataclass(slots=True)
class Story:
    """The decisions about one chat, in order."""

    decisions: deque[bytes] = field(default_factory=lambda: deque(maxlen=MOST_DECISIONS))
    """As they stood on the topic."""
    is_whole: bool = True
    """Whether it begins with the chat's arrival."""


@dataclass(slots=True)
class Stories:
    """The stories of the open chats, and of those that ended within KEPT_SECONDS; MOST_CHATS together."""

    open: OrderedDict[ChatKey, Story] = field(default_factory=OrderedDict)
    """The one that was decided about last is the last."""
    ended: OrderedDict[ChatKey, tuple[float, Story]] = field(default_factory=OrderedDict)
    """With the time of the end, in seconds since 1970; the last that ended is the last."""
    most_chats: int = MOST_CHATS

    def take(self, decided: Decided) -> None:
        """Keep a decision, if it is about a chat."""
        chat_id = decided.fields.get("chat_id")
        if not isinstance(chat_id, str):
            return
        key = (decided.pool, chat_id)
        kind = decided.fields["type"]
        if kind == "chat-queued":
            # An id that was closed and forgotten may come again: that is another chat.
            self.ended.pop(key, None)
            self.open[key] = Story()
        elif key in self.ended:
            self.ended[key][1].decisions.append(decided.value)
            return
        elif key not in self.open:
            if kind.endswith("-rejected"):
                return  # a refusal of a chat that nobody knows is no chat's story: ids made up would push others out
            self.open[key] = Story(is_whole=False)
        story = self.open[key]
        story.is_whole = story.is_whole and len(story.decisions) < MOST_DECISIONS
        story.decisions.append(decided.value)
        self.open.move_to_end(key)
        if kind == "chat-closed":
            self.ended[key] = (decided.at, self.open.pop(key))
        self._bound(decided.at)

    def of(self, pool: str, chat_id: str) -> Story | None:
        """The story of a chat, if any of it is kept."""
        key = (pool, chat_id)
        return self.open.get(key) or (self.ended[key][1] if key in self.ended else None)

    def forget(self, now: float) -> None:
        """Drop what ended too long ago."""
        while self.ended and next(iter(self.ended.values()))[0] < now - KEPT_SECONDS:
            self.ended.popitem(last=False)

    def _bound(self, now: float) -> None:
        self.forget(now)
        while len(self.open) + len(self.ended) > self.most_chats:
            (self.ended or self.open).popitem(last=False)
