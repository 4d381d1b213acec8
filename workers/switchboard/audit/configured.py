"""Configuration of a pool (R20), with the defaults of the routing rules. All spans are in ms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, frozen=True)
class Queue:
    """Limits of a queue; 0: no limit."""

    max_wait: int
    overflow_after: int
    overflow_to: str
    """Name of the overflow queue; empty for none. An unknown queue counts as none (R20)."""


@dataclass(slots=True, frozen=True)
class Profile:
    """Settings for the agents of a profile."""

    name: str
    queues: tuple[str, ...]
    """Existing queues of the profile, best first."""
    mode: str
    max_sessions: int
    pull_policy: str
    offer_timeout: int
    auto_decline: bool
    allow_decline: bool
    delay: int
    wrap_up: bool
    wrap_up_limit: int
    reoffer_after: int
    max_missed: int
    starvation: int


@dataclass(slots=True, frozen=True)
class Configured:
    """Configuration of one pool."""

    queues: dict[str, Queue]
    profiles: dict[str, Profile]
    default_queue: str
    default_profile: str
    seed: bytes
    implicit_login: bool
    absent_after: int
    lost_after: int

    def queue(self, name: str | None) -> str:
        """Return the name of the queue; the default queue for None or an unknown name."""
        return name if name in self.queues and name is not None else self.default_queue

    def profile(self, name: str | None) -> Profile:
        """Return the profile of that name; the default profile for None or an unknown name."""
        return self.profiles[name if name in self.profiles and name is not None else self.default_profile]


def configured(config: Mapping[str, Any]) -> Configured:
    """Read the `config` of a `pool-configured` event, which the codec has checked."""
    names = [row["name"] for row in config["queues"]]
    profiles = [_profile(row, names) for row in config["profiles"]]
    by_name = {profile.name: profile for profile in profiles}
    default_queue = config.get("default_queue", names[0])
    default_profile = config.get("default_profile", profiles[0].name)
    return Configured(
        queues={row["name"]: _queue(row, names) for row in config["queues"]},
        profiles=by_name,
        default_queue=default_queue if default_queue in names else names[0],
        default_profile=default_profile if default_profile in by_name else profiles[0].name,
        seed=config.get("seed", "").encode(),
        implicit_login=config.get("implicit_login", True),
        absent_after=1000 * config.get("absent_after", 0),
        lost_after=1000 * config.get("lost_after", 0),
    )


def never_configured() -> Configured:
    """Return the configuration of a pool before the first `pool-configured`."""
    return configured({"queues": [{"name": "default"}], "profiles": [{"name": "default", "wrap_up": False}]})


def _queue(row: Mapping[str, Any], names: list[str]) -> Queue:
    overflow_to = row.get("overflow_to", "")
    return Queue(
        max_wait=1000 * row.get("max_wait", 1800),
        overflow_after=1000 * row.get("overflow_after", 0),
        overflow_to=overflow_to if overflow_to in names else "",
    )


def _profile(row: Mapping[str, Any], names: list[str]) -> Profile:
    return Profile(
        name=row["name"],
        queues=tuple(dict.fromkeys(name for name in row.get("queues", names) if name in names)),
        mode=row.get("mode", "push"),
        max_sessions=row.get("max_sessions", 3),
        pull_policy=row.get("pull_policy", "first-due"),
        offer_timeout=1000 * row.get("offer_timeout", 15),
        auto_decline=row.get("auto_decline", True),
        allow_decline=row.get("allow_decline", True),
        delay=1000 * row.get("delay_between_chats", 0),
        wrap_up=row.get("wrap_up", True),
        wrap_up_limit=1000 * row.get("wrap_up_limit", 0),
        reoffer_after=1000 * row.get("reoffer_after", 30),
        max_missed=row.get("max_missed_offers", 3),
        starvation=1000 * row.get("starvation_limit", 0),
    )
