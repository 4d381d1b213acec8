"""Decisions in English: every value of the contract has words, and all readers use the same."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, get_args

import orjson
import pytest

import switchboard
from switchboard.domain import decisions
from switchboard.projections.decision_texts import (
    AGENT_ORDERS,
    CLOSURES,
    OFFER_ENDS,
    OFFER_OUTCOMES,
    PULL_POLICIES,
    REASONS,
    REQUEUES,
    assignment_label,
    offer_end_count,
    story_sentence,
)

SAMPLES = Path(__file__).parents[3] / "schemas/samples"
PAGE = Path(switchboard.__file__).parent / "monitor/page"
ABOUT_CHATS = [
    kind
    for each in get_args(decisions.Decision)
    if "chat_id" in each.__annotations__
    for kind in get_args(each.__annotations__["type"])
]


@pytest.mark.parametrize("kind", ABOUT_CHATS)
def test_every_decision_about_a_chat_has_a_sentence(kind: str) -> None:
    """Each golden sample is told in a sentence, and none by the name of its type."""
    for line in (SAMPLES / f"{kind}.good.jsonl").read_bytes().splitlines():
        sentence = story_sentence(orjson.loads(line))
        assert sentence.endswith(".")
        assert kind not in sentence


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (OFFER_ENDS, decisions.OfferEnd),
        (CLOSURES, decisions.Closing),
        (AGENT_ORDERS, decisions.AgentOrder),
        (PULL_POLICIES, decisions.PullPolicy),
    ],
)
def test_every_reason_has_words_of_its_own(table: Collection[str], values: Any) -> None:
    """A reason that is added to the contract fails here."""
    assert set(table) == set(get_args(values))


def test_every_refusal_has_words_and_no_other_requeue_than_those_of_the_contract() -> None:
    """Ignored events share the words of refusals, so that table holds more; most requeues share one text."""
    refusals = (decisions.AcceptRefusal, decisions.RequestRefusal, decisions.TransferRefusal)
    assert {reason for each in refusals for reason in get_args(each)} < set(REASONS)
    assert set(REQUEUES) < set(get_args(decisions.Requeue))


def test_a_type_of_a_later_version_is_shown_by_its_name() -> None:
    """A reader that is older than the router shows the type."""
    assert story_sentence({"type": "chat-parked"}) == "chat-parked"


def test_the_wallboard_has_the_labels_of_this_table() -> None:
    """The page holds them as JSON, since a browser reads no Python."""
    found = re.search(r"\{.*\}", (PAGE / "outcomes.js").read_text(), re.DOTALL)
    assert found is not None
    assert orjson.loads(found[0]) == OFFER_OUTCOMES


def test_an_offer_that_ended_by_what_befell_its_agent_or_chat_is_counted_as_withdrawn() -> None:
    """Declined and missed offers are the doing of the agent."""
    assert [offer_end_count(2, reason) for reason in ("declined", "missed", "agent-lost", "later")] == [
        "2 declined",
        "2 missed",
        "2 withdrawn (agent lost)",
        "2 later",
    ]


def test_the_label_of_an_assignment_says_which_chat_and_which_agent() -> None:
    """The policy chose the chat, and the agent order chose the agent."""
    why = {"policy": "strict-priority", "agent_order": "oldest-request", "waiting": 4, "requests": 2}
    assert assignment_label({"why": why}) == "Strict Priority of 4 waiting, asking longest of 2"
    assert "by lot" in assignment_label({"why": why | {"agent_order": "lot"}})
    assert assignment_label({"why": why | {"agent_order": "transfer"}}) == "named by a transfer"
