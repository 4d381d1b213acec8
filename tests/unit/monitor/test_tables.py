"""The tables after records of the router's topics."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from switchboard.journal.limits import ConfiguredPools
from switchboard.kafka.topics import Topic
from switchboard.monitor.public_rows import MalformedRowError
from switchboard.monitor.tables import Record, Tables, apply

SAMPLES = Path(__file__).parents[3] / "schemas/samples"

AGENT: dict[str, Any] = {
    "agent_id": "ann",
    "pool": "default",
    "profile": "sales",
    "mode": "push",
    "status": "available",
    "max_sessions": 3,
    "sessions": [{"chat_id": "c1", "stage": "active", "offer_id": "default/0/7/0", "since": 12}],
    "free": 2,
    "request": {"origin": "push", "requested_at": "2024-05-01T12:00:00.000Z", "position": [7, 0]},
    "engine": {"lot": 17},
}

CHAT: dict[str, Any] = {
    "chat_id": "c1",
    "pool": "default",
    "queue": "sales",
    "stage": "waiting",
    "arrived_at": "2024-05-01T12:00:00.000Z",
    "agent_id": None,
    "offer_id": None,
    "attempt": 0,
    "engine": {"entered": 9},
}


def record(topic: Topic, offset: int, key: str, value: object, partition: int = 0) -> Record:
    """A record whose value is JSON, or a tombstone if None."""
    body = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
    return Record(topic, partition, offset, key.encode(), body)


def tables_of(*records: Record) -> Tables:
    """The tables after the records."""
    tables = Tables()
    for each in records:
        apply(tables, each)
    return tables


def test_an_agents_row_keeps_its_public_fields_only() -> None:
    """Private fields of the engine do not reach the tables, at no level of the row."""
    tables = tables_of(record(Topic.AGENT_CAPACITY, 0, "default/ann", AGENT))
    assert tables.agents == {
        "default/ann": {
            "pool": "default",
            "agent_id": "ann",
            "profile": "sales",
            "mode": "push",
            "status": "available",
            "max_sessions": 3,
            "sessions": [{"chat_id": "c1", "stage": "active", "offer_id": "default/0/7/0"}],
            "free": 2,
            "request": {"origin": "push", "requested_at": "2024-05-01T12:00:00.000Z"},
        },
    }


@pytest.mark.parametrize("topic", [Topic.AGENT_CAPACITY, Topic.OPEN_CHATS])
def test_every_golden_row_is_applied(topic: Topic) -> None:
    """The monitor reads all rows of the contract, and keeps all public fields of an agent."""
    for line in (SAMPLES / f"{topic}.good.jsonl").read_bytes().splitlines():
        tables = tables_of(Record(topic, 0, 0, b"x", line))
        row = orjson.loads(line)
        if topic is Topic.AGENT_CAPACITY:
            assert tables.agents == {"x": {name: value for name, value in row.items() if name != "engine"}}
        elif row["stage"] == "closed":
            assert tables.chats == {}
        else:
            assert tables.chats["x"].stage == row["stage"]


def test_a_later_row_replaces_an_earlier_one_and_a_tombstone_removes_it() -> None:
    """The table holds the latest row of each key."""
    tables = tables_of(record(Topic.AGENT_CAPACITY, 0, "default/ann", AGENT))
    apply(tables, record(Topic.AGENT_CAPACITY, 1, "default/ann", AGENT | {"request": None, "status": "absent"}))
    assert tables.agents["default/ann"]["status"] == "absent"
    assert tables.agents["default/ann"]["request"] is None
    apply(tables, record(Topic.AGENT_CAPACITY, 2, "default/ann", None))
    assert tables.agents == {}


def test_a_record_that_was_applied_before_changes_nothing() -> None:
    """A topic that is read again from its beginning does not take the tables back in time."""
    first = record(Topic.OPEN_CHATS, 4, "default/c1", CHAT)
    tables = tables_of(first, record(Topic.OPEN_CHATS, 5, "default/c1", CHAT | {"stage": "active"}), first)
    assert tables.chats["default/c1"].stage == "active"


def test_each_partition_has_offsets_of_its_own() -> None:
    """A lower offset in another partition or topic is applied."""
    tables = tables_of(
        record(Topic.OPEN_CHATS, 100, "default/c1", CHAT, partition=0),
        record(Topic.OPEN_CHATS, 3, "other/c1", CHAT | {"pool": "other"}, partition=1),
        record(Topic.AGENT_CAPACITY, 2, "default/ann", AGENT, partition=0),
    )
    assert sorted(tables.chats) == ["default/c1", "other/c1"]
    assert sorted(tables.agents) == ["default/ann"]


def test_a_closed_chat_is_not_in_the_table() -> None:
    """The row of a closed chat remains until its id is forgotten (R13), with little more than the id."""
    closed = {"chat_id": "c1", "pool": "default", "stage": "closed", "queue": None, "arrived_at": None}
    tables = tables_of(
        record(Topic.OPEN_CHATS, 0, "default/c1", CHAT), record(Topic.OPEN_CHATS, 1, "default/c1", closed)
    )
    assert tables.chats == {}


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        (Topic.AGENT_CAPACITY, b"{"),
        (Topic.AGENT_CAPACITY, b"[]"),
        (Topic.AGENT_CAPACITY, {"agent_id": "ann"}),
        (Topic.AGENT_CAPACITY, AGENT | {"sessions": [None]}),
        (Topic.AGENT_CAPACITY, AGENT | {"request": 3}),
        (Topic.OPEN_CHATS, CHAT | {"arrived_at": "yesterday"}),
        (Topic.OPEN_CHATS, CHAT | {"arrived_at": "2024-05-01T12:00:00"}),  # without UTC offset
        (Topic.OPEN_CHATS, CHAT | {"queue": None}),
    ],
)
def test_a_malformed_row_removes_the_row_of_its_key(topic: Topic, value: object) -> None:
    """The previous row is out of date. The record counts as applied, and is not parsed again."""
    good = AGENT if topic is Topic.AGENT_CAPACITY else CHAT
    tables = tables_of(record(topic, 0, "default/x", good))
    bad = record(topic, 1, "default/x", value)
    with pytest.raises(MalformedRowError):
        apply(tables, bad)
    assert tables.agents == {}
    assert tables.chats == {}
    apply(tables, bad)  # skipped


def test_the_error_has_a_summary_without_content_of_the_record() -> None:
    """The full message quotes the record, and is for the log level debug."""
    with pytest.raises(MalformedRowError, match=r"not a row of a chat: .*eve-4711") as error:
        apply(Tables(), record(Topic.OPEN_CHATS, 0, "default/x", CHAT | {"arrived_at": "eve-4711"}))
    assert error.value.summary == "not a row of a chat"


def test_the_queues_of_a_pool_are_those_of_its_latest_configuration() -> None:
    """Configurations are read as plain JSON, and in CloudEvents' binary mode."""
    config = {"queues": [{"name": "sales"}, {"name": "support"}], "profiles": [{"name": "all"}]}
    headers = (("ce_type", b"pool-configured"), ("ce_specversion", b"1.0"))
    tables = tables_of(
        record(Topic.ROUTING_CONFIG, 0, "shop", {"pool": "shop", "config": config}),
        Record(
            Topic.ROUTING_CONFIG,
            0,
            1,
            b"bank",
            orjson.dumps({"pool": "bank", "config": config | {"queues": [{"name": "loans"}]}}),
            headers,
        ),
    )
    assert tables.queues == {"shop": ("sales", "support"), "bank": ("loans",)}


def test_a_queue_that_a_profile_names_twice_is_served_once() -> None:
    """The schema allows the repetition; the agents would count twice."""
    config = {"queues": [{"name": "a"}, {"name": "b"}], "profiles": [{"name": "all", "queues": ["a", "b", "a"]}]}
    tables = tables_of(record(Topic.ROUTING_CONFIG, 0, "shop", {"pool": "shop", "config": config}))
    assert tables.profiles == {"shop": {"all": ("a", "b")}}


def test_a_configuration_beyond_the_limits_is_ignored() -> None:
    """As in the routers, too many queues and profiles are ignored, and too many pools."""
    small = {"queues": [{"name": "sales"}], "profiles": [{"name": "all"}]}
    queues, profiles = [{"name": f"q{n}"} for n in range(1_000)], [{"name": f"p{n}"} for n in range(101)]
    tables = Tables(configured=ConfiguredPools(max_pools=2, shards=1))
    for offset, (pool, config) in enumerate(
        [("a", small), ("a", {"queues": queues, "profiles": profiles}), ("b", small), ("c", small)]
    ):
        apply(tables, record(Topic.ROUTING_CONFIG, offset, pool, {"pool": pool, "config": config}))
    assert tables.queues == {"a": ("sales",), "b": ("sales",)}
    apply(tables, record(Topic.ROUTING_CONFIG, 4, "b", None))
    apply(tables, record(Topic.ROUTING_CONFIG, 5, "c", {"pool": "c", "config": small}))
    assert tables.queues == {"a": ("sales",), "c": ("sales",)}


def test_profiles_that_serve_all_queues_share_one_list() -> None:
    """A configuration of 64 KiB may pair 50 queues with 2,000 profiles, which would take much memory."""
    config = {"queues": [{"name": "a"}, {"name": "b"}], "profiles": [{"name": "one"}, {"name": "two"}]}
    tables = tables_of(record(Topic.ROUTING_CONFIG, 0, "shop", {"pool": "shop", "config": config}))
    assert tables.profiles == {"shop": {"one": ("a", "b"), "two": ("a", "b")}}
    assert tables.profiles["shop"]["one"] is tables.profiles["shop"]["two"]


def test_a_bad_configuration_keeps_the_previous_one() -> None:
    """The router sends it to `dead-letter` and keeps the previous one; so does the monitor."""
    config = {"queues": [{"name": "sales"}], "profiles": [{"name": "all"}]}
    tables = tables_of(
        record(Topic.ROUTING_CONFIG, 0, "shop", {"pool": "shop", "config": config}),
        record(Topic.ROUTING_CONFIG, 1, "shop", {"pool": "shop", "config": {"queues": []}}),
    )
    assert tables.queues == {"shop": ("sales",)}
