"""What went wrong with a cluster, in words for a log line or an answer: the client library's own say little to most."""

from typing import Final

from aiokafka.errors import (
    BrokerNotAvailableError,
    BrokerResponseError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    KafkaUnavailableError,
    LeaderNotAvailableError,
    NoBrokersAvailable,
    NodeNotReadyError,
    NotCoordinatorForGroupError,
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
    ProducerFenced,
    RequestTimedOutError,
    StaleMetadata,
)

_WORDS: Final[dict[tuple[type[BaseException], ...], str]] = {
    (TimeoutError, KafkaTimeoutError, RequestTimedOutError): "no answer in time",
    (
        BrokerNotAvailableError,
        KafkaConnectionError,
        KafkaUnavailableError,
        NoBrokersAvailable,
        NodeNotReadyError,
    ): "a broker can't be reached",
    (
        CoordinatorLoadInProgressError,
        CoordinatorNotAvailableError,
        LeaderNotAvailableError,
        NotCoordinatorForGroupError,
        NotLeaderForPartitionError,
        StaleMetadata,
    ): "the brokers are just settling which of them leads",
    (NotEnoughReplicasAfterAppendError, NotEnoughReplicasError): "too few replicas are in sync (min.insync.replicas)",
    (InvalidProducerEpoch, ProducerFenced): "its producer was fenced",
}


def in_words(error: BaseException) -> str:
    """What an error says, never with its repr; of one that says nothing its name."""
    said = str(error.args[0]) if error.args else ""
    if isinstance(error, TimeoutError) and said and error.errno is None:  # one of ours, that names what it waited for
        return said
    for kinds, words in _WORDS.items():
        if isinstance(error, kinds):
            return words
    if isinstance(error, BrokerResponseError):
        return f"the broker answered {error.message}" + (f" ({said})" if said else "")
    if isinstance(error, KafkaError):
        return said or type(error).__name__
    return str(error) or type(error).__name__
