"""Exit codes: 3 is for brokers that are away, 1 and 2 are for what a human must mend."""

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    TopicAuthorizationFailedError,
)

from switchboard.cli.failures import exit_code_of
from switchboard.errors import BrokerAwayError, NotAllowedError, ReadingError, StalledError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BrokerAwayError("127.0.0.1:9092 is away"), 3),
        (KafkaConnectionError("Connection closed"), 3),
        (KafkaTimeoutError(), 3),
        (NodeNotReadyError("node id 2"), 3),
        (StalledError("reading stalled for 30 s"), 3),
        (TimeoutError(), 3),
        (NotAllowedError([]), 2),
        (BrokenPipeError(), 1),
        (KafkaError("Unexpected"), 1),
        (ReadingError("a transaction stayed open"), 1),
        (TopicAuthorizationFailedError("journal"), 1),
        (ZeroDivisionError(), None),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_error_ends_a_command_with_the_code_that_says_who_can_mend_it(error: Exception, code: int | None) -> None:
    """One of a broker that is away ends it with 3 wherever in the command it comes up."""
    assert exit_code_of(error) == code
