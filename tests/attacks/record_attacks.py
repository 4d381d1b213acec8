"""Attacks of one or a few records that end a router, or fill its memory."""

from collections.abc import Iterator
from typing import Final

from tests.attacks.batches import Codec, batch_of, batch_of_blanks, batch_of_values, with_empty_headers
from tests.attacks.plans import Attack, Shot, one_after_another
from tests.batches import record

NESTED: Final = b"[" * 255 + b"]" * 255
"""orjson reads 1,024 levels and writes 254."""
PLACES: Final = ("chat_id", "pool", "type", "attributes")
BEFORE_ALL_YEARS: Final = -62_135_596_800_001
"""1 ms before the year 1."""
FAR: Final = 2**31 - 1

_VALID: Final = {
    "chat-arrival": b'"chat_id":"c"',
    "chat-accepted": b'"chat_id":"c","agent_id":"a"',
    "request-chat": b'"agent_id":"a"',
    "chat-lifecycle": b'"type":"chat-abandoned","chat_id":"c"',
    "agent-presence": b'"type":"agent-heartbeat","agent_id":"a"',
    "routing-config": b'"pool":"p","config":{"queues":[{"name":"q"}],"profiles":[{"name":"p"}]}',
}
"""Members of a good body on each source topic."""


def _nested_values(members: bytes) -> Iterator[bytes]:
    yield NESTED
    for place in PLACES:
        # Of a name that is there twice the last value counts.
        yield b'{%b,"%b":%b}' % (members, place.encode(), NESTED)


def _nested() -> list[Shot]:
    shots = [
        shot
        for topic, members in _VALID.items()
        for shot in one_after_another(
            topic,
            [batch_of_values([value], key=b"nested") for value in _nested_values(members)],
            partition=0 if topic == "routing-config" else 3,
        )
    ]
    return [Shot(number / 10, shot.topic, shot.batch, partition=shot.partition) for number, shot in enumerate(shots)]


def _headers(count: int, codec: Codec) -> list[Shot]:
    return [Shot(0, "chat-arrival", batch_of([with_empty_headers(count)], codec))]


def _blanks() -> list[Shot]:
    return [Shot(0, "chat-arrival", batch_of_blanks(700_000_000))]


def _many_blanks() -> list[Shot]:
    """A hundred batches that each stay below a bound on unpacked bytes, and come with one fetch."""
    batch = batch_of_blanks(31_000_000)
    return [Shot(0, "chat-arrival", batch) for _ in range(100)]


def _header_name() -> list[Shot]:
    records = [record(place, b"{}") for place in range(1_249_999)]
    records.append(record(1_249_999, b"{}", headers=[(b"\xff\xfe", b"")]))
    return [Shot(0, "agent-presence", batch_of(records, Codec.ZSTD))]


def _before_all_years() -> list[Shot]:
    arrival = batch_of_values([b'{"chat_id":"before-all-years"}'])
    return [Shot(0, "chat-arrival", arrival, stamp=lambda _: BEFORE_ALL_YEARS)]


def _far_offset() -> list[Shot]:
    """Brokers look at the offsets within a batch only where they unpack it."""
    return [Shot(0, "chat-arrival", batch_of([record(FAR, b"{}")]))]


_READERS: Final = (
    ("record", "--bus", "--out", "{log}"),
    ("replay", "{log}", "--out", "{log}.decisions"),
    ("explain", "{log}", "other-chat-3"),
    ("whatif", "{log}", "--agents", "+1", "--seeds", "1"),
    ("config", "show"),
)

RECORD_ATTACKS: Final = (
    Attack(
        "nested",
        1,
        "[ x255 + ] x255 as value and as chat_id, pool, type, attributes on each source topic",
        _nested,
        monitor=True,
        commands=_READERS,
    ),
    Attack("headers-gzip", 1, "`{}` with 700,000 empty headers, gzip", lambda: _headers(700_000, Codec.GZIP)),
    Attack("headers-plain", 1, "`{}` with 524,220 empty headers, uncompressed", lambda: _headers(524_220, Codec.NONE)),
    Attack("blanks", 1, "a zstd batch of one value of 700 MB of blanks", _blanks),
    Attack("headers-zstd", 1, "`{}` with 10,000,000 empty headers, zstd", lambda: _headers(10_000_000, Codec.ZSTD)),
    Attack("blanks-many", 1, "100 zstd batches of one value of 31 MB of blanks", _many_blanks, most_seconds=40),
    Attack(
        "header-name",
        1,
        "1,250,000 records `{}`, the last with a header name that is no UTF-8",
        _header_name,
        most_seconds=90,
    ),
    Attack("far-offset", 1, f"a record with the offset {FAR:,} within its batch of one", _far_offset, restart=True),
    Attack(
        "timestamp", 1, f"an arrival with the timestamp {BEFORE_ALL_YEARS}", _before_all_years, commands=_READERS[:2]
    ),
)
