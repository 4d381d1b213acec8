"""Decisions in words."""

from pathlib import Path
from typing import get_args

import orjson
import pytest

from switchboard.domain import decisions
from switchboard.monitor import day_history
from switchboard.monitor.day_history import decision_words

SAMPLES = Path(__file__).parents[3] / "schemas/samples"
ABOUT_CHATS = [
    kind
    for each in get_args(decisions.Decision)
    if "chat_id" in each.__annotations__
    for kind in get_args(each.__annotations__["type"])
]


@pytest.mark.parametrize("kind", ABOUT_CHATS)
def test_every_decision_about_a_chat_has_a_sentence(kind: str) -> None:
    """Of every golden sample; none is told by the name of its type."""
    for line in (SAMPLES / f"{kind}.good.jsonl").read_bytes().splitlines():
        said = decision_words(orjson.loads(line))
        assert said.endswith(".")
        assert kind not in said


def test_every_reason_has_words_of_its_own() -> None:
    """A reason that is added to the contract is missed here."""
    assert set(day_history.OFFER_ENDS) == set(get_args(decisions.OfferEnd))
    assert set(day_history.CLOSED) == set(get_args(decisions.Closing))
    assert set(day_history.AGENT_ORDER) == set(get_args(decisions.AgentOrder))
    assert set(day_history.POLICY) == set(get_args(decisions.PullPolicy))
    assert set(day_history.REQUEUED) < set(get_args(decisions.Requeue))


def test_a_type_of_a_later_version_is_told_by_its_name() -> None:
    """Rather than not at all."""
    assert decision_words({"type": "chat-parked"}) == "chat-parked"
