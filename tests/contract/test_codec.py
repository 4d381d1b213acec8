"""Records to events: every way in, every reason to refuse, and the pool that a refusal belongs to."""

import base64
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain.events import EVENT_TYPES, Event
from switchboard.journal.codec import MAX_VALUE_BYTES, SOURCE_TOPICS, BadInput, Mapping, decode_event, pool_of
from tests.contract.golden import Sample, differences, file_id, sample_files, samples_in

SOURCE = ("bus.topic", 3, 41)
STRUCTURED = ("content-type", b"application/cloudevents+json")
Pairs = list[tuple[str, bytes | None]]


def decode(
    topic: str, value: Any, *headers: tuple[str, bytes | None], mapping: Mapping | None = None
) -> Event | BadInput:
    """Decodes a value, given as bytes or as what they say."""
    raw = value if isinstance(value, bytes) or value is None else orjson.dumps(value)
    return decode_event(topic, headers, raw, source=SOURCE, mapping=mapping)


def refused(result: Event | BadInput) -> BadInput:
    """The refusal that the result must be."""
    assert isinstance(result, BadInput), result
    return result


def taken(result: Event | BadInput) -> Event:
    """The event that the result must be."""
    assert isinstance(result, Event), result
    return result


def decode_sample(sample: Sample, value: Any) -> Event | BadInput:
    """Decodes a value as an event of the sample's type, on a topic that may hold the type."""
    topic = "routing-config" if sample.name == "pool-configured" else "chat-lifecycle"
    return decode(topic, value, ("ce_type", sample.name.encode()), ("ce_id", b"e-1"))


def misread(sample: Sample) -> str | None:
    """The difference between a good sample and the event that is decoded from the sample; None: there is none."""
    event = decode_sample(sample, sample.body)
    if isinstance(event, BadInput):
        return f"refused: {event.reason}, {event.detail}"
    found = (event.type, event.id, event.source, event.pool)
    expected = (sample.name, "e-1", SOURCE, sample.body.get("pool", "default"))
    if found != expected:
        return f"{found}; expected {expected}"
    if event.data.keys() & {"type", "pool", "unknown", "host", "seen_by"}:
        return f"keeps a field that no schema knows: {event.data}"
    if sample.name != "pool-configured" and event.data != {name: sample.body[name] for name in event.data}:
        return f"other data: {event.data}"
    return None


def files_of_events(kind: str) -> list[Path]:
    """The files of `good` or `bad` samples of events."""
    return [file for file in sample_files(kind) if file_id(file) in EVENT_TYPES]


@pytest.mark.parametrize("file", files_of_events("good"), ids=file_id)
def test_the_good_samples_of_a_file_become_events_of_their_known_fields(file: Path) -> None:
    """The journal holds the known fields but type and pool, as they came."""
    found = {str(sample): misread(sample) for sample in samples_in(file)}
    assert {name: difference for name, difference in found.items() if difference is not None} == {}


@pytest.mark.parametrize("file", files_of_events("bad"), ids=file_id)
def test_the_bad_samples_of_a_file_are_refused_with_their_reasons(file: Path) -> None:
    """A value that the schema refuses becomes bad input with the same reason and detail."""

    def refusal(sample: Sample) -> BadInput | None:
        found = decode_sample(sample, sample.body["value"])
        return found if isinstance(found, BadInput) else None

    assert differences(samples_in(file), refusal) == {}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no-value"),
        (b'{"chat_id":"' + b"c" * MAX_VALUE_BYTES + b'"}', "too-large"),
        (b"", "not-json"),
        (b"hello", "not-json"),
        (b'{"chat_id":"c"', "not-json"),
        (b'{"chat_id":"c"} x', "not-json"),
        (b"{'chat_id':'c'}", "not-json"),
        (b'{"chat_id":"c","n":NaN}', "not-json"),
        (b'{"chat_id":"c","n":Infinity}', "not-json"),
        (b'{"chat_id":"c","n":-Infinity}', "not-json"),
        (b'{"chat_id":"c","n":1e400}', "not-json"),
        (b'{"chat_id":"\\ud800"}', "not-json"),
        (b'{"chat_id":"\\udc00\\ud800"}', "not-json"),
        (b'{"chat_id":"\xed\xa0\x80"}', "not-json"),
        (b'{"chat_id":"\xff"}', "not-json"),
        (b'\xef\xbb\xbf{"chat_id":"c"}', "not-json"),
        (b"null", "not-an-object"),
        (b'"text"', "not-an-object"),
        (b'[{"chat_id":"c"}]', "not-an-object"),
        (b'{"chat_id":"c","type":"chat-vanished"}', "unknown-type"),
        (b'{"chat_id":"c","type":"chat-assigned"}', "unknown-type"),
        (b'{"chat_id":"c","type":""}', "unknown-type"),
        (b'{"chat_id":"c","type":null}', "schema"),
        (b'{"chat_id":"c","type":7}', "schema"),
        (b"{}", "schema"),
        (b'{"chat_id":"c","arrived_at":"soon"}', "bad-time"),
    ],
)
def test_each_kind_of_bad_input_is_told_by_its_reason(value: bytes | None, reason: str) -> None:
    """The reasons of the contract, one by one."""
    bad = refused(decode("chat-arrival", value))
    assert bad.reason == reason
    assert bad.detail


def test_a_value_of_64_kib_is_taken_and_one_byte_more_is_not() -> None:
    """The limit is on the value as it came."""
    frame = len(b'{"chat_id":"c","pad":""}')
    full = b'{"chat_id":"c","pad":"' + b"x" * (MAX_VALUE_BYTES - frame) + b'"}'
    assert len(full) == MAX_VALUE_BYTES
    assert taken(decode("chat-arrival", full)).data == {"chat_id": "c"}
    assert refused(decode("chat-arrival", full + b" ")).reason == "too-large"


def test_an_escaped_pair_of_surrogates_is_one_character() -> None:
    """Only lone ones are refused."""
    assert taken(decode("chat-arrival", b'{"chat_id":"\\ud83d\\ude42"}')).data == {"chat_id": "\U0001f642"}


def test_the_type_is_the_headers_else_the_bodys_else_the_topics_own() -> None:
    """In that order."""
    body = {"chat_id": "c", "agent_id": "a", "type": "chat-declined"}
    assert taken(decode("chat-accepted", body, ("ce_type", b"chat-released"))).type == "chat-released"
    assert taken(decode("chat-accepted", body)).type == "chat-declined"
    assert taken(decode("chat-accepted", {"chat_id": "c", "agent_id": "a"})).type == "chat-accepted"
    assert taken(decode("chat-accepted", body, ("ce_type", None))).type == "chat-declined"


@pytest.mark.parametrize("topic", ["chat-lifecycle", "agent-presence"])
def test_a_topic_of_many_types_needs_to_be_told_which(topic: str) -> None:
    """Neither header nor body tells it: unknown-type."""
    bad = refused(decode(topic, {"chat_id": "c", "agent_id": "a", "pool": "x"}))
    assert (bad.reason, bad.pool) == ("unknown-type", "x")


@pytest.mark.parametrize("topic", SOURCE_TOPICS)
def test_any_type_is_taken_from_any_source_topic(topic: str) -> None:
    """A bus may have its topics cut otherwise than ours."""
    for event_type in set(EVENT_TYPES) - {"pool-configured"}:
        fields = {"chat_id": "c", "agent_id": "a", "status": "available", "mode": "pull", "to_queue": "q"}
        event = taken(decode(topic, fields, ("ce_type", event_type.encode())))
        assert event.type == event_type


@pytest.mark.parametrize("topic", sorted(set(SOURCE_TOPICS) - {"routing-config"}))
def test_a_configuration_is_taken_from_its_own_topic_only(topic: str) -> None:
    """Who may write chats must not be able to reconfigure the routing."""
    config = {"pool": "x", "config": {"queues": [{"name": "q"}], "profiles": [{"name": "p"}]}}
    assert taken(decode("routing-config", config)).type == "pool-configured"
    bad = refused(decode(topic, config, ("ce_type", b"pool-configured")))
    assert (bad.reason, bad.pool) == ("unknown-type", "x")
    assert "routing-config only" in bad.detail


def envelope(**fields: Any) -> dict[str, Any]:
    """A CloudEvent in structured mode."""
    return {"specversion": "1.0", "id": "e-7", "source": "/desk", "type": "chat-accepted", **fields}


BODY = {"chat_id": "c", "agent_id": "a", "pool": "x"}


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+json",
        b"application/cloudevents+json; charset=utf-8",
        b"Application/CloudEvents+JSON;charset=UTF-8",
        b" application/cloudevents+json ",
    ],
)
def test_structured_mode_is_told_by_its_content_type(content_type: bytes) -> None:
    """Parameters and case don't matter."""
    event = taken(decode("chat-lifecycle", envelope(data=BODY), ("content-type", content_type)))
    assert event == Event("chat-accepted", "x", {"chat_id": "c", "agent_id": "a"}, "e-7", SOURCE)


def test_structured_data_may_be_base64() -> None:
    """`data_base64` holds the bytes of a JSON object."""
    encoded = base64.b64encode(orjson.dumps(BODY)).decode()
    assert taken(decode("chat-lifecycle", envelope(data_base64=encoded), STRUCTURED)).data["chat_id"] == "c"


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({}, "schema", "/data required"),
        ({"data": None}, "not-an-object", "/data"),
        ({"data": "text"}, "not-an-object", "/data"),
        ({"data": {"chat_id": "c"}}, "schema", "/agent_id required"),
        ({"data": BODY, "type": None}, "schema", "/type"),
        ({"data": BODY, "type": "chat-vanished"}, "unknown-type", '"chat-vanished"'),
        ({"data": BODY, "id": None}, "schema", "/id"),
        ({"data": BODY, "id": 7}, "schema", "/id"),
        ({"data_base64": "?"}, "schema", "/data_base64"),
        ({"data_base64": "e30=\n"}, "schema", "/data_base64"),
        ({"data_base64": 7}, "schema", "/data_base64"),
        ({"data_base64": base64.b64encode(b"{").decode()}, "not-json", ""),
        ({"data_base64": base64.b64encode(b"[]").decode()}, "not-an-object", ""),
    ],
)
def test_a_damaged_envelope_is_told_by_reason_and_place(fields: dict[str, Any], reason: str, detail: str) -> None:
    """As bad input in any other mode."""
    bad = refused(decode("chat-lifecycle", envelope(**fields), STRUCTURED))
    assert bad.reason == reason
    assert bad.detail.startswith(detail)


def test_an_envelope_without_a_type_leaves_it_to_the_data_and_the_topic() -> None:
    """Leniently: such an envelope is no CloudEvent, but it can be told what is meant."""
    bare = {"specversion": "1.0", "data": BODY}
    assert taken(decode("chat-accepted", bare, STRUCTURED)).type == "chat-accepted"
    typed = {"data": {**BODY, "type": "chat-declined"}}
    assert taken(decode("chat-accepted", typed, STRUCTURED)).type == "chat-declined"


def test_binary_mode_gives_type_and_id_and_ignores_what_decides_nothing() -> None:
    """`ce_time` may be nonsense: arrival times are the event's own field."""
    headers: Pairs = [
        ("ce_specversion", b"0.3"),
        ("ce_id", b"e-9"),
        ("ce_type", b"chat-arrival"),
        ("ce_time", b"not a time"),
        ("ce_source", b"\xff"),
        ("content-type", b"application/json"),
    ]
    assert taken(decode("chat-lifecycle", {"chat_id": "c"}, *headers)).id == "e-9"


def test_of_a_repeated_header_the_last_counts() -> None:
    """As Kafka's own clients have it."""
    event = taken(decode("chat-lifecycle", BODY, ("ce_type", b"chat-declined"), ("ce_type", b"chat-accepted")))
    assert event.type == "chat-accepted"


@pytest.mark.parametrize("event_id", [b"", b"x" * 129, b"a\nb", b"\xc2\x85"])
def test_an_event_id_is_an_id_like_any_other(event_id: bytes) -> None:
    """1 to 128 characters, none of control."""
    bad = refused(decode("chat-arrival", {"chat_id": "c", "pool": "x"}, ("ce_id", event_id)))
    assert (bad.reason, bad.pool) == ("schema", "x")


def test_an_event_without_an_id_has_none() -> None:
    """Plain JSON needs no CloudEvents id."""
    assert taken(decode("chat-arrival", {"chat_id": "c", "id": "not ours"})).id is None


def test_the_pool_of_bad_input_is_told_as_far_as_it_can_be() -> None:
    """Of what can't be read, or names no pool that could be one, it is `default`."""
    assert refused(decode("chat-arrival", {"pool": "x"})).pool == "x"
    assert refused(decode("chat-arrival", {"pool": "a b"})).pool == "default"
    assert refused(decode("chat-arrival", {"pool": 7})).pool == "default"
    assert refused(decode("chat-arrival", b'{"pool":"x"')).pool == "default"
    assert refused(decode("chat-arrival", b'[{"pool":"x"}]')).pool == "default"


def test_a_mapping_stands_between_reading_and_checking() -> None:
    """It is told topic, type and body, and its result is checked like anything else."""
    seen: list[tuple[str, str | None]] = []

    def renamed(topic: str, told: str | None, body: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        seen.append((topic, told))
        return "chat-arrival", {"chat_id": body["conversation"]["id"]}

    value = {"type": "ConversationCreated", "conversation": {"id": "c-1"}}
    assert taken(decode("crm-events", value, mapping=renamed)).data == {"chat_id": "c-1"}
    assert seen == [("crm-events", "ConversationCreated")]
    bad = refused(decode("crm-events", {"type": "X", "conversation": {"id": ""}}, mapping=renamed))
    assert bad.detail.startswith("/chat_id minLength")


_NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
_SCALARS = st.none() | st.booleans() | _NUMBERS | st.text(max_size=5)
_POOLS = st.sampled_from(["x", "default", "a b", ""]) | _SCALARS
_BODIES = st.dictionaries(st.sampled_from(["pool", "type", "chat_id", "agent_id", "data", "id"]), _POOLS)
_HEADERS = st.lists(
    st.sampled_from([STRUCTURED, ("ce_type", b"chat-arrival"), ("ce_type", b"x"), ("ce_id", b"\n"), ("ce_id", b"e")]),
    max_size=3,
)


_TIMESTAMPS = st.sampled_from([0, 1_700_000_000_000, -(2**63), 2**63 - 1])


@given(
    _BODIES.map(orjson.dumps)
    | st.binary(max_size=20)
    | st.builds(lambda b: orjson.dumps({"data": b}), _BODIES)
    | st.builds(lambda b: orjson.dumps({"data_base64": base64.b64encode(orjson.dumps(b)).decode()}), _BODIES)
    | st.just(b'{"p\\u006fol":"x","chat_id":"c"}')
    | st.just(b'{"pool":"x","pad":"' + b"x" * MAX_VALUE_BYTES + b'"}'),
    _HEADERS,
    st.sampled_from(SOURCE_TOPICS),
    _TIMESTAMPS,
)
def test_any_record_is_an_event_or_bad_input_and_its_pool_is_told_at_a_glance(
    value: bytes, headers: Pairs, topic: str, timestamp: int
) -> None:
    """Every shard must agree whose a record is, whether or not it reads it whole; and none may stop at one."""
    what = decode_event(topic, headers, value, source=SOURCE, timestamp=timestamp)
    assert pool_of(headers, value, timestamp) == what.pool


def test_a_record_with_which_checking_fails_belongs_to_the_pool_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """As any bad input: other shards drop it unchecked, so its own shard must not take it for another's."""

    def fails(*_: object) -> None:
        raise RuntimeError("as no test has foreseen")

    monkeypatch.setattr("switchboard.journal.codec.check_event", fails)
    bad = refused(decode("chat-arrival", {"chat_id": "c", "pool": "x"}))
    assert (bad.reason, bad.detail, bad.pool) == ("undecodable", "RuntimeError: as no test has foreseen", "x")
