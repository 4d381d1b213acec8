"""Random configurations of a pool: few names, and limits small enough to be reached."""

from random import Random
from typing import Any, Final

QUEUES: Final = ("q1", "q2", "q3")
PROFILES: Final = ("p1", "p2", "p3")
UNKNOWN: Final = "nowhere"
SEEDS: Final = ("", "s", "ü" * 32)
"""The last one is as long as a seed may be: 64 bytes."""


def sometimes(rng: Random, row: dict[str, Any], name: str, values: tuple[Any, ...], chance: float = 0.5) -> None:
    """Set a field of `row` to one of `values`, or leave its default."""
    if rng.random() < chance:
        row[name] = rng.choice(values)


def some(rng: Random, names: tuple[str, ...]) -> list[str]:
    """At least one of the names, in any order; a name given twice may be there twice."""
    return rng.sample(names, rng.randint(1, len(names)))


def random_config(rng: Random) -> dict[str, Any]:
    """The `config` of a `pool-configured` event."""
    config: dict[str, Any] = {
        "queues": [_queue(rng, name) for name in some(rng, QUEUES)],
        "profiles": [_profile(rng, name) for name in some(rng, PROFILES)],
    }
    sometimes(rng, config, "seed", SEEDS)
    sometimes(rng, config, "default_queue", (*QUEUES, UNKNOWN))
    sometimes(rng, config, "default_profile", (*PROFILES, UNKNOWN))
    sometimes(rng, config, "implicit_login", (False, True), 0.2)
    if rng.random() < 0.4:
        sometimes(rng, config, "absent_after", (0, 5, 6, 10, 30))
        sometimes(rng, config, "lost_after", (0, 5, 10, 12, 40))
    return config


def _queue(rng: Random, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name}
    sometimes(rng, row, "max_wait", (0, 1, 5, 8, 15, 30), 0.4)
    sometimes(rng, row, "overflow_after", (0, 1, 3, 5, 8, 15))
    sometimes(rng, row, "overflow_to", (*QUEUES, *QUEUES, UNKNOWN), 0.9)
    return row


def _profile(rng: Random, name: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name}
    sometimes(rng, row, "mode", ("pull", "pull", "push"))
    sometimes(rng, row, "max_sessions", (1, 2, 3))
    sometimes(rng, row, "pull_policy", ("strict-priority", "strict-priority", "first-due"), 0.6)
    if rng.random() < 0.5:
        row["queues"] = rng.choice((some(rng, (*QUEUES, UNKNOWN)), some(rng, (*QUEUES, *QUEUES)), some(rng, QUEUES)))
    elif rng.random() < 0.1:
        row["queues"] = []
    sometimes(rng, row, "offer_timeout", (5, 6, 10, 285), 0.7)
    sometimes(rng, row, "auto_decline", (False, True), 0.3)
    sometimes(rng, row, "allow_decline", (False, True), 0.3)
    sometimes(rng, row, "delay_between_chats", (0, 1, 5, 7, 20), 0.4)
    sometimes(rng, row, "wrap_up", (False, True), 0.3)
    sometimes(rng, row, "wrap_up_limit", (0, 1, 3, 5, 10), 0.4)
    sometimes(rng, row, "reoffer_after", (0, 1, 5, 6, 15), 0.7)
    sometimes(rng, row, "max_missed_offers", (0, 1, 2), 0.6)
    sometimes(rng, row, "starvation_limit", (0, 1, 3, 6), 0.4)
    return row
