"""The decisions that the monitor takes from `assignment`."""

from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any

from switchboard.monitor.rows import MalformedRowError, json_object


@dataclass(slots=True, frozen=True)
class Decided:
    """One decision."""

    fields: dict[str, Any]
    """As published."""
    value: bytes
    """The same, as it stood on the topic."""
    pool: str
    place: tuple[int, int]
    """(frame, n) of its id: ascending for each pool within a partition."""
    at: float
    """When it was decided, in seconds since 1970."""


def decided(value: bytes) -> Decided:
    """A record of `assignment`.

    Raises:
        MalformedRowError: it is no JSON object, or lacks what every decision has.
    """
    fields = json_object(value)
    try:
        # The id is POOL/SHARD/FRAME/N, and a pool has no slash in it.
        pool, _, frame, number = fields["id"].split("/")
        if not isinstance(fields["type"], str):
            raise TypeError("type is no text")  # noqa: TRY301 - one place tells of every fault
        return Decided(fields, value, intern(pool), (int(frame), int(number)), seconds(fields["at"]))
    except (AttributeError, KeyError, TypeError, ValueError) as fault:
        raise MalformedRowError("not a decision", repr(fault)) from fault


def seconds(moment: str) -> float:
    """An RFC 3339 time in seconds since 1970.

    Raises:
        ValueError: it is none, or has no offset.
    """
    read = datetime.fromisoformat(moment)
    if read.tzinfo is None:
        raise ValueError(f"{moment} has no offset")
    return read.timestamp()
