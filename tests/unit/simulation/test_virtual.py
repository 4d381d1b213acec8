"""The crowd with the engine in virtual time."""

from collections.abc import Sequence
from itertools import count

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.simulation.cast import Cast, Line, PlannedEvent, Post
from switchboard.simulation.crowd import Crowd, play
from switchboard.simulation.people import Behaviour
from tests.unit.simulation.office import CAST, RETAIL, START, crowd_of

HOUR = 3_600_000
CALM = Behaviour(handling_median=300.0, transfer_chance=0.0, decline_chance=0.0, lapse_chance=0.0)
Seen = list[tuple[Frame, list[Decision]]]


def _play(crowd: Crowd, hours: float = 2) -> Seen:
    engine, seen = Engine(0), Seen()
    engine.apply(Frame(0, START, 0, [Event("pool-configured", "retail", {"config": RETAIL})]))

    def watch(frame: Frame, decisions: list[Decision]) -> None:
        seen.append((frame, list(decisions)))

    play(crowd, engine, START, START + round(hours * HOUR), watch)
    return seen


def _planned(*plan: PlannedEvent) -> Crowd:
    """One agent with this plan, and a customer each minute."""
    cast = Cast(CAST.lines, [Post("ana", "push", "retail", "push-team", plan=plan)])
    return Crowd(cast, CALM, count(60_000, 60_000), seed="s", label="chat")


def _events(seen: Seen, agent_id: str) -> list[tuple[str, int]]:
    about = [(frame, event) for frame, _ in seen for event in frame.events if event.data.get("agent_id") == agent_id]
    return [(event.type, (frame.at - START) // 1000) for frame, event in about if event.type.startswith("agent-")]


def _decided(seen: Seen, kind: str) -> Sequence[Decision]:
    return [decision for _, decisions in seen for decision in decisions if decision.type == kind]


def test_the_same_seed_gives_the_same_frames_and_decisions() -> None:
    """A run can be had again, to the last byte."""
    busy = Behaviour(decline_chance=0.1, lapse_chance=0.1, transfer_chance=0.2)
    first, again, other = (_play(crowd_of(busy, seed=seed)) for seed in ("a", "a", "b"))
    assert first == again
    assert first != other


def test_each_event_has_a_frame_and_time_goes_on_with_it() -> None:
    """Frames count on from the configuration's; `run` is the time since the one before, the whole of it (R1)."""
    seen = _play(crowd_of(Behaviour()))
    assert [frame.n for frame, _ in seen] == list(range(1, len(seen) + 1))
    assert max(len(frame.events) for frame, _ in seen) == 1
    assert sum(frame.run for frame, _ in seen) == seen[-1][0].at - START == 2 * HOUR


def test_a_timer_has_its_turn_when_it_is_due() -> None:
    """An offer that lapses is offered to the next agent at its expiry, not with whatever happens next."""
    lapsing = Behaviour(decline_chance=0.0, lapse_chance=0.5, work_mean=1e9)
    seen = _play(crowd_of(lapsing))
    missed = [
        (frame.at, decision.offer_id)
        for frame, decisions in seen
        for decision in decisions
        if decision.type == "assignment-ended" and decision.reason == "missed"
    ]
    offered = {
        decision.offer_id: frame.at
        for frame, decisions in seen
        for decision in decisions
        if decision.type == "chat-assigned"
    }
    assert len(missed) > 20
    assert {at - offered[offer_id] for at, offer_id in missed} == {15_000}


def test_an_agent_with_a_plan_comes_and_goes_by_it() -> None:
    """And at no other time, however long it works."""
    seen = _play(
        _planned(
            PlannedEvent(60_000, "agent-logged-in", {}),
            PlannedEvent(600_000, "agent-status-changed", {"status": "unavailable"}),
            PlannedEvent(900_000, "agent-status-changed", {"status": "available"}),
            PlannedEvent(HOUR, "agent-lost", {}),
            PlannedEvent(HOUR + 60_000, "agent-logged-in", {"max_sessions": 1}),
        )
    )
    assert _events(seen, "ana") == [
        ("agent-logged-in", 60),
        ("agent-status-changed", 600),
        ("agent-status-changed", 900),
        ("agent-lost", 3600),
        ("agent-logged-in", 3660),
    ]
    assert len(_decided(seen, "assignment-confirmed")) > 10


def test_who_logs_out_by_plan_finishes_the_chats_at_hand_first() -> None:
    """It takes no more from that moment, and no chat comes back to a queue for its going."""
    seen = _play(_planned(PlannedEvent(0, "agent-logged-in", {}), PlannedEvent(HOUR, "agent-logged-out", {})))
    (_, came), (turned, at), (left, later) = _events(seen, "ana")
    assert (came, turned, at, left) == (0, "agent-status-changed", 3600, "agent-logged-out")
    assert later > at
    assert not _decided(seen, "chat-requeued")
    last_offer = max(frame.at for frame, decisions in seen for each in decisions if each.type == "chat-assigned")
    assert last_offer <= START + HOUR


def test_a_plan_may_turn_an_agent_to_pull() -> None:
    """From then on it clicks for each chat (R19)."""
    plan = (PlannedEvent(0, "agent-logged-in", {}), PlannedEvent(HOUR, "agent-capacity-changed", {"mode": "pull"}))
    seen = _play(_planned(*plan))
    clicks = [frame.at for frame, _ in seen for event in frame.events if event.type == "request-chat"]
    assert len(clicks) > 3
    assert min(clicks) > START + HOUR


def test_exponential_talk_has_the_mean_of_its_median() -> None:
    """The median over the logarithm of two: what queueing theory asks for."""
    people = crowd_of(Behaviour(handling_law="exponential", handling_median=60.0), cast=Cast([Line()], ())).scene.people
    talks = sorted(people.handling_time(f"chat-{number:06d}", 1) for number in range(4000))
    assert abs(talks[2000] - 60_000) < 3_000
    assert abs(sum(talks) / 4000 - 60_000 / 0.6931) < 4_000
