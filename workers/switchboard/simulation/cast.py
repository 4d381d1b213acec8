"""Who takes part: the lines on which chats arrive and the agents who answer them."""

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
    """A queue on which chats arrive, with its share of them; without a name the pool's default queue."""

    queue: str | None = None
    pool: str = DEFAULT_POOL
    share: float = 1.0


@dataclass(slots=True, frozen=True)
class Post:
    """One agent's place: which profile, and whether to wait for chats (push) or to click for them (pull)."""

    agent_id: str
    mode: Mode
    pool: str = DEFAULT_POOL
    profile: str | None = None
    override: bool = False
    """Whether the login names the mode; otherwise it is the profile's own."""
    plan: "Sequence[Planned]" = ()
    """When the agent comes and goes, where that is known; without one it comes at the start, and goes by chance."""


@dataclass(slots=True, frozen=True)
class Planned:
    """One event by which an agent comes, goes or changes what it takes."""

    after: int
    """ms since the start."""
    type: str
    data: Mapping[str, Any]
    """The event's own fields but `agent_id`."""


@dataclass(slots=True, frozen=True)
class Cast:
    """The lines and the agents of one simulation; agent ids are unique."""

    lines: Sequence[Line]
    posts: Sequence[Post]


def agent_name(number: int) -> str:
    """A readable agent id: `ana`, `ben`, … and from the 27th on `ana-2`."""
    turn, index = divmod(number, len(NAMES))
    return NAMES[index] if turn == 0 else f"{NAMES[index]}-{turn + 1}"


def mixed_team(agents: int, *, pull_share: float, pool: str, profile: str | None) -> list[Post]:
    """So many agents of one profile, the last of whom are in pull mode whatever the profile says."""
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
    """The queues of these pools as lines, and so many agents dealt out over all their profiles in turn.

    Args:
        pools: as in `pool-configured`: `{"pool": ..., "config": {"queues": [...], "profiles": [...], ...}}`.
        agents: how many.
    """
    lines = [Line(queue["name"], each["pool"]) for each in pools for queue in each["config"]["queues"]]
    places = [(each["pool"], profile) for each in pools for profile in each["config"]["profiles"]]
    posts = []
    for number in range(agents):
        pool, profile = places[number % len(places)]
        posts.append(Post(agent_name(number), profile.get("mode", "push"), pool, profile["name"]))
    return Cast(lines, posts)
