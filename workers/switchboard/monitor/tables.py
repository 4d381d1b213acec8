"""The monitor's tables: what the rows on the bus say now, and what the decisions on it said today.

They hold nothing that the topics don't: reading the compacted ones from their beginnings, and the decisions from
midnight, fills the tables again, whatever became of the process that held them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from switchboard.journal.cloudevents import Headers
from switchboard.journal.codec import BadInput, decode_event
from switchboard.journal.limits import ConfiguredPools
from switchboard.kafka.topics import Topic
from switchboard.monitor.day_history import DayHistory
from switchboard.monitor.public_rows import ChatRow, MalformedRowError, agent_row, chat_row, decided

Row = TypeVar("Row")

MOST_POOLS: Final = 10_000
"""Configured pools whose queues are known, unless the setting `max_pools` says otherwise."""

Place = tuple[Topic, int]
"""(topic, partition)."""


@dataclass(slots=True)
class Tables:
    """The latest row of each key. Agents and chats are keyed as in their topics, `pool/agent_id` and `pool/chat_id`."""

    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Public fields, as they are served."""
    chats: dict[str, ChatRow] = field(default_factory=dict)
    """Open ones only."""
    queues: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The names of each configured pool's queues."""
    profiles: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """The queues that each profile of each configured pool serves."""
    configured: ConfiguredPools = field(default_factory=lambda: ConfiguredPools(MOST_POOLS))
    """The sizes of these configurations: like a router, the monitor takes none that is beyond the bounds."""
    history: DayHistory = field(default_factory=DayHistory)
    """What the decisions tell."""
    applied: dict[Place, int] = field(default_factory=dict)
    """The last offset applied of each partition."""


@dataclass(slots=True, frozen=True)
class Record:
    """One record of a topic."""

    topic: Topic
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def apply(tables: Tables, record: Record) -> None:
    """Take one record into the tables; one that was taken before changes nothing.

    Around a rebalance records are read twice. Skipping what was applied keeps the tables from going back in time: the
    uncompacted end of a topic holds many older rows of the same key.

    Raises:
        MalformedRowError: the record is no row of its topic. What its key held before is gone: nothing is shown
            rather than what is out of date.
    """
    place = (record.topic, record.partition)
    if record.offset <= tables.applied.get(place, -1):
        return
    tables.applied[place] = record.offset
    match record.topic:
        case Topic.AGENT_CAPACITY:
            _put(tables.agents, record, agent_row)
        case Topic.OPEN_CHATS:
            _put(tables.chats, record, chat_row)
        case Topic.ROUTING_CONFIG:
            _configure(tables, record)
        case Topic.ASSIGNMENT:
            _decide(tables.history, record)
        case _:
            raise ValueError(f"no table is made of {record.topic}")


def _key(record: Record) -> str:
    return (record.key or b"").decode(errors="replace")


def _put(rows: dict[str, Row], record: Record, read: Callable[[bytes], Row | None]) -> None:
    rows.pop(_key(record), None)
    row = None if record.value is None else read(record.value)
    if row is not None:
        rows[_key(record)] = row


def _configure(tables: Tables, record: Record) -> None:
    if record.value is None:
        tables.queues.pop(_key(record), None)
        tables.profiles.pop(_key(record), None)
        tables.configured.remove(_key(record))
        return
    place = (record.topic, record.partition, record.offset)
    event = decode_event(record.topic, record.headers, record.value, source=place)
    # A bad one is for the router to set aside; like the router, the monitor keeps to the configuration before.
    if not isinstance(event, BadInput) and event.type == "pool-configured":
        config = event.data["config"]
        if tables.configured.admit(event.pool, config) is not None:
            return
        queues = tuple(queue["name"] for queue in config["queues"])
        tables.queues[event.pool] = queues
        # A profile without a list of queues serves them all; one with an empty list serves none.
        tables.profiles[event.pool] = {
            profile["name"]: tuple(dict.fromkeys(profile["queues"])) if "queues" in profile else queues
            for profile in config["profiles"]
        }


def _decide(history: DayHistory, record: Record) -> None:
    if record.value is None:
        return
    decision = decided(record.value)
    try:
        history.take(record.partition, decision)
    except (KeyError, TypeError, ValueError) as fault:
        raise MalformedRowError("not a decision of its type", f"{decision.fields['type']}: {fault!r}") from fault
