"""Spans of time on the command line."""

import click
import pytest

from switchboard.cli.params import Duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45.0), ("10m", 600.0), ("1h", 3600.0), ("90", 90.0), ("0.5s", 0.5)]
)
def test_a_span_is_read_in_seconds(text: str, seconds: float) -> None:
    """With and without a unit."""
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "10d", "0s"])
def test_what_is_no_span_is_refused(text: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(click.BadParameter, match="45s, 10m or 1h"):
        Duration().convert(text, None, None)
