"""What can be set otherwise, and what is said of what can't."""

import re
from typing import Any

import pytest

from switchboard.errors import RulesError
from switchboard.whatif.rule_variants import Variant, parse_setting, parse_variant

CONFIGS: dict[str, dict[str, Any]] = {
    "retail": {
        "queues": [{"name": "accounts"}, {"name": "cards"}],
        "profiles": [{"name": "desk"}, {"name": "late", "mode": "pull"}],
    },
    "business": {"queues": [{"name": "gold"}], "profiles": [{"name": "desk"}]},
}


def _under(*texts: str) -> dict[str, dict[str, Any]]:
    return Variant("v", tuple(parse_setting(each) for each in texts)).configs(CONFIGS)


def test_a_field_is_set_for_all_profiles_or_for_those_of_a_name() -> None:
    """In every pool that has them; the base stays as it was."""
    everyone = _under("profile.max_sessions=2")
    assert [row["max_sessions"] for config in everyone.values() for row in config["profiles"]] == [2, 2, 2]
    named = _under("profile[late].mode=push")
    assert named["retail"]["profiles"] == [{"name": "desk"}, {"name": "late", "mode": "push"}]
    assert named["business"] == CONFIGS["business"]
    assert CONFIGS["retail"]["profiles"][1]["mode"] == "pull"


def test_queues_and_pools_can_be_set_too() -> None:
    """With numbers, names and yes or no."""
    told = _under(
        "queue[cards].overflow_to=accounts", "queue[cards].overflow_after=60", "pool[retail].implicit_login=false"
    )
    assert told["retail"]["queues"][1] == {"name": "cards", "overflow_to": "accounts", "overflow_after": 60}
    assert told["retail"]["implicit_login"] is False
    assert "implicit_login" not in told["business"]


def test_a_ranking_is_a_list_with_commas_also_within_a_variant() -> None:
    """A comma before another setting ends the list."""
    told = parse_variant(
        "cards first: profile[late].queues=cards,accounts, profile.pull_policy=strict-priority, agents=+2"
    )
    assert told.name == "cards first"
    late = told.configs(CONFIGS)["retail"]["profiles"][1]
    assert late["queues"] == ["cards", "accounts"]
    assert late["pull_policy"] == "strict-priority"
    assert told.head_counts() == [(None, 2)]


def test_a_variant_without_a_name_is_called_by_what_it_sets() -> None:
    """So that a table's column can be told."""
    assert parse_variant("profile.mode=pull,agents[retail]=-1").name == "profile.mode=pull, agents[retail] -1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile.mod=pull", "did you mean mode"),
        ("profil.mode=pull", "did you mean profile"),
        ("profile.mode", "expected profile.FIELD=VALUE"),
        ("agents=5", "as in agents=+5"),
        ("agents=+3000000", "at most 10,000 more or fewer agents"),
        ("agents[retail]=-10001", "at most 10,000 more or fewer agents"),
        ("queue.name=x", "has no field name"),
    ],
)
def test_a_slip_of_the_pen_is_told_with_the_nearest_name(text: str, said: str) -> None:
    """Before anything is simulated."""
    with pytest.raises(RulesError, match=re.escape(said)):
        parse_setting(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile.mode=shove", "one of push, pull"),
        ("profile.offer_timeout=1", "from 5 to 285"),
        ("profile[desc].mode=pull", "did you mean desk"),
        ("queue[cards].overflow_to=acounts", "a queue of this pool"),
        ("pool[retail].default_profile=early", "a profile of this pool"),
    ],
)
def test_a_value_that_a_routing_file_could_not_have_is_refused(text: str, said: str) -> None:
    """By the same schema and the same check of names."""
    with pytest.raises(RulesError, match=re.escape(said)):
        _under(text)
