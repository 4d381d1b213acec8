"""Stories: a pool is told what happens, frame by frame, and answers in short lines.

`s.at(5).accepts("a", "c1")` is one frame, five seconds into the story; it returns what the engine decided in it, such
as `["assignment-confirmed c1 a", "chat-requested a"]`, then a line such as `"(ignored chat-accepted)"` for each event
that changed nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import orjson

from switchboard.domain import decisions
from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import DEFAULT_POOL, Event, Frame
from switchboard.domain.rfc3339 import format_ms, parse_ms
from switchboard.domain.rows import Row, Table

START: Final = parse_ms("2026-03-01T08:00:00Z")
"""When every story begins, in ms: eight in the morning."""

Settings: TypeAlias = dict[str, Any]
"""A profile, a queue or a configuration, with the fields of the routing rules; limits in seconds."""


def push(name: str = "push", **fields: Any) -> Settings:
    """A profile for agents who get chats as long as they have a free session."""
    return {"name": name, "mode": "push", **fields}


def pull(name: str = "pull", **fields: Any) -> Settings:
    """A profile for agents who get a chat when they ask for one."""
    return {"name": name, "mode": "pull", **fields}


def config(*profiles: Settings, queues: Sequence[str | Settings] = ("q",), **pool: Any) -> Settings:
    """A pool's configuration: queues by name or with fields, profiles best first, and the pool's own fields."""
    named = [{"name": queue} if isinstance(queue, str) else queue for queue in queues]
    return {"queues": named, "profiles": list(profiles) or [push()], **pool}


def moment(seconds: float) -> str:
    """The clock so many seconds into a story, as decisions write it."""
    return format_ms(START + round(seconds * 1000))


def event(kind: str, pool: str = DEFAULT_POOL, **data: Any) -> Event:
    """One event, for a frame of several."""
    return Event(kind, pool, data)


class Story:
    """An engine and what it was told so far.

    Without profiles and queues its pool has one of each (`push` and `q`); `configured=False` leaves it as it comes.
    """

    def __init__(
        self,
        *profiles: Settings,
        rebuilt: bool,
        queues: Sequence[str | Settings] = ("q",),
        configured: bool = True,
        shard: int = 0,
        **pool: Any,
    ) -> None:
        self.rebuilt = rebuilt
        """After each frame the engine is made anew from its rows: nothing may change for it (I9)."""
        self.engine = Engine(shard)
        self.made: list[decisions.Decision] = []
        """The decisions of all frames so far."""
        self.outcome = Outcome()
        """Of the last frame."""
        self.changed: list[Row] = []
        """The rows that the last frame changed."""
        self._tables: dict[tuple[Table, str], Any] = {}
        self._now = self._before = 0
        self._run: int | None = None
        self._frames = 0
        if configured:
            self.says("pool-configured", config=config(*profiles, queues=queues, **pool))

    def at(self, seconds: float, *, run: float | None = None) -> "Story":
        """Let the next frame's clock be so many seconds into the story.

        Args:
            seconds: may be less than before: a wall clock can be set back.
            run: how much service time, in seconds, the next frame brings; as much as the clock moves unless given.
        """
        self._now = round(seconds * 1000)
        self._run = None if run is None else round(run * 1000)
        return self

    def frame(self, *events: Event) -> list[str]:
        """Tell the engine all these events in one frame."""
        run = max(0, self._now - self._before) if self._run is None else self._run
        frame = Frame(self._frames, START + self._now, run, list(events))
        self._before, self._run, self._frames = self._now, None, self._frames + 1
        self.outcome = self.engine.apply(frame)
        self.made += self.outcome.decisions
        self.changed = list(self.engine.changed_rows())
        if self.rebuilt:
            self._rebuild()
        ignored = [f"(ignored {kind})" for kind, _ in Counter(self.outcome.ignored).elements()]
        return [line(decision) for decision in self.outcome.decisions] + ignored

    def until(self, seconds: float, *, run: float | None = None) -> list[str]:
        """Let time pass and nothing happen."""
        return self.at(seconds, run=run).frame()

    def says(self, kind: str, pool: str = DEFAULT_POOL, **data: Any) -> list[str]:
        """Tell the engine one event."""
        return self.frame(event(kind, pool, **data))

    def arrives(self, chat_id: str, **data: Any) -> list[str]:
        """A customer comes."""
        return self.says("chat-arrival", chat_id=chat_id, **data)

    def logs_in(self, agent_id: str, **data: Any) -> list[str]:
        """An agent comes."""
        return self.says("agent-logged-in", agent_id=agent_id, **data)

    def asks(self, agent_id: str, **data: Any) -> list[str]:
        """An agent clicks Request Chat."""
        return self.says("request-chat", agent_id=agent_id, **data)

    def accepts(self, agent_id: str, chat_id: str, **data: Any) -> list[str]:
        """An agent accepts a chat."""
        return self.says("chat-accepted", agent_id=agent_id, chat_id=chat_id, **data)

    def declines(self, agent_id: str, chat_id: str, **data: Any) -> list[str]:
        """An agent declines a chat."""
        return self.says("chat-declined", agent_id=agent_id, chat_id=chat_id, **data)

    def abandons(self, chat_id: str) -> list[str]:
        """A customer goes."""
        return self.says("chat-abandoned", chat_id=chat_id)

    def concludes(self, chat_id: str, **data: Any) -> list[str]:
        """A conversation is over."""
        return self.says("chat-concluded", chat_id=chat_id, **data)

    def releases(self, chat_id: str, **data: Any) -> list[str]:
        """A chat is wrapped up."""
        return self.says("chat-released", chat_id=chat_id, **data)

    def transfers(self, chat_id: str, **data: Any) -> list[str]:
        """A chat is to go elsewhere."""
        return self.says("chat-transferred", chat_id=chat_id, **data)

    def turns(self, agent_id: str, status: str) -> list[str]:
        """An agent becomes available or unavailable."""
        return self.says("agent-status-changed", agent_id=agent_id, status=status)

    def configures(self, *profiles: Settings, queues: Sequence[str | Settings] = ("q",), **pool: Any) -> list[str]:
        """The pool gets another configuration."""
        return self.says("pool-configured", config=config(*profiles, queues=queues, **pool))

    def stamped(self) -> list[str]:
        """The decisions of the last frame, each after the seconds into the story at which it was made."""
        return [f"{_seconds(made.at):g} {line(made)}" for made in self.outcome.decisions]

    def offer(self, chat_id: str) -> decisions.ChatAssigned:
        """The latest offer of a chat."""
        return next(
            made for made in reversed(self.made) if isinstance(made, decisions.ChatAssigned) and made.chat_id == chat_id
        )

    def agent(self, agent_id: str, pool: str = DEFAULT_POOL) -> dict[str, Any]:
        """An agent's row, as the capacity table shows it."""
        return next(
            row.value
            for row in self.engine.rows()
            if row.table == "agent-capacity" and row.key == f"{pool}/{agent_id}" and row.value is not None
        )

    def _rebuild(self) -> None:
        """Restart from what a router would have in its tables: the changed rows of all frames, through JSON."""
        for row in self.changed:
            if row.value is None:
                self._tables.pop((row.table, row.key), None)
            else:
                self._tables[row.table, row.key] = orjson.loads(orjson.dumps(row.value))
        everything = {(row.table, row.key): orjson.loads(orjson.dumps(row.value)) for row in self.engine.rows()}
        assert _latest(self._tables) == _latest(everything), "a row that changed was not among the changed ones"
        self.engine = Engine.restore(
            self.engine.shard, [Row(table, key, value) for (table, key), value in self._tables.items()]
        )


Tell: TypeAlias = Callable[..., Story]
"""Begins a story; takes what `Story` does but `rebuilt`."""


_TOLD: Final = {
    "chat-queued": ("chat_id", "queue"),
    "chat-assigned": ("chat_id", "agent_id"),
    "assignment-confirmed": ("chat_id", "agent_id", "automatic"),
    "assignment-ended": ("chat_id", "agent_id", "reason"),
    "chat-requeued": ("chat_id", "queue", "reason"),
    "chat-wrapping": ("chat_id", "agent_id"),
    "chat-closed": ("chat_id", "agent_id", "reason"),
    "chat-requested": ("agent_id",),
    "request-rejected": ("agent_id", "reason"),
    "accept-rejected": ("chat_id", "agent_id", "reason"),
    "decline-rejected": ("chat_id", "agent_id", "reason"),
    "transfer-rejected": ("chat_id", "reason"),
    "agent-made-unavailable": ("agent_id", "reason"),
}
"""The fields of a decision that its line tells."""


def line(made: decisions.Decision) -> str:
    """A decision, as short as can be: its type, whom it is about (`-`: nobody), and why."""
    words: list[str] = [made.type]
    for name in _TOLD[made.type]:
        value = getattr(made, name)
        words += [name] * value if isinstance(value, bool) else [value or "-"]
    return " ".join(words)


def _latest(tables: dict[tuple[Table, str], Any]) -> dict[tuple[Table, str], Any]:
    """The rows, but for what only the last row of a closed chat tells."""
    return {key: row["engine"] if row.get("stage") == "closed" else row for key, row in tables.items()}


def _seconds(at: str) -> float:
    return (parse_ms(at) - START) / 1000
