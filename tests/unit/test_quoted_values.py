"""Wrong values in messages: cut to what finds them, and for a price that does not grow with them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.journal import schemas
from switchboard.journal.printable_text import printable
from switchboard.journal.schemas import MAX_DETAIL, Fault, quote

SHOWN = 60


@given(st.text(max_size=90) | st.lists(st.text(max_size=9), max_size=20))
def test_a_value_is_quoted_as_its_printable_json_cut(value: object) -> None:
    """Whatever is in it: an escape that is added before the cut counts."""
    whole = printable(orjson.dumps(value).decode())
    assert quote(value) == (whole if len(whole) <= SHOWN else whole[:SHOWN] + "…")


def test_no_more_is_made_printable_than_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of 60 KB of bidi controls took 6 ms, and 66 of them come with one fetch of a few hundred bytes."""
    sizes: list[int] = []

    def noted(text: str) -> str:
        sizes.append(len(text))
        return printable(text)

    monkeypatch.setattr(schemas, "printable", noted)
    quote("\u202e" * 20_000)
    fault = Fault("schema", ("attributes", "\u202e" * 20_000), "type", "expected text")
    assert len(fault.detail) == MAX_DETAIL
    assert max(sizes) <= MAX_DETAIL
