"""Service time runs while the router is caught up and stands still while it is not (architecture: "Frame")."""

import pytest

from switchboard.router.shard_history import ServiceTime


@pytest.fixture
def service() -> ServiceTime:
    """Of a shard that was opened, made its first frame and committed it, all at 100 s."""
    service = ServiceTime()
    assert service.run(100.0, read_to_end=True) == 0
    service.committed(100.0)
    return service


def test_the_first_frame_after_opening_lets_no_time_pass() -> None:
    """How long nobody was there is not known, and does not count."""
    service = ServiceTime()
    assert service.run(1e6, read_to_end=True) == 0


def test_the_first_frame_after_opening_again_lets_no_time_pass_and_says_so(service: ServiceTime) -> None:
    """A shard that can't commit is opened again and again: all the while service time stands still."""
    for opened in (110.0, 120.0):
        service.reopened(opened)
        assert service.run(opened, read_to_end=True) == 0
    assert service.stopped == pytest.approx(20.0)
    service.committed(120.5)
    assert service.run(121.0, read_to_end=True) == 1000
    assert service.stopped == pytest.approx(20.0)


def test_of_a_long_outage_little_is_told_once_it_is_over(service: ServiceTime) -> None:
    """While it lasts the shard is not open, which is told in another way."""
    service.reopened(40_000.0)
    assert service.run(40_001.0, read_to_end=True) == 0
    assert service.stopped == pytest.approx(31.0)


def test_time_passes_while_all_is_read_and_committed(service: ServiceTime) -> None:
    """In whole ms, and what is less than one is not lost."""
    assert service.run(100.5, read_to_end=True) == 500
    runs = [service.run(100.5 + 0.0004 * step, read_to_end=True) for step in range(1, 1001)]
    assert set(runs) == {0, 1}
    assert 399 <= sum(runs) <= 400
    assert service.stopped == 0


def test_time_stands_still_while_a_source_is_not_read_to_its_end(service: ServiceTime) -> None:
    """None of it counts later either."""
    assert service.run(101.0, read_to_end=False) == 0
    service.committed(101.0)
    assert service.run(101.5, read_to_end=True) == 500
    assert service.stopped == pytest.approx(1.0)


def test_time_stands_still_without_a_commit_in_the_last_2_s(service: ServiceTime) -> None:
    """While the bus is away nobody sees an offer, so none may expire; once a commit is made it runs on."""
    assert service.run(102.0, read_to_end=True) == 2000
    assert service.run(102.1, read_to_end=True) == 0
    service.committed(102.2)
    assert service.run(102.5, read_to_end=True) == 400
    assert service.stopped == pytest.approx(0.1)


def test_idle_time_is_not_told_as_stopped(service: ServiceTime) -> None:
    """With no timer pending no frame is made: nobody misses the time, and no alert is due each morning."""
    assert service.run(40_000.0, read_to_end=True, pending=False) == 0
    assert service.stopped == 0


def test_it_stands_still_as_long_as_the_router_is_not_caught_up(service: ServiceTime) -> None:
    """And says so at any time: a timer that is near makes no frames meanwhile."""
    assert not service.is_still(101.0, read_to_end=True)
    assert service.is_still(101.0, read_to_end=False)
    assert service.is_still(102.1, read_to_end=True)


def test_a_frame_lets_2_s_pass_at_most() -> None:
    """A process that was stopped catches up on no timers."""
    service = ServiceTime()
    service.run(100.0, read_to_end=True)
    service.committed(159.0)
    assert service.run(160.0, read_to_end=True) == 2000
    assert service.stopped == pytest.approx(58.0)
    assert service.run(160.25, read_to_end=True) == 250


def test_no_time_runs_before_the_first_commit() -> None:
    """A shard that has committed nothing has shown nothing."""
    service = ServiceTime()
    service.run(100.0, read_to_end=True)
    assert service.run(100.5, read_to_end=True) == 0
