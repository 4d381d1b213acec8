"""The changes to Faust's consumer."""

from switchboard.monitor.app import FollowingConsumer


def test_the_consumer_logs_under_the_name_of_faust() -> None:
    """The log level of Faust applies to the consumer too, and its messages do not appear as ours."""
    assert FollowingConsumer.logger.name.startswith("faust.")
