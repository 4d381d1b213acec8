"""A pool's configuration with its defaults filled in (routing rules, "Defaults", and R20)."""

from typing import Any

import pytest

from switchboard.domain import configuration

LEAST: dict[str, Any] = {"queues": [{"name": "q"}], "profiles": [{"name": "p"}]}
"""The smallest configuration there is."""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "push"),
        ("max_sessions", 3),
        ("pull_policy", "first-due"),
        ("queues", ("q",)),
        ("offer_timeout", 15_000),
        ("auto_decline", True),
        ("allow_decline", True),
        ("delay_between_chats", 0),
        ("wrap_up", True),
        ("wrap_up_limit", 0),
        ("reoffer_after", 30_000),
        ("max_missed_offers", 3),
        ("starvation_limit", 0),
    ],
)
def test_a_profile_has_these_defaults(field: str, value: object) -> None:
    """Defaults: a profile needs a name and nothing else; times are ms here."""
    assert getattr(configuration.read(LEAST).profiles["p"], field) == value


@pytest.mark.parametrize(("field", "value"), [("max_wait", 1_800_000), ("overflow_after", 0), ("overflow_to", None)])
def test_a_queue_has_these_defaults(field: str, value: object) -> None:
    """Defaults: half an hour of patience, and no overflow."""
    assert getattr(configuration.read(LEAST).queues["q"], field) == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", b""),
        ("default_queue", "q"),
        ("default_profile", "p"),
        ("implicit_login", True),
        ("absent_after", 0),
        ("lost_after", 0),
    ],
)
def test_a_pool_has_these_defaults(field: str, value: object) -> None:
    """Defaults: the first listed are the default ones, and silence does not matter."""
    assert getattr(configuration.read(LEAST), field) == value


def test_what_is_given_is_taken() -> None:
    """Seconds become ms; a seed is its bytes in UTF-8; everything else is as it stands."""
    queue = {"name": "q", "max_wait": 1, "overflow_after": 2, "overflow_to": "r"}
    profile = {
        "name": "p",
        "mode": "pull",
        "max_sessions": 5,
        "pull_policy": "strict-priority",
        "queues": ["r", "q"],
        "offer_timeout": 5,
        "auto_decline": False,
        "allow_decline": False,
        "delay_between_chats": 6,
        "wrap_up": False,
        "wrap_up_limit": 7,
        "reoffer_after": 0,
        "max_missed_offers": 0,
        "starvation_limit": 8,
    }
    pool = {"seed": "ü", "default_queue": "r", "implicit_login": False, "absent_after": 9, "lost_after": 10}
    read = configuration.read({"queues": [queue, {"name": "r"}], "profiles": [profile], **pool})
    assert read.queues["q"] == configuration.Queue("q", 1000, 2000, "r")
    assert read.profiles["p"] == configuration.Profile(
        name="p",
        mode="pull",
        max_sessions=5,
        pull_policy="strict-priority",
        queues=("r", "q"),
        offer_timeout=5000,
        auto_decline=False,
        allow_decline=False,
        delay_between_chats=6000,
        wrap_up=False,
        wrap_up_limit=7000,
        reoffer_after=0,
        max_missed_offers=0,
        starvation_limit=8000,
    )
    assert (read.seed, read.default_queue, read.implicit_login) == ("ü".encode(), "r", False)
    assert (read.absent_after, read.lost_after) == (9000, 10_000)


def test_a_profile_serves_all_queues_in_the_order_of_the_configuration() -> None:
    """Defaults: that order is then its ranking."""
    read = configuration.read({"queues": [{"name": "r"}, {"name": "q"}], "profiles": [{"name": "p"}]})
    assert read.profiles["p"].queues == ("r", "q")


@pytest.mark.parametrize(
    ("listed", "served"),
    [([], ()), (["gone"], ()), (["gone", "q"], ("q",)), (["q", "q"], ("q",))],
    ids=["none", "unknown only", "one unknown", "twice"],
)
def test_a_queue_that_a_profile_names_in_vain_has_no_effect(listed: list[str], served: tuple[str, ...]) -> None:
    """R20: an unknown queue is left out; `queues: []` serves nothing."""
    read = configuration.read({**LEAST, "profiles": [{"name": "p", "queues": listed}]})
    assert read.profiles["p"].queues == served


def test_an_unknown_overflow_is_none_and_an_unknown_default_the_first() -> None:
    """R20: a configuration with names in vain still works."""
    queues = [{"name": "q", "overflow_after": 5, "overflow_to": "gone"}, {"name": "r"}]
    read = configuration.read(
        {"queues": queues, "profiles": [{"name": "p"}, {"name": "o"}], "default_queue": "x", "default_profile": "x"}
    )
    assert read.queues["q"].overflow_to is None
    assert (read.default_queue, read.default_profile) == ("q", "p")


def test_a_name_that_nobody_knows_means_the_default() -> None:
    """Words: of queues for chats, of profiles for agents."""
    read = configuration.read({"queues": [{"name": "q"}, {"name": "r"}], "profiles": [{"name": "p"}, {"name": "o"}]})
    assert [read.queue_or_default(name) for name in ("r", "gone", None)] == ["r", "q", "q"]
    assert [read.profile_or_default(name).name for name in ("o", "gone", None)] == ["o", "p", "p"]


def test_a_pool_that_was_never_configured_has_one_of_each() -> None:
    """Defaults: both `default`, the profile without wrap-up, so that a conclusion frees the session."""
    read = configuration.read(configuration.UNCONFIGURED)
    assert (list(read.queues), list(read.profiles)) == (["default"], ["default"])
    assert read.profiles["default"].wrap_up is False
