"""The monitor's tables follow the rows."""

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


def test_an_agents_row_is_kept_with_its_public_fields_alone() -> None:
    """What the engine keeps for itself, at the top or further down, does not reach the tables."""
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
def test_every_golden_row_is_taken(topic: Topic) -> None:
    """The monitor reads what the contract allows, and shows of an agent all that is public."""
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
    """A table holds the latest row of each key."""
    tables = tables_of(record(Topic.AGENT_CAPACITY, 0, "default/ann", AGENT))
    apply(tables, record(Topic.AGENT_CAPACITY, 1, "default/ann", AGENT | {"request": None, "status": "absent"}))
    assert tables.agents["default/ann"]["status"] == "absent"
    assert tables.agents["default/ann"]["request"] is None
    apply(tables, record(Topic.AGENT_CAPACITY, 2, "default/ann", None))
    assert tables.agents == {}


def test_a_record_that_was_applied_before_changes_nothing() -> None:
    """Read again from its beginning, a topic never takes the tables back in time."""
    first = record(Topic.OPEN_CHATS, 4, "default/c1", CHAT)
    tables = tables_of(first, record(Topic.OPEN_CHATS, 5, "default/c1", CHAT | {"stage": "active"}), first)
    assert tables.chats["default/c1"].stage == "active"


def test_offsets_of_one_partition_say_nothing_about_another() -> None:
    """Each partition of each topic is followed by itself."""
    tables = tables_of(
        record(Topic.OPEN_CHATS, 100, "default/c1", CHAT, partition=0),
        record(Topic.OPEN_CHATS, 3, "other/c1", CHAT | {"pool": "other"}, partition=1),
        record(Topic.AGENT_CAPACITY, 2, "default/ann", AGENT, partition=0),
    )
    assert sorted(tables.chats) == ["default/c1", "other/c1"]
    assert sorted(tables.agents) == ["default/ann"]


def test_a_closed_chat_is_no_open_chat() -> None:
    """A closed chat's row stands until its id is forgotten (R13), and holds little but the id."""
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
        (Topic.OPEN_CHATS, CHAT | {"arrived_at": "2024-05-01T12:00:00"}),  # no offset: no time at all
        (Topic.OPEN_CHATS, CHAT | {"queue": None}),
    ],
)
def test_a_row_that_can_not_be_read_is_refused_and_shows_nothing(topic: Topic, value: object) -> None:
    """What stood there before is out of date, so it goes; the record is not looked at again."""
    good = AGENT if topic is Topic.AGENT_CAPACITY else CHAT
    tables = tables_of(record(topic, 0, "default/x", good))
    bad = record(topic, 1, "default/x", value)
    with pytest.raises(MalformedRowError):
        apply(tables, bad)
    assert tables.agents == {}
    assert tables.chats == {}
    apply(tables, bad)  # applied, for what it was worth


def test_what_is_wrong_with_a_row_is_told_with_and_without_what_it_holds() -> None:
    """The whole message is for debug."""
    with pytest.raises(MalformedRowError, match=r"not a row of a chat: .*eve-4711") as told:
        apply(Tables(), record(Topic.OPEN_CHATS, 0, "default/x", CHAT | {"arrived_at": "eve-4711"}))
    assert told.value.summary == "not a row of a chat"


def test_the_queues_of_a_pool_are_those_of_its_latest_configuration() -> None:
    """In plain JSON as in CloudEvents' binary mode."""
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
    """The schema allows it; its agents would count twice."""
    config = {"queues": [{"name": "a"}, {"name": "b"}], "profiles": [{"name": "all", "queues": ["a", "b", "a"]}]}
    tables = tables_of(record(Topic.ROUTING_CONFIG, 0, "shop", {"pool": "shop", "config": config}))
    assert tables.profiles == {"shop": {"all": ("a", "b")}}


def test_a_configuration_beyond_the_bounds_is_not_taken() -> None:
    """Like the routers: neither one of too many queues and profiles, nor more pools than may be configured."""
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
    """A configuration of 64 KiB may pair 50 queues with 2,000 profiles."""
    config = {"queues": [{"name": "a"}, {"name": "b"}], "profiles": [{"name": "one"}, {"name": "two"}]}
    tables = tables_of(record(Topic.ROUTING_CONFIG, 0, "shop", {"pool": "shop", "config": config}))
    assert tables.profiles == {"shop": {"one": ("a", "b"), "two": ("a", "b")}}
    assert tables.profiles["shop"]["one"] is tables.profiles["shop"]["two"]


def test_a_bad_configuration_leaves_the_one_before() -> None:
    """The router sets it aside and keeps to the one before; so does the monitor."""
    config = {"queues": [{"name": "sales"}], "profiles": [{"name": "all"}]}
    tables = tables_of(
        record(Topic.ROUTING_CONFIG, 0, "shop", {"pool": "shop", "config": config}),
        record(Topic.ROUTING_CONFIG, 1, "shop", {"pool": "shop", "config": {"queues": []}}),
    )
    assert tables.queues == {"shop": ("sales",)}
