"""A pool's configuration with its defaults filled in (routing rules, "Defaults").

The seconds of a routing file become ms. Unknown names have no effect: an unknown queue of a profile is left out, an
unknown `overflow_to` is no overflow, an unknown default is the first of the list (R20).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from switchboard.domain.decisions import Mode, PullPolicy

DEFAULT: Final = "default"

UNCONFIGURED: Final[Mapping[str, Any]] = {
    "queues": [{"name": DEFAULT}],
    "profiles": [{"name": DEFAULT, "wrap_up": False}],
}
"""The configuration of a pool that was never configured."""


@dataclass(slots=True, frozen=True)
class Queue:
    """The limits of a queue, ms of service time; 0: no limit (R17)."""

    name: str
    max_wait: int
    overflow_after: int
    overflow_to: str | None


@dataclass(slots=True, frozen=True)
class Profile:
    """What the agents of a profile may do. Times are ms of service time, except `starvation_limit`: ms of the clock."""

    name: str
    mode: Mode
    max_sessions: int
    pull_policy: PullPolicy
    queues: tuple[str, ...]
    offer_timeout: int
    auto_decline: bool
    allow_decline: bool
    delay_between_chats: int
    wrap_up: bool
    wrap_up_limit: int
    reoffer_after: int
    max_missed_offers: int
    starvation_limit: int


@dataclass(slots=True, frozen=True)
class PoolConfig:
    """One pool's queues, profiles and limits. Times are ms of service time."""

    raw: Mapping[str, Any]
    """The configuration as it was given, and as the pool's row holds it."""
    seed: bytes
    default_queue: str
    default_profile: str
    implicit_login: bool
    absent_after: int
    lost_after: int
    watches_silence: bool
    """True if silent agents become absent or lost (R18)."""
    queues: dict[str, Queue]
    profiles: dict[str, Profile]

    def queue_or_default(self, name: str | None) -> str:
        """The queue of this name if there is one, else the default queue."""
        return name if name is not None and name in self.queues else self.default_queue

    def profile_or_default(self, name: str | None) -> Profile:
        """The profile of this name if there is one, else the default profile."""
        found = self.profiles.get(name) if name is not None else None
        return found if found is not None else self.profiles[self.default_profile]


def read(raw: Mapping[str, Any]) -> PoolConfig:
    """Read the `config` of a `pool-configured` event."""
    names = dict.fromkeys(row["name"] for row in raw["queues"])
    queues = {row["name"]: _queue(row, names) for row in raw["queues"]}
    profiles = {row["name"]: _profile(row, names) for row in raw["profiles"]}
    return PoolConfig(
        raw=raw,
        seed=raw.get("seed", "").encode(),
        default_queue=_known(raw.get("default_queue"), queues),
        default_profile=_known(raw.get("default_profile"), profiles),
        implicit_login=raw.get("implicit_login", True),
        absent_after=raw.get("absent_after", 0) * 1000,
        lost_after=raw.get("lost_after", 0) * 1000,
        watches_silence=bool(raw.get("absent_after", 0) or raw.get("lost_after", 0)),
        queues=queues,
        profiles=profiles,
    )


def _known(name: str | None, listed: Mapping[str, Any]) -> str:
    return name if name is not None and name in listed else next(iter(listed))


def _queue(row: Mapping[str, Any], names: Mapping[str, None]) -> Queue:
    overflow_to = row.get("overflow_to")
    return Queue(
        name=row["name"],
        max_wait=row.get("max_wait", 1800) * 1000,
        overflow_after=row.get("overflow_after", 0) * 1000,
        overflow_to=overflow_to if overflow_to in names else None,
    )


def _profile(row: Mapping[str, Any], names: Mapping[str, None]) -> Profile:
    return Profile(
        name=row["name"],
        mode=row.get("mode", "push"),
        max_sessions=row.get("max_sessions", 3),
        pull_policy=row.get("pull_policy", "first-due"),
        queues=tuple(name for name in dict.fromkeys(row.get("queues", names)) if name in names),
        offer_timeout=row.get("offer_timeout", 15) * 1000,
        auto_decline=row.get("auto_decline", True),
        allow_decline=row.get("allow_decline", True),
        delay_between_chats=row.get("delay_between_chats", 0) * 1000,
        wrap_up=row.get("wrap_up", True),
        wrap_up_limit=row.get("wrap_up_limit", 0) * 1000,
        reoffer_after=row.get("reoffer_after", 30) * 1000,
        max_missed_offers=row.get("max_missed_offers", 3),
        starvation_limit=row.get("starvation_limit", 0) * 1000,
    )
