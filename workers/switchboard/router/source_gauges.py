"""The gauges of a shard's source partitions."""

from collections.abc import Mapping

from aiokafka import TopicPartition

from switchboard import metrics
from switchboard.router.survey import Figures


def source_gauges(
    shard: str,
    lags: Mapping[TopicPartition, int],
    time_lags: Mapping[TopicPartition, float],
    open_for: Mapping[TopicPartition, tuple[int, float]],
) -> Figures:
    """By gauge and labels, what it is to be set to.

    Args:
        shard: its label.
        lags: records that are there and were not taken, by partition.
        time_lags: s by which each partition is behind, negative where it is ahead.
        open_for: records above the last stable offset, and for how many s it has been the same.
    """
    figures: Figures = {}
    for gauge, values in (
        (metrics.LAG, lags),
        (metrics.LAG_SECONDS, time_lags),
        (metrics.OPEN_TRANSACTION_RECORDS, {tp: records for tp, (records, _) in open_for.items()}),
        (metrics.OPEN_TRANSACTION_SECONDS, {tp: seconds for tp, (_, seconds) in open_for.items()}),
    ):
        for tp, value in values.items():
            figures[gauge, (tp.topic, str(tp.partition), shard)] = value
    return figures
