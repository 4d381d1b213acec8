"""The limits of a shard: the totals of all pools, and the refusal of more.

A shard may have 10,000 pools, so the totals are kept up to date and not added up for each event.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from switchboard.domain.engine import Engine
from switchboard.domain.events import DEFAULT_POOL
from switchboard.domain.pool import Pool
from switchboard.journal.codec import BadInput
from switchboard.journal.limits import (
    SHARD_AGENTS,
    SHARD_CHATS,
    SHARD_DECLINES,
    UNCONFIGURED_SHARE,
    ConfiguredPools,
    Limit,
    Limits,
)

Counted: TypeAlias = Literal["agents", "chats", "remembered", "passes"]
"""The kinds of things that are counted: agents, open chats, chats open or remembered, and passes (pairs of an agent and
an open chat)."""
Totals: TypeAlias = dict[Counted, int]

RECOUNT_SHARE: Final = 0.05
"""Share of the time that recounts may take."""
ITEM_SECONDS: Final = 2e-6
"""Assumed time to count one pool, or one agent id. Measured on one core of the build machine: 1.6 us a pool, 0.2 us an
id. A constant, not measured at run time, so that equal events at equal times are refused alike."""

_NAMES: Final[Mapping[Counted, tuple[str, str, Limit]]] = {
    "agents": (f"{SHARD_AGENTS} * max_agents", "agents", "shard-agents"),
    "chats": (f"{SHARD_CHATS} * max_chats", "open chats", "shard-chats"),
    "remembered": (f"{SHARD_CHATS} * max_remembered", "chats open or remembered", "shard-remembered-chats"),
    "passes": (f"{SHARD_DECLINES} * max_chats", "pairs of an agent and a chat that it passed over", "shard-declines"),
}
"""The setting that bounds each count, the count in words, and the name of the limit."""


@dataclass(slots=True)
class OverLimit(BadInput):
    """An event beyond a limit."""

    limit: Limit = "pools"


def over_limit(pool: str, limit: Limit, held: int, most: int, what: str, setting: str) -> OverLimit:
    """The refusal of an event.

    Args:
        pool: the event's pool.
        limit: the limit that is reached.
        held: the count.
        most: the highest count allowed.
        what: the count in words.
        setting: the setting that bounds the count.
    """
    return OverLimit("over-limit", f"{limit}: {held:,} of at most {most:,} {what} ({setting})", pool, limit)


class ShardLimits:
    """Counts what the pools of a shard hold together, and refuses events beyond the limits of the shard.

    The pools that were never configured may use half of each limit. Changes by events are counted at once. Changes by
    timers are counted after the next event of their pool, or at a recount: until then a total may be too high, or too
    low by the passes of offers that have expired.

    Args:
        engine: the shard's; only read.
        limits: what the shard may hold.
        configured: the configured pools; the caller keeps them up to date.
        now: monotonic, s.
        item_seconds: the time to assume for counting one pool.
    """

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        configured: ConfiguredPools,
        now: float,
        item_seconds: float = ITEM_SECONDS,
    ) -> None:
        self._engine = engine
        self._configured = configured
        self._item_seconds = item_seconds
        self._most: Totals = {
            "agents": limits.shard_agents,
            "chats": limits.shard_chats,
            "remembered": limits.shard_remembered,
            "passes": limits.shard_declines,
        }
        self._by_pool: dict[str, Totals] = {}
        self._all = nothing()
        self._unconfigured = nothing()
        self._recount_due = now
        self._recount(now)

    def count(self, pools: Iterable[str]) -> None:
        """Count these pools again; pools that the engine does not have are skipped."""
        for name in pools:
            pool = self._engine.pools.get(name)
            if pool is None:
                continue
            now, before = held_by(pool), self._by_pool.get(name)
            if now == before:
                continue
            self._by_pool[name] = now
            for total in self._totals_with(name):
                add(total, now)
                _subtract(total, before or nothing())

    def expect(self, pool: str, counted: Counted) -> None:
        """Count one more of a kind, because an admitted event is about to add one to the pool."""
        held = self._by_pool.get(pool)
        if held is None:
            held = self._by_pool[pool] = nothing()
        held[counted] += 1
        for total in self._totals_with(pool):
            total[counted] += 1

    def note_configured(self, pool: str) -> None:
        """Note that a pool is configured for the first time."""
        _subtract(self._unconfigured, self._by_pool.get(pool, nothing()))

    def have_room(self, number: int, now: float) -> bool:
        """Whether any pool may add so many agents, chats and passes.

        Recounts first, if there seems to be no room and a recount is due. All admitted events must be applied before.
        """
        return self._have_room(number) or (now >= self._recount_due and self._recount(now) and self._have_room(number))

    def refusal(self, counted: Counted, pool: str) -> OverLimit | None:
        """The refusal of one more in this pool; None if there is room."""
        setting, what, limit = _NAMES[counted]
        held, most = self._all[counted], self._most[counted]
        if held >= most:
            return over_limit(pool, limit, held, most, f"{what} in this shard", setting)
        if pool in self._configured:
            return None
        held, most = self._unconfigured[counted], most // UNCONFIGURED_SHARE
        if held >= most:
            what += " in this shard's pools that were never configured"
            return over_limit(pool, limit, held, most, what, f"{setting} / {UNCONFIGURED_SHARE}")
        return None

    def _totals_with(self, pool: str) -> tuple[Totals, ...]:
        """The totals that include a pool."""
        return (self._all,) if pool in self._configured else (self._all, self._unconfigured)

    def _have_room(self, number: int) -> bool:
        """Whether the present totals leave room for so many more of each."""
        return all(
            self._all[counted] + number <= most and UNCONFIGURED_SHARE * (self._unconfigured[counted] + number) <= most
            for counted, most in self._most.items()
        )

    def _recount(self, now: float) -> bool:
        """Count all pools; returns True. The next recount is postponed, or each frame at a limit would cause one."""
        self._all, self._unconfigured = nothing(), nothing()
        self._by_pool = {name: held_by(pool) for name, pool in self._engine.pools.items()}
        for name, held in self._by_pool.items():
            for total in self._totals_with(name):
                add(total, held)
        self._recount_due = now + len(self._by_pool) * self._item_seconds / RECOUNT_SHARE
        return True


def made_up_pools(number: int, configured: ConfiguredPools, *, has_default: bool) -> int:
    """How many pools were never configured. `default` is not counted: made-up names must not keep `default` out.

    Args:
        number: of all pools.
        configured: the configured ones among them.
        has_default: whether `default` is among the pools.
    """
    return number - len(configured) - (has_default and DEFAULT_POOL not in configured)


def nothing() -> Totals:
    """Totals of no pools."""
    return {"agents": 0, "chats": 0, "remembered": 0, "passes": 0}


def held_by(pool: Pool) -> Totals:
    """What a pool holds."""
    chats = len(pool.chats)
    remembered = chats + len(pool.remembered)
    return {"agents": len(pool.agents), "chats": chats, "remembered": remembered, "passes": pool.index.passed}


def add(totals: Totals, held: Totals) -> None:
    """Add what a pool holds to the totals."""
    for counted, number in held.items():
        totals[counted] += number


def _subtract(totals: Totals, held: Totals) -> None:
    """Subtract what a pool held from the totals."""
    for counted, number in held.items():
        totals[counted] -= number
