"""Records of the source topics: a sample of the contract, changed, written in one of CloudEvents' modes, damaged."""

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, Final, NamedTuple

import orjson

from switchboard.domain.events import EVENT_TYPES
from switchboard.journal.codec import SOURCE_TOPICS
from switchboard.journal.schemas import root
from tests.fuzz.json_values import as_json, changed, odd_value, raw, written
from tests.fuzz.texts import TIMES, damaged, odd_bytes, odd_text

Header = tuple[str, bytes | None]

NOW: Final = 1_760_000_000_000
"""About when the records were written, ms since 1970."""
TIMESTAMPS: Final = (
    0,
    -1,
    1,
    2**31,
    2**53,
    -62_135_596_800_000,
    -62_135_596_800_001,
    253_402_300_799_999,
    253_402_300_800_000,
    2**63 - 1,
    -(2**63),
)
CHATS: Final = ("c1", "c2", "c3", "c4")
AGENTS: Final = ("a1", "a2", "é")
POOLS: Final = ("default", "support", "sales")
HEADER_NAMES: Final = (
    "ce_type",
    "ce_id",
    "ce_source",
    "ce_specversion",
    "ce_time",
    "content-type",
    "Content-Type",
    "CE_TYPE",
    "reason",
    "detail",
    "source-topic",
    "source-partition",
    "source-offset",
    "source-last-offset",
    "original-size",
    "left-out",
    "replayed-from",
    "traceparent",
    "",
)
CONTENT_TYPES: Final = (
    b"application/json",
    b"application/cloudevents+json",
    b"application/cloudevents+json; charset=utf-8",
    b" Application/CloudEvents+JSON ;",
    b"application/cloudevents+avro",
    b"\xff",
    b"",
)


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A record of a source topic."""

    topic: str
    headers: tuple[Header, ...]
    value: bytes | None
    timestamp: int = NOW
    key: bytes | None = None


class Sample(NamedTuple):
    """A sample of an event's body."""

    event_type: str
    body: bytes


@cache
def event_samples(kind: str) -> tuple[Sample, ...]:
    """The samples of all events, `good` or `bad`."""
    found = []
    for event_type in EVENT_TYPES:
        lines = (root() / "samples" / f"{event_type}.{kind}.jsonl").read_bytes().splitlines()
        for line in lines:
            value = orjson.loads(line)
            body = value["value"] if kind == "bad" else value
            if isinstance(body, dict):
                found.append(Sample(event_type, orjson.dumps(body)))
    return tuple(found)


def source_record(random: Random) -> SourceRecord:
    """A record, good in about a third of the cases."""
    sample = random.choice(event_samples("good" if random.random() < 0.85 else "bad"))
    body: Any = orjson.loads(sample.body)
    if random.random() < 0.6:
        _meet(random, body)
    for _ in range(random.choice((0, 0, 0, 1, 1, 1, 2, 3))):
        body = changed(random, body)
    value, headers = _packed(random, sample.event_type, body)
    if random.random() < 0.004:
        value = _sized(random)
    return SourceRecord(
        _topic(random, sample.event_type),
        tuple(_more_headers(random, headers)),
        value if random.random() < 0.99 else None,
        random_timestamp(random),
        odd_bytes(random) if random.random() < 0.3 else None,
    )


def random_timestamp(random: Random) -> int:
    """Near to now, mostly; else anything of 64 bits."""
    kind = random.random()
    if kind < 0.93:
        return NOW + random.randrange(60_000)
    return random.choice(TIMESTAMPS) if kind < 0.98 else random.randrange(-(2**63), 2**63)


def _meet(random: Random, body: dict[str, Any]) -> None:
    """Have the event name one of few chats, agents and pools: so it meets what earlier events left."""
    for name, ids in (("chat_id", CHATS), ("agent_id", AGENTS), ("to_agent", AGENTS)):
        if name in body:
            body[name] = random.choice(ids)
    if random.random() < 0.8:
        body["pool"] = random.choice(POOLS)
    for name in ("arrived_at", "accepted_at", "requested_at"):
        if name in body and random.random() < 0.3:
            body[name] = random.choice(TIMES)


def _topic(random: Random, event_type: str) -> str:
    if random.random() < 0.05:
        return random.choice(SOURCE_TOPICS)
    if event_type in SOURCE_TOPICS:
        return event_type
    if event_type == "pool-configured":
        return "routing-config"
    return "agent-presence" if event_type.startswith("agent-") else "chat-lifecycle"


def _packed(random: Random, event_type: str, body: Any) -> tuple[bytes, list[Header]]:
    """Body to value and headers: plain, or in CloudEvents' binary or structured mode."""
    how = random.random()
    told = event_type if random.random() < 0.97 else odd_text(random)
    if how < 0.35:
        if isinstance(body, dict) and random.random() < 0.95:
            body = {"type": told, **body}
        return as_json(random, body), []
    if how < 0.7:
        headers: list[Header] = [("ce_type", told.encode()), ("ce_id", random.choice((b"e-1", b"\xff", b"x" * 129)))]
        return as_json(random, body), headers
    envelope: dict[str, Any] = {"specversion": "1.0", "type": told, "id": random.choice(("e-2", odd_text(random)))}
    inner = written(body)
    if how < 0.85:
        envelope["data"] = raw(inner)
    else:
        encoded = b64encode(inner if random.random() < 0.9 else damaged(random, inner))
        envelope["data_base64"] = (encoded if random.random() < 0.95 else damaged(random, encoded)).decode("latin-1")
    if random.random() < 0.1:
        envelope = {**envelope, random.choice(list(envelope)): odd_value(random)}
    return as_json(random, envelope), [("content-type", random.choice(CONTENT_TYPES[1:4]))]


def _more_headers(random: Random, headers: list[Header]) -> list[Header]:
    if random.random() < 0.25:
        for _ in range(random.choice((1, 1, 2, 6))):
            headers.insert(random.randrange(len(headers) + 1), odd_header(random))
    return headers


def odd_header(random: Random) -> Header:
    """A header with a name that means something to somebody, or an odd one."""
    name = random.choice(HEADER_NAMES) if random.random() < 0.8 else odd_text(random)
    kind = random.random()
    if kind < 0.15:
        return name, None
    if name.lower() == "content-type" and kind < 0.8:
        return name, random.choice(CONTENT_TYPES)
    return name, odd_bytes(random)


def _sized(random: Random) -> bytes:
    """A value about as long as the longest that is taken."""
    size = 65_536 + random.choice((-1, 0, 1, 1_000, 200_000))
    head, tail = random.choice(((b'{"chat_id":"', b'"}'), (b'{"a":"', b'"}'), (b"[", b"]"), (b'{"pool":"x"', b"}")))
    return head + random.choice((b"x", b" ", b"\xff")) * (size - len(head) - len(tail)) + tail
