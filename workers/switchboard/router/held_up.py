"""What a router says of source partitions that an open transaction holds up: a sentence, JSON, log lines."""

import logging
import time
from collections.abc import Sequence
from typing import Final

from switchboard.domain.rfc3339 import format_ms
from switchboard.journal.printable_text import counted
from switchboard.kafka.open_transactions import Change, HeldUp
from switchboard.kafka.quiet import Thinned

log = logging.getLogger(__name__)
log.addFilter(Thinned(by_text=True, seconds=30.0))  # every shard reads every partition, and sees the same

NAMED: Final = 3
"""Partitions that a sentence names; the JSON names all."""


def zero_of_monotonic() -> float:
    """When the monotonic clock was at 0, in s since 1970, if the time is right now."""
    return time.time() - time.monotonic()


def sentence(held_up: Sequence[HeldUp], zero: float) -> str:
    """Which partitions are held up, since when, and how many records can't be read; empty where none is.

    Args:
        held_up: the partitions.
        zero: when the monotonic clock was at 0, in s since 1970.
    """
    told = [
        f"{each.name} is held up by an open transaction since {'before ' if each.since_before else ''}"
        f"{_since(each, zero)}: {counted(each.records, 'record')}, its own included, can't be read"
        for each in held_up[:NAMED]
    ]
    if len(held_up) > NAMED:
        told.append(f"and {counted(len(held_up) - NAMED, 'partition')} more")
    return "; ".join(told)


def as_json(held_up: Sequence[HeldUp], zero: float) -> list[dict[str, object]]:
    """The same for programs: `since` in RFC 3339, `seconds` whole."""
    return [
        {
            "topic": each.partition.topic,
            "partition": each.partition.partition,
            "offset": each.offset,
            "since": _since(each, zero),
            "since_before": each.since_before,
            "seconds": int(each.seconds),
            "records": each.records,
        }
        for each in held_up
    ]


def log_change(change: Change, shard: int) -> None:
    """Log which partitions are held up from now on, and which are no longer."""
    for each in change.begun:
        log.warning(
            "%s is held up at offset %s by an open transaction: nothing from there on can be read until it is "
            "committed or aborted (kafka-transactions.sh describe-producers and list tell whose it is)",
            each.name, each.offset, extra=_extra(each, shard),
        )  # fmt: skip
    for each in change.ended:
        log.warning(
            "%s is no longer held up at offset %s: the open transaction has ended",
            each.name, each.offset, extra=_extra(each, shard),
        )  # fmt: skip


def _since(held_up: HeldUp, zero: float) -> str:
    return format_ms(round(zero + held_up.since) * 1000)


def _extra(held_up: HeldUp, shard: int) -> dict[str, object]:
    return {
        "shard": shard,
        "topic": held_up.partition.topic,
        "partition": held_up.partition.partition,
        "offset": held_up.offset,
        "records": held_up.records,
        "seconds": int(held_up.seconds),
    }
