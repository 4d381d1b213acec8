"""A second reading of the routing rules R1 to R21: the plainest that there is, and slow.

It knows events, frames and how times are written from the product, and nothing else. Whatever it needs it looks for in
all of its state, each time anew; the engine's indexes, heaps and queues have no counterpart here.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from switchboard.domain.events import Event, Frame
from tests.reference import agents, chats, offers
from tests.reference.configuration import configured
from tests.reference.moves import wait_again
from tests.reference.settle import settle
from tests.reference.state import Pool
from tests.reference.timers import fire, pending


class ReferenceEngine:
    """A shard: its pools, its clock and its service time (both in ms)."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.pools: dict[str, Pool] = {}
        self.clock = 0
        self.service = 0

    def apply(self, frame: Frame) -> list[dict[str, Any]]:
        """Let the frame's time pass, then its events happen; the decisions, in the order in which they were made."""
        out = self.pass_time(frame)
        for index, event in enumerate(frame.events):
            out += self.happen(frame.n, index, event)
        return out

    def pass_time(self, frame: Frame) -> list[dict[str, Any]]:
        """The first half of a frame: the timers due within `run`, pool by pool in id order."""
        out: list[dict[str, Any]] = []
        for _, pool in sorted(self.pools.items()):
            pool.decided = 0
            _let_time_pass(pool, frame)
            out += pool.take_out()
        self.service += frame.run
        self.clock = max(self.clock, frame.at)
        for pool in self.pools.values():
            pool.clock = self.clock
            pool.service = self.service
        return out

    def happen(self, n: int, index: int, event: Event) -> list[dict[str, Any]]:
        """One event of frame `n`, whose time has passed."""
        if event.pool not in self.pools:
            self.pools[event.pool] = Pool(event.pool, self.shard, clock=self.clock, service=self.service)
        pool = self.pools[event.pool]
        pool.position = (n, index)
        agents.sign(pool, event.type, event.data)
        WORK[event.type](pool, event.data)
        settle(pool)
        return pool.take_out()


def _let_time_pass(pool: Pool, frame: Frame) -> None:
    """R1: every timer due within `run` fires, service time and clock stepping to each."""
    end = pool.service + frame.run
    while True:
        due = [timer for timer in pending(pool) if timer[0] <= end]
        if not due:
            return
        timer = min(due)
        step = max(0, timer[0] - pool.service)  # none where a limit that was shortened made it overdue (R20)
        pool.service += step
        pool.clock = max(pool.clock, min(pool.clock + step, frame.at))
        pool.position = (frame.n, -1)
        fire(pool, timer)
        settle(pool)


def _heartbeat(_pool: Pool, _data: Mapping[str, Any]) -> None:
    """R18: a sign of the agent, and nothing besides."""


def _pool_configured(pool: Pool, data: Mapping[str, Any]) -> None:
    """R20: the configuration is replaced; who or what was in a part that is gone belongs to the default one."""
    pool.config = configured(data["config"])
    pool.configured_since = pool.service
    for agent in pool.agents.values():
        agent.profile = pool.config.profile_or_default(agent.profile)
        agents.turned_to_pull(pool, agent)
    for chat in pool.chats.values():
        chat.entered_queue = pool.config.queue_or_default(chat.entered_queue)
    waiting = pool.waiting()
    homeless = [chat for chat in pool.chats.values() if chat.queue not in pool.config.queues]
    for chat in homeless:
        chat.queue = pool.config.default_queue
    for chat in waiting:
        if chat in homeless:
            wait_again(pool, chat, "queue-removed")


WORK: Final[dict[str, Callable[[Pool, Mapping[str, Any]], None]]] = {
    "pool-configured": _pool_configured,
    "agent-logged-in": agents.logged_in,
    "chat-arrival": chats.arrival,
    "request-chat": agents.request_chat,
    "chat-accepted": offers.accepted,
    "chat-declined": offers.declined,
    "chat-abandoned": chats.abandoned,
    "chat-concluded": chats.concluded,
    "chat-released": chats.released,
    "chat-transferred": chats.transferred,
    "agent-logged-out": agents.logged_out,
    "agent-status-changed": agents.status_changed,
    "agent-absent": agents.absent,
    "agent-present": agents.present,
    "agent-lost": agents.lost,
    "agent-heartbeat": _heartbeat,
    "agent-capacity-changed": agents.capacity_changed,
    "request-cancelled": agents.request_cancelled,
}
