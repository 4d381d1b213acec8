"""How much one shard holds: the settings, and what follows from them.

Anyone who may write to the bus can make up pools, agents and chats. Without bounds 236,000 made-up agents in pools of
their own, sent within 52 s, took 1 GB, and the router could not start again within that.

Measured on the build machine: an unconfigured pool takes 5.6 KB, an agent 1.6 to 2.8 KB, an open chat 0.7 to 1.3 KB, a
closed chat that is remembered 0.4 KB, an ending whose chat never came 0.3 KB, a chat that an agent passed over 0.26 KB.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

UnconfiguredPools: TypeAlias = Literal["allow", "refuse"]

Limit: TypeAlias = Literal[
    "unconfigured-pools",
    "pools",
    "agents",
    "agent-ids",
    "chats",
    "remembered-chats",
    "early-endings",
    "shard-agents",
    "shard-chats",
    "shard-remembered-chats",
    "declines",
    "shard-declines",
    "configuration",
    "shard-configuration",
]
"""What a limit is called in metrics and logs."""

SHARD_AGENTS: Final = 10
"""A shard takes so many times the agents of a pool."""
SHARD_CHATS: Final = 2
"""A shard takes so many times the chats of a pool, open and remembered."""
UNCONFIGURED_SHARE: Final = 2
"""Pools that were never configured take one part of so many of what a shard takes: names that anyone can make up never
use up what the configured pools need."""
MAX_DECLINES: Final = 1_000
"""Open chats that one agent passed over, and agents who passed one chat over, beyond which a decline is refused. Each
search for an agent's next chat looks at all chats that it passed over (0.1 us each), each search for a chat's next
agent at all agents who passed it over: 20,000 declines of one agent took 2 ms each, and a frame of 2,000 of them longer
than a session."""
SHARD_DECLINES: Final = 5
"""A shard remembers so many times `max_chats` pairs of an agent and an open chat that it passed over: 260 MB."""
EARLY_ENDINGS_SHARE: Final = 10
"""Endings that came before their chats take one part of so many of `max_remembered`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of each shard of a router. The settings of the same names say more."""

    unconfigured_pools: UnconfiguredPools = "allow"
    max_pools: int = 10_000
    max_agents: int = 20_000
    max_chats: int = 200_000
    max_remembered: int = 500_000

    @property
    def max_early_endings(self) -> int:
        """Endings of a pool that came before their chats and are remembered for a minute (R13)."""
        return max(1, self.max_remembered // EARLY_ENDINGS_SHARE)

    @property
    def shard_agents(self) -> int:
        """Agents of all pools of a shard together."""
        return SHARD_AGENTS * self.max_agents

    @property
    def shard_chats(self) -> int:
        """Open chats of all pools of a shard together."""
        return SHARD_CHATS * self.max_chats

    @property
    def shard_remembered(self) -> int:
        """Chats of all pools of a shard together, open and remembered."""
        return SHARD_CHATS * self.max_remembered

    @property
    def shard_declines(self) -> int:
        """Pairs of an agent and an open chat that it passed over, of all pools of a shard together."""
        return SHARD_DECLINES * self.max_chats
