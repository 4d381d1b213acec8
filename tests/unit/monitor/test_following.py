"""Faust's consumer as it is changed."""

from switchboard.monitor.app import FollowingConsumer


def test_it_logs_as_faust_does() -> None:
    """What it says is hushed with all that Faust says, and does not pass for ours."""
    assert FollowingConsumer.logger.name.startswith("faust.")
