"""Dead letters are listed, shown, and put back on their topics as they were; what can't be is refused in words."""

from typing import Any

import orjson

from switchboard.domain.events import Event
from switchboard.journal.codec import MAX_VALUE_BYTES, decode_event
from switchboard.kafka.reading import partitions_of, read_to_now
from switchboard.kafka.topics import Topic
from switchboard.tools.dead_letters import REPLAYED_FROM
from tests.routers import Bus, Ran, a_bus

BAD: tuple[tuple[Topic, bytes | None, str], ...] = (
    (Topic.CHAT_ARRIVAL, None, "no-value"),
    (Topic.CHAT_ARRIVAL, b'{"chat_id":"x' + b"x" * MAX_VALUE_BYTES + b'"}', "too-large"),
    (Topic.CHAT_LIFECYCLE, b"[" * 255 + b"]" * 255, "undecodable"),
    (Topic.CHAT_ARRIVAL, b"\xff\x00 chat", "not-json"),
    (Topic.REQUEST_CHAT, b'["ana"]', "not-an-object"),
    (Topic.CHAT_LIFECYCLE, b'{"chat_id":"c"}', "unknown-type"),
    (Topic.CHAT_ACCEPTED, b'{"chat_id":"c"}', "schema"),
    (Topic.CHAT_ARRIVAL, b'{"chat_id":"c","arrived_at":"yesterday"}', "bad-time"),
)
"""A record for each reason but `engine-error`, which no record can be made to cause."""
HEADERS = [("trace", b"\x00\xfe"), ("reason", b"its own")]


async def set_aside(bus: Bus) -> None:
    """Publish them all, and wait until they are dead letters."""
    for topic, value, _ in BAD:
        await bus.say(topic, value, key=b"k\xff", headers=HEADERS, partition=1)
    await bus.until(lambda: len(bus.dead) == len(BAD))


async def listed(bus: Bus, *options: str) -> list[dict[str, Any]]:
    """What `dead-letter list` prints."""
    ran = await bus.run("dead-letter", "list", "--json", *options)
    assert ran.code == 0, ran.err
    found: list[dict[str, Any]] = orjson.loads(ran.out)
    return found


async def test_each_reason_is_listed_and_each_letter_can_be_shown(broker_bootstrap: str, bus_prefix: str) -> None:
    """With where it came from, why, and all of its bytes."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        await set_aside(bus)
        letters = await listed(bus)
        assert sorted(letter["reason"] for letter in letters) == sorted(reason for _, _, reason in BAD)
        for letter in letters:
            topic = next(topic for topic, _, reason in BAD if reason == letter["reason"])
            assert (letter["source_topic"], letter["source_partition"]) == (bus.names.of(topic), 1)
            assert letter["key"] == "hex 6bff"
        assert [letter["reason"] for letter in await listed(bus, "--reason", "schema")] == ["schema"]
        assert len(await listed(bus, "--limit", "2")) == 2
        assert await listed(bus, "--since", "latest") == []
        place = {letter["reason"]: letter["place"] for letter in letters}
        shown = await bus.run("dead-letter", "show", place["not-json"])
        assert "header trace: hex 00fe\nheader reason: its own\nhex ff002063686174\n" in shown.out, shown
        shown = await bus.run("dead-letter", "show", place["bad-time"], "--json")
        told = orjson.loads(shown.out)
        assert (told["value"], told["reason"]) == ('{"chat_id":"c","arrived_at":"yesterday"}', "bad-time")
        assert told["detail"].startswith("/arrived_at")
        shown = await bus.run("dead-letter", "show", place["too-large"])
        assert "can't be replayed: only the first 8,192 of its 65,551 bytes were kept" in shown.out
        assert (await bus.run("dead-letter", "show", "0@999")).code == 1
        assert (await bus.run("dead-letter", "show", "seventeen")).code == 2
        told_lines = (await bus.run("dead-letter", "list")).out.splitlines()
        assert len(told_lines) == len(BAD)
        await router.stop()


async def test_a_letter_is_put_back_byte_for_byte_and_served(broker_bootstrap: str, bus_prefix: str) -> None:
    """Once what made it bad is mended: here the record was fine, and a stranger's letter stands for that."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        good = b'{ "chat_id": "late" }'
        headers = [
            *HEADERS,
            ("reason", b"engine-error"),
            ("detail", b"KeyError"),
            ("source-topic", bus.names.of(Topic.CHAT_ARRIVAL).encode()),
            ("source-partition", b"1"),
            ("source-offset", b"4"),
        ]
        await bus.say(Topic.DEAD_LETTER, good, key=b"k\xff", headers=headers)
        async with bus.router() as router:
            ran = await replayed(bus, "0@0", "--dry-run")
            assert "would replay 1; refused 0" in ran.out
            assert (await records(bus, Topic.CHAT_ARRIVAL)) == []
            assert "replayed 1; refused 0" in (await replayed(bus, "0@0")).out
            await bus.until_decided("chat-queued", "late")
            await router.stop()
        ((partition, key, value, held),) = await records(bus, Topic.CHAT_ARRIVAL)
        assert (partition, key, value) == (1, b"k\xff", good)
        assert held == (*HEADERS, (REPLAYED_FROM, b"dead-letter/0@0"))
        assert isinstance(decode_event("chat-arrival", held, value, source=("", 0, 0)), Event)
        assert len(await listed(bus)) == 1


async def test_what_failed_again_is_known_and_what_was_cut_is_refused(broker_bootstrap: str, bus_prefix: str) -> None:
    """So the same letter is not put back a second time by mistake."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        await set_aside(bus)
        place = {letter["reason"]: letter["place"] for letter in await listed(bus)}
        await replayed(bus, place["schema"])
        await bus.until(lambda: len(bus.dead) == len(BAD) + 1)
        again = (await listed(bus))[-1]
        assert (again["reason"], again["replayed_from"]) == ("schema", place["schema"])
        ran = await replayed(bus, place["schema"], code=1)
        assert f"{place['schema']} is not replayed: it was replayed and failed again: see {again['place']}" in ran.err
        ran = await replayed(bus, place["too-large"], "0@999", code=1)
        assert "only the first 8,192 of its 65,551 bytes were kept" in ran.err
        assert "0@999 is not replayed: there is no such dead letter" in ran.err
        ran = await replayed(bus, "--all", "--json")
        told = orjson.loads(ran.out)
        assert set(told["refused"]) == {place["too-large"], place["schema"]}
        assert len(told["replayed"]) == len(BAD) - 1
        await bus.until(lambda: len(bus.dead) == 2 * len(BAD))
        await router.stop()
        values = [value for _, _, value, _ in await records(bus, Topic.CHAT_ACCEPTED)]
        assert values == [b'{"chat_id":"c"}'] * 3


async def test_it_asks_before_it_puts_back(broker_bootstrap: str, bus_prefix: str) -> None:
    """Nobody answers here, so nothing is sent; and it must be said which."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        await set_aside(bus)
        ran = await bus.run("dead-letter", "replay", "--all")
        assert (ran.code, f"Replay {len(BAD) - 1} dead letters?" in ran.err) == (1, True), ran
        assert "nothing was replayed" in ran.err
        assert (await bus.run("dead-letter", "replay")).code == 2
        assert (await bus.run("dead-letter", "replay", "--all", "--reason", "schema")).code == 2
        await router.stop()
        assert len(await records(bus, Topic.CHAT_ACCEPTED)) == 1


async def replayed(bus: Bus, *options: str, code: int = 0) -> Ran:
    """Replay without being asked."""
    ran = await bus.run("dead-letter", "replay", "--yes", *options)
    assert ran.code == code, ran
    return ran


async def records(bus: Bus, topic: Topic) -> list[tuple[int, bytes, bytes, tuple[tuple[str, bytes], ...]]]:
    """All records of a topic: partition, key, value, headers."""
    async with read_to_now(bus.conn, await partitions_of(bus.conn, [bus.names.of(topic)])) as batches:
        return [
            (record.partition, record.key, record.value, tuple(record.headers))
            async for _, found in batches
            for record in found
        ]
