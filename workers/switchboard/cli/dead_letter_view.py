"""Dead letters as they are printed."""

from typing import Any

from switchboard.domain.rfc3339 import format_ms
from switchboard.journal.printable_text import printable
from switchboard.journal.recorded_log import is_timely
from switchboard.tools.dead_letters import DeadLetter


def fields_of(letter: DeadLetter) -> dict[str, Any]:
    """A letter for machines, its value and the record's own headers left away; None where a field does not apply."""
    topic, partition, offset = letter.source
    return {
        "place": str(letter.place),
        "at": _time(letter.at),
        "reason": letter.reason,
        "detail": letter.detail,
        "source_topic": topic,
        "source_partition": partition,
        "source_offset": offset,
        "source_last_offset": letter.last_offset,
        "key": text_of(letter.key),
        "original_size": letter.original_size,
        "left_out": letter.left_out or None,
        "replayed_from": None if letter.replayed_from is None else str(letter.replayed_from),
    }


def line_of(letter: DeadLetter) -> str:
    """For humans: where and when, why, where it came from."""
    topic, partition, offset = letter.source
    again = f" (its header says: replayed from {letter.replayed_from})" if letter.replayed_from else ""
    where = f"{letter.place}  {_time(letter.at)}"
    if not letter.reason:
        return f"{where}  (no router set it aside)"
    return f"{where}  {letter.reason}  {topic}/{partition}@{offset}  {letter.detail}{again}"


def _time(ms: int) -> str:
    """RFC 3339; of a time outside the years 0001 to 9999, which a record may have, its ms since 1970."""
    return format_ms(ms) if is_timely(ms) else f"{ms} ms"


def text_of(value: bytes | None) -> str | None:
    """As text; where it is no UTF-8, as hex."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "hex " + value.hex()


def shown(value: bytes | None) -> str:
    """As text for humans, on one line and printable."""
    return "(none)" if (text := text_of(value)) is None else printable(text)
