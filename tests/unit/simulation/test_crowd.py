"""The crowd with the real engine in virtual time: it behaves as people on a chat floor do."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchboard.domain.rfc3339 import parse_ms
from switchboard.journal.schemas import check_event
from switchboard.simulation.cast import Cast, Line, Post, agent_name, cast_of, mixed_team
from switchboard.simulation.people import Behaviour
from switchboard.simulation.scene import Outgoing
from tests.depth import examples
from tests.unit.simulation.office import CAST, RETAIL, START, Record, crowd_of, play

BUSY = Behaviour(decline_chance=0.1, lapse_chance=0.1, transfer_chance=0.2, work_mean=1200.0, break_mean=120.0)
"""A floor on which everything happens within a few hours."""

behaviours = st.builds(
    Behaviour,
    handling_median=st.floats(1, 600),
    patience_mean=st.floats(1, 600),
    decline_chance=st.floats(0, 0.4),
    lapse_chance=st.floats(0, 0.4),
    transfer_chance=st.floats(0, 1),
    work_mean=st.floats(30, 3600),
    break_mean=st.floats(1, 600),
    heartbeat_every=st.sampled_from([0.0, 30.0]),
)


def test_every_event_is_as_the_schemas_ask() -> None:
    """What the crowd sends is what a bus may send."""
    record = play(crowd_of(replace(BUSY, heartbeat_every=60.0)), minutes=240)
    assert {event.type for event in record.sent} == {
        "agent-logged-in",
        "agent-logged-out",
        "agent-lost",
        "agent-absent",
        "agent-present",
        "agent-status-changed",
        "agent-heartbeat",
        "request-chat",
        "chat-arrival",
        "chat-accepted",
        "chat-declined",
        "chat-abandoned",
        "chat-concluded",
        "chat-released",
        "chat-transferred",
    }
    assert [(event, fault) for event in record.sent if (fault := check_event(event.type, event.body))] == []


@settings(max_examples=examples(8, 25), deadline=None)
@given(behaviour=behaviours, seed=st.text(max_size=3), every_ms=st.integers(5_000, 120_000))
def test_only_standing_offers_are_answered_and_each_but_once(behaviour: Behaviour, seed: str, every_ms: int) -> None:
    """Nobody accepts or declines what was not offered to them, what has ended as far as they know, or twice."""
    record = play(crowd_of(behaviour, seed=seed, every_ms=every_ms), minutes=60)
    standing: dict[tuple[str, str], str] = {}
    for told in record.told:
        if isinstance(told, Outgoing):
            if told.type in ("chat-accepted", "chat-declined"):
                whose = told.body["agent_id"], told.body["chat_id"]
                assert standing.pop(whose, None) == told.body["offer_id"]
        elif told["type"] == "chat-assigned":
            standing[told["agent_id"], told["chat_id"]] = told["offer_id"]
        elif told["type"] == "assignment-ended":
            standing.pop((told["agent_id"], told["chat_id"]), None)


@settings(max_examples=examples(8, 25), deadline=None)
@given(behaviour=behaviours, seed=st.text(max_size=3))
def test_the_routing_rules_are_never_strained(behaviour: Behaviour, seed: str) -> None:
    """Nothing that people do in good faith is refused, but for what they could not know when they did it."""
    record = play(crowd_of(behaviour, seed=seed), minutes=60)
    refused = Counter((refusal["type"], refusal["reason"]) for refusal in record.of("request-rejected"))
    assert refused == Counter()
    assert record.of("decline-rejected") == []
    assert {refusal["reason"] for refusal in record.of("transfer-rejected")} <= {"at-capacity"}


def test_every_chat_that_is_accepted_ends() -> None:
    """Once customers stop coming, every conversation is ended and every session released."""
    crowd = crowd_of(Behaviour(work_mean=1e9))
    crowd._arrivals = iter(range(60_000, 3_600_000, 60_000))
    record = play(crowd, minutes=300)
    arrived = {body["chat_id"] for body in record.sent_of("chat-arrival")}
    closed = Counter(decision["chat_id"] for decision in record.of("chat-closed"))
    assert closed == Counter(dict.fromkeys(arrived, 1))
    assert len(arrived) == 59
    assert len(record.of("chat-wrapping")) == len(record.sent_of("chat-concluded"))
    assert not crowd.scene.chats


def test_a_conversation_lasts_as_long_whoever_has_it_under_whichever_rules() -> None:
    """What belongs to the chat does not change with the agents, the mode or the order of things."""
    calm = Behaviour(transfer_chance=0.0, work_mean=1e9)
    pull = Cast(CAST.lines, [Post("zoe", "pull", "retail", "pull-team"), Post("yara", "pull", "retail", "pull-team")])
    one, other = (_lasts(play(crowd_of(calm, cast=cast), minutes=300)) for cast in (CAST, pull))
    both = one.keys() & other.keys()
    assert len(both) > 100
    assert {chat: one[chat] for chat in both} == {chat: other[chat] for chat in both}


def test_the_same_seed_gives_the_same_events_and_another_seed_others() -> None:
    """A run can be had again."""
    first, again, other = (play(crowd_of(BUSY, seed=seed), minutes=120).sent for seed in ("a", "a", "b"))
    assert first == again
    assert first != other


def test_what_chats_are_called_changes_nothing_else() -> None:
    """A second run on the same bus needs new ids, and is otherwise the same."""
    first, renamed = (play(crowd_of(BUSY, label=label), minutes=120).sent for label in ("chat", "again"))
    assert [(event.type, event.at) for event in first] == [(event.type, event.at) for event in renamed]


def test_push_agents_never_click_and_pull_agents_have_no_other_way() -> None:
    """Follow-ups of push agents are the router's (R11); each chat of a pull agent was asked for."""
    record = play(crowd_of(BUSY), minutes=240)
    assert {body["agent_id"] for body in record.sent_of("request-chat")} == {"chloe", "dario"}
    assert {decision["agent_id"] for decision in record.of("chat-requested")} == {"ana", "ben"}
    origins = {(assigned["mode"], assigned["origin"]) for assigned in record.of("chat-assigned")}
    assert origins == {("push", "push"), ("pull", "manual"), ("push", "transfer"), ("pull", "transfer")}


def test_who_accepts_does_so_while_the_offer_stands() -> None:
    """Slow as they may be, only who lets an offer lapse misses it."""
    slow = Behaviour(accept_median=60.0, decline_chance=0.0, lapse_chance=0.0, work_mean=1e9)
    record = play(crowd_of(slow, every_ms=30_000), minutes=60)
    assert len(record.of("assignment-confirmed")) > 50
    assert not [ended for ended in record.of("assignment-ended") if ended["reason"] == "missed"]
    assert not record.of("accept-rejected")


def test_agents_made_unavailable_by_missed_offers_come_back() -> None:
    """Push agents set their status; a pull agent asks for a chat, which makes it available again (R12)."""
    record = play(crowd_of(Behaviour(lapse_chance=0.5, work_mean=1e9), every_ms=20_000), minutes=240)
    sidelined = Counter(decision["agent_id"] for decision in record.of("agent-made-unavailable"))
    assert set(sidelined) == {"ana", "ben", "chloe", "dario"}
    back = Counter(body["agent_id"] for body in record.sent_of("agent-status-changed"))
    assert set(back) == {"ana", "ben"}
    assert all(sidelined[agent] - back[agent] in (0, 1) for agent in ("ana", "ben"))
    last_half_hour = [offer for offer in record.of("chat-assigned") if parse_ms(offer["at"]) > START + 210 * 60_000]
    assert {offer["agent_id"] for offer in last_half_hour} == {"ana", "ben", "chloe", "dario"}


@pytest.mark.parametrize(
    ("away", "goes", "returns"),
    [
        ("break", "agent-status-changed", "agent-status-changed"),
        ("absent", "agent-absent", "agent-present"),
        ("log-out", "agent-logged-out", "agent-logged-in"),
        ("lost", "agent-lost", "agent-logged-in"),
    ],
)
def test_agents_go_away_and_come_back(away: Any, goes: str, returns: str) -> None:
    """Each way of going away is undone by its own way back, and work goes on."""
    behaviour = replace(BUSY, absence_shares=((away, 1.0),), lapse_chance=0.0)
    record = play(crowd_of(behaviour), minutes=240)
    for agent_id in ("ana", "ben", "chloe", "dario"):
        seen = [
            event
            for event in record.sent
            if event.body.get("agent_id") == agent_id and event.type in {goes, returns, "agent-logged-in"}
        ][1:]
        assert len(seen) >= 4
        assert {event.type for event in seen[::2]} == {goes}
        assert {event.type for event in seen[1::2]} == {returns}


def test_who_logs_out_first_finishes_its_chats() -> None:
    """A clean logout leaves no conversation behind."""
    record = play(crowd_of(replace(BUSY, absence_shares=(("log-out", 1.0),))), minutes=240)
    assert len(record.sent_of("agent-logged-out")) > 10
    assert not [requeued for requeued in record.of("chat-requeued") if requeued["reason"] == "agent-logged-out"]


def test_heartbeats_come_as_often_as_configured_while_someone_is_there() -> None:
    """With a limit on silence of twice the interval nobody is thought to be absent."""
    config = RETAIL | {"absent_after": 120}
    behaviour = Behaviour(heartbeat_every=60.0, work_mean=1e9)
    crowd = crowd_of(behaviour)
    record = play(crowd, minutes=60, config=config)
    assert {len(_beats(record, agent)) for agent in crowd.scene.agents} <= {59, 60}
    assert not [ended for ended in record.of("assignment-ended") if ended["reason"] == "agent-absent"]


def test_other_peoples_chats_are_answered_and_other_peoples_agents_left_alone() -> None:
    """On a bus with real customers the simulated agents serve them; a stranger's offer is never accepted."""
    crowd = crowd_of(Behaviour(decline_chance=0.0, lapse_chance=0.0))
    crowd.start(START)
    crowd._arrivals = iter(())
    crowd.due(START + 2000)
    offer = {
        "type": "chat-assigned",
        "pool": "retail",
        "at": "1999-02-22T07:00:02.000Z",
        "offer_id": "retail/0/9/0",
        "chat_id": "theirs",
        "agent_id": "ana",
        "origin": "push",
        "expires_at": "1999-02-22T07:00:17.000Z",
        "attempt": 1,
        "max_sessions": 2,
    }
    crowd.observe(offer | {"chat_id": "other", "agent_id": "stranger"}, START + 2000)
    crowd.observe(offer, START + 2000)
    accepted = [event.body for event in crowd.due(START + 17_000) if event.type == "chat-accepted"]
    assert [(body["chat_id"], body["agent_id"], body["offer_id"]) for body in accepted] == [
        ("theirs", "ana", "retail/0/9/0")
    ]


def test_everyone_goes_home_at_the_end() -> None:
    """Leaving closes every chat of ours and logs everyone out, so that nothing is offered to ghosts."""
    crowd = crowd_of(BUSY, every_ms=20_000)
    play(crowd, minutes=60)
    waiting, here = len(crowd.scene.chats), sum(agent.presence != "logged-out" for agent in crowd.scene.agents.values())
    left = Counter(event.type for event in crowd.end(START + 3_600_000))
    assert waiting > 0
    assert left["chat-abandoned"] + left["chat-released"] == waiting
    assert left["agent-logged-out"] == here
    assert crowd.next_due() is None


def test_sped_up_people_work_faster_and_react_as_before() -> None:
    """Chats, patience and breaks shrink with the arrivals; the time to accept must suit real offer timeouts."""
    fast = Behaviour().sped_up(60.0)
    assert (fast.handling_median, fast.patience_mean, fast.wrap_up_median) == (5.0, 10.0, 0.75)
    assert (fast.accept_median, fast.click_median) == (Behaviour().accept_median, Behaviour().click_median)


def test_chats_arrive_on_the_lines_according_to_their_shares() -> None:
    """Twice as many on accounts as on cards."""
    record = play(crowd_of(Behaviour(), every_ms=5_000), minutes=100)
    queues = Counter(body["queue"] for body in record.sent_of("chat-arrival"))
    assert 1.7 < queues["accounts"] / queues["cards"] < 2.3


def test_names_are_readable_and_unique() -> None:
    """Thirty agents, of whom a third pull."""
    team = mixed_team(30, pull_share=1 / 3, pool="default", profile=None)
    assert agent_name(0) == "ana"
    assert agent_name(26) == "ana-2"
    assert len({post.agent_id for post in team}) == 30
    assert sum(post.mode == "pull" for post in team) == 10
    assert Cast([Line()], team).lines[0].queue is None


def test_a_routing_file_gives_the_lines_and_the_teams() -> None:
    """Every queue is a line, and agents are dealt out over the profiles of all pools, each in its profile's mode."""
    pools = [{"pool": "retail", "config": RETAIL}, {"pool": "gold", "config": RETAIL | {"queues": [{"name": "g"}]}}]
    cast = cast_of(pools, 5)
    assert [(line.pool, line.queue) for line in cast.lines] == [
        ("retail", "accounts"),
        ("retail", "cards"),
        ("gold", "g"),
    ]
    assert [(post.agent_id, post.pool, post.profile, post.mode) for post in cast.posts] == [
        ("ana", "retail", "push-team", "push"),
        ("ben", "retail", "pull-team", "pull"),
        ("chloe", "gold", "push-team", "push"),
        ("dario", "gold", "pull-team", "pull"),
        ("ella", "retail", "push-team", "push"),
    ]


def _lasts(record: Record) -> dict[str, int]:
    """How long each conversation took, in ms: from the agent's accepting to its end."""
    begun = {event.body["chat_id"]: event.at for event in record.sent if event.type == "chat-accepted"}
    ended = {event.body["chat_id"]: event.at for event in record.sent if event.type == "chat-concluded"}
    return {chat_id: round((ended[chat_id] - begun[chat_id]) / 1000) for chat_id in ended}


def _beats(record: Record, agent_id: str) -> list[Outgoing]:
    return [event for event in record.sent if event.type == "agent-heartbeat" and event.body["agent_id"] == agent_id]
