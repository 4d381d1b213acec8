"""What a dead letter tells: the router's headers are the last ones, and the others are the record's own."""

import pytest
from aiokafka.structs import ConsumerRecord

from switchboard.contracts.codec import MAX_VALUE_BYTES
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
    """The value by its header; the key by its length, for no header tells of it."""
    assert "of its 70,000 bytes" in str(read_letter(record(*ROUTERS, ("original-size", b"70000"))).obstacle)
    assert "key" in str(read_letter(record(*ROUTERS, key=b"k" * MAX_VALUE_BYTES)).obstacle)


def test_a_strangers_record_is_no_letter_of_ours() -> None:
    """Whoever may write the topic may write anything."""
    letter = read_letter(record(*ROUTERS[:4]))
    assert (letter.reason, letter.headers) == ("", ROUTERS[:4])
    assert letter.obstacle is not None
    assert read_letter(record()).reason == ""


def test_where_it_was_put_back_from_is_told_by_its_last_such_header() -> None:
    """The router wrote none of them."""
    headers = (("replayed-from", b"dead-letter/0@1"), ("replayed-from", b"dead-letter/0@2"))
    assert read_letter(record(*headers, *ROUTERS)).replayed_from == Place(0, 2)


@pytest.mark.parametrize("text", ["", "1", "1@", "@1", "-1@2", "1@2@3", "1@x", "\u0661@1"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match="expected PARTITION@OFFSET"):
        Place.parse(text)
    assert str(Place.parse("1@20")) == "1@20"
