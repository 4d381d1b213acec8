"""The monitor's tables: what the rows on the bus say now.

They hold nothing that the topics don't: the topics are compacted, so reading them from their beginnings fills the
tables again, whatever became of the process that held them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from switchboard.contracts.cloudevents import Headers
from switchboard.contracts.codec import BadInput, decode_event
from switchboard.kafka.topics import Topic
from switchboard.monitor.rows import ChatRow, agent_row, chat_row

Row = TypeVar("Row")

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
            _configure(tables.queues, record)
        case _:
            raise ValueError(f"no table is made of {record.topic}")


def _key(record: Record) -> str:
    return (record.key or b"").decode(errors="replace")


def _put(rows: dict[str, Row], record: Record, read: Callable[[bytes], Row | None]) -> None:
    rows.pop(_key(record), None)
    row = None if record.value is None else read(record.value)
    if row is not None:
        rows[_key(record)] = row


def _configure(queues: dict[str, tuple[str, ...]], record: Record) -> None:
    if record.value is None:
        queues.pop(_key(record), None)
        return
    place = (record.topic, record.partition, record.offset)
    event = decode_event(record.topic, record.headers, record.value, source=place)
    # A bad one is for the router to set aside; like the router, the monitor keeps to the configuration before.
    if not isinstance(event, BadInput) and event.type == "pool-configured":
        queues[event.pool] = tuple(queue["name"] for queue in event.data["config"]["queues"])
