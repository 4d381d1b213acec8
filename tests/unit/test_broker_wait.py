"""Which errors a start waits out, for how long, and what it says."""

import asyncio
import errno
import socket
from collections.abc import Iterator

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CoordinatorNotAvailableError,
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    LeaderNotAvailableError,
    NodeNotReadyError,
    NotCoordinatorError,
    NotEnoughReplicasError,
    ProducerFenced,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    StaleMetadata,
    TopicAuthorizationFailedError,
    UnsupportedVersionError,
)

from switchboard.dev.local_broker import free_port
from switchboard.errors import (
    BrokerAwayError,
    FencedError,
    LedgerLostError,
    NotAllowedError,
    ReadingError,
    RestoreError,
    SecurityError,
    TopicError,
    WrongTopicsError,
)
from switchboard.kafka.bootstrap_servers import silence_of
from switchboard.kafka.broker_wait import BrokerWait, Pace, may_pass
from switchboard.kafka.clients import Connection


def caused(error: Exception, cause: Exception) -> Exception:
    """The one raised from the other."""
    error.__cause__ = cause
    return error


PASSING = [
    BrokerAwayError("no broker answers"),
    ConnectionResetError(),
    CoordinatorNotAvailableError(),
    KafkaConnectionError("Unable to bootstrap"),
    KafkaTimeoutError(),
    LeaderNotAvailableError(),
    NodeNotReadyError("node id 2"),
    NotCoordinatorError(),
    NotEnoughReplicasError(),
    RequestTimedOutError(),
    StaleMetadata("Broker id 2 not in current metadata"),
    TimeoutError(),
    caused(KafkaError("Unexpected error during batch delivery"), NodeNotReadyError()),
    caused(LedgerLostError("a commit failed"), TimeoutError()),
    caused(RestoreError("the rows could not be read"), KafkaTimeoutError()),
]
FOR_A_HUMAN = [
    ClusterAuthorizationFailedError(),
    InvalidTopicError(),
    KafkaError("Unexpected"),
    NotAllowedError(["Read on topic journal"]),
    OSError(28, "No space left on device"),
    ProducerFenced(),
    ReadingError("a transaction stayed open"),
    SaslAuthenticationFailed(),
    TopicAuthorizationFailedError("journal"),
    TopicError("topic journal could not be made"),
    UnsupportedVersionError(),
    ValueError("too large"),
    WrongTopicsError("no such topic: journal"),
    caused(FencedError("fenced"), TimeoutError()),
    caused(LedgerLostError("could not be opened"), TopicAuthorizationFailedError("journal")),
    caused(RestoreError("the rows could not be read"), ReadingError("a transaction stayed open")),
    caused(SecurityError("does not accept sasl_username"), KafkaConnectionError()),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
async def test_a_step_that_fails_with_what_passes_by_itself_is_done_again(error: Exception) -> None:
    """And nothing is said of what is over at once."""
    assert may_pass(error)
    said: list[str] = []
    left = [error, error]

    async def step() -> str:
        if left:
            raise left.pop()
        return "done"

    wait = BrokerWait(Connection(f"127.0.0.1:{free_port()}"), 30, said.append, Pace(first_pause=0.01))
    assert await wait.retry("looking at the topics", step) == "done"
    assert (said, wait.waiting_for) == ([], "")


@pytest.mark.parametrize("error", FOR_A_HUMAN, ids=lambda error: type(error).__name__)
async def test_what_a_human_must_mend_is_raised_at_once(error: Exception) -> None:
    """The step is not done again, since that would give the same."""
    attempts = 0

    async def step() -> None:
        nonlocal attempts
        attempts += 1
        raise error

    with pytest.raises(type(error)) as raised:
        await BrokerWait(Connection("127.0.0.1:1"), 30).retry("looking at the topics", step)
    assert raised.value is error
    assert attempts == 1


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing, as a broker that is frozen does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


async def test_every_server_is_named_with_why_it_gives_no_answer(silent: str) -> None:
    """While it waits and at the end, where none of them answers."""
    refusing = f"127.0.0.1:{free_port()}"
    said: list[str] = []

    async def step() -> None:
        raise NodeNotReadyError("node id 2")

    pace = Pace(first_pause=0.01, quiet=0.05, probe=0.1)
    wait = BrokerWait(Connection(f"{refusing},{silent}"), 0.5, said.append, pace)
    match = rf"^no broker answers at {refusing},{silent} \(PLAINTEXT; waited 0\.5 s\)"
    with pytest.raises(BrokerAwayError, match=match):
        await wait.retry("looking at the topics", step)
    assert said == [f"waiting for {refusing} (connection refused) and {silent} (no answer within 0.1 s)"]
    assert wait.waiting_for == said[0]


async def test_a_step_that_retries_by_itself_ends_with_the_wait_while_brokers_are_away() -> None:
    """The message names the step and the brokers."""
    refusing = f"127.0.0.1:{free_port()}"
    said: list[str] = []
    wait = BrokerWait(Connection(refusing), 0.3, said.append, Pace(probe=0.1, unanswered=0.1))
    with pytest.raises(BrokerAwayError, match=rf"^no broker answers at {refusing} \(PLAINTEXT; waited 0\.3 s\)"):
        await wait.expect("joining group g", asyncio.Event().wait())
    assert said == [f"waiting for {refusing} (connection refused)"]


async def test_a_step_that_retries_by_itself_may_end_while_brokers_are_away() -> None:
    """The wait is then over, and no longer reported."""
    joined = asyncio.Event()
    wait = BrokerWait(
        Connection(f"127.0.0.1:{free_port()}"), 30, lambda _: joined.set(), Pace(probe=0.1, unanswered=0.01)
    )
    assert await wait.expect("joining group g", joined.wait())
    assert wait.waiting_for == ""


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "connection refused"),
        (TimeoutError(), "no answer within 2 s"),
        (socket.gaierror(-2, "Name or service not known"), "its name can't be resolved: Name or service not known"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to it"),
        (ConnectionResetError(104, "Connection reset by peer"), ""),
        (KafkaConnectionError("Connection closed"), ""),
        (SaslAuthenticationFailed("wrong"), ""),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_server_that_is_away_is_told_from_one_that_refuses(error: Exception, why: str) -> None:
    """A pod that is gone has no name any more: that is no broker which breaks connections off."""
    assert silence_of(error, 2) == why
