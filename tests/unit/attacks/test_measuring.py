"""How the figures of an attack are taken."""

from tests.attacks.measuring import Looks
from tests.attacks.others import ATTACKED, Chat, Others


def test_a_chat_that_nobody_answered_counts_with_its_wait_so_far() -> None:
    """Left out, the worst attacks would look the best."""
    others = Others.__new__(Others)
    others.chats = {"answered": Chat(0, 10.0, queued=10.1), "waits": Chat(0, 11.0), "later": Chat(0, 20.0)}
    found = others.spread(10.0, 15.0, 31.0, neighbours=False)
    assert (found.chats, found.unanswered, found.longest) == (2, 1, 20_000.0)


def test_neighbours_are_those_of_the_attacked_partition() -> None:
    """They share its order, so that no fairness helps them."""
    others = Others.__new__(Others)
    others.chats = {"other": Chat(0, 1.0, queued=1.5), "neighbour": Chat(ATTACKED, 1.0, queued=3.0)}
    assert others.spread(0.0, 2.0, 9.0, neighbours=False).longest == 500.0
    assert others.spread(0.0, 2.0, 9.0, neighbours=True).longest == 2_000.0


def test_counters_grow_on_through_a_restart() -> None:
    """A new process counts from 0, and what the old one counted is kept."""
    looks = Looks()
    series = 'switchboard_dead_letters_total{reason="schema"}'
    looks.note(f"{series} 5\n")
    looks.begin()
    for value in (8, 2, 3):
        looks.note(f"{series} {value}\n")
    assert looks.grown == {series: 3 + 2 + 1}


def test_lag_is_summed_by_topic() -> None:
    """Over partitions and shards."""
    looks = Looks()
    looks.note(
        'switchboard_lag_records{partition="0",shard="0",topic="a"} 2\n'
        'switchboard_lag_records{partition="1",shard="0",topic="a"} 3\n'
    )
    assert looks.lag == {"a": 5.0}
