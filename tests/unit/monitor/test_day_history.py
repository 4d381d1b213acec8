"""What is kept of decisions: each decision counts once, and memory is limited."""

from dataclasses import replace

import orjson

from switchboard.kafka.topics import Topic
from switchboard.monitor.day_history import (
    KEPT_SECONDS,
    MOST_DECISIONS,
    MOST_OFFERS,
    MOST_REFUSALS,
    DayHistory,
    LatestOffers,
    Stories,
)
from switchboard.monitor.public_rows import MalformedRowError
from switchboard.monitor.tables import Record, Tables, apply
from switchboard.monitor.views import chat_with_story
from tests.floors import NOON, Floor


def test_a_decision_that_is_read_twice_counts_once() -> None:
    """Ids ascend for each pool within a partition. Decisions of other pools and partitions count by themselves."""
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
        history.add(partition, decision)
    assert history.outcomes.windows.today(("default", "sales"), NOON).arrived == 3
    assert history.outcomes.windows.today(("b", "sales"), NOON).arrived == 1


def test_decisions_of_forgotten_pools_count_once_too() -> None:
    """Frames ascend over all pools of a partition, so the latest frame of the dropped pools decides."""
    history = DayHistory(most_pools=3)
    made = [Floor(f"pool{number}").queued(0) for number in range(8)]
    in_order = [replace(each, order=(frame, 0)) for frame, each in zip((1, 2, 3, 4, 5, 6, 6, 7), made, strict=True)]
    for each in (*in_order, *in_order):
        history.add(0, each)
    history.add(1, in_order[0])
    assert len(history.counted[0].last) == 3
    counted = [history.outcomes.windows.today((each.pool, "sales"), NOON).arrived for each in in_order]
    assert counted == [2, 1, 1, 1, 1, 1, 1, 1]


def test_all_decisions_of_a_frame_with_more_pools_than_the_limit_count() -> None:
    """Pools of the present frame are not dropped, since more of their decisions may follow."""
    history = DayHistory(most_pools=2)
    for number in (0, 1):
        for pool in "abcd":
            history.add(0, replace(Floor(pool).queued(0, f"c{number}"), order=(1, number)))
    history.add(0, replace(Floor("e").queued(0), order=(2, 0)))
    assert [history.outcomes.windows.today((pool, "sales"), NOON).arrived for pool in "abcde"] == [2, 2, 2, 2, 1]
    assert len(history.counted[0].last) == 2


def test_a_record_that_is_read_twice_counts_once() -> None:
    """Faust reads records twice around a rebalance."""
    tables, value = (
        Tables(),
        Floor().value("chat-queued", 0, chat_id="c", queue="sales", arrived_at="2024-05-01T12:00:00Z"),
    )
    for _ in range(2):
        apply(tables, Record(Topic.ASSIGNMENT, 0, 7, b"c", value))
    assert tables.history.outcomes.windows.today(("default", "sales"), NOON).arrived == 1


def test_a_record_that_is_no_decision_is_malformed() -> None:
    """Malformed records leave the figures as they were."""
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
    """A story has all decisions about its chat, in order, and is dropped 30 minutes after the chat closed."""
    floor, stories = Floor(), Stories()
    for each in (floor.queued(0), floor.assigned(1), floor.confirmed(2), floor.closed(3, "concluded")):
        stories.add(each)
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


def test_stories_are_limited_and_those_of_closed_chats_are_dropped_first() -> None:
    """Many chats, refusals of made-up ids, and many decisions about one chat stay within the limits."""
    floor, stories = Floor(), Stories(most_chats=3)
    stories.add(floor.queued(0, "open"))
    for number in range(10):
        stories.add(floor.queued(1, f"c{number}"))
        stories.add(floor.closed(2, "abandoned", f"c{number}"))
        stories.add(floor.made("accept-rejected", 2, chat_id=f"x{number}", agent_id="ann", reason="unknown-chat"))
    assert set(stories.open) == {("default", "open")}
    assert set(stories.closed) == {("default", "c8"), ("default", "c9")}
    for _ in range(MOST_DECISIONS):
        stories.add(floor.requeued(3, "declined", "open"))
    story = stories.of("default", "open")
    assert story is not None
    assert (len(story.decisions), story.is_whole) == (MOST_DECISIONS, False)


def test_the_size_of_stories_is_limited() -> None:
    """The story of the chat that closed first is dropped first, then that with the oldest latest decision."""
    floor, stories = Floor(), Stories(most_bytes=1_000_000)
    for number in range(200):
        stories.add(floor.queued(0, f"c{number}"))
        for turn in range(30):
            stories.add(floor.requeued(turn, "declined", f"c{number}"))
        if number % 2:
            stories.add(floor.closed(40, "abandoned", f"c{number}"))
    stories.add(floor.requeued(50, "declined", "c0"))
    kept = [*stories.open.values(), *(story for _, story in stories.closed.values())]
    assert stories.size == sum(story.size for story in kept)
    assert 0.9 * stories.most_bytes < stories.size <= stories.most_bytes
    assert len(stories.open) == 100
    kept_closed = [int(chat_id.removeprefix("c")) for _, chat_id in stories.closed]
    assert kept_closed == list(range(kept_closed[0], 200, 2))

    for number in range(200):
        stories.add(floor.assigned(60, f"d{number}", profile="x" * 8000))
    assert stories.size <= stories.most_bytes
    assert stories.closed == {}
    assert stories.of("default", "c2") is None
    assert stories.of("default", "d199") is not None
    stories.forget(NOON + 3600)
    for chat_id in [chat_id for _, chat_id in stories.open]:
        stories.add(floor.closed(60, "abandoned", chat_id))
    stories.forget(NOON + 3600)
    assert stories.size == 0


def test_refusals_about_a_closed_chat_displace_no_decisions() -> None:
    """Of repeated accepts of a closed chat only the first are in its story."""
    floor, stories = Floor(), Stories()
    for each in (floor.queued(0), floor.assigned(1), floor.closed(2, "abandoned")):
        stories.add(each)
    for second in range(1000):
        late = floor.made("accept-rejected", 3 + second, chat_id="c1", agent_id="ann", reason="unknown-chat")
        stories.add(late)
    story = stories.of("default", "c1")
    assert story is not None
    assert len(story.decisions) == 3 + MOST_REFUSALS
    assert story.is_whole


def test_a_story_without_its_arrival_says_so() -> None:
    """Its first decisions came before the first one read."""
    tables = Tables()
    tables.history.add(0, Floor().assigned(5))
    chat = chat_with_story(tables, "default", "c1")
    assert chat is not None
    assert (chat["is_whole"], len(chat["decisions"]), chat["open"]) == (False, 1, None)
    assert chat["decisions"][0]["words"] == (
        "Offered to ann 5.0 s after it arrived: ann was the only agent asking; "
        "of 3 chats waiting, this was the one that had waited longest."
    )


def test_an_offer_has_its_outcome_and_the_latest_offers_are_kept() -> None:
    """The outcome is `accepted` or the reason of the end; a row that was read before stays as it was."""
    floor, offers = Floor(), LatestOffers()
    offers.add(floor.assigned(1, "c1"))
    read_before = offers.rows["offer-c1"]
    offers.add(floor.confirmed(2, "c1"))
    assert (read_before["outcome"], offers.rows["offer-c1"]["outcome"]) == (None, "accepted")
    for number in range(MOST_OFFERS):
        offers.add(floor.assigned(3, f"d{number}"))
    assert len(offers.rows) == MOST_OFFERS
    assert "offer-c1" not in offers.rows
    offers.add(floor.ended(4, "missed", "d5"))
    assert offers.rows["offer-d5"]["outcome"] == "missed"
