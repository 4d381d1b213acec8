"""How often a shard may be fenced before its router ends."""

from switchboard.kafka.ownership import FENCED_WINDOW_SECONDS, Fencings


def test_a_third_fencing_within_a_minute_is_too_many() -> None:
    """Each shard counts alone."""
    fencings = Fencings()
    assert [fencings.are_too_many(0, now) for now in (0.0, 30.0)] == [False, False]
    assert not fencings.are_too_many(1, 40.0)
    assert fencings.are_too_many(0, FENCED_WINDOW_SECONDS - 0.1)


def test_fencings_that_are_longer_ago_do_not_count() -> None:
    """A shard may be fenced twice a minute for ever."""
    fencings = Fencings()
    assert not any(fencings.are_too_many(0, FENCED_WINDOW_SECONDS / 2 * number) for number in range(100))
