"""`switchboard explain`: what it refuses, how it helps, and its JSON."""

from pathlib import Path

import orjson
import pytest

from switchboard.errors import UnknownIdError
from tests.commands import invoke
from tests.unit.replay.logs import journal
from tests.unit.rules.story import event


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Chats in two pools, one id in both."""
    return str(
        journal(
            tmp_path / "journal.jsonl",
            (0, [event("chat-arrival", "east", chat_id="chat-17"), event("chat-arrival", "west", chat_id="chat-18")]),
            (1, [event("chat-arrival", "west", chat_id="both"), event("chat-arrival", "east", chat_id="both")]),
            (2, [event("request-chat", "east", agent_id="ana"), event("request-chat", "east", agent_id="ana")]),
        )
    )


def run(*arguments: str) -> str:
    """What it prints, once it ends well."""
    ran = invoke("explain", *arguments, catch_exceptions=False, env={"COLUMNS": "80"})
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_an_unknown_chat_is_told_with_the_nearest_ids(log: str) -> None:
    """And where they are."""
    with pytest.raises(UnknownIdError) as error:
        run(log, "chat-1")
    assert str(error.value).endswith(
        "no event names chat chat-1; the nearest: chat-17 (pool east), chat-18 (pool west)"
    )
    with pytest.raises(UnknownIdError, match=r"no event of pool west names agent anna$"):
        run(log, "--agent", "anna", "--pool", "west")


def test_a_chat_of_another_pool_is_told_with_its_pool(log: str) -> None:
    """Instead of nothing."""
    with pytest.raises(UnknownIdError, match=r"chat chat-17 is not in pool west, but in east"):
        run(log, "chat-17", "--pool", "west")


def test_an_id_of_two_pools_is_told_in_each_unless_one_is_named(log: str) -> None:
    """Pools share nothing."""
    assert [line for line in run(log, "both").splitlines() if line.startswith("Chat ")] == [
        "Chat both in pool east",
        "Chat both in pool west",
    ]
    assert "pool east" not in run(log, "both", "--pool", "west")


def test_the_json_holds_the_decisions_as_they_were_made(log: str) -> None:
    """With what stood behind each, and the chat's row after it."""
    (story,) = orjson.loads(run(log, "chat-17", "--json"))["stories"]
    arrival, offer = story["lives"][0]["moments"]
    assert (story["pool"], arrival["frame"], arrival["cause"]["type"]) == ("east", 0, "chat-arrival")
    assert arrival["unserved"]["agents"] == 0
    assert [each["type"] for each in offer["decisions"]] == ["chat-assigned"]
    assert offer["choice"]["asking"][0]["agent_id"] == "ana"
    assert offer["chat"]["stage"] == "offered"


def test_an_agents_day_is_told(log: str) -> None:
    """The second of two requests while one stands: after the first was served it makes another."""
    assert "Agent ana in pool east" in run(log, "--agent", "ana")
    (story,) = orjson.loads(run(log, "--agent", "ana", "--json"))["stories"]
    assert story["totals"]["offers"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name a chat, or an agent with --agent."),
        (("chat-17", "--agent", "ana"), "Name a chat, or an agent with --agent, not both."),
    ],
)
def test_a_chat_or_an_agent_is_to_be_named(log: str, arguments: tuple[str, ...], said: str) -> None:
    """One of the two."""
    ran = invoke("explain", log, *arguments)
    assert ran.exit_code == 2
    assert said in ran.output
