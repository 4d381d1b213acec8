"""What went wrong with a cluster is said in words, not in the library's names or as a repr."""

import pytest
from aiokafka.errors import (
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    NotEnoughReplicasError,
    ProducerFenced,
    RequestTimedOutError,
    UnknownTopicOrPartitionError,
)

from switchboard.errors import LedgerLostError
from switchboard.kafka.clients import in_words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (RequestTimedOutError(), "no answer in time"),
        (TimeoutError("opening shard 0 did not end within 90 s"), "opening shard 0 did not end within 90 s"),
        (TimeoutError(110, "Connect call failed"), "no answer in time"),
        (KafkaConnectionError("Connection at 127.0.0.1:9092 closed"), "a broker can't be reached"),
        (NotEnoughReplicasError(), "too few replicas are in sync (min.insync.replicas)"),
        (UnknownTopicOrPartitionError(), "the broker answered UNKNOWN_TOPIC_OR_PARTITION"),
        (InvalidProducerEpoch(), "its producer was fenced"),
        (ProducerFenced(), "its producer was fenced"),
        (KafkaError("Unexpected"), "Unexpected"),
        (KafkaError(), "KafkaError"),
        (LedgerLostError("ledger of shard 0: a commit failed"), "ledger of shard 0: a commit failed"),
        (ValueError(), "ValueError"),
    ],
)
def test_an_error_is_told_in_words(error: Exception, words: str) -> None:
    """One that says nothing by its kind, ours as they are."""
    assert in_words(error) == words
