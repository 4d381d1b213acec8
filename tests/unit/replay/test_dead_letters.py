"""What a dead letter tells: the router's headers are the last ones, and the others are the record's own."""

from dataclasses import replace
from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from switchboard.cli.dead_letter_commands import fields_of, line_of
from switchboard.tools.dead_letters import DeadLetter, Place, Replays, read_letter

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
    assert "without the record's headers, key" in str(
        read_letter(record(*ROUTERS, ("left-out", b"headers, key"))).obstacle
    )
    batch = read_letter(record(*ROUTERS, ("source-last-offset", b"20")))
    assert (batch.source[2], batch.last_offset) == (17, 20)
    assert "a batch of records" in str(batch.obstacle)


def test_machines_are_given_what_the_headers_say_is_missing() -> None:
    """The offsets of a batch and the parts that did not fit; null for a letter that is whole."""
    cut = fields_of(read_letter(record(*ROUTERS, ("source-last-offset", b"20"), ("left-out", b"headers, key"))))
    assert (cut["source_offset"], cut["source_last_offset"], cut["left_out"]) == (17, 20, "headers, key")
    whole = fields_of(read_letter(record(*ROUTERS)))
    assert (whole["source_last_offset"], whole["left_out"]) == (None, None)


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
    assert read_letter(record(*headers, *ROUTERS)).replayed_from == Place(0, 2)


def put_back(
    letter: DeadLetter,
    place: Place,
    *,
    claim: bytes = b"dead-letter/1@9",
    source: tuple[str, int, int] = ("eu.chat-arrival", 3, 18),
    **other: Any,
) -> DeadLetter:
    """A letter as its record is set aside again, with a claim of where it was put back from, or otherwise."""
    return replace(
        letter, **{"place": place, "source": source, "headers": (*HEADERS, ("replayed-from", claim)), **other}
    )


HEADERS = (("trace", b"x"), ("trace", None))
AGAIN = Place(1, 12)


def test_a_letter_that_was_put_back_and_failed_again_is_known() -> None:
    """By the claim of the newer one, which is the same record at a later place; and so is one put back twice."""
    letter = read_letter(record(*HEADERS, *ROUTERS))
    second = put_back(letter, AGAIN)
    third = put_back(second, Place(1, 15), claim=b"dead-letter/1@12", source=("eu.chat-arrival", 3, 20))
    gone = put_back(letter, AGAIN, source=("eu.chat-arrival", 0, 2))  # the topic has fewer partitions now
    for noted, found in (((second,), AGAIN), ((third, second), AGAIN), ((gone,), AGAIN), ((third,), None), ((), None)):
        replays = Replays()
        for each in noted:
            replays.note(each)
        assert replays.later(letter) == found
    replays = Replays()
    for each in (second, third, letter):
        replays.note(each)
    assert [replays.later(each) for each in (letter, second, third)] == [AGAIN, Place(1, 15), None]


@pytest.mark.parametrize(
    "forged",
    [
        {"value": b"{ }"},
        {"value": None},
        {"key": b"K"},
        {"key": None},
        {"headers": (("replayed-from", b"dead-letter/1@9"),)},
        {"headers": (*HEADERS, ("more", b"x"), ("replayed-from", b"dead-letter/1@9"))},
        {"headers": (("trace", b"xtrace"), ("replayed-from", b"dead-letter/1@9"))},
        {"source": ("eu.chat-accepted", 3, 18)},
        {"source": ("eu.chat-arrival", 2, 18)},
        {"source": ("eu.chat-arrival", 3, 17)},
        {"source": ("eu.chat-arrival", 3, 16)},
        {"claim": b"dead-letter/1@8"},
        {"claim": b"1@9\n"},
        {"claim": b"\xff"},
        {"reason": ""},
        {"place": Place(1, 9)},
    ],
)
def test_a_claim_that_its_record_does_not_bear_out_keeps_no_letter_from_being_replayed(forged: dict[str, Any]) -> None:
    """Whoever may write to a source topic may write that header."""
    letter = read_letter(record(*HEADERS, *ROUTERS))
    replays = Replays()
    replays.note(put_back(letter, **({"place": AGAIN} | forged)))
    assert replays.later(letter) is None


def test_each_letter_is_looked_up_once_however_many_claims_are_forged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fingerprint is a hash of up to 64 KiB: one for each of 100,000 forged claims on the same letter took 10 s."""
    letter = read_letter(record(*HEADERS, *ROUTERS))
    replays = Replays()
    for offset in range(100):
        replays.note(put_back(letter, Place(1, 10 + offset), value=b"%d" % offset))
    made: list[bytes] = []
    fingerprint = DeadLetter.fingerprint.fget  # type: ignore[attr-defined] # of a property

    def noted(found: DeadLetter) -> bytes:
        made.append(fingerprint(found))
        return made[-1]

    monkeypatch.setattr(DeadLetter, "fingerprint", property(noted))
    assert replays.later(letter) is None
    assert len(made) == 1


def test_a_number_that_no_broker_gives_is_none() -> None:
    """Python raises for one of thousands of digits."""
    letter = read_letter(record(*ROUTERS[:3], ("source-partition", b"9" * 5000), ("source-offset", b"9" * 19)))
    assert letter.source == ("eu.chat-arrival", -1, -1)


@pytest.mark.parametrize("at", [-(2**63), 2**63 - 1])
def test_a_letter_of_a_time_beyond_all_years_is_listed(at: int) -> None:
    """By its ms since 1970."""
    letter = replace(read_letter(record(*ROUTERS)), at=at)
    assert line_of(letter).startswith(f"1@9  {at} ms  schema")
    assert fields_of(letter)["at"] == f"{at} ms"


@pytest.mark.parametrize("text", ["", "1", "1@", "@1", "-1@2", "1@2@3", "1@x", "\u0661@1"])
def test_a_place_that_is_none_is_refused(text: str) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match="expected PARTITION@OFFSET"):
        Place.parse(text)
    assert str(Place.parse("1@20")) == "1@20"
