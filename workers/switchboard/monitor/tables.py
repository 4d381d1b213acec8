"""The monitor's tables: the present rows of the router's topics, and the history of the day's decisions.

The tables hold nothing that is not on the bus. A monitor fills them at its start by reading the compacted topics from
their beginnings, and the decisions from midnight on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from switchboard.journal.cloudevents import Headers
from switchboard.journal.codec import BadInput, decode_event
from switchboard.journal.limits import ConfiguredPools
from switchboard.kafka.topics import Topic
from switchboard.monitor.day_history import DayHistory
from switchboard.monitor.public_rows import ChatRow, MalformedRowError, agent_row, chat_row, decision_record

Row = TypeVar("Row")

MOST_POOLS: Final = 10_000
"""Configured pools of a shard whose queues are kept, unless the setting `max_pools` says otherwise."""

Partition = tuple[Topic, int]
"""(topic, partition)."""


@dataclass(slots=True)
class Tables:
    """The latest row of each key. Keys are those of the topics: `pool/agent_id` and `pool/chat_id`."""

    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Public fields, as they are served."""
    chats: dict[str, ChatRow] = field(default_factory=dict)
    """Open chats."""
    queues: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By configured pool, the names of its queues."""
    profiles: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """By configured pool and profile, the queues that the profile serves."""
    configured: ConfiguredPools = field(default_factory=lambda: ConfiguredPools(MOST_POOLS))
    """The limits on configurations. Like a router, the monitor ignores a configuration beyond them."""
    history: DayHistory = field(default_factory=DayHistory)
    applied: dict[Partition, int] = field(default_factory=dict)
    """By partition, the offset of the last applied record."""


@dataclass(slots=True, frozen=True)
class Record:
    """One record of a topic."""

    topic: Topic
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def text_key(self) -> str:
        """The key as text; bytes that are not UTF-8 are replaced."""
        return (self.key or b"").decode(errors="replace")


def apply(tables: Tables, record: Record) -> None:
    """Apply one record to the tables; a record that was applied before changes nothing.

    Faust reads records twice around a rebalance. Applying them twice would take the tables back in time, since the part
    of a topic that is not compacted yet holds older rows of the same key.

    Raises:
        MalformedRowError: the record is no row of its topic. The row that its key had is removed, since it is out of
            date.
    """
    partition = (record.topic, record.partition)
    if record.offset <= tables.applied.get(partition, -1):
        return
    tables.applied[partition] = record.offset
    match record.topic:
        case Topic.AGENT_CAPACITY:
            _replace_row(tables.agents, record, agent_row)
        case Topic.OPEN_CHATS:
            _replace_row(tables.chats, record, chat_row)
        case Topic.ROUTING_CONFIG:
            _configure(tables, record)
        case Topic.ASSIGNMENT:
            _add_decision(tables.history, record)
        case _:
            raise ValueError(f"no table is made of {record.topic}")


def _replace_row(rows: dict[str, Row], record: Record, parse: Callable[[bytes], Row | None]) -> None:
    # Removed first: if the new row is malformed, the old one is out of date.
    rows.pop(record.text_key, None)
    row = None if record.value is None else parse(record.value)
    if row is not None:
        rows[record.text_key] = row


def _configure(tables: Tables, record: Record) -> None:
    if record.value is None:
        tables.queues.pop(record.text_key, None)
        tables.profiles.pop(record.text_key, None)
        tables.configured.remove(record.text_key)
        return
    source = (record.topic, record.partition, record.offset)
    event = decode_event(record.topic, record.headers, record.value, source=source)
    # The router sends a bad configuration to `dead-letter` and keeps the previous one; so does the monitor.
    if isinstance(event, BadInput) or event.type != "pool-configured":
        return
    config = event.data["config"]
    if tables.configured.admit(event.pool, config) is None:
        tables.queues[event.pool], tables.profiles[event.pool] = _queues_and_profiles(config)


def _queues_and_profiles(config: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The queues of a configuration, and those that each profile serves.

    A profile without a list of queues serves all queues; a profile with an empty list serves none.
    """
    queues = tuple(queue["name"] for queue in config["queues"])
    return queues, {
        profile["name"]: tuple(dict.fromkeys(profile["queues"])) if "queues" in profile else queues
        for profile in config["profiles"]
    }


def _add_decision(history: DayHistory, record: Record) -> None:
    if record.value is None:
        return
    decision = decision_record(record.value)
    try:
        history.add(record.partition, decision)
    except (KeyError, TypeError, ValueError) as fault:
        raise MalformedRowError("not a decision of its type", f"{decision.fields['type']}: {fault!r}") from fault
