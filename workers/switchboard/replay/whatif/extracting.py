"""From the frames of a log to what it tells: chats here, agents in `extracting_agents`."""

from dataclasses import dataclass, field
from typing import Any, Literal

from switchboard.domain.configuration import UNCONFIGURED
from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.domain.rfc3339 import parse_ms
from switchboard.errors import NothingToCompareError
from switchboard.replay.whatif.extracting_agents import AgentReader
from switchboard.replay.whatif.past import ChatPast, Past, Stint


@dataclass(slots=True)
class _Open:
    chat: ChatPast
    stage: str
    since: int
    """When it entered its stage; for `offered`, when the wait began."""


@dataclass(slots=True)
class Reader:
    """Is shown each frame of a log with its decisions, after its shard's engine has applied it."""

    start: int | None = None
    end: int = 0
    chats: list[ChatPast] = field(default_factory=list)
    configs: dict[str, Any] = field(default_factory=dict)
    configured_again: set[str] = field(default_factory=set)
    agents: AgentReader = field(default_factory=AgentReader)
    _open: dict[tuple[str, str], _Open] = field(default_factory=dict)
    _ids: dict[str, int] = field(default_factory=dict)

    def step(self, engine: Engine, frame: Frame, decisions: list[Decision]) -> None:
        """Take note of one frame."""
        if self.start is None:
            self.start = self.agents.start = frame.at
        self.end = max(self.end, frame.at)
        for event in frame.events:
            if event.type == "pool-configured":
                self._configured(event.pool, event.data["config"])
        for decision in decisions:
            self._decided(decision)
        self.agents.step(engine, frame, decisions)

    def past(self) -> Past:
        """All that was told.

        Raises:
            NothingToCompareError: no chat arrived.
        """
        if self.start is None or not self.chats:
            raise NothingToCompareError("no chat arrives in this log: there is nothing to simulate again")
        for each in self._open.values():
            if each.stage in ("waiting", "offered"):
                each.chat.waits.append((self.end - each.since, False))
            elif each.stage == "active":
                each.chat.stints.append(Stint(self.end - each.since, "cut"))
        pools = {chat.pool for chat in self.chats} | {pool for pool, _ in self.agents.agents}
        return Past(
            start=self.start,
            end=self.end,
            chats=sorted(self.chats, key=lambda chat: chat.after),
            agents=self.agents.finished(),
            returns=self.agents.returns,
            configs={pool: self.configs.get(pool, UNCONFIGURED) for pool in sorted(pools)},
            configured_again=tuple(sorted(self.configured_again)),
        )

    def _configured(self, pool: str, config: Any) -> None:
        if any(chat.pool == pool for chat in self.chats) and self.configs.get(pool, UNCONFIGURED) != config:
            self.configured_again.add(pool)
        self.configs[pool] = config

    def _decided(self, decision: Decision) -> None:
        if decision.type == "chat-queued":
            self._arrived(decision.pool, decision.chat_id, decision.queue, parse_ms(decision.arrived_at))
            return
        each = self._open.get((decision.pool, getattr(decision, "chat_id", "")))
        if each is None:
            return
        at = parse_ms(decision.at)
        match decision.type:
            case "chat-assigned":
                if each.stage in ("active", "wrapping"):  # R16: a transfer to an agent
                    self._end_stint(each, at, "to_agent", decision.agent_id)
                each.stage = "offered"
            case "assignment-ended" if each.stage == "offered":
                each.stage = "waiting"
            case "assignment-confirmed":
                each.chat.waits.append((at - each.since, False))
                each.stage, each.since = "active", at
            case "chat-wrapping":
                each.chat.stints.append(Stint(at - each.since, "end"))
                each.stage, each.since = "wrapping", at
            case "chat-requeued" if each.stage in ("active", "wrapping"):
                passed_on = decision.reason == "transferred"
                self._end_stint(each, at, "to_queue" if passed_on else "cut", decision.queue)
            case "chat-closed":
                self._closed(each, at, gave_up=decision.reason == "abandoned")
                del self._open[decision.pool, decision.chat_id]
            case _:
                pass

    def _arrived(self, pool: str, chat_id: str, queue: str, arrived_at: int) -> None:
        # An id may come again once it is forgotten (R13): that is another chat.
        turn = self._ids[chat_id] = self._ids.get(chat_id, 0) + 1
        start = self.start or 0
        name = chat_id if turn == 1 else f"{chat_id}#{turn}"
        chat = ChatPast(name, pool, queue, max(0, arrived_at - start))
        self.chats.append(chat)
        self._open[pool, chat_id] = _Open(chat, "waiting", start + chat.after)

    def _end_stint(self, each: _Open, at: int, then: Literal["to_queue", "to_agent", "cut"], to: str) -> None:
        lasts = at - each.since
        if each.stage == "wrapping":
            # Passed on while the notes were written: the agent had it until then, and it did not end there.
            lasts += each.chat.stints.pop().lasts
        each.chat.stints.append(Stint(lasts, then, to))
        each.stage, each.since = "waiting", at

    def _closed(self, each: _Open, at: int, *, gave_up: bool) -> None:
        match each.stage:
            case "active":
                each.chat.stints.append(Stint(at - each.since, "end"))
            case "wrapping":
                each.chat.wrap_up = at - each.since
            case _:
                each.chat.waits.append((at - each.since, gave_up))
