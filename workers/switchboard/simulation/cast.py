"""The cast of a simulation: the lines on which chats arrive, and the agents who answer chats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from switchboard.domain.events import DEFAULT_POOL

Mode: TypeAlias = Literal["push", "pull"]

# fmt: off
NAMES: Final = (
    "ana", "ben", "chloe", "dario", "ella", "finn", "grace", "hugo", "ines", "jonas", "kira", "leon", "mara",
    "nils", "olga", "pablo", "quinn", "rosa", "sami", "tara", "umar", "vera", "wim", "xenia", "yara", "zoe",
)
# fmt: on


@dataclass(slots=True, frozen=True)
class Line:
    """A queue on which chats arrive, and the share of all chats; without a name, the pool's default queue."""

    queue: str | None = None
    pool: str = DEFAULT_POOL
    share: float = 1.0


@dataclass(slots=True, frozen=True)
class Post:
    """Position of one agent: profile, and mode: wait for chats (`push`) or request each chat (`pull`)."""

    agent_id: str
    mode: Mode
    pool: str = DEFAULT_POOL
    profile: str | None = None
    override: bool = False
    """True if the login names the mode; otherwise the mode of the profile applies."""
    plan: "Sequence[PlannedEvent]" = ()
    """Known times of the agent's events. Without a plan, the agent logs in at the start and leaves at random."""


@dataclass(slots=True, frozen=True)
class PlannedEvent:
    """One planned event of an agent: a login, a logout, or a change of status or capacity."""

    after: int
    """ms since the start."""
    type: str
    data: Mapping[str, Any]
    """Fields of the event except `agent_id`."""


@dataclass(slots=True, frozen=True)
class Cast:
    """The lines and the agents of one simulation; agent ids are unique."""

    lines: Sequence[Line]
    posts: Sequence[Post]


def agent_name(number: int) -> str:
    """Return a readable agent id for a number from 0: `ana`, `ben` …, and `ana-2` from the 27th agent on."""
    turn, index = divmod(number, len(NAMES))
    return NAMES[index] if turn == 0 else f"{NAMES[index]}-{turn + 1}"


def mixed_team(agents: int, *, pull_share: float, pool: str, profile: str | None) -> list[Post]:
    """Return agents of one profile; the last `pull_share` of the agents are in pull mode, the others in push mode.

    The mode overrides the mode of the profile.
    """
    pull = round(agents * pull_share)
    return [
        Post(
            agent_id=agent_name(number),
            mode="pull" if number >= agents - pull else "push",
            pool=pool,
            profile=profile,
            override=True,
        )
        for number in range(agents)
    ]


def cast_of(pools: Sequence[Mapping[str, Any]], agents: int) -> Cast:
    """Return a cast: every queue of the pools is a line, and the agents take the profiles of all pools in turn.

    Args:
        pools: as in `pool-configured`: `{"pool": ..., "config": {"queues": [...], "profiles": [...], ...}}`.
        agents: number of agents.
    """
    lines = [Line(queue["name"], each["pool"]) for each in pools for queue in each["config"]["queues"]]
    places = [(each["pool"], profile) for each in pools for profile in each["config"]["profiles"]]
    posts = []
    for number in range(agents):
        pool, profile = places[number % len(places)]
        posts.append(Post(agent_name(number), profile.get("mode", "push"), pool, profile["name"]))
    return Cast(lines, posts)
