"""Times: what RFC 3339 allows is read to the millisecond, nothing else is."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain.rfc3339 import MAX_MS, MIN_MS, format_ms, is_time, parse_ms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@given(st.integers(MIN_MS, MAX_MS))
def test_what_is_written_is_read_back(ms: int) -> None:
    """Every millisecond of the years 0001 to 9999 survives."""
    assert parse_ms(format_ms(ms)) == ms


@given(st.integers(MIN_MS, MAX_MS))
def test_what_is_written_is_utc_with_three_digits(ms: int) -> None:
    """The text is what the standard library writes for the same instant."""
    instant = EPOCH + timedelta(milliseconds=ms)
    assert format_ms(ms) == instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001 - the offset comes from the next line
    st.integers(-1439, 1439),
    st.text("0123456789", max_size=12),
    st.sampled_from("Tt"),
)
def test_any_offset_and_any_number_of_digits_is_read(at: datetime, offset: int, digits: str, separator: str) -> None:
    """It is the instant that the standard library makes of it, further digits cut."""
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    whole = at.replace(microsecond=0)
    text = whole.isoformat().replace("T", separator) + (f".{digits}" if digits else "") + zone
    instant = whole.replace(tzinfo=timezone(timedelta(minutes=offset)))
    expected = (instant - EPOCH) // timedelta(milliseconds=1) + int((digits + "000")[:3])
    assert parse_ms(text) == expected


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-03-01T08:00:00Z", "2026-03-01T08:00:00.000Z"),
        ("2026-03-01t08:00:00z", "2026-03-01T08:00:00.000Z"),
        ("2026-03-01T08:00:00-00:00", "2026-03-01T08:00:00.000Z"),
        ("2026-03-01T08:00:00.9999+05:30", "2026-03-01T02:30:00.999Z"),
        # Before 1970 the digits are cut all the same: the text says .999 and something.
        ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ("2024-02-29T23:00:00-02:00", "2024-03-01T01:00:00.000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("2016-12-31T23:59:60.75Z", "2017-01-01T00:00:00.000Z"),
        ("2017-01-01T05:29:60+05:30", "2017-01-01T00:00:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_the_corners_of_the_grammar_are_read(text: str, written: str) -> None:
    """Small letters, digits, offsets and leap seconds."""
    assert format_ms(parse_ms(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01T08:00Z",
        "2026-03-01T08:00:00",
        "2026-03-01 08:00:00Z",
        "2026-03-01T08:00:00.Z",
        "2026-03-01T08:00:00,5Z",
        "2026-03-01T08:00:00+0100",
        "2026-03-01T08:00:00+24:00",
        "2026-03-01T08:00:00+01:60",
        "2026-03-01T24:00:00Z",
        "2026-03-01T08:60:00Z",
        "2026-03-01T08:00:61Z",
        "2026-03-01T08:00:60Z",
        "2026-02-29T08:00:00Z",
        "2026-13-01T08:00:00Z",
        "20260301T080000Z",
        "2026-W09-7T08:00:00Z",
        "12026-03-01T08:00:00Z",
        "0000-12-31T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        "2026-03-01T08:00:00Z\n",
        " 2026-03-01T08:00:00Z",
        "\uff12026-03-01T08:00:00Z",
        "2026-03-01T08:00:0\u0663Z",
    ],
)
def test_what_rfc3339_does_not_allow_is_refused(text: str) -> None:
    """Other forms of ISO 8601, days that no calendar has, foreign digits, years beyond four."""
    assert not is_time(text)
    with pytest.raises(ValueError, match=r"."):
        parse_ms(text)


@pytest.mark.parametrize("ms", [MIN_MS - 1, MAX_MS + 1, 10**30, -(10**30)])
def test_an_instant_without_a_year_of_four_digits_is_not_written(ms: int) -> None:
    """Rather an error than a text that no one can read."""
    with pytest.raises(ValueError, match="0001 to 9999"):
        format_ms(ms)
