"""What `--from` takes."""

import pytest

from switchboard.kafka.positions import Start


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("earliest", "earliest"),
        ("latest", "latest"),
        ("2026-01-31T08:00:00Z", 1_769_846_400_000),
        ("2026-01-31T09:00:00.250+01:00", 1_769_846_400_250),
    ],
)
def test_a_start_is_the_first_record_the_next_one_or_a_time(text: str, where: str | int) -> None:
    """Times are RFC 3339 with offset, to the ms."""
    assert Start.parse(text).where == where


@pytest.mark.parametrize(
    "text", ["", "first", "2026-01-31", "2026-01-31T08:00:00", "2026-13-01T00:00:00Z", "1769846400"]
)
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    """The message shows a time as it should be, and what was given."""
    with pytest.raises(ValueError, match=r"expected earliest, latest or a time as 2026-01-31T08:00:00Z, got") as told:
        Start.parse(text)
    assert repr(text) in str(told.value)
