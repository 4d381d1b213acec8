"""What a dead letter tells: the router's headers are the last ones, and the others are the record's own."""

import pytest
from aiokafka.structs import ConsumerRecord

from switchboard.replay.dead_letters import Place, read_letter

ROUTERS = (
    ("reason", b"schema"),
    ("detail", b"/chat_id \xff"),
    ("source-topic", b"eu.chat-arrival"),
    ("source-partition", b"3"),
    ("source-offset", b"17"),
)


def record(*headers: tuple[str, bytes | None], key: bytes | None = b"k") -> ConsumerRecord[bytes, bytes]:
    """A record of dead-letter."""
    return ConsumerRecord("dead-letter", 1, 9, 5_000, 0, key, b"{}", None, -1, -1, headers)


def test_the_routers_headers_are_told_from_the_records_own() -> None:
    """Though these may have the same names."""
    own = (("reason", b"mine"), ("original-size", b"9"), ("none", None))
    letter = read_letter(record(*own, *ROUTERS))
    assert (letter.reason, letter.detail, letter.source) == ("schema", "/chat_id \ufffd", ("eu.chat-arrival", 3, 17))
    assert (letter.headers, letter.original_size, letter.obstacle) == (own, None, None)
    assert (letter.place, letter.at, letter.replayed_from) == (Place(1, 9), 5_000, None)


def test_what_was_cut_has_an_obstacle() -> None:
    """Each by its header."""
    assert "of its 70,000 bytes" in str(read_letter(record(*ROUTERS, ("original-size", b"70000"))).obstacle)
    shed = read_letter(record(*ROUTERS, ("original-size", b"9"), ("left-out", b"headers, key")))
    assert (shed.original_size, shed.left_out) == (9, "headers, key")
    assert "its headers, key were left out" in str(
        read_letter(record(*ROUTERS, ("left-out", b"headers, key"))).obstacle
    )
    batch = read_letter(record(*ROUTERS, ("source-last-offset", b"20")))
    assert (batch.source[2], batch.last_offset) == (17, 20)
    assert "a batch of records" in str(batch.obstacle)


def test_a_strangers_record_is_no_letter_of_ours() -> None:
    """Whoever may write the topic may write anything."""
    letter = read_letter(record(*ROUTERS[:4]))
    assert (letter.reason, letter.headers) == ("", ROUTERS[:4])
    assert letter.obstacle is not None
    assert read_letter(record()).reason == ""


@pytest.mark.parametrize("number", [b"9" * 5_000, b"9223372036854775808", b"-1", b" 7", "\u0663".encode()])
def test_a_forged_number_is_none(number: bytes) -> None:
    """Python refuses to read more than 4,300 digits; a header with 5,000 ended `dead-letter list`."""
    headers = (*ROUTERS[:3], ("source-partition", number), ("source-offset", number), ("original-size", number))
    letter = read_letter(record(*headers))
    assert (letter.reason, letter.source, letter.original_size) == ("schema", ("eu.chat-arrival", -1, -1), -1)
    assert letter.obstacle is not None


def test_where_it_was_put_back_from_is_told_by_its_last_such_header() -> None:
    """The router wrote none of them."""
    headers = (("replayed-from", b"dead-letter/0@1"), ("replayed-from", b"dead-letter/0@2"))
    assert read_letter(record(*headers, *ROUTERS)).replayed_from == "0@2"


@pytest.mark.parametrize("text", ["", "1", "1@", "@1", "-1@2", "1@2@3", "1@x", "\u0661@1"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match="expected PARTITION@OFFSET"):
        Place.parse(text)
    assert str(Place.parse("1@20")) == "1@20"
