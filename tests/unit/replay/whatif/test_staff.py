"""The agents of a re-simulation: who is who where ids are shared, and who can be added or taken away."""

from pathlib import Path
from typing import Any

import pytest

from switchboard.domain.events import Event, Frame
from switchboard.errors import RulesError
from switchboard.journal.frames import encode_frame
from switchboard.journal.recorded_log import Record, writing_log
from switchboard.whatif.comparison import Result, compare
from switchboard.whatif.recorded_day import AgentKey, RecordedAgent
from switchboard.whatif.report_texts import assumptions
from switchboard.whatif.rule_variants import Variant, names_of, parse_setting, parse_variant, staff_of
from switchboard.whatif.scenario import RecordedScenario, read_recorded

START = 1_000_000
CONFIG: dict[str, Any] = {
    "queues": [{"name": "first"}, {"name": "second"}],
    "profiles": [
        {"name": "desk", "queues": ["first"], "max_sessions": 1, "wrap_up": False},
        {"name": "second-line", "queues": ["second"], "max_sessions": 1, "wrap_up": False},
    ],
}
ANA, BOB = {"agent_id": "ana"}, {"agent_id": "bob"}


def _recorded(path: Path, *happened: tuple[float, str, str, dict[str, Any]]) -> RecordedScenario:
    """A log of these events, each at so many seconds, in a pool."""
    with writing_log(path) as write:
        before = START
        for number, (second, kind, pool, data) in enumerate(happened):
            at = START + round(1000 * second)
            frame = Frame(number, at, at - before, [Event(kind, pool, data)])
            write(Record("journal", 0, frame.n, frame.at, None, encode_frame(frame)))
            before = at
    return read_recorded(path, 2.0, lambda: None)


def _passed_on(path: Path, *namesakes: tuple[float, str, str, dict[str, Any]]) -> RecordedScenario:
    """Ten chats that ana passes on to bob in pool p, who has each for 100 s."""
    chats: list[tuple[float, str, str, dict[str, Any]]] = []
    for number in range(10):
        chat, at = {"chat_id": f"c{number}"}, 10 + 200 * number
        chats += [
            (at, "chat-arrival", "p", chat),
            (at + 2, "chat-accepted", "p", chat | ANA),
            (at + 32, "chat-transferred", "p", chat | {"to_agent": "bob"}),
            (at + 34, "chat-accepted", "p", chat | BOB),
            (at + 134, "chat-concluded", "p", chat | BOB),
        ]
    return _recorded(
        path,
        (0, "pool-configured", "p", {"config": CONFIG}),
        (0, "pool-configured", "q", {"config": CONFIG}),
        (1, "agent-logged-in", "p", ANA | {"profile": "desk"}),
        (2, "agent-logged-in", "p", BOB | {"profile": "second-line"}),
        *namesakes,
        *chats,
        (2100, "agent-heartbeat", "p", ANA),
    )


def _under(day: RecordedScenario, text: str) -> Result:
    return compare(day, [parse_variant(text)], ("1",), 20_000)[0]


def test_a_chat_is_passed_on_to_the_agent_of_its_pool_whoever_else_has_that_id(tmp_path: Path) -> None:
    """An idle namesake in another pool, and one whose id looks like pool and id, are other people."""
    namesakes = (
        (3.0, "agent-logged-in", "q", BOB),
        (4.0, "agent-logged-in", "q", {"agent_id": "bob@p"}),
    )
    day = _passed_on(tmp_path / "day.jsonl", *namesakes)
    again = _under(day, "agents=+0")
    recorded = day.measures.figures(20_000)
    assert again.figures[0]["occupancy"] == pytest.approx(recorded["occupancy"], rel=0.02)
    assert sorted(again.runs[0].assignments.values()) == [10, 10]


def test_agents_keep_their_names_whoever_is_taken_away() -> None:
    """What is drawn for an agent hangs on the name: all variants must meet the same people."""
    agents: dict[AgentKey, RecordedAgent] = {
        key: RecordedAgent(key) for key in (("p", "bob"), ("q", "bob"), ("q", "cleo"))
    }
    names = names_of(agents)
    assert len(set(names.values())) == 3
    assert names["q", "cleo"] == "cleo"
    for pool in "pq":
        fewer = Variant("fewer", (parse_setting(f"agents[{pool}]=-1"),))
        ways = staff_of(agents, {"p": CONFIG, "q": CONFIG}, fewer, "1").recorded
        assert {past.key: name for name, past in ways.items()}.items() <= names.items()
        assert len(ways) == 2


def test_no_two_agents_have_one_name() -> None:
    """Neither one whose id is like another's with its pool, nor one who is added."""
    keys: list[AgentKey] = [("p", "bob"), ("q", "bob"), ("r", "bob@p"), ("p@p", "bob"), ("r", "added-1")]
    assert len(set(names_of(keys).values())) == len(keys)
    agents = {key: RecordedAgent(key) for key in keys}
    more = Variant("more", (parse_setting("agents=-1"), parse_setting("agents=+2")))
    staff = staff_of(agents, dict.fromkeys(("p", "q", "r", "p@p"), CONFIG), more, "1")
    assert len(staff.recorded) == len(staff.posts) == 6


@pytest.mark.parametrize("number", ["-100", "+1"])
def test_a_log_in_which_nobody_works_says_so(number: str, tmp_path: Path) -> None:
    """There is no colleague whose hours another could have, and nobody to take away."""
    day = _recorded(tmp_path / "day.jsonl", (0, "chat-arrival", "p", {"chat_id": "a"}))
    with pytest.raises(RulesError, match="no agent works in this log"):
        _under(day, f"agents={number}")


def test_who_only_asks_for_chats_works_as_long_in_the_log_as_in_its_re_simulation(tmp_path: Path) -> None:
    """From the first request to the close of the last chat, though nothing is heard of the agent after its last event.

    What becomes of the pool later, such as another configuration, adds nothing.
    """
    pull = {"queues": [{"name": "q"}], "profiles": [{"name": "desk", "mode": "pull", "wrap_up": False}]}
    day = _recorded(
        tmp_path / "day.jsonl",
        (0, "pool-configured", "p", {"config": pull}),
        (0, "agent-logged-in", "p", BOB | {"status": "unavailable"}),
        (10, "request-chat", "p", ANA),
        (20, "chat-arrival", "p", {"chat_id": "a"}),
        (22, "chat-accepted", "p", {"chat_id": "a"} | ANA),
        (322, "chat-concluded", "p", {"chat_id": "a", "by": "customer"}),
        (1000, "pool-configured", "p", {"config": pull | {"seed": "other"}}),
        (3600, "agent-heartbeat", "p", BOB),
    )
    hours = day.measures.figures(20_000)["agent_hours"]
    assert hours == pytest.approx(312 / 3600)
    assert _under(day, "agents=+0").figures[0]["agent_hours"] == pytest.approx(hours, rel=0.02)
    assert any("close of the last chat" in each for each in assumptions(day, 1))


def test_who_only_asks_for_chats_and_still_has_one_stays_to_the_end(tmp_path: Path) -> None:
    """In the log and in its re-simulation."""
    pull = {"queues": [{"name": "q"}], "profiles": [{"name": "desk", "mode": "pull"}]}
    day = _recorded(
        tmp_path / "day.jsonl",
        (0, "pool-configured", "p", {"config": pull}),
        (10, "request-chat", "p", ANA),
        (20, "chat-arrival", "p", {"chat_id": "a"}),
        (22, "chat-accepted", "p", {"chat_id": "a"} | ANA),
        (1010, "chat-arrival", "p", {"chat_id": "b"}),
    )
    assert [each.type for each in day.day.agents["p", "ana"].plan] == ["agent-logged-in"]
    assert day.measures.figures(20_000)["agent_hours"] == pytest.approx(1000 / 3600)
    assert _under(day, "agents=+0").figures[0]["agent_hours"] == pytest.approx(1000 / 3600)
