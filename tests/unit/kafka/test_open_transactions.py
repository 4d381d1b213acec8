"""How long an open transaction must hold a partition up before it is told, by a clock of the test's own."""

from aiokafka import TopicPartition

from switchboard.kafka.open_transactions import (
    HELD_UP_SECONDS,
    STALE_SECONDS,
    Change,
    Ends,
    HeldUp,
    OpenTransactions,
    longest,
)

ARRIVALS, PRESENCE = TopicPartition("bus.chat-arrival", 0), TopicPartition("bus.agent-presence", 1)
NONE = Ends(5, 5)


def look_every_second(
    transactions: OpenTransactions, begin: int, end: int, partition: TopicPartition, ends: Ends
) -> list[tuple[int, Change]]:
    """The looks that changed anything, with when they were."""
    looks = [(now, transactions.see(now, {partition: ends})) for now in range(begin, end)]
    return [(now, change) for now, change in looks if change != Change()]


def test_a_transaction_that_stays_open_is_told_once_after_thirty_seconds_and_once_when_it_ends() -> None:
    """With the offset at which it begins, the records that wait, and since when."""
    transactions = OpenTransactions()
    assert look_every_second(transactions, 0, 100, ARRIVALS, NONE) == []
    held_up = HeldUp(ARRIVALS, 5, 3, 100.0, HELD_UP_SECONDS, since_before=False)
    assert look_every_second(transactions, 100, 200, ARRIVALS, Ends(5, 8)) == [(130, Change(begun=(held_up,)))]
    last = HeldUp(ARRIVALS, 5, 3, 100.0, 99.0, since_before=False)
    assert transactions.held_up(199.5) == [last]
    assert look_every_second(transactions, 200, 300, ARRIVALS, Ends(9, 9)) == [(200, Change(ended=(last,)))]
    assert transactions.held_up(299) == []


def test_it_is_not_told_before_thirty_seconds() -> None:
    """A transaction of 29 s is an ordinary one of a slow producer."""
    transactions = OpenTransactions()
    look_every_second(transactions, 0, 30, ARRIVALS, Ends(5, 8))
    assert transactions.held_up(29) == []
    assert transactions.see(30, {ARRIVALS: Ends(5, 8)}).begun
    assert len(transactions.held_up(30)) == 1


def test_a_producer_that_writes_one_transaction_after_another_holds_nobody_up() -> None:
    """At each look one is open, and it is another one each time."""
    transactions = OpenTransactions()
    for now in range(100):
        assert transactions.see(now, {ARRIVALS: Ends(10 * now, 10 * now + 5)}) == Change()
    assert transactions.held_up(99) == []
    assert transactions.open_for(99) == {ARRIVALS: (5, 0.0)}


def test_the_time_begins_anew_with_each_transaction() -> None:
    """The earliest ends after 20 s and the next is open behind it; or the same offset is stable again in between."""
    transactions = OpenTransactions()
    look_every_second(transactions, 0, 20, ARRIVALS, Ends(5, 8))
    look_every_second(transactions, 20, 49, ARRIVALS, Ends(7, 9))
    assert transactions.held_up(48) == []
    look_every_second(transactions, 50, 51, ARRIVALS, Ends(9, 9))
    look_every_second(transactions, 51, 80, ARRIVALS, Ends(9, 12))
    assert transactions.held_up(79) == []
    assert look_every_second(transactions, 80, 90, ARRIVALS, Ends(9, 12))[0][0] == 81


def test_a_transaction_that_was_open_at_the_first_look_may_be_older() -> None:
    """A router or a monitor that has just started does not know since when."""
    transactions = OpenTransactions()
    look_every_second(transactions, 0, 40, ARRIVALS, Ends(5, 8))
    assert transactions.held_up(39)[0].since_before
    transactions.see(40, {ARRIVALS: Ends(8, 8)})
    look_every_second(transactions, 41, 80, ARRIVALS, Ends(8, 9))
    assert not transactions.held_up(79)[0].since_before


def test_the_time_in_which_a_leader_does_not_answer_counts_only_if_nothing_moved() -> None:
    """Not seen for a minute, the transaction of an ordinary producer is not told; the one that is still there is."""
    transactions = OpenTransactions()
    transactions.see(0, {ARRIVALS: Ends(5, 8), PRESENCE: Ends(5, 8)})
    transactions.see(1, {ARRIVALS: Ends(5, 8), PRESENCE: Ends(5, 8)})
    assert transactions.held_up(60) == []
    assert transactions.open_for(1 + STALE_SECONDS) == {}
    transactions.see(61, {ARRIVALS: Ends(9, 12), PRESENCE: Ends(5, 20)})
    assert transactions.held_up(61) == [HeldUp(PRESENCE, 5, 15, 0.0, 61.0, since_before=True)]
    assert transactions.held_up(61 + STALE_SECONDS) == [], "it may have ended: its leader does not answer"


def test_each_partition_is_told_once_however_many_shards_read_it() -> None:
    """As the shard that has seen it for longest tells it; the longest first."""
    short = HeldUp(ARRIVALS, 5, 3, 59.0, 31.0, since_before=True)
    long = HeldUp(ARRIVALS, 5, 3, 0.0, 90.0, since_before=False)
    other = HeldUp(PRESENCE, 1, 1, 50.0, 40.0, since_before=False)
    assert longest([short, other, long]) == [long, other]
