"""What is kept of the decisions: each counts once, and memory has a bound."""

from dataclasses import replace

import orjson
import pytest

from switchboard.kafka.topics import Topic
from switchboard.monitor import day_history as pasts
from switchboard.monitor.day_history import (
    KEPT_SECONDS,
    MOST_DECISIONS,
    MOST_OFFERS,
    MOST_REFUSALS,
    DayHistory,
    Offers,
    Stories,
)
from switchboard.monitor.public_rows import MalformedRowError
from switchboard.monitor.tables import Record, Tables, apply
from switchboard.monitor.views import chat_named
from tests.floors import NOON, Floor


def test_a_decision_that_stands_twice_on_the_topic_counts_once() -> None:
    """By its id, which ascends for each pool within a partition; another pool's and another partition's are others."""
    floor, history = Floor(), DayHistory()
    first, second = floor.queued(0, "c1"), floor.queued(1, "c2")
    for partition, decision in (
        (0, first),
        (0, second),
        (0, first),
        (0, second),
        (1, first),
        (0, Floor("b").queued(2)),
    ):
        history.take(partition, decision)
    assert history.outcomes.windows.today(("default", "sales"), NOON).arrived == 3
    assert history.outcomes.windows.today(("b", "sales"), NOON).arrived == 1


def test_pools_without_end_are_not_all_remembered_and_yet_none_of_their_decisions_counts_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of those that were dropped the frames tell, which ascend over all pools of a partition."""
    monkeypatch.setattr(pasts, "MOST_POOLS", 3)
    history = DayHistory()
    made = [Floor(f"pool{number}").queued(0) for number in range(8)]
    in_order = [replace(each, place=(frame, 0)) for frame, each in zip((1, 2, 3, 4, 5, 6, 6, 7), made, strict=True)]
    for each in (*in_order, *in_order):
        history.take(0, each)
    history.take(1, in_order[0])
    assert len(history.marks[0].latest) == 3
    counted = [history.outcomes.windows.today((each.pool, "sales"), NOON).arrived for each in in_order]
    assert counted == [2, 1, 1, 1, 1, 1, 1, 1]


def test_a_frame_of_more_pools_than_are_remembered_is_counted_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools of the frame that is being taken are never dropped: more of their decisions are to come."""
    monkeypatch.setattr(pasts, "MOST_POOLS", 2)
    history = DayHistory()
    for number in (0, 1):
        for pool in "abcd":
            history.take(0, replace(Floor(pool).queued(0, f"c{number}"), place=(1, number)))
    history.take(0, replace(Floor("e").queued(0), place=(2, 0)))
    assert [history.outcomes.windows.today((pool, "sales"), NOON).arrived for pool in "abcde"] == [2, 2, 2, 2, 1]
    assert len(history.marks[0].latest) == 2


def test_a_record_that_is_read_twice_counts_once() -> None:
    """As around a rebalance."""
    tables, value = (
        Tables(),
        Floor().value("chat-queued", 0, chat_id="c", queue="sales", arrived_at="2024-05-01T12:00:00Z"),
    )
    for _ in range(2):
        apply(tables, Record(Topic.ASSIGNMENT, 0, 7, b"c", value))
    assert tables.history.outcomes.windows.today(("default", "sales"), NOON).arrived == 1


def test_what_is_no_decision_is_refused_with_what_is_wrong() -> None:
    """Whatever it is; the tables stay as they were."""
    tables = Tables()
    bad = [b"{", b"[]", b"{}", b'{"id":"x","type":"chat-queued","at":"2024-05-01T12:00:00Z"}']
    bad.append(orjson.dumps({"id": "default/0/1/0", "type": "chat-queued", "at": "2024-05-01T12:00:00Z"}))
    for offset, value in enumerate(bad):
        try:
            apply(tables, Record(Topic.ASSIGNMENT, 0, offset, b"c", value))
        except MalformedRowError:
            continue
        raise AssertionError(value)
    assert len(tables.history.outcomes.waits) == 0


def test_a_story_is_kept_while_its_chat_is_open_and_half_an_hour_beyond() -> None:
    """All decisions about it, in order; then it is gone."""
    floor, stories = Floor(), Stories()
    for each in (floor.queued(0), floor.assigned(1), floor.confirmed(2), floor.closed(3, "concluded")):
        stories.take(each)
    story = stories.of("default", "c1")
    assert story is not None
    assert story.is_whole
    assert [orjson.loads(value)["type"] for value in story.decisions] == [
        "chat-queued", "chat-assigned", "assignment-confirmed", "chat-closed",
    ]  # fmt: skip
    stories.forget(NOON + 3 + KEPT_SECONDS)
    assert stories.of("default", "c1") is not None
    stories.forget(NOON + 4 + KEPT_SECONDS)
    assert stories.of("default", "c1") is None


def test_stories_have_a_bound_and_those_that_ended_go_first() -> None:
    """Chats without end, refusals of ids that are made up, and decisions without end about one chat."""
    floor, stories = Floor(), Stories(most_chats=3)
    stories.take(floor.queued(0, "open"))
    for number in range(10):
        stories.take(floor.queued(1, f"c{number}"))
        stories.take(floor.closed(2, "abandoned", f"c{number}"))
        stories.take(floor.made("accept-rejected", 2, chat_id=f"x{number}", agent_id="ann", reason="unknown-chat"))
    assert set(stories.open) == {("default", "open")}
    assert set(stories.ended) == {("default", "c8"), ("default", "c9")}
    for _ in range(MOST_DECISIONS):
        stories.take(floor.requeued(3, "declined", "open"))
    story = stories.of("default", "open")
    assert story is not None
    assert (len(story.decisions), story.is_whole) == (MOST_DECISIONS, False)


def test_stories_have_a_bound_in_bytes_too() -> None:
    """Those that ended first go first, then the open ones about which nothing was decided for longest."""
    floor, stories = Floor(), Stories(most_bytes=1_000_000)
    for number in range(200):
        stories.take(floor.queued(0, f"c{number}"))
        for turn in range(30):
            stories.take(floor.requeued(turn, "declined", f"c{number}"))
        if number % 2:
            stories.take(floor.closed(40, "abandoned", f"c{number}"))
    stories.take(floor.requeued(50, "declined", "c0"))
    kept = [*stories.open.values(), *(story for _, story in stories.ended.values())]
    assert stories.size == sum(story.size for story in kept)
    assert 0.9 * stories.most_bytes < stories.size <= stories.most_bytes
    assert len(stories.open) == 100
    kept_ended = [int(chat_id.removeprefix("c")) for _, chat_id in stories.ended]
    assert kept_ended == list(range(kept_ended[0], 200, 2))

    for number in range(200):
        stories.take(floor.assigned(60, f"d{number}", profile="x" * 8000))
    assert stories.size <= stories.most_bytes
    assert stories.ended == {}
    assert stories.of("default", "c2") is None
    assert stories.of("default", "d199") is not None
    stories.forget(NOON + 3600)
    for chat_id in [chat_id for _, chat_id in stories.open]:
        stories.take(floor.closed(60, "abandoned", chat_id))
    stories.forget(NOON + 3600)
    assert stories.size == 0


def test_refusals_about_a_chat_that_ended_push_nothing_out() -> None:
    """Who accepts again and again what is over: the first times are in its story, and no more."""
    floor, stories = Floor(), Stories()
    for each in (floor.queued(0), floor.assigned(1), floor.closed(2, "abandoned")):
        stories.take(each)
    for second in range(1000):
        late = floor.made("accept-rejected", 3 + second, chat_id="c1", agent_id="ann", reason="unknown-chat")
        stories.take(late)
    story = stories.of("default", "c1")
    assert story is not None
    assert len(story.decisions) == 3 + MOST_REFUSALS
    assert story.is_whole


def test_a_story_that_began_before_the_reading_says_so() -> None:
    """Its first decisions are not kept here."""
    tables = Tables()
    tables.history.take(0, Floor().assigned(5))
    chat = chat_named(tables, "default", "c1")
    assert chat is not None
    assert (chat["is_whole"], len(chat["decisions"]), chat["open"]) == (False, 1, None)
    assert chat["decisions"][0]["words"] == (
        "Offered to ann 5.0 s after it arrived: ann was the only agent asking; "
        "of 3 chats waiting, this was the one that had waited longest."
    )


def test_an_offer_tells_how_it_ended_and_the_latest_are_kept() -> None:
    """Accepted, or why not; a row that was handed out before stays as it was."""
    floor, offers = Floor(), Offers()
    offers.take(floor.assigned(1, "c1"))
    handed_out = offers.latest["offer-c1"]
    offers.take(floor.confirmed(2, "c1"))
    assert (handed_out["outcome"], offers.latest["offer-c1"]["outcome"]) == (None, "accepted")
    for number in range(MOST_OFFERS):
        offers.take(floor.assigned(3, f"d{number}"))
    assert len(offers.latest) == MOST_OFFERS
    assert "offer-c1" not in offers.latest
    offers.take(floor.ended(4, "missed", "d5"))
    assert offers.latest["offer-d5"]["outcome"] == "missed"
