"""A pool's configuration with its defaults (routing rules, "Words"). All limits are in whole seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Queue:
    """Where chats wait, and how long."""

    name: str
    max_wait: int = 1800
    overflow_after: int = 0
    overflow_to: str | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """What an agent may do."""

    name: str
    queues: list[str]
    """Best first."""
    mode: str = "push"
    max_sessions: int = 3
    pull_policy: str = "first-due"
    offer_timeout: int = 15
    auto_decline: bool = True
    allow_decline: bool = True
    delay_between_chats: int = 0
    wrap_up: bool = True
    wrap_up_limit: int = 0
    reoffer_after: int = 30
    max_missed_offers: int = 3
    starvation_limit: int = 0


@dataclass(frozen=True, slots=True)
class Configuration:
    """One pool's queues, profiles and limits."""

    queues: dict[str, Queue]
    profiles: dict[str, Profile]
    default_queue: str
    default_profile: str
    seed: str = ""
    implicit_login: bool = True
    absent_after: int = 0
    lost_after: int = 0

    def queue_or_default(self, name: str | None) -> str:
        """The queue of that name; none or an unknown one is the default queue."""
        return name if name is not None and name in self.queues else self.default_queue

    def profile_or_default(self, name: str | None) -> str:
        """The profile of that name; none or an unknown one is the default profile."""
        return name if name is not None and name in self.profiles else self.default_profile


def unconfigured() -> Configuration:
    """What a pool has that was never configured."""
    return configured(
        {"queues": [{"name": "default"}], "profiles": [{"name": "default", "wrap_up": False}]},
    )


def configured(config: Mapping[str, Any]) -> Configuration:
    """The `config` of a `pool-configured` event."""
    queues = {row["name"]: Queue(**row) for row in config["queues"]}
    profiles = {row["name"]: Profile(**{"queues": list(queues), **row}) for row in config["profiles"]}
    first_queue, first_profile = next(iter(queues)), next(iter(profiles))
    default_queue = config.get("default_queue", first_queue)
    default_profile = config.get("default_profile", first_profile)
    return Configuration(
        queues=queues,
        profiles=profiles,
        default_queue=default_queue if default_queue in queues else first_queue,
        default_profile=default_profile if default_profile in profiles else first_profile,
        seed=config.get("seed", ""),
        implicit_login=config.get("implicit_login", True),
        absent_after=config.get("absent_after", 0),
        lost_after=config.get("lost_after", 0),
    )
